"""What the histories of a setting are made of: lengths, providers, what was not preferred, and labels of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..schema import Instance
from .evidence import Reading, best_reading, past_providers, shown_taste
from .sheet import Sheet
from .texts import group_tools


def write_histories(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write lengths, whom the histories call, how non-preferred calls stand, and the kinds of evidence."""
    _lengths(sheet, instances)
    _calls_seen(sheet, instances)
    _tastes(sheet, instances)
    _evidence(sheet, instances)


def _lengths(sheet: Sheet, instances: Sequence[Instance]) -> None:
    lengths = [len(entry.history) for entry in instances]
    sheet.mean("history length", lengths)
    sheet.count("shortest history", min(lengths))
    sheet.count("longest history", max(lengths))
    ratings = [past.rating for entry in instances for past in entry.history if past.rating is not None]
    if ratings:
        sheet.ratio("liked calls", ratings.count(1) / len(ratings), note="of all rated calls")
        sheet.ratio("disliked calls", ratings.count(0) / len(ratings), note="of all rated calls")


def _calls_seen(sheet: Sheet, instances: Sequence[Instance]) -> None:
    sheet.mean("providers in the history", [len(set(past_providers(entry))) for entry in instances])
    sheet.share("history calls the gold tool", [_calls(entry, [entry.reference.name]) for entry in instances])
    sheet.share("history calls the gold provider", [_meets(entry, [entry.reference.name]) for entry in instances])
    sheet.share("history calls a provider of the group", [_meets(entry, entry.reference.group) for entry in instances])


def _calls(instance: Instance, names: Iterable[str]) -> float:
    return float(bool({past.call.name for past in instance.history} & set(names)))


def _meets(instance: Instance, names: Iterable[str]) -> float:
    wanted = set(names)
    providers = {tool.provider for tool in instance.candidates if tool.name in wanted}
    return float(bool(providers & set(past_providers(instance))))


def _tastes(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write how the calls stand that the user was not happy with; in time order as the best reading sees them."""
    if instances[0].setting == "preferred_only":
        return
    reading = best_reading(instances)
    note = (
        "calls rated 0" if reading.turn is None else f"read with the rule that suits the data best: {reading.summary}"
    )
    marks = [_non_preferred(entry, reading) for entry in instances]
    sheet.mean("non-preferred calls", [sum(flags) for flags in marks], note=note)
    providers = [
        {provider for provider, flag in zip(past_providers(entry), flags, strict=True) if flag}
        for entry, flags in zip(instances, marks, strict=True)
    ]
    sheet.mean("providers of non-preferred calls", [len(found) for found in providers])
    sheet.share("non-preferred calls are of one provider", [len(f) == 1 if f else None for f in providers])
    sheet.share("non-preferred calls come first", [_is_prefix(flags) if any(flags) else None for flags in marks])
    sheet.share(
        "every non-preferred provider offers a sibling",
        [found <= _siblings(entry) if found else None for entry, found in zip(instances, providers, strict=True)],
    )


def _non_preferred(instance: Instance, reading: Reading) -> list[bool]:
    if reading.turn is None:
        return [past.rating == 0 for past in instance.history]
    left = shown_taste(instance, reading.turn).disliked
    return [provider in left for provider in past_providers(instance)]


def _is_prefix(flags: Sequence[bool]) -> bool:
    return all(flags[: sum(flags)])


def _siblings(instance: Instance) -> set[str]:
    return {tool.provider for tool in group_tools(instance) if tool.name != instance.reference.name}


def _evidence(sheet: Sheet, instances: Sequence[Instance]) -> None:
    labels = [entry.evidence for entry in instances]
    for kind in sorted({label for label in labels if label is not None}):
        values = [None if label is None else float(label == kind) for label in labels]
        sheet.share(f"evidence labelled {kind}", values)
