"""Scored runs → sections, one a data set, with a ranked table for each setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .places import Places
from .records import GROUPS, Accuracy, Entry, Group, Part, Rank, Row, Section, Spec, Unranked

PUBLISHED_ENTRIES = 1_000
"""Test entries a setting that the published figures are averages over."""

_Key = tuple[str, str, str]


def make_sections(entries: Sequence[Entry], places: Places, published: Mapping[str, Any]) -> tuple[Section, ...]:
    """Return the sections of a leaderboard; runs on different data never stand in one.

    Args:
        entries: The runs.
        places: Where data may be, for the names of the sections.
        published: What ``published_results.json`` holds. Its rows stand in the sections on the published test set, or,
            where there is none, in a section of their own, the last one.
    """
    groups: dict[_Key, list[Entry]] = {}
    for entry in entries:
        spec = entry.summary.spec
        groups.setdefault((spec.fingerprint, spec.config, spec.split), []).append(entry)
    rows = published["table_1"]
    sections = [_section(members, places, rows) for members in groups.values()]
    if not any(section.official for section in sections):
        sections.append(_published_section(rows))
    return tuple(_told_apart(sections))


def _section(members: Sequence[Entry], places: Places, published: Sequence[Mapping[str, Any]]) -> Section:
    spec = members[0].summary.spec
    name = places.name(spec, (entry.source for entry in members))
    labels = _labels(members)
    tables = {group: _table(members, labels, group, published if name.official else ()) for group in GROUPS}
    tables = {group: rows for group, rows in tables.items() if any(not row.published for row in rows)}
    largest = max(part.n for entry in members for group, part in entry.summary.settings.items() if group != "all")
    return Section(
        title=name.title,
        official=name.official,
        fingerprint=spec.fingerprint,
        config=spec.config,
        split=spec.split,
        note=_official_note(largest) if name.official else "",
        tables=tables,
    )


def _official_note(largest: int) -> str:
    part = (
        "on as many entries"
        if largest == PUBLISHED_ENTRIES
        else f"on {largest:,} of them at most, so the two compare only roughly"
    )
    return (
        f"Published rows are the paper's own figures and scoring, on all {PUBLISHED_ENTRIES:,} entries a setting, "
        f"without intervals or ranks. The runs are {part}."
    )


def _published_section(published: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        title="Official PEToolBench test, as published",
        official=True,
        fingerprint=None,
        config="all",
        split="test",
        note=f"The paper's own figures and scoring, on all {PUBLISHED_ENTRIES:,} entries a setting, without "
        "intervals or ranks. No run here is known to be on this data.",
        tables={group: _ordered(_published_rows(published, group)) for group in GROUPS},
    )


def _told_apart(sections: Sequence[Section]) -> Iterator[Section]:
    """Add to each title that stands twice the beginning of its data's hash."""
    titles = [section.title for section in sections]
    for section in sections:
        title = section.title
        if titles.count(title) > 1 and section.fingerprint is not None:
            title = f"{title} ({section.fingerprint[:8]})"
        yield section.model_copy(update={"title": title})


def _labels(members: Sequence[Entry]) -> list[str]:
    """Return the runs' names; those that stand twice with as many folders before them as tell them apart."""
    names = [entry.summary.name for entry in members]
    labels = []
    for entry, name in zip(members, names, strict=True):
        rivals = [other for other, known in zip(members, names, strict=True) if known == name and other is not entry]
        parts = _parts(entry)
        shown = 1
        while any(_parts(other)[-shown:] == parts[-shown:] for other in rivals):
            shown += 1
        labels.append("/".join(parts[-shown:]))
    return labels


def _parts(entry: Entry) -> tuple[str, ...]:
    """Return the parts of where a run lies, its name the last."""
    parts = entry.place.parts
    return parts if parts[-1] == entry.summary.name else (*parts, entry.summary.name)


def _table(
    members: Sequence[Entry], labels: Sequence[str], group: Group, published: Sequence[Mapping[str, Any]]
) -> tuple[Row, ...]:
    parts = [entry.summary.settings.get(group) for entry in members]
    largest = max((part.n for part in parts if part is not None), default=0)
    rows = [
        _row(entry, label, part, largest)
        for entry, label, part in zip(members, labels, parts, strict=True)
        if part is not None
    ]
    rivals = [row.tool_accuracy for row in rows if not row.unranked]
    ranked = [
        row if row.unranked else row.model_copy(update={"rank": _rank(row.tool_accuracy, rivals)}) for row in rows
    ]
    return _ordered([*ranked, *_published_rows(published, group)])


def _row(entry: Entry, label: str, part: Part, largest: int) -> Row:
    summary = entry.summary
    said = summary.spec.said()
    style, guided = said.get("style"), said.get("guided")
    return Row(
        name=label,
        agent=summary.agent,
        unranked=tuple(_unranked(entry, part, largest)),
        n=part.n,
        unscored=part.unscored,
        tool_accuracy=part.tool_accuracy,
        param_accuracy=part.param_accuracy,
        joint_accuracy=part.joint_accuracy,
        style=style if isinstance(style, str) else None,
        guided=guided if isinstance(guided, bool) else None,
        history=_history(summary.spec),
        petoolbench=summary.petoolbench,
        spec=said,
    )


def _unranked(entry: Entry, part: Part, largest: int) -> Iterator[Unranked]:
    spec = entry.summary.spec
    if entry.summary.oracle:
        yield "oracle"
    if part.n < largest or spec.ids is not None or (spec.limit is not None and spec.limit <= spec.instances):
        yield "partial"
    if part.unscored or part.tool_accuracy.value is None:
        yield "unscored"


def _history(spec: Spec) -> str:
    if not spec.history:
        return "none"
    return "all" if spec.max_interactions is None else f"latest {spec.max_interactions}"


def _rank(own: Accuracy, rivals: Iterable[Accuracy]) -> Rank:
    """Rank one of the rivals; two of them may change places where their intervals meet."""
    rivals = list(rivals)
    return Rank(
        place=1 + sum(_number(other.value) > _number(own.value) for other in rivals),
        best=1 + sum(_number(other.low) > _number(own.high) for other in rivals),
        worst=sum(_number(other.high) >= _number(own.low) for other in rivals),
    )


def _number(value: float | None) -> float:
    """Return a share as it sorts: none at all lies below every one."""
    return -1.0 if value is None else value


def _published_rows(published: Sequence[Mapping[str, Any]], group: Group) -> list[Row]:
    return [
        Row(
            name=row["name"],
            published=True,
            tool_accuracy=Accuracy(value=row[group][0] / 100),
            param_accuracy=Accuracy(value=row[group][1] / 100),
        )
        for row in published
        if group in row
    ]


def _ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Sort by tool accuracy; runs without a rank stand last."""
    return tuple(sorted(rows, key=lambda row: (bool(row.unranked), -_number(row.tool_accuracy.value), row.name)))
