"""An audit in plain sentences: what the data set measures, and what it gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .records import Audit, Line, Verdict
from .tables import percent, value

_FINDINGS = {
    "composition.distinct instructions": "distinct instructions make up {}",
    "composition.gold positions": "a test that gold's places in the list are even gives p = {}",
    "ceilings.oracle": "the history settles the choice within the group for {}",
    "ceilings.no evidence between siblings": "for {} the history does not tell gold from a sibling, so it takes luck",
    "ceilings.twins outside the group": "{} have a candidate outside the group that is documented as gold is",
    "ceilings.gold is not among the candidates": "{} do not offer gold",
    "ceilings.a gold value stands nowhere": "{} ask for a value that nothing in the prompt tells",
    "ceilings.gold lacks a required argument": "{} of the gold calls lack a required argument",
    "ceilings.gold has an undocumented argument": "{} of the gold calls have an undocumented argument",
    "ceilings.gold breaks its JSON Schema": "{} of the gold calls break their tool's JSON Schema",
    "ceilings.instruction names a candidate's provider or vendor": "{} of the instructions name a candidate's provider",
    "shortcuts.nearest-to-disliked": "a rule that never reads the instruction is right for {}",
    "shortcuts.liked-minus-disliked": "counting likes is right for {}",
    "shortcuts.majority of other users": "the tool of the group that other users chose most is right for {}",
    "shortcuts.minority of other users": "the tool of the group that other users chose least is right for {}",
    "shortcuts.every default as arguments": "documented defaults are the right arguments for {}",
    "shortcuts.ranker without history, in group": "a ranker without the history is right within the group for {}",
    "shortcuts.ranker without the instruction": "a ranker without the instruction is right for {}",
    "shortcuts.history swapped, in group": "with another user's history a ranker is right within the group for {}",
    "leaks.instruction is in training": "{} of the instructions are in training",
    "leaks.instruction is near one in training": "{} of the instructions are near one in training",
    "leaks.history and candidates are in training": "{} of the prompts are in training",
    "leaks.history is near one in training": "{} of the histories are near one in training",
    "leaks.user is in training": "{} of the users are in training",
    "leaks.functionality is in training though called unseen": "{} are called unseen and are not",
    "leaks.gold call is in training": "{} of the gold calls are in training",
    "leaks.gold tool called unseen is in training prompts": "training prompts show the unseen gold tool for {}",
    "leaks.twin of a group called unseen is in training prompts": "training prompts show an unseen tool's twin for {}",
}
"""What a line says, in words; ``{}`` is its range over the groups that are spoken of."""


@dataclass(frozen=True)
class Summary:
    """Sentences on what the data measures, findings against it and for it, and which lines could not be judged."""

    measures: str
    gives_away: tuple[str, ...]
    keeps: tuple[str, ...]
    skipped: tuple[str, ...]


def summarise(audit: Audit) -> Summary:
    """Return what an audit found, in plain English."""
    away: list[str] = []
    keeps: list[str] = []
    skipped: dict[str, list[str]] = {}
    for key in dict.fromkeys(verdict.threshold.line for verdict in audit.verdicts):
        verdicts = [verdict for verdict in audit.verdicts if verdict.threshold.line == key]
        judged = [verdict for verdict in verdicts if verdict.line.value is not None]
        failed = [verdict for verdict in judged if verdict.passed is False]
        if not judged:
            skipped.setdefault(verdicts[0].note, []).append(key)
        elif failed:
            groups = f" ({', '.join(v.line.group for v in failed)})" if len(failed) < len(verdicts) else ""
            away.append(_finding(key, failed) + groups)
        else:
            keeps.append(_finding(key, judged))
    return Summary(_measures(audit.lines), tuple(away), tuple(keeps), _not_judged(skipped))


def _not_judged(skipped: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return which lines have no verdict or fail unmeasured, by the reason why."""
    return tuple(
        f"{len(keys)} check{'s' if len(keys) > 1 else ''} could not be made ({note}): {'; '.join(keys)}."
        for note, keys in skipped.items()
    )


def _finding(key: str, verdicts: Sequence[Verdict]) -> str:
    lines = [verdict.line for verdict in verdicts]
    chances = [line.chance for line in lines if line.chance is not None]
    by_chance = any(verdict.threshold.max_over_chance is not None for verdict in verdicts)
    chance = f" (chance {_range(chances)})" if chances and by_chance else ""
    found = [line.value for line in lines if line.value is not None]
    unit = lines[0].unit
    shown = _range(found) if unit == "share" else ", ".join(dict.fromkeys(value(number, unit) for number in found))
    return _FINDINGS.get(key, f"“{lines[0].name}” is {{}}").format(shown) + chance


def _range(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return f"{low} %" if low == high else f"{low}–{high} %"


def _spread(counts: Sequence[float]) -> str:
    low, high = f"{min(counts):,.0f}", f"{max(counts):,.0f}"
    return low if low == high else f"{low}–{high}"


def _measures(lines: Sequence[Line]) -> str:
    """Return what the data holds and what an ideal reader of its histories reaches."""
    sizes = {name: _values(lines, f"composition.{name}") for name in ("instances", "users", "functionalities")}
    parts = []
    if sizes["instances"]:
        settings = len(sizes["instances"])
        parts.append(
            f"{sum(sizes['instances']):,.0f} instances in {settings} setting{'s' if settings > 1 else ''}; in each, "
            f"{_spread(sizes['users'])} users ask for {_spread(sizes['functionalities'])} functionalities."
        )
    oracle = [line for line in lines if line.key == "ceilings.oracle"]
    if oracle:
        parts.append(_oracle(oracle, _values(lines, "ceilings.no evidence between siblings")))
    return " ".join(parts)


def _oracle(lines: Sequence[Line], undecided: Sequence[float]) -> str:
    found = [line.value for line in lines if line.value is not None]
    chances = [line.chance for line in lines if line.chance is not None]
    text = (
        f"Whoever knows the group and reads nothing but the names, ratings and order of the history can be right for "
        f"{_range(found)}; a guess within the group is right for {_range(chances)}."
    )
    if max(undecided, default=0) > 0:
        text += f" The history says nothing between gold and a sibling for {_range(undecided)}."
    return text


def _values(lines: Sequence[Line], key: str) -> list[float]:
    return [line.value for line in lines if line.key == key and line.value is not None]
