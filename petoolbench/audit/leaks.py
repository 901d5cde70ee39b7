"""Section ``leaks``: what of the test instances is known from training, or from other test instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..files import json_text
from ..schema import Instance, Tool
from .near import near_pairs, shingles
from .records import Line, Subject
from .sheet import Sheet
from .texts import documentation, group_tools

TRAIN_LINES = (
    "instruction is in training",
    "instruction is near one in training",
    "history and candidates are in training",
    "history is near one in training",
    "user is in training",
    "functionality is in training",
    "functionality is in training though called unseen",
    "gold call is in training",
    "gold tool called unseen is in training prompts",
    "twin of a group called unseen is in training prompts",
)
"""The lines that need training instances."""


def measure_leaks(subject: Subject) -> list[Line]:
    """Return leaks inside each setting's test instances, and from the training instances of all settings.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    test = [entry for instances in subject.settings.values() for entry in instances]
    training = [entry for instances in subject.train.values() for entry in instances]
    near = _Near([*test, *training])
    known = _Known.of(training) if training else None
    lines: list[Line] = []
    for setting, instances in subject.settings.items():
        sheet = Sheet("leaks", setting, instances)
        _inside(sheet, instances, near)
        if known:
            _from_training(sheet, instances, known, near)
        lines += sheet.lines
    return lines


class _Near:
    """The near duplicates of every instruction and of every history, each among the others of its kind."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.instructions = _neighbours({entry.instruction: shingles(entry.instruction) for entry in instances})
        self.histories = _neighbours({calls: calls for calls in map(past_calls, instances)})


def _neighbours(sets: Mapping[Hashable, frozenset[str]]) -> dict[Hashable, set[Hashable]]:
    found: dict[Hashable, set[Hashable]] = {key: set() for key in sets}
    for one, other in near_pairs(sets):
        found[one].add(other)
        found[other].add(one)
    return found


def past_calls(instance: Instance) -> frozenset[str]:
    """Return the calls of a history as a set, each tool with its arguments."""
    return frozenset(_call_text(past.call.name, past.call.arguments) for past in instance.history)


def _call_text(name: str, arguments: Mapping[str, object]) -> str:
    return json_text([name, sorted(arguments.items())])


def _prompt(instance: Instance) -> Hashable:
    """Return what a model is shown besides the instruction: the history in its order, and the candidates in any."""
    history = tuple((_call_text(past.call.name, past.call.arguments), past.rating) for past in instance.history)
    return history, tuple(sorted(tool.name for tool in instance.candidates))


def _inside(sheet: Sheet, instances: Sequence[Instance], near: _Near) -> None:
    instructions = Counter(entry.instruction for entry in instances)
    histories = Counter(map(past_calls, instances))
    prompts = Counter(map(_prompt, instances))
    sheet.share("instruction is shared in the test", [instructions[entry.instruction] > 1 for entry in instances])
    sheet.share(
        "instruction is near another of the test",
        [bool(near.instructions[entry.instruction] & instructions.keys()) for entry in instances],
        note="another instruction with a Jaccard index of character 5-grams of 0.8 or more",
    )
    sheet.share("history and candidates are shared in the test", [prompts[_prompt(e)] > 1 for e in instances])
    sheet.share(
        "history is near another of the test",
        [_has_near(past_calls(entry), histories, near.histories, 2) for entry in instances],
        note="sets of calls with their arguments, Jaccard index of 0.8 or more",
    )


def _has_near(
    key: frozenset[str], known: Mapping[frozenset[str], int], near: Mapping[Hashable, set[Hashable]], least: int
) -> bool:
    """Return whether a filled key occurs at least so often, or one near to it occurs at all."""
    return bool(key) and (known.get(key, 0) >= least or bool(near[key] & known.keys()))


@dataclass(frozen=True)
class _Known:
    """What training instances show."""

    instructions: frozenset[str]
    prompts: frozenset[Hashable]
    histories: Mapping[frozenset[str], int]
    users: frozenset[str]
    functionalities: frozenset[str]
    calls: frozenset[str]
    tools: frozenset[str]
    documented: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, training: Sequence[Instance]) -> _Known:
        """Gather what these instances show."""
        candidates = {tool.name: tool for entry in training for tool in entry.candidates}
        called = {past.call.name for entry in training for past in entry.history}
        return cls(
            instructions=frozenset(entry.instruction for entry in training),
            prompts=frozenset(map(_prompt, training)),
            histories=Counter(map(past_calls, training)),
            users=frozenset(entry.user_id for entry in training),
            functionalities=frozenset(entry.functionality for entry in training),
            calls=frozenset(map(_gold_call, training)),
            tools=frozenset(candidates) | called,
            documented=_names_by_documentation(candidates.values()),
        )


def _gold_call(instance: Instance) -> str:
    return _call_text(instance.reference.name, instance.reference.arguments)


def _names_by_documentation(tools: Iterable[Tool]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for tool in tools:
        found.setdefault(documentation(tool), set()).add(tool.name)
    return {text: frozenset(names) for text, names in found.items()}


def _from_training(sheet: Sheet, instances: Sequence[Instance], known: _Known, near: _Near) -> None:
    """Write the lines of ``TRAIN_LINES``, in their order."""
    unseen = [entry.functionality_seen is False for entry in instances]
    columns = (
        [entry.instruction in known.instructions for entry in instances],
        [_instruction_near(entry, known, near) for entry in instances],
        [_prompt(entry) in known.prompts for entry in instances],
        [_has_near(past_calls(entry), known.histories, near.histories, 1) for entry in instances],
        [entry.user_id in known.users for entry in instances],
        [entry.functionality in known.functionalities for entry in instances],
        [u and entry.functionality in known.functionalities for u, entry in zip(unseen, instances, strict=True)],
        [_gold_call(entry) in known.calls for entry in instances],
        [u and entry.reference.name in known.tools for u, entry in zip(unseen, instances, strict=True)],
        [u and _has_twin(entry, known) for u, entry in zip(unseen, instances, strict=True)],
    )
    for name, column in zip(TRAIN_LINES, columns, strict=True):
        sheet.share(name, column, note=_NOTES.get(name, ""))


_NOTES = {
    "instruction is near one in training": "the same counts too; character 5-grams, Jaccard index of 0.8 or more",
    "history is near one in training": "the same counts too; sets of calls, Jaccard index of 0.8 or more",
    "functionality is in training": "no leak where the data says so",
    "gold call is in training": "the same tool with the same arguments",
}


def _instruction_near(instance: Instance, known: _Known, near: _Near) -> bool:
    text = instance.instruction
    return text in known.instructions or bool(near.instructions[text] & known.instructions)


def _has_twin(instance: Instance, known: _Known) -> bool:
    """Return whether training shows a tool of another name that is documented like one of the group."""
    return any(known.documented.get(documentation(tool), frozenset()) - {tool.name} for tool in group_tools(instance))
