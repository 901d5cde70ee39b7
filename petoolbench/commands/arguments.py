"""What several commands take: arguments and their types."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from ..analyses.usage import Prices
from ..console import Console
from ..errors import PEToolBenchError
from ..folders import PACKAGE_NAME
from ..schema import ScoringMode

MODES: tuple[ScoringMode, ...] = get_args(ScoringMode)


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
    command.add_argument("--mode", choices=MODES, default=MODES[0], help=f"default: {MODES[0]}")
    command.add_argument("--data", help="where the data is now, if not where the run was made")


def add_price_arguments(command: argparse.ArgumentParser) -> None:
    """Add what tokens cost; ``prices`` reads it."""
    command.add_argument("--price-input", type=not_negative, metavar="X", help="price of a million prompt tokens")
    command.add_argument("--price-output", type=not_negative, metavar="Y", help="price of a million answer tokens")


def prices(options: argparse.Namespace) -> Prices | None:
    """Return the prices that were given, if any.

    Raises:
        PEToolBenchError: Only one of the two was given.
    """
    if options.price_input is None and options.price_output is None:
        return None
    if options.price_input is None or options.price_output is None:
        raise PEToolBenchError("a cost needs both --price-input and --price-output; a price may be 0")
    return Prices(options.price_input, options.price_output)


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


def not_negative(text: str) -> float:
    """Read a finite number from 0 on."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 on")
    return value


def seconds(text: str) -> float:
    """Read a finite number of seconds above 0."""
    value = not_negative(text)
    if not value:
        raise argparse.ArgumentTypeError("0 seconds are too few")
    return value
