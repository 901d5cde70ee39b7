"""What runs share: data and model looked at before any weights, the trainer run to its end, results."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Final

from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError
from petoolbench.folders import DatasetFolder
from petoolbench.schema import Instance

from .config import CONFIG, RunConfig, check_output, write_config
from .curves import ACCURACIES, Panels, write_curves
from .data import DataReport, Teller, examples, open_data, source_of, split_off
from .flops import flops_per_token, product_speed
from .loading import Blueprint, read_blueprint
from .memory import check_memory
from .running import (
    ADAPTER,
    DATA_REPORT,
    REPORT,
    is_main_process,
    save_adapter,
    series,
    training_report,
    write_json,
)

_REFERENCE: Final = "ref"
"""The adapter in which TRL keeps the model as it was before training, and which peft saves inside the trained one."""


@dataclass(frozen=True)
class Ground:
    """What every run stands on before any weights are loaded; ``shown`` are held-out instances as models see them."""

    blueprint: Blueprint
    shown: list[Instance]
    report: DataReport
    memory: dict[str, Any]


@dataclass(frozen=True)
class Looked(Ground):
    """A run without weights. ``instances`` and ``held_out`` are those whose prompts fit, as the data holds them."""

    data: DatasetFolder
    teller: Teller
    instances: list[Instance]
    held_out: list[Instance]


def is_complete(config: RunConfig, console: Console, *, resume: bool) -> bool:
    """Check the output folder, and return whether it holds the whole run already.

    Raises:
        OutputError: It holds something else than what the run is to go on with.
    """
    if is_main_process():
        check_output(config, resume=resume)
    complete = resume and (config.folder / REPORT).is_file()
    if complete:
        console.note(f"{config.folder}: is complete")
    return complete


def open_output(config: RunConfig, report: DataReport) -> None:
    """Write what a run is and what became of its data into its folder."""
    if is_main_process():
        write_config(config, config.folder / CONFIG)
        write_json(config.folder / DATA_REPORT, report.summary())


def begin(config: RunConfig, console: Console, rows: int, answers: str, *, resume: bool) -> Looked | None:
    """Look at data and model, and open the output folder; None where it holds the whole run already.

    Args:
        config: The run.
        console: Where notes go.
        rows: How many rows of prompt and answer one process reads at once.
        answers: The key of the configuration that tells how long drawn answers may be.
        resume: Go on with the run in the output folder.

    Raises:
        PEToolBenchError: Something the user gave is wrong, or the run does not fit the memory.
    """
    if is_complete(config, console, resume=resume):
        return None
    looked = _look(config, console, rows, answers)
    open_output(config, looked.report)
    return looked


def _look(config: RunConfig, console: Console, rows: int, answers: str) -> Looked:
    data = open_data(config.data)
    blueprint = read_blueprint(config)
    for key in (answers, *(("evaluation.max_new_tokens",) if config.evaluation.instances else ())):
        _check_room(config, blueprint, key)
    teller = Teller(blueprint.tokenizer, config.prompts, config.model)
    slices = split_off(data, config.data, config.evaluation.instances, config.seed)
    report = DataReport(source_of(data, config.data), held_out=len(slices.held_out))
    lengths = {entry.asked.instance.id: entry.length for entry in examples(slices.training, teller, report)}
    for line in report.lines():
        console.note(line)
    if not lengths:
        raise PEToolBenchError(f"no prompt can be trained on, such as: {report.left_out_example}")
    shown = [entry.asked.instance for entry in examples(slices.held_out, teller, DataReport({}))]
    fitting = {entry.id for entry in shown}
    return Looked(
        blueprint=blueprint,
        shown=shown,
        report=report,
        memory=check_memory(config, blueprint, rows * max(lengths.values())),
        data=data,
        teller=teller,
        instances=[entry for entry in slices.training if entry.id in lengths],
        held_out=[entry for entry in slices.held_out if entry.id in fitting],
    )


def _check_room(config: RunConfig, blueprint: Blueprint, key: str) -> None:
    """Refuse a window that leaves no room for answers as long as a key of the configuration allows."""
    settings: Any = config
    window, longest = config.prompts.max_tokens, reduce(getattr, key.split("."), settings)
    if blueprint.context is not None and window + longest > blueprint.context:
        raise PEToolBenchError(
            f"{config.model}: reads {blueprint.context} tokens at most, fewer than prompts.max_tokens {window} and "
            f"{key} {longest} together"
        )


def finish(
    config: RunConfig,
    ground: Ground,
    trainer: Any,
    console: Console,
    *,
    checkpoint: Path | None,
    callbacks: Sequence[Any] = (),
    references: int | None = 0,
) -> dict[str, Any]:
    """Train from a checkpoint or from the start, write the adapter, and tell what this session did.

    Args:
        config: The run.
        ground: What it stands on.
        trainer: The trainer, with nothing trained yet.
        console: Where notes and progress go.
        checkpoint: Where to go on from.
        callbacks: More callbacks of transformers.
        references: How often a frozen model reads each token besides; None: the trainer does more than reading.
    """
    from transformers import PrinterCallback

    from .evaluation import AccuracyCallback
    from .progress import ProgressBar

    bar = ProgressBar(console, config.folder.name)
    trainer.remove_callback(PrinterCallback)
    for callback in (bar, *callbacks):
        trainer.add_callback(callback)
    if ground.shown:
        trainer.add_callback(AccuracyCallback(config, ground.blueprint.tokenizer, ground.shown, trainer.log))
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if ground.shown and _last_measured(trainer) < trainer.state.global_step:
            trainer.evaluate()
    finally:
        bar.close()
    save_adapter(trainer, config.folder)
    if trainer.is_world_process_zero():
        shutil.rmtree(config.folder / ADAPTER / _REFERENCE, ignore_errors=True)
        console.note(f"{config.folder}: {bar.steps} steps in {bar.seconds:.0f} s, {bar.speed:.0f} tokens/s")
    session = {
        "steps": bar.steps,
        "seconds": round(bar.seconds, 2),
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.speed, 2),
    }
    return session if references is None else session | _computed(ground, bar.speed, references, console)


def _computed(ground: Ground, speed: float, references: int, console: Console) -> dict[str, float]:
    """Return how many operations a second so many tokens a second are, and what share of a matrix product's."""
    lengths = [sum(pair) for pair in zip(ground.report.prompt_tokens, ground.report.completion_tokens, strict=True)]
    done = speed * flops_per_token(ground.blueprint, lengths, references)
    most = product_speed(ground.blueprint)
    console.note(f"{done / 1e12:.3g} TFLOP/s, {done / most:.0%} of what one large matrix product reaches here")
    return {"flops_per_second": round(done), "product_flops_per_second": round(most), "share": round(done / most, 4)}


def _last_measured(trainer: Any) -> int:
    step: int = series(trainer.state.log_history, "eval_tool_accuracy").get("last_step", -1)
    return step


def write_results(
    config: RunConfig, ground: Ground, method: str, trainer: Any, panels: Panels, parts: Mapping[str, Any]
) -> None:
    """Write curves and report.

    Args:
        config: The run.
        ground: What it stood on.
        method: ``sft``, ``dpo`` or ``grpo``.
        trainer: After training.
        panels: What the curves show besides accuracies.
        parts: What the method adds to the report.
    """
    history = trainer.state.log_history
    shown = {**panels, **ACCURACIES}
    write_curves(history, config.folder, shown)
    names = [name for members in shown.values() for name in members]
    told = {
        "memory": ground.memory,
        "data": ground.report.summary(),
        "evaluated_on": len(ground.shown),
        "curves": {name: found for name in names if (found := series(history, name))},
        **parts,
    }
    write_json(config.folder / REPORT, training_report(config, ground.blueprint, method, trainer, told))
