"""Figures of a report, as PNG bytes; needs matplotlib (extra ``eval``)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Summary = dict[str, Any]

_SETTING_TITLES = {
    "preferred_only": "Preferred-only",
    "rating_integrated": "Rating-integrated",
    "chronological": "Chronological",
    "all": "All settings",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#999933")
_BAR_SPACE = 0.8
FEWEST_IN_BIN = 10
"""Bins of fewer instances are not drawn: their intervals span the whole panel."""


def draw_figures(runs: Sequence[Summary]) -> dict[str, bytes]:
    """Return the figures that these runs allow, by file name.

    Args:
        runs: Summaries as in ``report.json``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = {"tool_accuracy.png": _draw(runs, _settings_shown(runs), _setting_bars)}
    settings = [name for name in _settings_shown(runs) if name != "all"]
    figures["by_history_length.png"] = _draw(runs, settings, _length_lines)
    if history_pairs(runs):
        figures["with_and_without_history.png"] = _draw(runs, _settings_shown(runs), _history_bars)
    return figures


def history_pairs(runs: Sequence[Summary]) -> list[tuple[Summary, Summary]]:
    """Return the (with, without) pairs of runs that differ only in whether the history is shown."""
    pairs = []
    for bare in runs:
        wanted = {**bare["spec"], "history": True, "max_interactions": None}
        if not bare["spec"]["history"]:
            pairs += [(run, bare) for run in runs if run["spec"] == wanted]
    return pairs


def _settings_shown(runs: Sequence[Summary]) -> list[str]:
    return [name for name in _SETTING_TITLES if any(name in run["settings"] for run in runs)]


def _draw(
    runs: Sequence[Summary], settings: Sequence[str], draw: Callable[[Axes, Sequence[Summary], str], None]
) -> bytes:
    """Draw one panel a setting side by side, with one legend below."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("a report with figures", "matplotlib", "eval") from None
    figure = Figure(figsize=(3.4 * len(settings) + 0.6, 3.9), dpi=140, layout="constrained")
    panels = figure.subplots(1, len(settings), squeeze=False, sharey=True)[0]
    for panel, setting in zip(panels, settings, strict=True):
        draw(panel, runs, setting)
        panel.set_title(_SETTING_TITLES[setting], fontsize=10)
        panel.set_ylim(0, 103)
        panel.grid(axis="y", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Tool accuracy (%), 95 % interval")
    handles: dict[str, Any] = {}
    for panel in panels:
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(4, len(handles) or 1),
        fontsize=8,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _error_bars(estimates: Sequence[Summary]) -> tuple[list[float], list[list[float]]]:
    """Return heights and the distances to both ends of their intervals, in per cent."""
    heights = [100 * entry["value"] for entry in estimates]
    lower = [100 * (entry["value"] - entry["low"]) for entry in estimates]
    upper = [100 * (entry["high"] - entry["value"]) for entry in estimates]
    return heights, [[max(0.0, gap) for gap in lower], [max(0.0, gap) for gap in upper]]


def _setting_bars(panel: Axes, runs: Sequence[Summary], setting: str) -> None:
    for index, run in enumerate(runs):
        numbers = run["settings"].get(setting, {}).get("tool_accuracy")
        if numbers is None or numbers["value"] is None:
            continue
        heights, bars = _error_bars([numbers])
        panel.bar([index], heights, _BAR_SPACE, label=run["name"], color=_colour(index))
        panel.errorbar([index], heights, bars, fmt="none", ecolor="black", capsize=2, linewidth=1)
    panel.set_xticks([])


def _length_lines(panel: Axes, runs: Sequence[Summary], setting: str) -> None:
    labels = _bin_labels(runs, setting)
    for index, run in enumerate(runs):
        rows = _bins(run, setting)
        if not rows:
            continue
        heights, bars = _error_bars([row["tool_accuracy"] for row in rows])
        places = [labels.index(_bin_label(row)) + 0.04 * (index - len(runs) / 2) for row in rows]
        panel.errorbar(
            places,
            heights,
            bars,
            marker="o",
            capsize=2,
            markersize=4,
            label=run["name"],
            color=_colour(index),
        )
    panel.set_xticks(range(len(labels)), labels)
    panel.set_xlim(-0.5, len(labels) - 0.5)
    panel.set_xlabel("interactions in the history", fontsize=9)


def _bin_labels(runs: Sequence[Summary], setting: str) -> list[str]:
    rows = [row for run in runs for row in _bins(run, setting)]
    return list(dict.fromkeys(_bin_label(row) for row in sorted(rows, key=lambda row: int(row["from"]))))


def _bins(run: Summary, setting: str) -> list[Summary]:
    rows = run["by_history_length"].get(setting, [])
    return [row for row in rows if row["tool_accuracy"]["n"] >= FEWEST_IN_BIN]


def _bin_label(row: Summary) -> str:
    if row["to"] is None:
        return f"{row['from']}+"
    return str(row["from"]) if row["from"] == row["to"] else f"{row['from']}–{row['to']}"


def _history_bars(panel: Axes, runs: Sequence[Summary], setting: str) -> None:
    pairs = [(a, b) for a, b in history_pairs(runs) if setting in a["settings"] and setting in b["settings"]]
    for index, (shown, hidden) in enumerate(pairs):
        for offset, run, label, colour in (
            (-0.2, shown, "with", _COLOURS[0]),
            (0.2, hidden, "without", "#BBBBBB"),
        ):
            numbers = run["settings"][setting]["tool_accuracy"]
            if numbers["value"] is not None:
                heights, bars = _error_bars([numbers])
                panel.bar([index + offset], heights, 0.4, label=f"{label} history", color=colour)
                panel.errorbar([index + offset], heights, bars, fmt="none", ecolor="black", capsize=2, linewidth=1)
    panel.set_xticks(range(len(pairs)), [shown["name"] for shown, _ in pairs], rotation=30, ha="right", fontsize=8)


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]
