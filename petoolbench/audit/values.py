"""Where the values of gold's arguments can be found."""

from __future__ import annotations

import calendar
from datetime import date
from typing import Any, Literal

from ..files import json_text
from ..schema import Instance
from .texts import Schema, gold_tool, holds, schemas, spelled

Place = Literal["instruction", "default", "documentation", "history"]


def values_found(instance: Instance) -> dict[str, Place | None]:
    """Return the first place where each gold value stands, by argument; None where it stands nowhere.

    A date counts as said in words too. A boolean counts as documented where its parameter is one, a list as found at
    the last place that one of its items needs. Null and empty text leave an argument out, as they do for the scorer.
    """
    known = schemas(instance)
    return {name: _place(value, known.get(name, {}), instance) for name, value in instance.reference.arguments.items()}


def _place(value: Any, schema: Schema, instance: Instance) -> Place | None:
    if value is None or value == "":
        return "default"
    if "default" in schema and json_text(schema["default"]) == json_text(value):
        return "default"
    if _said(value, instance.instruction):
        return "instruction"
    if _documented(value, schema, instance):
        return "documentation"
    if any(_used(value, past.call.arguments) for past in instance.history):
        return "history"
    return _place_of_items(value, schema, instance) if isinstance(value, list) else None


def _place_of_items(items: list[Any], schema: Schema, instance: Instance) -> Place | None:
    inner = schema.get("items")
    places = [_place(item, inner if isinstance(inner, dict) else {}, instance) for item in items]
    order: tuple[Place | None, ...] = (None, "history", "documentation", "default", "instruction")
    return min(places, key=order.index, default="instruction")


def _said(value: Any, text: str) -> bool:
    if isinstance(value, list):
        return all(_said(item, text) for item in value)
    return spelled(value, text) or any(holds(text, form) for form in _date_forms(value))


def _date_forms(value: Any) -> list[str]:
    """Return a date, given as year, month and day, as people write it."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        return []
    names = (calendar.month_name[day.month], calendar.month_abbr[day.month])
    forms = [form for name in names for form in (f"{day.day} {name}", f"{name} {day.day}")]
    return [f"{form} {day.year}" for form in forms]


def _documented(value: Any, schema: Schema, instance: Instance) -> bool:
    if isinstance(value, bool):
        return schema.get("type") == "boolean"
    tool = gold_tool(instance)
    texts = [json_text(schema), tool.description if tool else ""]
    return any(spelled(value, text) for text in texts)


def _used(value: Any, arguments: dict[str, Any]) -> bool:
    return any(json_text(value) == json_text(used) for used in arguments.values())
