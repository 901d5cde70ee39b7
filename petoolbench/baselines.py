"""Agents that need no language model: what a benchmark gives away to plain rules.

An agent picks one of the candidates by what the prompt shows; only agents marked as oracles read the reference.
Every agent fills its arguments the same way, from the instruction's own words and numbers and the documented defaults.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from .names import split_tool_name
from .schema import Arguments, Instance, Interaction, Tool, ToolCall

_LIKED_BONUS = 0.5
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}


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


def default_arguments(tool: Tool, optional: bool = False) -> Arguments:
    """Return the documented defaults of a tool's required parameters, with ``optional`` of all parameters."""
    return {
        name: schema["default"]
        for name, schema, required in _parameters(tool)
        if "default" in schema and (required or optional)
    }


def fill_arguments(tool: Tool, instruction: str) -> Arguments:
    """Return arguments for a tool: values that stand in the instruction, else defaults of required parameters.

    Enumerated values and documented defaults are looked up in the instruction. A number is taken by the parameter
    whose name stands beside it, a date by one named so; a required parameter else takes the next number, or the next
    quoted or capitalised span.
    """
    quoted = _quoted(instruction)
    unquoted = instruction
    for span in quoted:
        unquoted = unquoted.replace(span, "", 1)
    spoken = _Spoken(_numbers(unquoted), _dates(unquoted), quoted + _capitalised(unquoted))
    arguments: Arguments = {}
    for name, schema, required in _parameters(tool):
        value = _mentioned(schema, instruction)
        if value is None:
            value = _taken(name, schema, spoken, required)
        if value is None and required:
            value = schema.get("default")
        if value is not None:
            arguments[name] = value
    return arguments


@dataclass
class _Spoken:
    """What an instruction spells out and no parameter has taken yet: numbers with the word after each, dates, spans."""

    numbers: list[tuple[Any, str]]
    dates: list[str]
    spans: list[str]


def _parameters(tool: Tool) -> list[tuple[str, dict[str, Any], bool]]:
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    if not isinstance(properties, dict):
        return []
    needed = required if isinstance(required, list) else []
    return [(name, dict(schema), name in needed) for name, schema in properties.items() if isinstance(schema, dict)]


def _mentioned(schema: dict[str, Any], instruction: str) -> Any:
    """Return the enumerated value or the default that the instruction spells out."""
    words = f" {' '.join(_words(instruction))} "
    known = list(schema.get("enum") or [])
    if "default" in schema and not isinstance(schema["default"], bool | list | dict):
        known.append(schema["default"])
    for value in known:
        spelled = " ".join(_words(str(value)))
        if spelled and f" {spelled} " in words:
            return value
    return None


def _taken(name: str, schema: dict[str, Any], spoken: _Spoken, required: bool) -> Any:
    kind = schema.get("type")
    if kind in ("number", "integer"):
        own = [entry for entry in spoken.numbers if entry[1] in _words(name)]
        chosen = (own or (spoken.numbers if required else []))[:1]
        for entry in chosen:
            spoken.numbers.remove(entry)
            return entry[0]
    if kind == "string" and "enum" not in schema and "default" not in schema:
        if "date" in _words(name):
            return spoken.dates.pop(0) if spoken.dates else None
        if required:
            return spoken.spans.pop(0) if spoken.spans else None
    return None


def _numbers(text: str) -> list[tuple[Any, str]]:
    """Return the numbers that stand alone between spaces and punctuation, each with the word after it."""
    found = []
    words = text.split()
    for word, after in zip(words, [*words[1:], ""], strict=True):
        try:
            value = json.loads(word.strip(".,;:!?()[]'\"$€£%"))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append((value, after.strip(".,;:!?()").lower()))
    return found


def _dates(text: str) -> list[str]:
    """Return the dates that are written as year, month and day."""
    found = []
    for word in text.split():
        bare = word.strip(".,;:!?()[]'\"")
        try:
            found.append(date.fromisoformat(bare).isoformat())
        except ValueError:
            continue
    return found


def _quoted(text: str) -> list[str]:
    """Return what stands in quotation marks; an apostrophe inside a word opens nothing."""
    found = []
    position = 0
    while position < len(text):
        closing = _QUOTES.get(text[position])
        opens = closing is not None and (position == 0 or text[position - 1] in " (\n")
        end = text.find(closing, position + 1) if opens and closing else -1
        if end > position + 1:
            found.append(text[position + 1 : end])
            position = end
        position += 1
    return found


def _capitalised(text: str) -> list[str]:
    """Return runs of capitalised words; a word that begins a sentence does not begin a run."""
    runs: list[list[str]] = [[]]
    words = text.split()
    for before, word in pairwise(words):
        bare = word.strip(".,;:!?()[]'\"").removesuffix("'s")
        is_pronoun = bare == "I" or bare.startswith("I'")
        if bare[:1].isupper() and not is_pronoun and before[-1] not in ".!?:":
            runs[-1].append(bare)
            if word[-1] not in ".,;:!?":
                continue
        if runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def _words(text: str) -> list[str]:
    """Return the lower-case words of a text, with camelCase taken apart."""
    letters = []
    for before, char in zip(" " + text, text, strict=False):
        if char.isupper() and (before.islower() or before.isdigit()):
            letters.append(" ")
        letters.append(char.lower() if char.isalnum() else " ")
    return "".join(letters).split()


def tool_words(tool: Tool) -> set[str]:
    """Return the words of a tool's documentation: endpoint, description, parameter names and types."""
    parts = [tool.endpoint, tool.description]
    for name, schema, _ in _parameters(tool):
        parts += [name, str(schema.get("type", ""))]
    return set(_words(" ".join(parts)))


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
    words = set(_words(instance.instruction))
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
