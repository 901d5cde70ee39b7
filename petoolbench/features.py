"""The Arrow columns of every config, and the way from record to row and back.

Free-form JSON (arguments, JSON Schemas, profiles) is kept as JSON text: Arrow would unite the keys of all rows and
fill the gaps with nulls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from datasets import Features, List, Value

from .files import json_text
from .schema import Instance, Interaction, Reference, Tool, ToolCall

_STRING = Value("string")

TOOL_FEATURES = Features(
    {
        "name": _STRING,
        "category": _STRING,
        "provider": _STRING,
        "endpoint": _STRING,
        "description": _STRING,
        "parameters": _STRING,
        "response": _STRING,
        "functionality": _STRING,
        "non_functional": _STRING,
        "source_text": _STRING,
    }
)
"""Columns of the config ``tools``; ``parameters`` and ``response`` hold JSON Schema as text."""

_CALL = {"name": _STRING, "arguments": _STRING}
_PLAIN_FIELDS = ("id", "setting", "user_id", "instruction", "functionality", "functionality_seen", "evidence")
_CANDIDATE_FIELDS = ("name", "category", "provider", "endpoint", "description", "parameters", "source_text")

REFERENCE_FEATURES = Features(
    {
        **_CALL,
        "accepted": List({"argument": _STRING, "value": _STRING, "origin": _STRING}),
        "group": List(_STRING),
        "twins": List(_STRING),
        "candidates": List(_STRING),
        "parameters": _STRING,
    }
)
"""The column ``reference``: all that a metric needs. ``arguments``, ``value`` and ``parameters`` are JSON text."""

INSTANCE_FEATURES = Features(
    {
        "id": _STRING,
        "setting": _STRING,
        "user_id": _STRING,
        "instruction": _STRING,
        "history": List(
            {
                "instruction": _STRING,
                **_CALL,
                "rating": Value("int8"),
                "position": Value("int32"),
                "documentation": _STRING,
            }
        ),
        "candidates": List(dict.fromkeys(_CANDIDATE_FIELDS, _STRING)),
        "reference": dict(REFERENCE_FEATURES),
        "functionality": _STRING,
        "functionality_seen": Value("bool"),
        "evidence": _STRING,
        "rejected": List(_CALL),
        "profile": _STRING,
        "messages": _STRING,
        "provenance": {"source": _STRING, "record": _STRING, "details": _STRING},
        "published": {
            "before_history": _STRING,
            "before_tools": _STRING,
            "after_tools": _STRING,
            "verbatim": _STRING,
            "without_history": _STRING,
        },
    }
)
"""Columns of the configs that hold instances: the three settings and ``all``."""

Row = dict[str, Any]


def tool_to_row(tool: Tool) -> Row:
    """Return the row of the config ``tools`` for a tool."""
    row = tool.model_dump()
    row["parameters"] = json_text(tool.parameters)
    row["response"] = json_text(tool.response)
    return row


def row_to_tool(row: Mapping[str, Any]) -> Tool:
    """Return the tool of a row of ``tools`` or of an entry of ``candidates``."""
    values = dict(row)
    values["parameters"] = json.loads(values["parameters"])
    if "response" in values:
        values["response"] = json.loads(values["response"])
    return Tool.model_validate(values)


def reference_to_row(reference: Reference) -> Row:
    """Return a reference as the plain dict that stands in the column ``reference``."""
    row = reference.model_dump()
    row["arguments"] = json_text(reference.arguments)
    row["parameters"] = json_text(reference.parameters)
    row["accepted"] = [
        {"argument": value.argument, "value": json_text(value.value), "origin": value.origin}
        for value in reference.accepted
    ]
    return row


def row_to_reference(row: Mapping[str, Any]) -> Reference:
    """Return the record of an entry of the column ``reference``."""
    values = dict(row)
    values["arguments"] = json.loads(values["arguments"])
    values["parameters"] = json.loads(values["parameters"])
    values["accepted"] = [{**value, "value": json.loads(value["value"])} for value in values["accepted"]]
    return Reference.model_validate(values)


def _call_to_row(call: ToolCall) -> Row:
    return {"name": call.name, "arguments": json_text(call.arguments)}


def _row_to_call(row: Mapping[str, Any]) -> ToolCall:
    return ToolCall(name=row["name"], arguments=json.loads(row["arguments"]))


def _interaction_to_row(interaction: Interaction) -> Row:
    return {
        "instruction": interaction.instruction,
        **_call_to_row(interaction.call),
        "rating": interaction.rating,
        "position": interaction.position,
        "documentation": interaction.documentation,
    }


def _row_to_interaction(row: Mapping[str, Any]) -> Interaction:
    return Interaction(
        instruction=row["instruction"],
        call=_row_to_call(row),
        rating=row["rating"],
        position=row["position"],
        documentation=row["documentation"],
    )


def instance_to_row(instance: Instance) -> Row:
    """Return the row of an instance; ``row_to_instance`` gives it back unchanged."""
    tools = [tool_to_row(tool) for tool in instance.candidates]
    return {name: getattr(instance, name) for name in _PLAIN_FIELDS} | {
        "history": [_interaction_to_row(interaction) for interaction in instance.history],
        "candidates": [{name: tool[name] for name in _CANDIDATE_FIELDS} for tool in tools],
        "reference": reference_to_row(instance.reference),
        "rejected": [_call_to_row(call) for call in instance.rejected],
        "profile": json_text(instance.profile.model_dump()) if instance.profile else None,
        "messages": json_text([m.model_dump() for m in instance.messages]) if instance.messages else None,
        "provenance": instance.provenance.model_dump(),
        "published": instance.published.model_dump() if instance.published else None,
    }


def row_to_instance(row: Mapping[str, Any]) -> Instance:
    """Return the instance of a row.

    Raises:
        ValueError: A JSON text or a value is not what ``schema.Instance`` says.
        KeyError: A column is missing.
    """
    return Instance(
        id=row["id"],
        setting=row["setting"],
        user_id=row["user_id"],
        instruction=row["instruction"],
        history=tuple(_row_to_interaction(entry) for entry in row["history"]),
        candidates=tuple(row_to_tool(tool) for tool in row["candidates"]),
        reference=row_to_reference(row["reference"]),
        functionality=row["functionality"],
        functionality_seen=row["functionality_seen"],
        evidence=row["evidence"],
        rejected=tuple(_row_to_call(call) for call in row["rejected"]),
        profile=json.loads(row["profile"]) if row["profile"] else None,
        messages=tuple(json.loads(row["messages"])) if row["messages"] else (),
        provenance=row["provenance"],
        published=row["published"],
    )
