"""Section ``ceilings``: how much of a data set can be solved at all, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..schema import Instance, Tool
from .evidence import best_reading, oracle, readings, standing_highest
from .labels import write_label_faults
from .naming import name_book, write_given_away
from .records import Line, Subject
from .sheet import Sheet
from .texts import documentation, gold_tool, group_chance, plain_documentation


def measure_ceilings(subject: Subject) -> list[Line]:
    """Return what an oracle reaches, twins, faults of labels and names given away, for each setting.

    Raises:
        MissingExtraError: jsonschema is not installed.
    """
    book = name_book(entry for instances in subject.settings.values() for entry in instances)
    lines: list[Line] = []
    for setting, instances in subject.settings.items():
        sheet = Sheet("ceilings", setting, instances)
        _oracles(sheet, instances)
        _twins(sheet, instances)
        write_label_faults(sheet, instances)
        write_given_away(sheet, instances, book)
        lines += sheet.lines
    return lines


def _oracles(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write the oracle under each reading of the histories; ``oracle`` is the best of them."""
    best = best_reading(instances)
    chances = [group_chance(entry) for entry in instances]
    note = f"is told the group; reads names, ratings and order; best reading: {best.summary}"
    sheet.share("oracle", [oracle(entry, best) for entry in instances], chances, note)
    for reading in readings(instances[0].setting):
        sheet.share(f"oracle {reading.summary}", [oracle(entry, reading) for entry in instances], chances)
    undecided = [
        None if chance is None else float(len(standing_highest(entry, best)) > 1)
        for entry, chance in zip(instances, chances, strict=True)
    ]
    sheet.share("no evidence between siblings", undecided, note="several tools of the group stand highest")


def _twins(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write how often a candidate is documented as gold is, by description and parameters."""
    for ending, key, note in (
        ("", documentation, "same description and parameters as gold"),
        (", normalised", plain_documentation, "same words in the description, same names and types of parameters"),
    ):
        twins = [_twins_of(entry, key) for entry in instances]
        outside = [None if found is None else found.outside for found in twins]
        sheet.share(f"twins outside the group{ending}", outside, note=note)
        sheet.share(f"twins inside the group{ending}", [None if found is None else found.inside for found in twins])


@dataclass(frozen=True)
class _Twins:
    """Whether a candidate outside, or another one inside, the group is documented as gold is."""

    outside: bool
    inside: bool


def _twins_of(instance: Instance, key: Callable[[Tool], str]) -> _Twins | None:
    """Return where gold has twins; None where gold or its group is unknown."""
    gold, group = gold_tool(instance), instance.reference.group
    if gold is None or not group:
        return None
    own = key(gold)
    names = [tool.name for tool in instance.candidates if tool.name != gold.name and key(tool) == own]
    return _Twins(any(name not in group for name in names), any(name in group for name in names))
