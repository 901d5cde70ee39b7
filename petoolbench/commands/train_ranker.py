"""``petoolbench train-ranker``: train the reference ranker on a training split."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ..console import Console
from ..folders import PACKAGE_NAME, open_dataset
from ..version import VERSION
from .arguments import add_command, add_data_arguments


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "train-ranker", "Train the reference ranker on a training split.", _run)
    add_data_arguments(command, "train")
    command.add_argument("--out", type=Path, default=Path("ranker.json"), help="its file (default: ranker.json)")
    command.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")


def _run(options: argparse.Namespace, console: Console) -> None:
    from ..ranker.training import train_ranker

    data = open_dataset(options.data)
    instances = list(data.instances(options.config, options.split))
    trained_on = {
        "data": options.data if options.data.rstrip("/") == PACKAGE_NAME else Path(options.data).name,
        "config": options.config,
        "split": options.split,
        "fingerprint": data.fingerprint(options.config, options.split),
        "instances": len(instances),
        "seed": options.seed,
        "petoolbench": VERSION,
    }
    started = time.monotonic()
    ranker = train_ranker(instances, trained_on, options.seed, console.note)
    ranker.write(options.out)
    spent = time.monotonic() - started
    console.note(f"{options.out}: a ranker of {len(instances)} instances, {spent:.0f} s")
