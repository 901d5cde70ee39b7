"""``petoolbench evaluate``: predict, score and report in one."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from ..console import Console
from ..errors import MissingExtraError
from ..report import build_report
from .arguments import MODES, add_command
from .asking import add_asking_arguments, ask
from .score import show_scores

REPORT = "report"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "evaluate", "predict, score and report in one; the report stands in the run.", _run)
    add_asking_arguments(command)
    command.add_argument("--mode", choices=MODES, default=MODES[0], help=f"default: {MODES[0]}")


def _run(options: argparse.Namespace, console: Console) -> None:
    for package in ("jinja2", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtraError("a report", package, "eval")
    ask(options, console)
    show_scores(options.out, options.mode, None, console)
    page = build_report(
        [options.out],
        options.out / REPORT,
        options.mode,
        progress=lambda items, total: console.track(items, "reporting", total),
    )
    console.note(f"report: {page}")
