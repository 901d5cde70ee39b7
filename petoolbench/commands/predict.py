"""``petoolbench predict``: let an agent or a language model answer the instances of a data set."""

from __future__ import annotations

import argparse
from typing import Any

from ..console import Console
from .arguments import add_command
from .asking import add_asking_arguments, ask


def add(commands: Any) -> None:
    """Add the command to the command line."""
    summary = "Let an agent or a language model answer the instances of a data set."
    add_asking_arguments(add_command(commands, "predict", summary, _run))


def _run(options: argparse.Namespace, console: Console) -> None:
    ask(options, console)
