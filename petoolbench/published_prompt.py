"""A published prompt taken apart, and put together again to the byte.

A published prompt holds the history and the tools as one JSON list each, on lines of their own. What stands around them
is kept as text, so that none of the published wording needs to stand in this package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from .files import json_text
from .names import split_tool_name
from .schema import Interaction, PublishedPrompt, Tool, ToolCall

_TYPES = {
    "string": "string",
    "enum": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "object": "object",
    "array": "array",
}


class StructureError(ValueError):
    """A piece of a published prompt is not what it has to be; the message says which."""


@dataclass(frozen=True)
class TakenApart:
    """The pieces of a published prompt; ``lead`` is what stands before the first list, and tells the setting."""

    published: PublishedPrompt
    lead: str
    history: tuple[Interaction, ...]
    tools: tuple[Tool, ...]


def published_call(call: ToolCall) -> dict[str, Any]:
    """Return a call with the keys of the published data: ``tool_name`` and ``parameters``."""
    return {"tool_name": call.name, "parameters": call.arguments}


def render_published(published: PublishedPrompt, history: Sequence[Interaction], candidates: Sequence[Tool]) -> str:
    """Put a published prompt together again, with this history and these candidates in place of its own.

    Raises:
        ValueError: The prompt is kept only verbatim, or a candidate has no published documentation.
    """
    if published.verbatim is not None:
        raise ValueError("a prompt that is kept verbatim cannot take another history or other candidates")
    documents = [tool.source_text for tool in candidates]
    if None in documents:
        raise ValueError("a candidate has no published documentation")
    tools = ", ".join(text for text in documents if text is not None)
    lines = json_text([_published_interaction(interaction) for interaction in history])
    return f"{published.before_history}{lines}{published.before_tools}[{tools}]{published.after_tools}"


def _published_interaction(interaction: Interaction) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "instruction": interaction.instruction,
        "tool_call": published_call(interaction.call),
    }
    if interaction.rating is not None:
        entry["rating"] = interaction.rating
    return entry


def reason(error: Exception) -> str:
    """Say in a few words which key or type an error speaks of."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    return f"key {error} is missing" if isinstance(error, KeyError) else "is of the wrong type"


def take_apart(text: str, candidates: tuple[Tool, ...] | None = None) -> TakenApart:
    """Split a prompt into its pieces; keep it verbatim where putting them together gives another text.

    Args:
        text: The prompt.
        candidates: The tools, for a prompt that does not list them.

    Raises:
        StructureError: There are no tools, or a tool or interaction lacks what it must have.
    """
    found = _json_list_lines(text)
    tool_lines = [entry for entry in found if _all_have(entry[2], "tool_name")]
    if not tool_lines:
        if candidates is None:
            raise StructureError("holds no line with the list of available tools; nothing can be chosen")
        return TakenApart(PublishedPrompt(verbatim=text), text, (), candidates)
    start, end, documents = tool_lines[-1]
    tools = tuple(published_tool(document) for document in documents)
    histories = [entry for entry in found if entry[1] <= start and _all_have(entry[2], "tool_call")]
    if not histories:
        return TakenApart(PublishedPrompt(verbatim=text), text[:start], (), tools)
    history_start, history_end, entries = histories[0]
    history = tuple(_interaction(entry, position) for position, entry in enumerate(entries))
    pieces = PublishedPrompt(
        before_history=text[:history_start], before_tools=text[history_end:start], after_tools=text[end:]
    )
    same = render_published(pieces, history, tools) == text
    return TakenApart(pieces if same else PublishedPrompt(verbatim=text), pieces.before_history, history, tools)


def _json_list_lines(text: str) -> list[tuple[int, int, list[Any]]]:
    """Return (start, end, value) of every line that is one JSON list."""
    found: list[tuple[int, int, list[Any]]] = []
    start = 0
    for line in text.split("\n"):
        if line.startswith("[") and line.endswith("]"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, list):
                found.append((start, start + len(line), value))
        start += len(line) + 1
    return found


def _all_have(entries: list[Any], key: str) -> bool:
    if not entries:
        return key == "tool_call"
    return all(isinstance(entry, dict) and key in entry for entry in entries)


def _interaction(entry: Any, position: int) -> Interaction:
    try:
        return Interaction(
            instruction=entry["instruction"],
            call=ToolCall(name=entry["tool_call"]["tool_name"], arguments=entry["tool_call"]["parameters"]),
            rating=entry.get("rating"),
            position=position,
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise StructureError(f"interaction {position} of the history: {reason(error)}") from None


@lru_cache(maxsize=1 << 16)
def _parsed_tool(source_text: str) -> Tool:
    document = json.loads(source_text)
    category, provider, endpoint = split_tool_name(document["tool_name"])
    return Tool(
        name=document["tool_name"],
        category=category,
        provider=provider,
        endpoint=endpoint,
        description=document["tool_description"] or "",
        parameters=_json_schema(document),
        source_text=source_text,
    )


def published_tool(document: Any) -> Tool:
    """Return the tool of a published documentation; its text is kept as the source wrote it.

    Raises:
        StructureError: A key is missing or of a wrong type.
    """
    source_text = json_text(document)
    try:
        return _parsed_tool(source_text)
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise StructureError(f"a candidate tool: {reason(error)}: {source_text[:80]}") from None


def _json_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for kind in ("required_parameters", "optional_parameters"):
        for parameter in document[kind]:
            name = parameter["name"]
            properties.setdefault(name, _property(parameter))
            if kind == "required_parameters" and name not in required:
                required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _property(parameter: Mapping[str, Any]) -> dict[str, Any]:
    published_type = str(parameter.get("type", "")).strip()
    kind = _TYPES.get(published_type.lower(), "string" if published_type.upper().startswith("DATE") else None)
    schema: dict[str, Any] = {"type": kind} if kind else {}
    if parameter.get("description"):
        schema["description"] = parameter["description"]
    default = parameter.get("default")
    if default not in ("", None):
        schema["default"] = _typed(default, kind)
    return schema


def _typed(value: Any, kind: str | None) -> Any:
    """Return a default in the type of its parameter where its published text can be read as one."""
    if not isinstance(value, str) or kind not in ("number", "integer", "boolean"):
        return value
    try:
        typed = json.loads(value.strip().lower())
    except (ValueError, RecursionError):
        return value
    wanted = bool if kind == "boolean" else (int, float)
    return typed if isinstance(typed, wanted) and (kind == "boolean" or not isinstance(typed, bool)) else value
