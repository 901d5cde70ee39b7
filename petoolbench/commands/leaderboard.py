"""``petoolbench leaderboard``: Runs and reports → a static page and a Gradio Space."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..console import Console
from ..leaderboard.building import LEADERBOARD_HTML, SPACE, build_leaderboard
from ..leaderboard.places import Places
from .arguments import MODES, add_command


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "leaderboard", "Runs and reports → a static page and a Gradio Space.", _run)
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="RUNS", help="run folders, folders that hold such, or report.json files"
    )
    command.add_argument("--mode", choices=MODES, default=MODES[0], help=f"default: {MODES[0]}")
    command.add_argument(
        "--data", action="append", default=[], help="where data is now, if not where runs were made; also several times"
    )
    command.add_argument(
        "--official",
        action="append",
        default=[],
        metavar="HASH",
        help="the data of this hash is (part of) the published test set; needed only where --data cannot show it",
    )
    command.add_argument("--out", type=Path, default=Path("site"), help="the leaderboard's folder (default: site)")


def _run(options: argparse.Namespace, console: Console) -> None:
    board = build_leaderboard(
        options.paths,
        options.out,
        options.mode,
        Places(options.data, options.official),
        lambda items, total: console.track(items, "scoring", total),
    )
    for section in board.sections:
        table = next(iter(section.tables.values()))
        ranked = sum(row.rank is not None for row in table)
        console.note(f"{section.title}: {ranked} of {len(table)} rows ranked")
    console.note(f"leaderboard: {options.out / LEADERBOARD_HTML}; a Space to push: {options.out / SPACE}")
