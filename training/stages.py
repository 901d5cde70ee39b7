"""What DPO and GRPO runs share: data and model looked at before any weights, the trainer run to its end, results."""

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

from .config import RunConfig, check_output, write_config
from .curves import ACCURACIES, Panels, write_curves
from .data import DataReport, Teller, examples, open_data, source_of, split_off
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
from .shortening import shorten

_REFERENCE: Final = "ref"
"""The adapter in which TRL keeps the model as it was before training, and which peft saves inside the trained one."""


@dataclass(frozen=True)
class Looked:
    """A run without weights. ``instances`` and ``held_out`` are those whose prompts fit, as the data holds them."""

    data: DatasetFolder
    blueprint: Blueprint
    teller: Teller
    instances: list[Instance]
    held_out: list[Instance]
    report: DataReport
    memory: dict[str, Any]


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
    if is_main_process():
        check_output(config, resume=resume)
    if resume and (config.folder / REPORT).is_file():
        console.note(f"{config.folder}: is complete")
        return None
    looked = _look(config, console, rows, answers)
    if is_main_process():
        write_config(config, config.folder)
        write_json(config.folder / DATA_REPORT, looked.report.summary())
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
    held_out = {entry.asked.instance.id for entry in examples(slices.held_out, teller, DataReport({}))}
    return Looked(
        data=data,
        blueprint=blueprint,
        teller=teller,
        instances=[entry for entry in slices.training if entry.id in lengths],
        held_out=[entry for entry in slices.held_out if entry.id in held_out],
        report=report,
        memory=check_memory(config, blueprint, rows * max(lengths.values())),
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
    looked: Looked,
    trainer: Any,
    console: Console,
    *,
    checkpoint: Path | None,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Train from a checkpoint or from the start, write the adapter, and tell what this session did.

    Args:
        config: The run.
        looked: What it is made of.
        trainer: The trainer, with nothing trained yet.
        console: Where notes and progress go.
        checkpoint: Where to go on from.
        callbacks: More callbacks of transformers.
    """
    from transformers import PrinterCallback

    from .evaluation import AccuracyCallback
    from .progress import ProgressBar

    bar = ProgressBar(console, config.folder.name)
    trainer.remove_callback(PrinterCallback)
    for callback in (bar, *callbacks):
        trainer.add_callback(callback)
    if looked.held_out:
        shown = [shorten(entry, config.prompts).instance for entry in looked.held_out]
        trainer.add_callback(AccuracyCallback(config, looked.blueprint.tokenizer, shown, trainer.log))
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if looked.held_out and _last_measured(trainer) < trainer.state.global_step:
            trainer.evaluate()
    finally:
        bar.close()
    save_adapter(trainer, config.folder)
    if trainer.is_world_process_zero():
        shutil.rmtree(config.folder / ADAPTER / _REFERENCE, ignore_errors=True)
        console.note(f"{config.folder}: {bar.steps} steps in {bar.seconds:.0f} s, {bar.speed:.0f} tokens/s")
    return {
        "steps": bar.steps,
        "seconds": round(bar.seconds, 2),
        "tokens": bar.tokens,
        "tokens_per_second": round(bar.speed, 2),
    }


def _last_measured(trainer: Any) -> int:
    step: int = series(trainer.state.log_history, "eval_tool_accuracy").get("last_step", -1)
    return step


def write_results(
    config: RunConfig, looked: Looked, method: str, trainer: Any, panels: Panels, parts: Mapping[str, Any]
) -> None:
    """Write curves and report.

    Args:
        config: The run.
        looked: What it was made of.
        method: ``dpo`` or ``grpo``.
        trainer: After training.
        panels: What the curves show besides accuracies.
        parts: What the method adds to the report.
    """
    history = trainer.state.log_history
    shown = {**panels, **ACCURACIES}
    write_curves(history, config.folder, shown)
    names = [name for members in shown.values() for name in members]
    told = {
        "memory": looked.memory,
        "data": looked.report.summary(),
        "evaluated_on": len(looked.held_out),
        "curves": {name: found for name in names if (found := series(history, name))},
        **parts,
    }
    write_json(config.folder / REPORT, training_report(config, looked.blueprint, method, trainer, told))
