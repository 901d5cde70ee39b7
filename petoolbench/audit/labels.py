"""Faults of labels: gold that is missing, cannot be derived or breaks its own schema, and instructions too short."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..errors import MissingExtraError
from ..files import json_text
from ..filling import parameters_of, words_of
from ..schema import Arguments, Instance, Prediction, Reference, Tool, ToolCall
from ..scoring import score
from .sheet import Sheet
from .texts import Schema, gold_tool
from .values import values_found

_FEWEST_WORDS = 3


def write_label_faults(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write what is wrong with gold and with instructions.

    Raises:
        MissingExtraError: jsonschema is not installed.
    """
    sheet.share("gold is not among the candidates", [gold_tool(entry) is None for entry in instances])
    sheet.share(
        f"instruction of under {_FEWEST_WORDS} words",
        [len(words_of(entry.instruction)) < _FEWEST_WORDS for entry in instances],
    )
    _underivable(sheet, instances)
    _schema_faults(sheet, instances)


def _underivable(sheet: Sheet, instances: Sequence[Instance]) -> None:
    places = [list(values_found(entry).values()) for entry in instances]
    sheet.share(
        "a gold value is not in instruction, default or documentation",
        [None in found or "history" in found for found in places],
    )
    sheet.share("a gold value stands nowhere", [None in found for found in places], note="nor in the history")


def _schema_faults(sheet: Sheet, instances: Sequence[Instance]) -> None:
    tools = [(entry.reference.arguments, gold_tool(entry)) for entry in instances]
    calls = [(arguments, tool) if tool else None for arguments, tool in tools]
    sheet.share("gold lacks a required argument", [call and _lacks(*call) for call in calls])
    sheet.share("gold has an undocumented argument", [call and _exceeds(*call) for call in calls])
    sheet.share("gold breaks its JSON Schema", [call and _breaks(*call) for call in calls])
    sheet.share(
        "gold breaks its JSON Schema, read as the scorer does",
        [call and _breaks(_as_documented(*call), call[1]) for call in calls],
        note="a value counts as of its documented type where the scorer takes it for one",
    )


def _lacks(arguments: Arguments, tool: Tool) -> bool:
    return any(required and name not in arguments for name, _, required in parameters_of(tool))


def _exceeds(arguments: Arguments, tool: Tool) -> bool:
    return bool(arguments.keys() - {name for name, _, _ in parameters_of(tool)})


def _breaks(arguments: Arguments, tool: Tool) -> bool:
    """Return whether arguments do not fit a tool's schema, or the schema is none."""
    validator = _validator(json_text(tool.parameters))
    return validator is None or not validator(arguments)


@lru_cache(maxsize=1 << 14)
def _validator(schema_text: str) -> Callable[[Arguments], bool] | None:
    """Return what tells whether arguments fit a schema, or None where it is no JSON Schema.

    The empty registry keeps a schema from having other files fetched; one that refers to any fits nothing.
    """
    try:
        from jsonschema import Draft202012Validator, SchemaError
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ImportError:
        raise MissingExtraError("an audit", "jsonschema", "audit") from None
    schema = json.loads(schema_text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return None
    validator = Draft202012Validator(schema, registry=Registry())

    def fits(arguments: Arguments) -> bool:
        try:
            return bool(validator.is_valid(arguments))
        except (Unresolvable, RecursionError):
            return False

    return fits


def _as_documented(arguments: Arguments, tool: Tool) -> Arguments:
    known = {name: schema for name, schema, _ in parameters_of(tool)}
    return {name: _read(value, known.get(name, {})) for name, value in arguments.items()}


def _read(value: Any, schema: Schema) -> Any:
    """Return a value in its documented type, or the listed value it stands for, where the scorer holds them equal."""
    others = [*(schema.get("enum") or []), *_in_type(value, schema.get("type"))]
    return next((other for other in others if _counts_as(value, other, schema)), value)


def _in_type(value: Any, kind: Any) -> list[Any]:
    """Return the value as one of the documented type, if it can be read so."""
    if kind == "string" and not isinstance(value, str):
        return [json_text(value)]
    if kind in ("number", "integer", "boolean") and isinstance(value, str):
        try:
            return [json.loads(value.strip().lower())]
        except (ValueError, RecursionError):
            return []
    return []


def _counts_as(value: Any, other: Any, schema: Schema) -> bool:
    """Return whether the scorer takes one value of a parameter for another."""
    reference = Reference(
        name="tool",
        arguments={"value": other},
        parameters={"type": "object", "properties": {"value": schema}, "required": ["value"]},
    )
    call = ToolCall(name="tool", arguments={"value": value})
    return score(Prediction(id="", calls=(call,)), reference).arguments
