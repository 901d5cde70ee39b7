"""Lines and verdicts as the rows that Markdown and HTML show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from .records import Line, SectionName, Threshold, Unit, Verdict

Mark = Literal["passed", "failed", "skipped"]

SECTION_TITLES: dict[SectionName, str] = {
    "shortcuts": "Shortcuts: what is right without personalization",
    "ceilings": "Ceilings: what can be right at all",
    "leaks": "Leaks: what is known beforehand",
    "composition": "Composition: what the data is made of",
}
"""Titles of the sections in the order in which they are shown."""


@dataclass(frozen=True)
class Row:
    """One name of lines with its figures, one cell a group; ``chances`` likewise, each empty where there is none."""

    name: str
    cells: tuple[str, ...]
    chances: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The rows of a section; ``groups`` heads their cells."""

    section: SectionName
    title: str
    groups: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class CheckRow:
    """One threshold with its verdicts, one cell a group, and the worst of their marks."""

    mark: Mark
    name: str
    limit: str
    cells: tuple[tuple[Mark, str], ...]
    why: str


def section_tables(lines: Sequence[Line]) -> list[Table]:
    """Return a table for each section that has lines."""
    tables = []
    for section in get_args(SectionName):
        members = [line for line in lines if line.section == section]
        if members:
            groups = tuple(dict.fromkeys(line.group for line in members))
            rows = tuple(_row(name, groups, members) for name in names_in_order(members))
            tables.append(Table(section, SECTION_TITLES[section], groups, rows))
    order = list(SECTION_TITLES)
    return sorted(tables, key=lambda table: order.index(table.section))


def names_in_order(lines: Sequence[Line]) -> list[str]:
    """Return the names of lines, each once; one that only a later group has follows what it follows there."""
    names: list[str] = []
    for group in dict.fromkeys(line.group for line in lines):
        place = 0
        for name in dict.fromkeys(line.name for line in lines if line.group == group):
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


def _row(name: str, groups: Sequence[str], lines: Sequence[Line]) -> Row:
    found = {line.group: line for line in lines if line.name == name}
    own = [found.get(group) for group in groups]
    return Row(
        name=name,
        cells=tuple(figure(line) if line else "" for line in own),
        chances=tuple(percent(line.chance) if line and line.chance is not None else "" for line in own),
        notes=tuple(dict.fromkeys(line.note for line in found.values() if line.note)),
    )


def check_groups(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the groups that verdicts speak of, in the order of their first verdicts."""
    return tuple(dict.fromkeys(verdict.line.group for verdict in verdicts))


def check_rows(verdicts: Sequence[Verdict]) -> list[CheckRow]:
    """Return a row for each threshold that has verdicts, in the order of the file."""
    groups = check_groups(verdicts)
    thresholds = dict.fromkeys(verdict.threshold for verdict in verdicts)
    return [_check_row(known, [v for v in verdicts if v.threshold == known], groups) for known in thresholds]


def _check_row(threshold: Threshold, verdicts: Sequence[Verdict], groups: Sequence[str]) -> CheckRow:
    marks = [mark(verdict) for verdict in verdicts]
    worst: Mark = "failed" if "failed" in marks else "passed" if "passed" in marks else "skipped"
    unit: Unit = next((verdict.line.unit for verdict in verdicts if verdict.line.value is not None), "share")
    found = {verdict.line.group: verdict for verdict in verdicts}
    cells = tuple(_cell(found.get(group)) for group in groups)
    return CheckRow(worst, threshold.line, limit(threshold, unit), cells, threshold.why)


def mark(verdict: Verdict) -> Mark:
    """Return a verdict as one word."""
    if verdict.passed is None:
        return "skipped"
    return "passed" if verdict.passed else "failed"


def _cell(verdict: Verdict | None) -> tuple[Mark, str]:
    if verdict is None:
        return "skipped", ""
    if verdict.line.value is None:
        return mark(verdict), verdict.note
    chance = f" (chance {percent(verdict.line.chance)})" if verdict.threshold.max_over_chance is not None else ""
    return mark(verdict), f"{value(verdict.line.value, verdict.line.unit)}{chance}"


def limit(threshold: Threshold, unit: Unit) -> str:
    """Return the bounds of a threshold, shares in per cent."""
    parts = []
    if threshold.min is not None:
        parts.append(f"≥ {value(threshold.min, unit)}")
    if threshold.max is not None:
        parts.append(f"≤ {value(threshold.max, unit)}")
    if threshold.max_over_chance is not None:
        parts.append(f"≤ chance + {value(threshold.max_over_chance, unit)}")
    return ", ".join(parts)


def figure(line: Line) -> str:
    """Return a line's value; that of a share with its interval, where it has one."""
    if line.value is None:
        return "–"
    shown = value(line.value, line.unit)
    if line.low is None or line.high is None:
        return shown
    return f"{shown} [{percent(line.low)}, {percent(line.high)}]"


def value(number: float, unit: Unit) -> str:
    """Return a figure as it is shown: shares in per cent, counts whole, the smallest p-values as a bound."""
    if unit == "share":
        return f"{percent(number)} %"
    if unit == "count":
        return f"{number:,.0f}"
    if unit == "p":
        return "< 0.001" if number < 0.001 else f"{number:.3f}".rstrip("0").rstrip(".")
    return f"{number:.2f}" if unit == "mean" else f"{number:,.1f}"


def percent(share: float | None) -> str:
    """Return a share in per cent with one decimal; a dash for none."""
    return "–" if share is None else f"{100 * share:.1f}"
