"""LoRA fine-tuning on gold calls: ``python -m training.sft CONFIG.yaml [--resume]`` (paper, section 4, first stage)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError

from .config import Batching, SFTSettings
from .curves import LOSSES
from .data import IGNORED, DataReport, Teller, examples, open_data, prompt_completion, source_of, split_off
from .loading import load_model, lora_config, read_blueprint
from .memory import check_memory
from .running import command_line, last_checkpoint, trainer_options
from .stages import Ground, finish, is_complete, open_output, write_results

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Prepared(Ground):
    """All that a run needs besides weights: rows to train and to evaluate on."""

    rows: Dataset
    held_out_rows: Dataset

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
    if not is_complete(config, console, resume=resume):
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
    longest = max(rows["length"])
    if config.pack_tokens is not None and config.pack_tokens < longest:
        raise PEToolBenchError(
            f"pack_tokens: {config.pack_tokens} cuts examples, of which the longest has {longest} tokens; raise it"
        )
    row = config.pack_tokens or longest
    memory = check_memory(config, blueprint, config.trainer.per_device_train_batch_size * row)
    shown = [entry.asked.instance for entry in held_out]
    return Prepared(blueprint, shown, report, memory, rows, prompt_completion(held_out))


def run_trainer(
    config: SFTSettings, prepared: Prepared, console: Console, *, resume: bool, callbacks: Sequence[Any]
) -> None:
    """Load the weights, train from the last checkpoint or from the start, and write what came of it."""
    from .batching import choose_batching

    blueprint = prepared.blueprint
    model = load_model(config, blueprint)
    batching = choose_batching(config.batching, model, blueprint.device)
    console.note(f"batching: {batching}; {'bfloat16' if blueprint.bf16 else 'float32'} on {blueprint.device}")
    open_output(config, prepared.report)
    trainer = make_trainer(config, prepared, model, batching, resume=resume)
    checkpoint = last_checkpoint(config) if resume else None
    session = finish(config, prepared, trainer, console, checkpoint=checkpoint, callbacks=callbacks)
    if trainer.is_world_process_zero():
        write_results(config, prepared, "sft", trainer, LOSSES, {"batching": batching, "session": session})


def make_trainer(config: SFTSettings, prepared: Prepared, model: Any, batching: Batching, *, resume: bool) -> Any:
    """Return the trainer, with every token of every completion labelled."""
    from trl.trainer.sft_config import SFTConfig

    from .supervised import SupervisedTrainer

    evaluates = bool(prepared.shown)
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


if __name__ == "__main__":
    sys.exit(main())
