"""Section ``composition``: what a data set is made of, setting by setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from ..files import json_text
from ..schema import Instance
from .histories import write_histories
from .positions import write_positions
from .records import Line, Subject
from .sheet import Sheet
from .texts import gold_tool, group_chance, group_tools, schemas, spelled

_LARGE_GROUP = 5


def measure_composition(subject: Subject) -> list[Line]:
    """Return sizes, diversity, groups, histories, evidence, arguments and gold positions of each setting."""
    lines: list[Line] = []
    for setting, instances in subject.settings.items():
        sheet = Sheet("composition", setting, instances)
        _sizes(sheet, instances)
        _diversity(sheet, instances)
        _groups(sheet, instances)
        write_histories(sheet, instances)
        _arguments(sheet, instances)
        write_positions(sheet, instances)
        lines += sheet.lines
    return lines


def _sizes(sheet: Sheet, instances: Sequence[Instance]) -> None:
    sheet.count("instances", len(instances))
    sheet.count("users", len({entry.user_id for entry in instances}))
    sheet.count("instructions", len({entry.instruction for entry in instances}))
    pairs = {(entry.instruction, entry.reference.name, _arguments_text(entry)) for entry in instances}
    sheet.count("instructions with their gold calls", len(pairs))
    distinct = len({entry.instruction for entry in instances})
    sheet.ratio("distinct instructions", distinct / len(instances), note="different instructions by instances")


def _arguments_text(instance: Instance) -> str:
    return json_text(sorted(instance.reference.arguments.items()))


def _diversity(sheet: Sheet, instances: Sequence[Instance]) -> None:
    groups = [tuple(sorted(entry.reference.group)) for entry in instances if entry.reference.group]
    tools = [entry.reference.name for entry in instances]
    providers = [tool.provider for tool in map(gold_tool, instances) if tool]
    functionalities = [entry.functionality for entry in instances]
    sheet.count("groups", len(set(groups)))
    for name, members in (("functionalities", functionalities), ("gold tools", tools), ("gold providers", providers)):
        sheet.count(name, len(set(members)))
        if members:
            sheet.number(f"effective {name}", _effective(members), note="inverse Simpson index: 1 / sum of p squared")


def _effective(members: Sequence[Hashable]) -> float:
    """Return how many equally frequent things would be as diverse."""
    return len(members) ** 2 / sum(count**2 for count in Counter(members).values())


def _groups(sheet: Sheet, instances: Sequence[Instance]) -> None:
    sizes = [len(group_tools(entry)) or None for entry in instances]
    for size in range(1, _LARGE_GROUP):
        sheet.share(f"groups of {size}", [None if found is None else float(found == size) for found in sizes])
    sheet.share(
        f"groups of {_LARGE_GROUP} or more", [None if size is None else float(size >= _LARGE_GROUP) for size in sizes]
    )
    sheet.mean("group size", sizes)
    sheet.share("a guess within the group", map(group_chance, instances))
    sheet.mean("candidates", [len(entry.candidates) for entry in instances])


def _arguments(sheet: Sheet, instances: Sequence[Instance]) -> None:
    sheet.mean("gold arguments", [len(entry.reference.arguments) for entry in instances])
    sheet.share("gold without arguments", [not entry.reference.arguments for entry in instances])
    sheet.share(
        "all gold values stand in the instruction",
        [_filled(entry) and all(_said(entry, value) for value in _values(entry)) for entry in instances],
        note="whole words, in any case; gold without arguments does not count",
    )
    sheet.share(
        "all gold values are documented defaults",
        [_filled(entry) and _is_default(entry) for entry in instances],
        note="gold without arguments does not count",
    )


def _filled(instance: Instance) -> bool:
    return bool(instance.reference.arguments)


def _values(instance: Instance) -> Iterable[object]:
    return instance.reference.arguments.values()


def _said(instance: Instance, value: object) -> bool:
    return spelled(value, instance.instruction)


def _is_default(instance: Instance) -> bool:
    known = schemas(instance)
    return all(
        "default" in known.get(name, {}) and json_text(known[name]["default"]) == json_text(value)
        for name, value in instance.reference.arguments.items()
    )
