"""``petoolbench info``: show the configs and splits of a data set."""

from __future__ import annotations

import argparse
from typing import Any

from ..console import Console
from ..folders import PACKAGE_NAME, open_dataset
from ..version import VERSION
from .arguments import add_command


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "info", "Show the configs and splits of a data set.", _run)
    command.add_argument("--data", default=PACKAGE_NAME, help="'petoolbench' (shipped), a dataset folder, or a Hub id")


def _run(options: argparse.Namespace, console: Console) -> None:
    data = open_dataset(options.data)
    rows = [
        (config, split, str(data.count(config, split)), data.fingerprint(config, split))
        for config in data.files
        for split in data.splits(config)
    ]
    console.table(f"{options.data} · petoolbench {VERSION}", ("config", "split", "rows", "fingerprint"), rows)
