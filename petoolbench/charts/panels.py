"""How every picture is drawn: panels side by side, bars on named rows, lines, one legend below."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import Container
    from matplotlib.figure import Figure, SubFigure

Summary = dict[str, Any]

TITLES = {
    "preferred_only": "Preferred-only",
    "rating_integrated": "Rating-integrated",
    "chronological": "Chronological",
    "all": "All settings",
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#999933")
GREY = "#BBBBBB"
ACCURACY = "Tool accuracy (%)"
_MARKERS = "os^Dv"
_LONGEST_NAME = 34
_LEGEND_CHARACTERS = 16.0
"""How many characters of a legend fit into an inch."""


@dataclass(frozen=True)
class Picture:
    """A PNG, its width in inches, and what stands below it."""

    png: bytes
    width: float
    caption: str


def settings_of(parts: Sequence[Summary]) -> list[str]:
    """Return the settings that any of the summaries has, in the order of the paper, ``all`` last."""
    return [name for name in TITLES if any(name in part["settings"] for part in parts)]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("a report with figures", "matplotlib", "eval") from None
    return Figure(figsize=(width, height), dpi=140, layout="constrained")


def add_panels(figure: Figure | SubFigure, names: Sequence[str]) -> dict[str, Axes]:
    """Divide a figure into one panel a name, side by side, with one scale for accuracies."""
    return dict(zip(names, figure.subplots(1, len(names), squeeze=False, sharey=True)[0], strict=True))


def named_rows(panels: Mapping[str, Axes], rows: Sequence[str]) -> None:
    """Make panels of horizontal bars in per cent, one name a row from the top down."""
    for panel in panels.values():
        # A dollar sign in a name is no formula.
        panel.set_yticks(range(len(rows)), [short(name) for name in rows], parse_math=False)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_xlim(0, 103)
        panel.set_xlabel(ACCURACY, fontsize=9)
        _tidy(panel, "x")


def upright(panel: Axes, label: str) -> None:
    """Make a panel of lines: accuracy upwards in per cent, ``label`` along the bottom."""
    panel.set_ylim(0, 103)
    panel.set_xlabel(label, fontsize=9)
    _tidy(panel, "y")


def _tidy(panel: Axes, grid: Literal["x", "y"]) -> None:
    panel.grid(axis=grid, alpha=0.3)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def draw_bars(panel: Axes, rows: Iterable[tuple[float, Summary]], thickness: float, colour: str) -> Container:
    """Draw estimates and their intervals as horizontal bars; those over no instance are left out."""
    known = [(place, estimate) for place, estimate in rows if estimate["value"] is not None]
    lengths, gaps = _in_per_cent([estimate for _, estimate in known])
    places = [place for place, _ in known]
    bars: Container = panel.barh(places, lengths, thickness, color=colour)
    panel.errorbar(lengths, places, xerr=gaps, fmt="none", ecolor="black", capsize=2, linewidth=0.9)
    return bars


def draw_line(panel: Axes, points: Iterable[tuple[float, Summary]], index: int) -> Container:
    """Draw estimates and their intervals as a line, in the colour and with the marker of the run's index."""
    known = [(place, estimate) for place, estimate in points if estimate["value"] is not None]
    heights, gaps = _in_per_cent([estimate for _, estimate in known])
    line: Container = panel.errorbar(
        [place for place, _ in known],
        heights,
        gaps,
        marker=_MARKERS[index % len(_MARKERS)],
        capsize=2,
        markersize=4,
        linewidth=1.2,
        elinewidth=0.8,
        color=COLOURS[index % len(COLOURS)],
    )
    return line


def _in_per_cent(estimates: Sequence[Summary]) -> tuple[list[float], list[list[float]]]:
    """Return the values and the distances to both ends of their intervals."""
    values = [100 * entry["value"] for entry in estimates]
    lower = [100 * (entry["value"] - entry["low"]) for entry in estimates]
    upper = [100 * (entry["high"] - entry["value"]) for entry in estimates]
    return values, [[max(0.0, gap) for gap in lower], [max(0.0, gap) for gap in upper]]


def add_legend(figure: Figure | SubFigure, handles: Mapping[str, Any], width: float) -> None:
    """Put a legend below all panels, in as many columns as its longest name allows over ``width`` inches."""
    # matplotlib leaves out what begins with an underscore; a space of no width before it does not.
    names = [f"\u200b{short(name)}" if name.startswith("_") else short(name) for name in handles]
    fitting = int(width * _LEGEND_CHARACTERS // (max(map(len, names), default=0) + 8))
    columns = max(1, min(4, len(names), fitting))
    legend = figure.legend(list(handles.values()), names, loc="outside lower center", ncols=columns, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def short(name: str) -> str:
    """Return a name with its middle left out where it is too long for a figure."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def picture(figure: Figure, caption: str) -> Picture:
    """Return the figure as a PNG that says nothing of the time or the software."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return Picture(buffer.getvalue(), float(figure.get_figwidth()), caption)
