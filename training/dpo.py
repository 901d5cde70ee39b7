"""LoRA preference optimisation: ``python -m training.dpo CONFIG.yaml [--resume]`` (paper, section 4, second stage).

Calls are sampled from the model that training starts from, and that model is the reference: the fine-tuned one where
``adapter`` names it, else the base model (the paper's ablation without fine-tuning).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from petoolbench.console import Console
from petoolbench.files import read_json
from petoolbench.schema import Instance

from . import data
from .config import DPOSettings
from .data import Teller, preference_pairs
from .loading import load_model, lora_config
from .pairs import Pair
from .preferences import REPORT, collect_pairs, held_out_pairs, look
from .running import command_line, last_checkpoint, trainer_options
from .stages import Looked, finish, write_results

if TYPE_CHECKING:
    from datasets import Dataset

_PANELS: Final = {
    "Loss": ("loss", "eval_loss"),
    "Reward of chosen less rejected": ("rewards/margins", "eval_rewards/margins"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""

    def run(config: DPOSettings, console: Console, resume: bool) -> None:
        train(config, console, resume=resume)

    return command_line("training.dpo", "LoRA preference optimisation on sampled calls.", DPOSettings, run, arguments)


def train(config: DPOSettings, console: Console, *, resume: bool = False, callbacks: Sequence[Any] = ()) -> None:
    """Sample, make pairs, train, evaluate and write the output folder.

    Args:
        config: The run.
        console: Where notes and progress go.
        resume: Go on with the samples, and from the last checkpoint, in the output folder.
        callbacks: More callbacks of transformers for the trainer.

    Raises:
        PEToolBenchError: Something the user gave is wrong; it is found before any weights are loaded where it can be.
    """
    looked = look(config, console, resume=resume)
    if looked is None:
        return
    preferences = collect_pairs(config, looked, console)
    rows = pair_rows(preferences.pairs, looked.instances, looked.teller)
    held_out_rows = pair_rows(held_out_pairs(config, looked), looked.held_out, looked.teller)
    checkpoint = last_checkpoint(config) if resume else None
    trainer = make_trainer(config, looked, rows, held_out_rows, resume=checkpoint is not None)
    session = finish(config, looked, trainer, console, checkpoint=checkpoint, callbacks=callbacks, references=1)
    if trainer.is_world_process_zero():
        parts = {"pairs": read_json(config.folder / REPORT), "session": session}
        write_results(config, looked, "dpo", trainer, _PANELS, parts)


def pair_rows(pairs: Sequence[Pair], instances: Sequence[Instance], teller: Teller) -> Dataset:
    """Return pairs in TRL's columns, told as the model is asked and answers.

    Args:
        pairs: Of some of the instances.
        instances: As the data holds them.
        teller: Tells them.
    """
    known = {entry.id: entry for entry in instances}

    def told(pair: Pair) -> data.Pair:
        asked = teller.ask(known[pair.id])
        return data.Pair(asked, teller.complete(asked, pair.chosen), teller.complete(asked, pair.rejected))

    return preference_pairs(map(told, pairs), teller)


def make_trainer(config: DPOSettings, looked: Looked, rows: Dataset, held_out_rows: Dataset, *, resume: bool) -> Any:
    """Load the weights and return the trainer. Nothing is cut: no length limits a row.

    Where training goes on from an adapter, TRL keeps a frozen copy of it as the reference; else the base model is it.
    """
    from trl.trainer.dpo_config import DPOConfig

    from .trainers import PairTrainer

    evaluates = bool(looked.held_out)
    arguments = DPOConfig(
        **trainer_options(config, looked.blueprint, evaluates=evaluates, resume=resume),
        beta=config.beta,
        max_length=None,
        train_sampling_strategy="group_by_length",
        include_num_input_tokens_seen="non_padding",
    )
    return PairTrainer(
        model=load_model(config, looked.blueprint),
        args=arguments,
        train_dataset=rows,
        eval_dataset=held_out_rows if evaluates else None,
        processing_class=looked.blueprint.tokenizer,
        peft_config=lora_config(config.lora) if config.adapter is None else None,
    )


if __name__ == "__main__":
    sys.exit(main())
