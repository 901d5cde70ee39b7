"""What a trainer logged → ``curves.csv`` and ``curves.png``; no service is needed to see how a run went."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from petoolbench.charts.panels import COLOURS, new_figure
from petoolbench.files import write_bytes, write_text

CSV: Final = "curves.csv"
PNG: Final = "curves.png"
Panels = Mapping[str, Sequence[str]]
LOSSES: Final[Panels] = {"Loss": ("loss", "eval_loss")}
ACCURACIES: Final[Panels] = {
    "Accuracy on held-out users": ("eval_tool_accuracy", "eval_argument_accuracy", "eval_joint_accuracy")
}

_FIRST: Final = ("step", "epoch")


def merged(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return one row a step of all numbers that were logged at it; what a resumed run logged again stands for both."""
    rows: dict[float, dict[str, float]] = {}
    for entry in history:
        numbers = {key: value for key, value in entry.items() if isinstance(value, int | float)}
        rows.setdefault(numbers["step"], {}).update(numbers)
    return [rows[step] for step in sorted(rows)]


def write_curves(history: Sequence[Mapping[str, Any]], folder: Path, panels: Panels) -> None:
    """Write a table of all numbers logged, and a picture of those that panels name.

    Args:
        history: The trainer's log, ``trainer.state.log_history``.
        folder: Where to.
        panels: The series of each panel, by its title; panels of which nothing was logged are left out.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: The folder cannot be written.
    """
    rows = merged(history)
    write_text(folder / CSV, _table(rows))
    known = {title: [name for name in names if any(name in row for row in rows)] for title, names in panels.items()}
    drawn = {title: names for title, names in known.items() if names}
    if drawn:
        write_bytes(folder / PNG, _picture(rows, drawn))


def _table(rows: Sequence[Mapping[str, float]]) -> str:
    names = sorted({name for row in rows for name in row} - set(_FIRST))
    text = io.StringIO()
    table = csv.DictWriter(text, [*_FIRST, *names], restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _picture(rows: Sequence[Mapping[str, float]], panels: Panels) -> bytes:
    figure = new_figure(4.6 * len(panels), 3.2)
    for panel, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, colour in zip(names, COLOURS, strict=False):
            points = [(row["step"], row[name]) for row in rows if name in row]
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=name)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("Step", fontsize=9)
        panel.xaxis.get_major_locator().set_params(integer=True)
        if title in ACCURACIES:
            panel.set_ylim(-0.02, 1.02)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=8, frameon=False)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
