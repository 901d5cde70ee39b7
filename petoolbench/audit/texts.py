"""Instances as an audit looks at them: the gold tool, its group, and texts and values by their words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..filling import parameters_of, words_of
from ..schema import Arguments, Instance, Tool

Schema = dict[str, Any]


def gold_tool(instance: Instance) -> Tool | None:
    """Return the wanted tool, or None where it is not among the candidates."""
    return next((tool for tool in instance.candidates if tool.name == instance.reference.name), None)


def group_tools(instance: Instance) -> list[Tool]:
    """Return the candidates that do what gold does, gold among them; none where the data does not tell the group."""
    return [tool for tool in instance.candidates if tool.name in instance.reference.group]


def group_chance(instance: Instance) -> float | None:
    """Return what a guess within the group reaches, or None where the group is unknown or lacks gold."""
    names = [tool.name for tool in group_tools(instance)]
    return 1 / len(names) if instance.reference.name in names else None


def schemas(instance: Instance) -> dict[str, Schema]:
    """Return the schema of each parameter that gold documents."""
    tool = gold_tool(instance)
    return {name: schema for name, schema, _ in parameters_of(tool)} if tool else {}


def defaults(tool: Tool, *, only_required: bool = False) -> Arguments:
    """Return the documented defaults of a tool's parameters as arguments."""
    return {
        name: schema["default"]
        for name, schema, required in parameters_of(tool)
        if "default" in schema and (required or not only_required)
    }


def documentation(tool: Tool) -> str:
    """Return what is documented of a tool besides its name, as one text; equal texts are equal documentation."""
    return json.dumps([tool.description, tool.parameters], ensure_ascii=False, sort_keys=True)


def plain_documentation(tool: Tool) -> str:
    """Return the documentation without case, punctuation, descriptions of parameters and defaults."""
    parameters = sorted((name.lower(), str(schema.get("type"))) for name, schema, _ in parameters_of(tool))
    return json.dumps([words_of(tool.description), parameters], ensure_ascii=False)


@lru_cache(maxsize=1 << 16)
def plain(text: str) -> str:
    """Return a text as lower-case words between single spaces, with one before and one behind."""
    letters = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return f" {' '.join(letters.split())} "


def holds(text: str, phrase: str) -> bool:
    """Return whether whole words of a text spell a phrase; one without letters and digits is looked up as it is."""
    words = plain(phrase)
    return words in plain(text) if words.strip() else bool(phrase) and phrase in text


def spelled(value: Any, text: str) -> bool:
    """Return whether a text spells a value out; all of its items where it has any.

    Texts count as whole words in any case, figures wherever no other digit touches them ("30y", "v4.0.5").
    """
    if isinstance(value, list):
        return all(spelled(item, text) for item in value)
    if isinstance(value, dict):
        return all(spelled(item, text) for item in value.values())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(_counted(form, text) for form in _number_forms(value))
    written = value if isinstance(value, str) else json.dumps(value)
    return holds(text, written) or (_is_figures(written) and _counted(written, text))


def _is_figures(written: str) -> bool:
    return any(map(str.isdigit, written)) and not any(map(str.isalpha, written))


def _number_forms(value: float) -> Sequence[str]:
    """Return a number as JSON writes it, whole numbers without a fraction and with thousands set apart too."""
    if isinstance(value, float) and not value.is_integer():
        return (json.dumps(value),)
    return (json.dumps(value), str(int(value)), f"{int(value):,}")


def _counted(number: str, text: str) -> bool:
    start = text.find(number)
    while start >= 0:
        before, behind = text[:start][-2:], text[start + len(number) :][:2]
        if not _goes_on(before[::-1]) and not _goes_on(behind):
            return True
        start = text.find(number, start + 1)
    return False


def _goes_on(neighbours: str) -> bool:
    """Return whether a number goes on with these two characters, the nearer one first: a digit, or a point and one."""
    return neighbours[:1].isdigit() or (neighbours[:1] in (".", ",") and neighbours[1:].isdigit())
