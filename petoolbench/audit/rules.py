"""Section ``shortcuts``, the part that needs no training: rules, documented defaults, and what other users chose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..baselines import AGENTS, Agent
from ..schema import Arguments, Instance, Prediction, Score, ScoringMode, ToolCall
from ..scoring import score
from .records import Line, Subject
from .sheet import Sheet
from .texts import defaults, gold_tool, group_chance, group_tools

_MODES: tuple[tuple[str, ScoringMode], ...] = (("", "strict"), (", published scorer", "official"))


def measure_rules(subject: Subject) -> list[Line]:
    """Return how right each agent without a model is, documented defaults as arguments, and other users' majority.

    Parameter accuracy is judged whether or not the tool is right (paper, section 3.4).
    """
    votes = _Votes(subject)
    lines: list[Line] = []
    for setting, instances in subject.settings.items():
        sheet = Sheet("shortcuts", setting, instances)
        for agent in AGENTS.values():
            _agent(sheet, instances, agent)
        _other_users(sheet, instances, votes)
        _defaults(sheet, instances)
        lines += sheet.lines
    return lines


def _agent(sheet: Sheet, instances: Sequence[Instance], agent: Agent) -> None:
    scores = [_score(entry, agent.call(entry)) for entry in instances]
    chances = [group_chance(entry) if agent.oracle else 1 / len(entry.candidates) for entry in instances]
    note = f"{agent.summary}; is told the group" if agent.oracle else agent.summary
    sheet.share(agent.name, [float(found.tool) for found in scores], chances, note)
    sheet.share(f"{agent.name}, parameters", [float(found.arguments) for found in scores])


def _score(instance: Instance, call: ToolCall, mode: ScoringMode = "strict") -> Score:
    return score(Prediction(id=instance.id, calls=(call,)), instance.reference, mode)


class _Votes:
    """How often each tool is gold, over all settings, training and test, with each user's own choices apart."""

    def __init__(self, subject: Subject) -> None:
        self._all: Counter[str] = Counter()
        self._own: Counter[tuple[str, str]] = Counter()
        for splits in (subject.settings, subject.train):
            for instances in splits.values():
                self._all.update(entry.reference.name for entry in instances)
                self._own.update((entry.user_id, entry.reference.name) for entry in instances)

    def guess(self, instance: Instance, pick: Callable[[Iterable[int]], int]) -> float | None:
        """Return how right the tool with the picked number of votes is: 1/k where gold is one of k; None without group.

        Args:
            instance: Whose user's own choices do not count.
            pick: ``max`` for other users' favourite of the group, ``min`` for the tool that they chose least.
        """
        if group_chance(instance) is None:
            return None
        found = {
            tool.name: self._all[tool.name] - self._own[instance.user_id, tool.name] for tool in group_tools(instance)
        }
        picked = pick(found.values())
        names = [name for name, count in found.items() if count == picked]
        return (instance.reference.name in names) / len(names)


def _other_users(sheet: Sheet, instances: Sequence[Instance], votes: _Votes) -> None:
    """Write whether other users' choices tell gold; data that is too even gives away what was not chosen yet."""
    chances = [group_chance(entry) for entry in instances]
    note = "is told the group; picks the tool that was gold {} often for other users, of training and test"
    majority = [votes.guess(entry, max) for entry in instances]
    sheet.share("majority of other users", majority, chances, note.format("most"))
    sheet.share("minority of other users", [votes.guess(e, min) for e in instances], chances, note.format("least"))


def _defaults(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write how often documented defaults are the right arguments of the gold tool.

    The strict scorer fills an optional argument that is left out with its default, so there both ways nearly agree; the
    published scorer compares what is written.
    """
    for name, only_required in (("required defaults", True), ("every default", False)):
        arguments = [_default_arguments(entry, only_required) for entry in instances]
        for ending, mode in _MODES:
            values = [_right(entry, given, mode) for entry, given in zip(instances, arguments, strict=True)]
            sheet.share(f"{name} as arguments{ending}", values)


def _default_arguments(instance: Instance, only_required: bool) -> Arguments | None:
    tool = gold_tool(instance)
    return defaults(tool, only_required=only_required) if tool else None


def _right(instance: Instance, arguments: dict[str, Any] | None, mode: ScoringMode) -> float | None:
    if arguments is None:
        return None
    return float(_score(instance, ToolCall(name=instance.reference.name, arguments=arguments), mode).arguments)
