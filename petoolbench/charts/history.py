"""The pictures of what the history is worth (paper, Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

from .panels import (
    COLOURS,
    GREY,
    TITLES,
    Picture,
    Summary,
    add_legend,
    add_panels,
    draw_bars,
    named_rows,
    new_figure,
    picture,
    settings_of,
)

_BARE = "no history"


def draw_same_requests(effects: Sequence[Summary]) -> Picture:
    """Draw requests that were asked without history and with several kinds of it: one bar a kind.

    Args:
        effects: Those of ``report.json`` that hold ``same_requests``.
    """
    settings = [name for name in settings_of(effects) if any(name in e["same_requests"]["with"] for e in effects)]
    figure = new_figure(8.4, len(effects) * (0.25 + 0.17 * (1 + len(settings))) + 1.1)
    panels = add_panels(figure, ["all"])
    thickness = 0.8 / (1 + len(settings))
    handles = {}
    for index, kind in enumerate((_BARE, *settings)):
        place = thickness * (index + 0.5) - 0.4
        known = [(row + place, _estimate(effect["same_requests"], kind)) for row, effect in enumerate(effects)]
        bars = [(row, estimate) for row, estimate in known if estimate is not None]
        handles[TITLES.get(kind, kind)] = draw_bars(panels["all"], bars, thickness, (GREY, *COLOURS)[index])
    named_rows(panels, [effect["name"] for effect in effects])
    add_legend(figure, handles, 8.4)
    counts = "; ".join(f"{effect['name']}: {effect['same_requests']['n']}" for effect in effects)
    return picture(
        figure,
        "Tool accuracy on the same requests without history and with each kind of history, with 95 % intervals. "
        f"Requests that were asked and scored in all these ways: {counts}.",
    )


def _estimate(same: Summary, kind: str) -> Summary | None:
    found: Summary | None = same["without"] if kind == _BARE else same["with"].get(kind)
    return found


def draw_with_and_without(effects: Sequence[Summary]) -> Picture:
    """Draw two bars a setting, where each setting asks for other requests.

    Args:
        effects: Of ``report.json``.
    """
    settings = settings_of(effects)
    width = 2.9 * len(settings) + 2.0
    figure = new_figure(width, 0.5 * len(effects) + 1.3)
    panels = add_panels(figure, settings)
    handles = {}
    for name, panel in panels.items():
        panel.set_title(TITLES[name], fontsize=10)
        known = [(row, effect["settings"][name]) for row, effect in enumerate(effects) if name in effect["settings"]]
        handles[_BARE] = draw_bars(panel, [(row - 0.2, part["without"]) for row, part in known], 0.4, GREY)
        handles["with history"] = draw_bars(panel, [(row + 0.2, part["with"]) for row, part in known], 0.4, COLOURS[0])
    named_rows(panels, [effect["name"] for effect in effects])
    add_legend(figure, handles, width)
    counts = "; ".join(f"{effect['name']}: {_counts(effect)}" for effect in effects)
    return picture(
        figure,
        "Tool accuracy with and without history on the same instances, with 95 % intervals. Each setting asks for "
        f"other requests, so compare within a panel. Instances that were scored both ways: {counts}.",
    )


def _counts(effect: Summary) -> str:
    return ", ".join(f"{part['n']} {name}" for name, part in effect["settings"].items())
