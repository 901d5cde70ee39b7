"""The pictures of a report: accuracy by setting, by history, by history length, and by confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..analyses.breakdowns import FEWEST
from .history import draw_same_requests, draw_with_and_without
from .panels import (
    ACCURACY,
    COLOURS,
    GREY,
    TITLES,
    Picture,
    Summary,
    add_legend,
    add_panels,
    draw_bars,
    draw_line,
    named_rows,
    new_figure,
    picture,
    settings_of,
    upright,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import Container
    from matplotlib.figure import SubFigure

_LINES = 6
"""More lines in one panel cannot be told apart."""


def draw_figures(numbers: dict[str, Any]) -> dict[str, Picture]:
    """Return the figures that a report's numbers allow, by file name.

    Args:
        numbers: As in ``report.json``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    runs, effects = numbers["runs"], numbers["history_effects"]
    figures = {"tool_accuracy.png": _accuracy(runs)}
    if same := [effect for effect in effects if "same_requests" in effect]:
        figures["history_on_same_requests.png"] = draw_same_requests(same)
    if apart := [effect for effect in effects if "same_requests" not in effect]:
        figures["with_and_without_history.png"] = draw_with_and_without(apart)
    figures["by_history_length.png"] = _by_length(runs)
    if sure := [run for run in runs if "calibration" in run]:
        figures["calibration.png"] = _calibration(sure)
    return figures


def _accuracy(runs: Sequence[Summary]) -> Picture:
    names = settings_of(runs)
    figure = new_figure(2.9 * len(names) + 2.0, 0.32 * len(runs) + 1.0)
    panels = add_panels(figure, names)
    for name, panel in panels.items():
        panel.set_title(TITLES[name], fontsize=10)
        found = [(row, run["settings"][name]) for row, run in enumerate(runs) if name in run["settings"]]
        draw_bars(panel, [(row, part["tool_accuracy"]) for row, part in found], 0.7, COLOURS[0])
    named_rows(panels, [run["name"] for run in runs])
    return picture(figure, "Tool accuracy by setting, with 95 % intervals.")


def _by_length(runs: Sequence[Summary]) -> Picture:
    names = [name for name in settings_of(runs) if name != "all"]
    parts = [runs[start : start + _LINES] for start in range(0, len(runs), _LINES)]
    width = 3.6 * len(names) + 0.8
    figure = new_figure(width, 3.8 * len(parts))
    for strip, part in zip(figure.subfigures(len(parts), 1, squeeze=False)[:, 0], parts, strict=True):
        add_legend(strip, _length_strip(strip, names, part, runs), width)
    return picture(
        figure,
        "Tool accuracy by the number of interactions that the prompt held, after all cuts, with 95 % intervals. Points "
        f"of fewer than {FEWEST} instances are left out; report.json holds them.",
    )


def _length_strip(
    strip: SubFigure, names: Sequence[str], part: Sequence[Summary], runs: Sequence[Summary]
) -> dict[str, Container]:
    """Draw some of the runs on the bins of all of them; return the lines by run."""
    lines: dict[str, Container] = {}
    panels = add_panels(strip, names)
    for name, panel in panels.items():
        panel.set_title(TITLES[name], fontsize=10)
        labels = _bin_labels(runs, name)
        for index, run in enumerate(part):
            shift = 0.05 * (index - (len(part) - 1) / 2)
            points = [(labels.index(_bin_label(row)) + shift, row["tool_accuracy"]) for row in _bins(run, name)]
            lines[run["name"]] = draw_line(panel, points, index)
        panel.set_xticks(range(len(labels)), labels)
        panel.set_xlim(-0.5, max(1, len(labels)) - 0.5)
        upright(panel, "interactions shown")
    panels[names[0]].set_ylabel(ACCURACY, fontsize=9)
    return lines


def _bin_labels(runs: Sequence[Summary], setting: str) -> list[str]:
    rows = [row for run in runs for row in _bins(run, setting)]
    return list(dict.fromkeys(_bin_label(row) for row in sorted(rows, key=lambda row: int(row["from"]))))


def _bins(run: Summary, setting: str) -> list[Summary]:
    rows = run["by_history_length"].get(setting, [])
    return [row for row in rows if row["tool_accuracy"]["n"] >= FEWEST]


def _bin_label(row: Summary) -> str:
    if row["to"] is None:
        return f"{row['from']}+"
    return str(row["from"]) if row["from"] == row["to"] else f"{row['from']}–{row['to']}"


def _calibration(runs: Sequence[Summary]) -> Picture:
    parts = [runs[start : start + _LINES] for start in range(0, len(runs), _LINES)]
    figure = new_figure(8.4, 3.8 * len(parts))
    for strip, part in zip(figure.subfigures(len(parts), 1, squeeze=False)[:, 0], parts, strict=True):
        panels = add_panels(strip, ("confidence", "coverage"))
        lines = {run["name"]: _sureness(panels, run, index) for index, run in enumerate(part)}
        panels["confidence"].plot([0, 100], [0, 100], color=GREY, linewidth=1, zorder=0)
        upright(panels["confidence"], "stated confidence (%)")
        upright(panels["coverage"], "share of answers kept, the surest first (%)")
        panels["confidence"].set_ylabel(ACCURACY, fontsize=9)
        add_legend(strip, lines, 8.4)
    return picture(
        figure,
        "Left: tool accuracy against the confidence that the answers state, in tenths; the grey line is perfect "
        f"calibration, tenths of fewer than {FEWEST} answers are left out. Right: tool accuracy if only the surest "
        "were given. 95 % intervals.",
    )


def _sureness(panels: dict[str, Axes], run: Summary, index: int) -> Container:
    numbers = list(run["calibration"].values())[-1]
    tenths = [row for row in numbers["bins"] if row["n"] >= FEWEST]
    for name, rows in (("confidence", tenths), ("coverage", numbers["coverage"])):
        panels[name].set_xlim(0, 103)
        line = draw_line(panels[name], [(100 * row[name], row["tool_accuracy"]) for row in rows], index)
    return line
