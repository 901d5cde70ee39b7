"""What several commands take: arguments and their types."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..console import Console
from ..folders import PACKAGE_NAME


def add_command(
    commands: Any, name: str, summary: str, run: Callable[[argparse.Namespace, Console], int | None]
) -> argparse.ArgumentParser:
    """Add a command with ``--quiet``; ``run`` does it and returns its exit code, None for 0."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("--quiet", action="store_true", help="no notes and no progress")
    command.set_defaults(run=run)
    return command


def add_data_arguments(command: argparse.ArgumentParser, split: str) -> None:
    """Add ``--data``, ``--config`` and ``--split``, whose default is given."""
    command.add_argument("--data", default=PACKAGE_NAME, help="'petoolbench' (shipped), a dataset folder, or a Hub id")
    command.add_argument("--config", default="all", help="a setting, or 'all' (default)")
    command.add_argument("--split", default=split, help=f"default: {split}")


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """Add the run folders and how to score them."""
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    command.add_argument("--mode", choices=("strict", "official"), default="strict", help="default: strict")
    command.add_argument("--data", help="where the data is now, if not where the run was made")


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability from 0 to 1")
    return value
