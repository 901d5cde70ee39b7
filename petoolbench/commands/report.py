"""``petoolbench report``: Runs → one HTML page, report.json and PNG figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..console import Console
from ..report import build_report
from .arguments import add_command, add_price_arguments, add_run_arguments, prices


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "report", "Runs → one HTML page, report.json and PNG figures.", _run)
    add_run_arguments(command)
    add_price_arguments(command)
    command.add_argument("--out", type=Path, default=Path("report"), help="the report's folder (default: report)")


def _run(options: argparse.Namespace, console: Console) -> None:
    page = build_report(
        options.runs,
        options.out,
        options.mode,
        options.data,
        lambda items, total: console.track(items, "scoring", total),
        prices(options),
    )
    console.note(f"report: {page}")
