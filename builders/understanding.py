"""Tool → example of its use, functionality and non-functional attributes (paper, section 3.2.1).

First the paper's three filters: deprecated tools, tools with too little documentation, and duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from petoolbench.files import json_text
from petoolbench.llm import ChatRequest
from petoolbench.schema import Message, Record, Tool

from .records import CatalogueTool, ToolExample, UnderstoodTool
from .replies import ReplyError, read_reply

LEAST_DESCRIPTION_WORDS = 4


class ToolPayload(Record):
    """What is asked about: a tool, and for its attributes the example made before."""

    tool: Tool
    example: ToolExample | None = None


class AttributesReply(Record):
    """What a tool does, and what else its documentation claims."""

    functionality: str
    non_functional: str


def filter_tools(tools: Iterable[CatalogueTool], dropped: Counter[str]) -> Iterator[CatalogueTool]:
    """Yield the tools that pass the paper's three filters; ``dropped`` counts the others by reason."""
    names: set[str] = set()
    documents: set[tuple[str, str, str]] = set()
    for entry in tools:
        reason = _reason(entry, names, documents)
        if reason is None:
            yield entry
        else:
            dropped[reason] += 1
        names.add(entry.tool.name)
        documents.add(_document(entry.tool))


def _reason(entry: CatalogueTool, names: set[str], documents: set[tuple[str, str, str]]) -> str | None:
    tool = entry.tool
    if entry.deprecated:
        return "deprecated"
    properties = tool.parameters.get("properties")
    described = all(
        isinstance(schema, dict) and schema.get("description")
        for schema in (properties.values() if isinstance(properties, dict) else ())
    )
    if len(tool.description.split()) < LEAST_DESCRIPTION_WORDS or not tool.endpoint.strip() or not described:
        return "insufficient documentation"
    if tool.name in names or _document(tool) in documents:
        return "duplicate"
    return None


def _document(tool: Tool) -> tuple[str, str, str]:
    return tool.description.strip().lower(), json_text(tool.parameters), tool.category


def example_request(entry: CatalogueTool) -> ChatRequest:
    """Ask for an example of a tool's use."""
    return _request("tool_example", entry.tool, ToolPayload(tool=entry.tool), _example_prompt)


def _example_prompt(payload: ToolPayload) -> str:
    return (
        "Here is the documentation of one tool:\n"
        f"{_documentation(payload.tool)}\n\n"
        "Imagine one concrete situation in which somebody needs it. Write what that person says, in everyday words and "
        "without the tool's or the provider's name, with every value that the call needs, and the arguments of the "
        'call. Answer with JSON only: {"instruction": "...", "arguments": {...}}'
    )


def read_example(entry: CatalogueTool, text: str) -> ToolExample:
    """Read the reply to ``example_request``.

    Raises:
        ReplyError: It is no JSON of the wanted form, or the arguments break the tool's schema.
    """
    example = read_reply(ToolExample, text)
    check_arguments(entry.tool, example.arguments)
    return example


def attributes_request(entry: CatalogueTool, example: ToolExample) -> ChatRequest:
    """Ask for a tool's functionality and its non-functional attributes, told apart by a demonstration."""
    return _request("tool_attributes", entry.tool, ToolPayload(tool=entry.tool, example=example), _attributes_prompt)


def _attributes_prompt(payload: ToolPayload) -> str:
    used = payload.example.instruction if payload.example else ""
    return (
        "Split the documentation of a tool into two descriptions. The functionality says what goes in and what comes "
        "out. The non-functional attributes say how it is offered: for whom, at what price, how fresh, how safe.\n"
        "Demonstration. Documentation: 'Tells the tide at a harbour. Free for rescue services, updated each minute.' "
        '→ {"functionality": "Tells the tide at a named harbour.", '
        '"non_functional": "Free for rescue services; updated each minute."}\n\n'
        f"The documentation:\n{_documentation(payload.tool)}\n"
        f"Somebody used it for this: {used}\n\nAnswer with JSON of the demonstration's form only."
    )


def read_attributes(entry: CatalogueTool, example: ToolExample, text: str) -> UnderstoodTool:
    """Read the reply to ``attributes_request``.

    Raises:
        ReplyError: It is no JSON of the wanted form, or a description is empty.
    """
    reply = read_reply(AttributesReply, text)
    if not reply.functionality.strip() or not reply.non_functional.strip():
        raise ReplyError("empty description")
    tool = entry.tool.model_copy(update={"functionality": reply.functionality, "non_functional": reply.non_functional})
    return UnderstoodTool(source=entry, tool=tool, example=example)


def check_arguments(tool: Tool, arguments: Mapping[str, JsonValue]) -> None:
    """Check arguments against a tool's schema.

    Raises:
        ReplyError: They break it, or name a parameter that is not there.
    """
    error = next(_validator(tool.parameters).iter_errors(arguments), None)
    if error is not None:
        raise ReplyError(f"arguments of {tool.name} break its schema: {error.message}")


def _validator(schema: dict[str, JsonValue]) -> Draft202012Validator:
    """Return the validator of a schema; those of schemas that are still in use are kept."""
    kept = _VALIDATORS.get(id(schema))
    if kept is None or kept[0] is not schema:
        kept = schema, Draft202012Validator({**schema, "additionalProperties": False})
        _VALIDATORS[id(schema)] = kept
    return kept[1]


_VALIDATORS: dict[int, tuple[dict[str, JsonValue], Draft202012Validator]] = {}


def _documentation(tool: Tool) -> str:
    return json_text({"name": tool.name, "description": tool.description, "parameters": tool.parameters})


def _request(task: str, tool: Tool, payload: ToolPayload, prompt: Callable[[ToolPayload], str]) -> ChatRequest:
    return ChatRequest(task, tool.name, payload, lambda: (Message(role="user", content=prompt(payload)),))
