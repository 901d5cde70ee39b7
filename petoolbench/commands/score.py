"""``petoolbench score``: score run folders and print their tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..console import Console
from ..results import percent, score_run, write_scores
from ..schema import ERROR_TYPES, ScoringMode
from .arguments import add_command, add_run_arguments

_SHORT = {
    "invalid_format": "IF",
    "tool_hallucination": "TH",
    "functionality_mismatch": "TFM",
    "preference_mismatch": "TPM",
    "parameter_name_mismatch": "PNM",
    "parameter_value_mismatch": "PVM",
}


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "score", "Score run folders and print their tables.", _run)
    add_run_arguments(command)


def _run(options: argparse.Namespace, console: Console) -> None:
    for folder in options.runs:
        show_scores(folder, options.mode, options.data, console)


def show_scores(folder: Path, mode: ScoringMode, source: str | None, console: Console) -> None:
    """Score a run, write its scores and print their tables."""
    _show(write_scores(score_run(folder, mode, source, _scoring(console, folder))), console)


def _scoring(console: Console, folder: Path) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    return lambda items, total: console.track(items, f"scoring {folder.name}", total)


def _show(summary: dict[str, Any], console: Console) -> None:
    title = f"{summary['name']} · {summary['agent']} · {summary['mode']} · scoring version {summary['scoring_version']}"
    columns = ("setting", "n", "unscored", "Tool Acc", "Param Acc", "Joint", "Param | tool")
    metrics = ("tool_accuracy", "param_accuracy", "joint_accuracy", "param_accuracy_given_tool")
    rows = [
        (name, str(part["n"]), str(part["unscored"]), *(percent(part[metric]) for metric in metrics))
        for name, part in summary["settings"].items()
    ]
    console.table(f"{title} (%, 95 % intervals clustered by functionality)", columns, rows)
    errors = [
        (name, *(f"{100 * part['errors'][kind]:.1f}" for kind in (*ERROR_TYPES, "correct")))
        for name, part in summary["settings"].items()
    ]
    console.table("error types (%)", ("setting", *(_SHORT[kind] for kind in ERROR_TYPES), "correct"), errors)
    for name, part in summary["settings"].items():
        if part["unscored"]:
            console.note(f"{name}: {part['unscored']} of {part['n']} instances have no answer and count in no figure")
