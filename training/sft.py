"""LoRA fine-tuning on gold calls: ``python -m training.sft CONFIG.yaml [--resume]`` (paper, section 4, first stage)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError
from petoolbench.schema import Instance

from .config import Batching, SFTSettings, check_output, write_config
from .curves import write_curves
from .data import IGNORED, DataReport, Teller, examples, open_data, prompt_completion, source_of, split_off
from .loading import Blueprint, load_model, lora_config, read_blueprint
from .memory import check_memory
from .running import (
    DATA_REPORT,
    REPORT,
    command_line,
    is_main_process,
    last_checkpoint,
    save_adapter,
    series,
    trainer_options,
    training_report,
    write_json,
)

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Prepared:
    """All that a run needs besides weights: rows to train and to evaluate on, and the instances held out as shown."""

    blueprint: Blueprint
    rows: Dataset
    held_out_rows: Dataset
    held_out: list[Instance]
    report: DataReport
    memory: dict[str, Any]

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return int(max(self.rows["length"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""

    def run(config: SFTSettings, console: Console, resume: bool) -> None:
        train(config, console, resume=resume)

    return command_line("training.sft", "LoRA fine-tuning on gold calls.", SFTSettings, run, arguments)


def train(config: SFTSettings, console: Console, *, resume: bool = False, callbacks: Sequence[Any] = ()) -> None:
    """Train, evaluate and write the output folder.

    Args:
        config: The run.
        console: Where notes and progress go.
        resume: Go on from the last checkpoint in the output folder.
        callbacks: More callbacks of transformers for the trainer.

    Raises:
        PEToolBenchError: Something the user gave is wrong; it is found before any weights are loaded where it can be.
    """
    if is_main_process():
        check_output(config, resume=resume)
    if resume and (config.folder / REPORT).is_file():
        return console.note(f"{config.folder}: is complete")
    run_trainer(config, prepare(config, console), console, resume=resume, callbacks=callbacks)


def prepare(config: SFTSettings, console: Console) -> Prepared:
    """Look at data and model, and make rows to train on; no weights are loaded.

    Raises:
        PEToolBenchError: Something the user gave is wrong, or the run does not fit the memory.
    """
    data = open_data(config.data)
    blueprint = read_blueprint(config)
    teller = Teller(blueprint.tokenizer, config.prompts, config.model)
    slices = split_off(data, config.data, config.evaluation.instances, config.seed)
    report = DataReport(source_of(data, config.data), held_out=len(slices.held_out))
    rows = prompt_completion(examples(slices.training, teller, report))
    for line in report.lines():
        console.note(line)
    if not len(rows):
        raise PEToolBenchError(f"no prompt can be trained on, such as: {report.left_out_example}")
    held_out = list(examples(slices.held_out, teller, DataReport({})))
    instances = [entry.asked.instance for entry in held_out]
    longest = max(rows["length"])
    if config.pack_tokens is not None and config.pack_tokens < longest:
        raise PEToolBenchError(
            f"pack_tokens: {config.pack_tokens} cuts examples, of which the longest has {longest} tokens; raise it"
        )
    row = config.pack_tokens or longest
    memory = check_memory(config, blueprint, config.trainer.per_device_train_batch_size * row)
    return Prepared(blueprint, rows, prompt_completion(held_out), instances, report, memory)


def run_trainer(
    config: SFTSettings, prepared: Prepared, console: Console, *, resume: bool, callbacks: Sequence[Any]
) -> None:
    """Load the weights, train from the last checkpoint or from the start, and write what came of it."""
    from .batching import choose_batching
    from .evaluation import AccuracyCallback
    from .progress import ProgressBar

    blueprint = prepared.blueprint
    model = load_model(config, blueprint)
    batching = choose_batching(config.batching, model, blueprint.device)
    console.note(f"batching: {batching}; {'bfloat16' if blueprint.bf16 else 'float32'} on {blueprint.device}")
    if is_main_process():
        write_config(config, config.folder)
        write_json(config.folder / DATA_REPORT, prepared.report.summary())
    trainer = make_trainer(config, prepared, model, batching, resume=resume)
    bar = ProgressBar(console, config.folder.name)
    for callback in (bar, *callbacks):
        trainer.add_callback(callback)
    if prepared.held_out:
        trainer.add_callback(AccuracyCallback(config, blueprint.tokenizer, prepared.held_out, trainer.log))
    checkpoint = last_checkpoint(config) if resume else None
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if (
            prepared.held_out
            and series(trainer.state.log_history, "eval_loss")["last_step"] < trainer.state.global_step
        ):
            trainer.evaluate()
    finally:
        bar.close()
    save_adapter(trainer, config.folder)
    if trainer.is_world_process_zero():
        _write_results(config, prepared, trainer, bar, batching)
        console.note(f"{config.folder}: {bar.steps} steps in {bar.seconds:.0f} s, {bar.speed:.0f} tokens/s")


def make_trainer(config: SFTSettings, prepared: Prepared, model: Any, batching: Batching, *, resume: bool) -> Any:
    """Return the trainer, with every token of every completion labelled."""
    from transformers import PrinterCallback
    from trl.trainer.sft_config import SFTConfig

    from .supervised import SupervisedTrainer

    evaluates = bool(prepared.held_out)
    options = trainer_options(config, prepared.blueprint, evaluates=evaluates, resume=resume)
    arguments = SFTConfig(**options, **batching_options(batching, config.pack_tokens or prepared.longest))
    trainer = SupervisedTrainer(
        model=model,
        args=arguments,
        train_dataset=prepared.rows,
        eval_dataset=prepared.held_out_rows if evaluates else None,
        processing_class=prepared.blueprint.tokenizer,
        peft_config=lora_config(config.lora) if config.adapter is None else None,
    )
    trainer.remove_callback(PrinterCallback)
    labelled = count_labels(trainer.train_dataset)
    if labelled != sum(prepared.report.completion_tokens):
        raise RuntimeError(f"the trainer keeps {labelled} labelled tokens of {sum(prepared.report.completion_tokens)}")
    return trainer


def batching_options(batching: Batching, pack_tokens: int) -> dict[str, Any]:
    """Return the trainer's options for a way of batching; rows are never cut, since none is longer than a pack."""
    if batching == "padded":
        return {
            "max_length": None,
            "train_sampling_strategy": "group_by_length",
            "include_num_input_tokens_seen": "non_padding",
        }
    shared = {"include_num_input_tokens_seen": "all", "completion_only_loss": True}
    if batching == "padding_free":
        return {**shared, "max_length": None, "padding_free": True}
    return {**shared, "max_length": pack_tokens, "packing": True, "packing_strategy": "bfd", "eval_packing": False}


def count_labels(rows: Dataset) -> int:
    """Return how many tokens of all rows are trained on."""
    import pyarrow.compute as pc

    return sum(pc.sum(pc.not_equal(pc.list_flatten(part), IGNORED)).as_py() for part in rows.data["labels"].chunks)


def _write_results(config: SFTSettings, prepared: Prepared, trainer: Any, bar: Any, batching: Batching) -> None:
    history = trainer.state.log_history
    names = ("loss", "eval_loss", "eval_tool_accuracy", "eval_argument_accuracy", "eval_joint_accuracy")
    write_curves(history, config.folder)
    parts = {
        "batching": batching,
        "memory": prepared.memory,
        "data": prepared.report.summary(),
        "evaluated_on": len(prepared.held_out),
        "curves": {name: found for name in names if (found := series(history, name))},
        "session": {
            "steps": bar.steps,
            "seconds": round(bar.seconds, 2),
            "tokens": bar.tokens,
            "tokens_per_second": round(bar.speed, 2),
        },
    }
    write_json(config.folder / REPORT, training_report(config, prepared.blueprint, "sft", trainer, parts))


if __name__ == "__main__":
    sys.exit(main())
