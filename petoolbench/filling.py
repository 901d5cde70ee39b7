"""Arguments without a language model: what an instruction spells out, and documented defaults."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from .schema import Arguments, Tool

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}


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
    for name, schema, required in parameters_of(tool):
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


def parameters_of(tool: Tool) -> list[tuple[str, dict[str, Any], bool]]:
    """Return the name, the schema and whether it is required, for each parameter of a tool."""
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    if not isinstance(properties, dict):
        return []
    needed = required if isinstance(required, list) else []
    return [(name, dict(schema), name in needed) for name, schema in properties.items() if isinstance(schema, dict)]


def _mentioned(schema: dict[str, Any], instruction: str) -> Any:
    """Return the enumerated value or the default that the instruction spells out."""
    words = f" {' '.join(words_of(instruction))} "
    known = list(schema.get("enum") or [])
    if "default" in schema and not isinstance(schema["default"], bool | list | dict):
        known.append(schema["default"])
    for value in known:
        spelled = " ".join(words_of(str(value)))
        if spelled and f" {spelled} " in words:
            return value
    return None


def _taken(name: str, schema: dict[str, Any], spoken: _Spoken, required: bool) -> Any:
    kind = schema.get("type")
    if kind in ("number", "integer"):
        own = [entry for entry in spoken.numbers if entry[1] in words_of(name)]
        fitting = own or (spoken.numbers if required else [])
        if fitting:
            return spoken.numbers.pop(spoken.numbers.index(fitting[0]))[0]
    if kind == "string" and "enum" not in schema and "default" not in schema:
        if "date" in words_of(name):
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
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found.append((value, after.strip(".,;:!?()").lower()))
    return found


def _dates(text: str) -> list[str]:
    """Return the dates that are written as year, month and day."""
    found = []
    for word in text.split():
        bare = word.strip(".,;:!?()[]'\"")
        try:
            is_date = date.fromisoformat(bare).isoformat() == bare
        except ValueError:
            continue
        if is_date:
            found.append(bare)
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


def words_of(text: str) -> list[str]:
    """Return the lower-case words of a text, with camelCase taken apart."""
    letters = []
    for before, char in zip(" " + text, text, strict=False):
        if char.isupper() and (before.islower() or before.isdigit()):
            letters.append(" ")
        letters.append(char.lower() if char.isalnum() else " ")
    return "".join(letters).split()
