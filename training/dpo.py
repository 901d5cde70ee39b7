"""LoRA preference optimisation: ``python -m training.dpo CONFIG.yaml [--resume]`` (paper, section 4, second stage).

Calls are sampled from the model that training starts from, and that model is the reference: the fine-tuned one where
``adapter`` names it, else the base model (the paper's ablation without fine-tuning).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from petoolbench.console import Console
from petoolbench.schema import Instance

from . import data
from .config import DPOSettings, read_config
from .data import Teller, preference_pairs
from .loading import load_model, lora_config
from .pairs import Pair
from .preferences import collect_pairs, held_out_pairs
from .preferences import REPORT as PAIRS_REPORT
from .running import command_line, last_checkpoint, trainer_options
from .stages import Looked, begin, finish

if TYPE_CHECKING:
    from datasets import Dataset

_ROWS_A_PAIR: Final = 2
_PANELS: Final = {
    "Loss": ("loss", "eval_loss"),
    "Reward of chosen over rejected": ("rewards/margins", "eval_rewards/margins"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""

    def run(path: Path, console: Console, resume: bool) -> None:
        train(read_config(path, DPOSettings), console, resume=resume)

    return command_line("training.dpo", "LoRA preference optimisation on sampled calls.", run, arguments)


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
    looked = begin(config, console, _ROWS_A_PAIR * config.trainer.per_device_train_batch_size, resume=resume)
    if looked is None:
        return
    preferences = collect_pairs(config, looked, console)
    rows = pair_rows(preferences.pairs, looked.instances, looked.teller)
    held_out = held_out_pairs(config, looked.held_out)
    held_out_rows = pair_rows(held_out, looked.held_out, looked.teller) if held_out else None
    checkpoint = last_checkpoint(config) if resume else None
    trainer = make_trainer(config, looked, rows, held_out_rows, resume=checkpoint is not None)
    parts = {"pairs": json.loads((config.folder / PAIRS_REPORT).read_text(encoding="utf-8"))}
    finish(
        config,
        looked,
        "dpo",
        trainer,
        console,
        checkpoint=checkpoint,
        panels=_PANELS,
        parts=parts,
        callbacks=callbacks,
    )
