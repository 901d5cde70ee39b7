"""Agents that need no language model: what a benchmark gives away to plain rules.

An agent picks one of the candidates by what the prompt shows; only agents marked as oracles read the reference.
Every agent fills its arguments the same way, from the instruction's own words and numbers and the documented defaults.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .filling import fill_arguments, parameters_of, words_of
from .names import split_tool_name
from .schema import Instance, Interaction, Tool, ToolCall

_LIKED_BONUS = 0.5


@dataclass(frozen=True)
class Agent:
    """A rule that picks a candidate. ``oracle`` marks one that is told the gold group."""

    name: str
    summary: str
    pick: Callable[[Instance, random.Random], Tool]
    oracle: bool = False

    def call(self, instance: Instance, seed: int = 0) -> ToolCall:
        """Return the agent's call; the same instance and seed always give the same one."""
        tool = self.pick(instance, random.Random(f"{seed}:{instance.id}"))
        return ToolCall(name=tool.name, arguments=fill_arguments(tool, instance.instruction))


def tool_words(tool: Tool) -> set[str]:
    """Return the words of a tool's documentation: endpoint, description, parameter names and types."""
    parts = [tool.endpoint, tool.description]
    for name, schema, _ in parameters_of(tool):
        parts += [name, str(schema.get("type", ""))]
    return set(words_of(" ".join(parts)))


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0


def _provider(interaction: Interaction) -> str:
    return split_tool_name(interaction.call.name)[1] or interaction.call.name


def _weights(instance: Instance) -> list[float]:
    """Return how much each past call speaks for its provider, from -1 to 1, as far as the setting tells."""
    count = len(instance.history)
    if instance.setting == "rating_integrated":
        return [1.0 if entry.rating == 1 else -1.0 for entry in instance.history]
    if instance.setting == "chronological" and count > 1:
        return [2 * entry.position / (count - 1) - 1 for entry in instance.history]
    return [1.0] * count


def _taste(instance: Instance) -> dict[str, float]:
    taste: dict[str, float] = {}
    for entry, weight in zip(instance.history, _weights(instance), strict=True):
        taste[_provider(entry)] = taste.get(_provider(entry), 0.0) + weight
    return taste


def _best(candidates: Sequence[Tool], keys: Iterable[Any]) -> Tool:
    """Return the candidate with the largest key; the earlier one wins a tie."""
    ranked = list(keys)
    return candidates[max(range(len(candidates)), key=ranked.__getitem__)]


def _lexical(instance: Instance) -> list[float]:
    words = set(words_of(instance.instruction))
    return [_overlap(words, tool_words(tool)) for tool in instance.candidates]


def _pick_random(instance: Instance, generator: random.Random) -> Tool:
    return generator.choice(instance.candidates)


def _pick_random_in_group(instance: Instance, generator: random.Random) -> Tool:
    group = [tool for tool in instance.candidates if tool.name in instance.reference.group]
    return generator.choice(group or list(instance.candidates))


def _pick_lexical(instance: Instance, generator: random.Random) -> Tool:
    return _best(instance.candidates, _lexical(instance))


def _pick_liked_minus_disliked(instance: Instance, generator: random.Random) -> Tool:
    taste = _taste(instance)
    keys = zip((taste.get(tool.provider, 0.0) for tool in instance.candidates), _lexical(instance), strict=True)
    return _best(instance.candidates, keys)


def _pick_latest_provider(instance: Instance, generator: random.Random) -> Tool:
    """Take the provider of the latest call that was not disliked."""
    latest = {_provider(entry): entry.position for entry in instance.history if entry.rating != 0}
    keys = zip((latest.get(tool.provider, -1) for tool in instance.candidates), _lexical(instance), strict=True)
    return _best(instance.candidates, keys)


def _pick_nearest_to_disliked(instance: Instance, generator: random.Random) -> Tool:
    """Take the candidate worded most like one of a disliked provider, or like any other where none is disliked.

    Siblings are worded alike, so the group shows without a look at the instruction. In a chronological history the
    provider of the oldest call counts as the disliked one. A liked provider adds a bonus.
    """
    liked, disliked = _liked_and_disliked(instance)
    words = [tool_words(tool) for tool in instance.candidates]
    bad = [index for index, tool in enumerate(instance.candidates) if tool.provider in disliked]
    anchors = bad or range(len(words))
    keys = []
    for index, tool in enumerate(instance.candidates):
        nearest = max((_overlap(words[index], words[other]) for other in anchors if other != index), default=0.0)
        keys.append((tool.provider not in disliked, nearest + _LIKED_BONUS * (tool.provider in liked)))
    return _best(instance.candidates, keys)


def _liked_and_disliked(instance: Instance) -> tuple[set[str], set[str]]:
    providers = [_provider(entry) for entry in instance.history]
    if instance.setting == "rating_integrated":
        disliked = {_provider(entry) for entry in instance.history if entry.rating == 0}
        liked = {_provider(entry) for entry in instance.history if entry.rating == 1}
        return liked, disliked
    disliked = set(providers[:1]) if instance.setting == "chronological" else set()
    return set(providers) - disliked, disliked


AGENTS: dict[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent("random", "any of the candidates", _pick_random),
        Agent("random-in-group", "any tool of the gold group", _pick_random_in_group, oracle=True),
        Agent("lexical", "the documentation nearest to the instruction in words", _pick_lexical),
        Agent(
            "liked-minus-disliked",
            "the provider with most liked minus disliked calls, then the nearest words",
            _pick_liked_minus_disliked,
        ),
        Agent("latest-provider", "the provider used last, then the nearest words", _pick_latest_provider),
        Agent(
            "nearest-to-disliked",
            "never reads the instruction: worded like a disliked provider's tool, liked providers first",
            _pick_nearest_to_disliked,
        ),
    )
}
"""Every agent by its name on the command line."""
