"""Figures of an audit, as PNG bytes; needs matplotlib (extra ``audit``)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from ..schema import Instance
from .records import Line, Subject
from .tables import names_in_order
from .texts import group_tools

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORTCUTS_PNG = "shortcuts.png"
CEILINGS_PNG = "ceilings.png"
COMPOSITION_PNG = "composition.png"

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_ROW_INCHES = 0.26
_PANEL_INCHES = 2.9


def draw_figures(subject: Subject, lines: Sequence[Line]) -> dict[str, bytes]:
    """Return the figures that these lines allow, by file name.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = {COMPOSITION_PNG: _composition(subject)}
    shortcuts = [line for line in lines if line.section == "shortcuts" and line.chance is not None]
    ceilings = [line for line in lines if line.section == "ceilings" and line.unit == "share"]
    for name, members in ((SHORTCUTS_PNG, shortcuts), (CEILINGS_PNG, ceilings)):
        if members:
            figures[name] = _bars(members)
    return figures


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("an audit", "matplotlib", "audit") from None
    return Figure(figsize=(width, height), dpi=140, layout="constrained")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _bars(lines: Sequence[Line]) -> bytes:
    """Draw shares as horizontal bars, one panel a group, with intervals and a mark at chance."""
    groups = list(dict.fromkeys(line.group for line in lines))
    names = names_in_order(lines)
    figure = _figure(3.4 + _PANEL_INCHES * len(groups), 1.1 + _ROW_INCHES * len(names))
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for panel, group in zip(panels, groups, strict=True):
        _bar_panel(panel, [line for line in lines if line.group == group], names)
        panel.set_title(group, fontsize=10)
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    figure.supxlabel("per cent; whiskers: 95 % interval; black mark: chance", fontsize=8)
    return _png(figure)


def _bar_panel(panel: Axes, lines: Sequence[Line], names: Sequence[str]) -> None:
    for line in lines:
        if line.value is None:
            continue
        place, height = names.index(line.name), 100 * line.value
        panel.barh(place, height, 0.62, color=_COLOURS[0])
        if line.low is not None and line.high is not None:
            gaps = [[max(0.0, height - 100 * line.low)], [max(0.0, 100 * line.high - height)]]
            panel.errorbar([height], [place], xerr=gaps, fmt="none", ecolor="#555555", capsize=2, linewidth=1)
        if line.chance is not None:
            panel.plot([100 * line.chance] * 2, [place - 0.4, place + 0.4], color="black", linewidth=2)
    panel.set_xlim(0, 103)
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _composition(subject: Subject) -> bytes:
    """Draw how long histories are, how large groups are, and where gold stands."""
    figure = _figure(11.5, 3.1)
    panels = figure.subplots(1, 3, squeeze=False)[0]
    titles = ("interactions in the history", "tools in the group", "position of gold among the candidates")
    for panel, title, measure in zip(panels, titles, (_length, _group_size, _position), strict=True):
        _histogram(panel, subject, [[measure(entry) for entry in members] for members in subject.settings.values()])
        panel.set_xlabel(title, fontsize=9)
        panel.grid(axis="y", alpha=0.3)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("instances (%)", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return _png(figure)


def _length(instance: Instance) -> int | None:
    return len(instance.history)


def _group_size(instance: Instance) -> int | None:
    return len(group_tools(instance)) or None


def _position(instance: Instance) -> int | None:
    names = [tool.name for tool in instance.candidates]
    return names.index(instance.reference.name) + 1 if instance.reference.name in names else None


def _histogram(panel: Axes, subject: Subject, columns: Sequence[Sequence[int | None]]) -> None:
    """Draw one bar a value and setting, side by side, in per cent of the setting."""
    width = 0.8 / len(columns)
    for index, (setting, column) in enumerate(zip(subject.settings, columns, strict=True)):
        counts = Counter(value for value in column if value is not None)
        shift = width * (index - (len(columns) - 1) / 2)
        places = sorted(counts)
        heights = [100 * counts[place] / len(column) for place in places]
        panel.bar([place + shift for place in places], heights, width, label=setting, color=_COLOURS[index])
    panel.locator_params(axis="x", integer=True)
