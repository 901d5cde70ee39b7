"""``petoolbench score``: score run folders and print their tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..analyses.usage import Prices
from ..console import Console
from ..results import percent, score_run, write_scores
from ..schema import ERROR_TYPES, ScoringMode
from .arguments import add_command, add_price_arguments, add_run_arguments, prices

_SHORT = {
    "invalid_format": "IF",
    "tool_hallucination": "TH",
    "functionality_mismatch": "TFM",
    "preference_mismatch": "TPM",
    "parameter_name_mismatch": "PNM",
    "parameter_value_mismatch": "PVM",
}
_METRICS = ("tool_accuracy", "param_accuracy", "joint_accuracy", "param_accuracy_given_tool")
_DIVIDED = {
    "by_evidence": "Tool Acc by evidence in the history",
    "by_seen": "Tool Acc on functionalities that training asks for, and on others",
}


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "score", "Score run folders and print their tables.", _run)
    add_run_arguments(command)
    add_price_arguments(command)


def _run(options: argparse.Namespace, console: Console) -> None:
    paid = prices(options)
    for folder in options.runs:
        show_scores(folder, options.mode, options.data, console, paid)


def show_scores(
    folder: Path, mode: ScoringMode, source: str | None, console: Console, paid: Prices | None = None
) -> None:
    """Score a run, write its scores and print their tables."""
    summary = write_scores(score_run(folder, mode, source, _scoring(console, folder)), paid)
    _show(summary, console)
    if paid and not any("cost" in part for part in summary.get("usage", {}).values()):
        console.note(f"{folder.name}: no answer tells its tokens, so there is no cost")


def _scoring(console: Console, folder: Path) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    return lambda items, total: console.track(items, f"scoring {folder.name}", total)


def _show(summary: dict[str, Any], console: Console) -> None:
    title = f"{summary['name']} · {summary['agent']} · {summary['mode']} · scoring version {summary['scoring_version']}"
    columns = ("setting", "n", "unscored", "Tool Acc", "Param Acc", "Joint", "Param | tool")
    rows = [
        (name, str(part["n"]), str(part["unscored"]), *(percent(part[metric]) for metric in _METRICS))
        for name, part in summary["settings"].items()
    ]
    console.table(f"{title} (%, 95 % intervals clustered by functionality)", columns, rows)
    errors = [
        (name, *(_with_count(part, kind) for kind in (*ERROR_TYPES, "correct")))
        for name, part in summary["settings"].items()
    ]
    console.table("error types, % (number)", ("setting", *(_SHORT[kind] for kind in ERROR_TYPES), "correct"), errors)
    for key, heading in _DIVIDED.items():
        _show_divided(heading, summary[key], console)
    _show_usage(summary.get("usage", {}), console)
    for name, part in summary["settings"].items():
        if part["unscored"]:
            console.note(f"{name}: {part['unscored']} of {part['n']} instances have no answer and count in no figure")


def _with_count(part: dict[str, Any], kind: str) -> str:
    return f"{100 * part['errors'][kind]:.1f} ({part['error_counts'][kind]})"


def _show_divided(heading: str, groups: dict[str, dict[str, Any]], console: Console) -> None:
    kinds = list(dict.fromkeys(kind for part in groups.values() for kind in part))
    rows = [
        (name, *(f"{percent(part[kind])} n={part[kind]['n']}" if kind in part else "–" for kind in kinds))
        for name, part in groups.items()
    ]
    if kinds:
        console.table(heading, ("setting", *kinds), rows)


def _show_usage(groups: dict[str, dict[str, Any]], console: Console) -> None:
    """Print what the answers took and how they ended, with a column for each thing that any group tells."""
    for heading, tell in (("an instance's tokens and seconds: median / 90 % / max", _spent), ("answers", _ends)):
        cells = {name: tell(part) for name, part in groups.items()}
        columns = list(dict.fromkeys(column for part in cells.values() for column in part))
        rows = [(name, *(part.get(column, "–") for column in columns)) for name, part in cells.items()]
        if columns:
            console.table(heading, ("setting", *columns), rows)


def _spent(part: dict[str, Any]) -> dict[str, str]:
    spreads = {"prompt_tokens": ("prompt", "d"), "completion_tokens": ("answer", "d"), "seconds": ("seconds", ".2f")}
    cells = {
        label: " / ".join(format(part[key][name], form) for name in ("median", "p90", "max"))
        for key, (label, form) in spreads.items()
        if key in part
    }
    if cost := part.get("cost"):
        cells["cost of one"], cells["of all"] = f"{cost['per_instance']:.3g}", f"{cost['total']:.3g}"
    return cells


def _ends(part: dict[str, Any]) -> dict[str, str]:
    cells = {}
    if cut := part.get("truncation"):
        cells["cut instances"] = f"{100 * cut['instances_share']:.1f} % ({cut['instances']})"
        cells["interactions left out"] = str(cut["interactions"])
    if ends := part.get("finish"):
        cells["ended"] = ", ".join(f"{kind} {count}" for kind, count in ends["counts"].items())
    return cells
