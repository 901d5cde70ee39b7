"""Model text → tool calls: the only place that decides what in an answer is a call.

An answer that is one JSON value is taken as it is. Otherwise the answer is what follows the reasoning. It
is searched for objects that look like calls, ``{"tool_name": …, "parameters": {…}}`` or ``{"name": …,
"arguments": {…}}``, bare or inside other objects, lists, prose, code fences and tags;
``<function=name>{…}`` names the tool in the tag. If there is none, it is searched for calls in Python's
notation, ``name(key=value)``; if there is still none, for both once more with wide and curly punctuation
read as its ASCII counterpart.

Time is linear in the text's length: no regular expression sees the text, and no search goes back further than
``Reader.read`` explains.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Final, Literal, NamedTuple

from pydantic import JsonValue

from .schema import Arguments, ToolCall
from .tolerant_json import (
    QUOTES,
    Broken,
    Container,
    Frame,
    Reader,
    children,
    containers,
    decode,
    decode_strict,
    replace_surrogates,
    skip_space,
    skip_space_back,
)

Reason = Literal["empty", "unfinished-reasoning", "no-call", "bad-arguments", "bad-json", "cut-off"]
"""Why a text holds no call: it, or what follows its reasoning, is blank; its reasoning never ends; nothing
looks like a call; a call's arguments are no object; a call is not well-formed; the text ends inside a
call."""

MAX_ANSWER_CHARS: Final = 40_000
"""How much of an answer is searched, from the end of its reasoning on; it bounds the time for one answer."""

NAME_KEYS: Final = ("tool_name", "name")
ARGUMENT_KEYS: Final = ("arguments", "parameters")

_MESSAGES: dict[Reason, str] = {
    "empty": "the answer is empty",
    "unfinished-reasoning": "the reasoning never ends, and no call stands before it",
    "no-call": "the answer holds no tool call",
    "bad-arguments": "the arguments of the call are no JSON object",
    "bad-json": "the call is not well-formed",
    "cut-off": "the answer ends inside a call",
}
_THINK, _THINK_END = "<think>", "</think>"
_TAG, _TAG_END = "<tool_call>", "</tool_call>"
_FUNCTION_TAG = "<function="
_FENCES = ("```", "~~~")
_CONTAINER_ENDS = (*_FENCES, "`", "</", "<|")
_MAX_NAME = 300
_MAX_MARGIN = 60
_NAME_MARKS = frozenset("_.->")
_FIRST_IDEOGRAPHIC = "\u2e80"
_ASCII_PUNCTUATION: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\u3000\u00a0"), " "),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f"), '"'),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b"), "'"),
}


class ParseError(ValueError):
    """A text that holds no call. ``reason`` is for programs, ``str(error)`` is one line for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason: Reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class _Place(NamedTuple):
    """What was read where: an object, or a list of the complete values inside one that is broken.

    ``tag`` is the tool that a tag before the object names; ``fault`` tells of a call that is broken.
    """

    start: int
    end: int
    value: JsonValue
    tag: str | None = None
    fault: Reason | None = None


@dataclass
class _Harvest:
    """Calls in order of appearance; ``bare`` are objects that name a tool but have no key for arguments."""

    calls: list[ToolCall] = field(default_factory=list)
    bare: list[ToolCall] = field(default_factory=list)
    fault: Reason = "no-call"

    def found(self) -> tuple[ToolCall, ...]:
        return tuple(self.calls or self.bare)


def parse_calls(text: str) -> tuple[ToolCall, ...]:
    """Return the calls in a model's answer in order of appearance, repeats included; there is at least one.

    The result can always be written as JSON in UTF-8: a lone surrogate becomes U+FFFD.

    Raises:
        ParseError: The text holds no call; no text raises anything else.
    """
    if not isinstance(text, str):
        raise TypeError(f"an answer is text, not {type(text).__name__}")
    text = replace_surrogates(text).strip()
    if not text:
        raise ParseError("empty", _MESSAGES["empty"])
    calls = _whole(text)
    if calls:
        return calls
    answer = _after_reasoning(text)[:MAX_ANSWER_CHARS]
    fault: Reason = "empty" if not answer else "no-call"
    for structure in _readings(answer):
        harvest = _search(structure, answer)
        if harvest.found():
            return harvest.found()
        fault = harvest.fault if fault == "no-call" else fault
    raise ParseError(fault, _MESSAGES[fault])


def render_call(call: ToolCall) -> str:
    """Return the call as the one-line answer that the benchmark asks for; ``parse_calls`` reads it back."""
    return json.dumps({"tool_name": call.name, "parameters": call.arguments}, ensure_ascii=False)


# Where to look


def _whole(text: str) -> tuple[ToolCall, ...]:
    """Return the calls of a text that is JSON throughout; ``</think>`` can only be part of a string there."""
    if text[0] not in "{[" or len(text) > MAX_ANSWER_CHARS:
        return ()
    try:
        value = decode_strict(text)
    except ValueError:
        return ()
    if isinstance(value, dict):
        # The answer that is asked for; everything else may take longer.
        call = _call(value)
        if call is not None:
            return (call,)
    return _harvest(text, [_Place(0, len(text), value)]).found()


def _after_reasoning(text: str) -> str:
    """Return what follows the reasoning, whose opening mark may be missing: chat templates often write it."""
    closed = text.rfind(_THINK_END)
    answer = text if closed == -1 else text[closed + len(_THINK_END) :]
    return answer.strip()


def _readings(answer: str) -> Iterator[str]:
    """Yield the answer as it is, then with its punctuation in ASCII; both are of one length."""
    yield answer
    if not answer.isascii():
        plain = answer.translate(_ASCII_PUNCTUATION)
        if plain != answer:
            yield plain


def _search(text: str, source: str) -> _Harvest:
    """Search for JSON calls, then Python's; inside tags, then everywhere; never in reasoning left open."""
    thought = text.find(_THINK)
    stop = len(text) if thought == -1 else thought
    tags = _tag_bounds(text)
    places = [place for place in _places(text, source) if place.start < stop]
    for inside in (True, False) if tags else (False,):
        harvest = _harvest(text, [p for p in places if not inside or bisect_right(tags, p.start) % 2])
        if harvest.found():
            return harvest
    if harvest.fault == "no-call":
        written = [(start, call) for start, call in _python_calls(text, source) if start < stop]
        inner = [call for start, call in written if bisect_right(tags, start) % 2]
        harvest.calls = inner or [call for _, call in written]
    if thought != -1 and harvest.fault == "no-call":
        harvest.fault = "unfinished-reasoning"
    return harvest


def _tag_bounds(text: str) -> list[int]:
    """Return where the insides of tags begin and end, in turn; an unclosed one ends at the next."""
    bounds: list[int] = []
    before, *bodies = text.split(_TAG)
    start = len(before) + len(_TAG)
    for body in bodies:
        closed = body.find(_TAG_END)
        bounds += (start, start + (len(body) if closed == -1 else closed))
        start += len(body) + len(_TAG)
    return bounds


# Calls in JSON


def _places(text: str, source: str) -> list[_Place]:
    """Read every outermost object, and of broken ones what they hold."""
    places: list[_Place] = []
    reader = Reader(text, source)
    # Only an object around or before a name can be a call, unless a tag names the tool.
    last = len(text) if _FUNCTION_TAG in text else text.rfind("name")
    at = text.find("{")
    while -1 < at < last:
        resume = skip_space(text, at + 1)
        inner = text[resume : resume + 1]
        if (inner in QUOTES and reader.has_key(resume)) or (inner == "}" and _function_tag(text, at)):
            got = reader.read(at)
            if isinstance(got, Broken):
                resume = got.resume
                if text.find("name", at, got.at) != -1:
                    places += _remains(text, at, got)
            else:
                resume = got.end
                tag = _function_tag(text, at)
                if tag or text.find("name", at, resume) != -1:
                    places.append(_Place(at, resume, got.value, tag=tag))
        elif inner in QUOTES:
            resume += 1
        at = text.find("{", resume)
    return places


def _remains(text: str, start: int, broken: Broken) -> Iterator[_Place]:
    """Yield what is left of a broken object: itself if only its last brace is missing, else what it holds."""
    outermost = broken.frames[0]
    if broken.only_end_missing and len(broken.frames) == 1 and isinstance(outermost.container, dict):
        ended = broken.at == len(text) or text.startswith(_CONTAINER_ENDS, broken.at)
        if ended and _is_call_begun(outermost):
            yield _Place(start, broken.at, outermost.container)
            return
    complete: list[Container] = []
    fault: Reason | None = None
    for frame in broken.frames:
        if not frame.container:
            continue
        complete += _outside_arguments(frame)
        if _is_call_begun(frame):
            fault = "cut-off" if broken.at == len(text) else "bad-json"
        if frame.key in ARGUMENT_KEYS:
            break
    if complete or fault:
        yield _Place(start, broken.at, [*complete], fault=fault)


def _outside_arguments(frame: Frame) -> list[Container]:
    if isinstance(frame.container, list):
        return containers(frame.container)
    return containers(value for key, value in frame.container.items() if key not in ARGUMENT_KEYS)


def _is_call_begun(frame: Frame) -> bool:
    held = frame.container
    if not isinstance(held, dict) or _tool_name(held) is None:
        return False
    return frame.key in ARGUMENT_KEYS or _argument_key(held) is not None


def _harvest(text: str, places: Iterable[_Place]) -> _Harvest:
    harvest = _Harvest()
    for place in places:
        if place.fault and harvest.fault == "no-call":
            harvest.fault = place.fault
        if place.tag is not None and isinstance(place.value, dict):
            harvest.calls.append(ToolCall(name=place.tag, arguments=place.value))
            continue
        for name, item in _named_objects(place.value):
            call = _call(item)
            if call is not None:
                harvest.calls.append(call)
            elif _argument_key(item) is not None:
                harvest.fault = "no-call" if _is_documentation(item) else "bad-arguments"
            elif "tool_name" in item or (item is place.value and _stands_alone(text, place)):
                harvest.bare.append(ToolCall(name=name))
    return harvest


def _named_objects(value: JsonValue) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    """Yield the objects that name a tool, in order, but none from inside one that also has arguments."""
    waiting = containers([value])
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            name = _tool_name(item)
            if name is not None:
                yield name, item
                if _argument_key(item) is not None:
                    continue
        waiting += reversed(containers(children(item)))


def _call(item: dict[str, JsonValue]) -> ToolCall | None:
    """Return the call that an object with a name and an object of arguments stands for."""
    name, key = _tool_name(item), _argument_key(item)
    if name is None or key is None or _is_documentation(item):
        return None
    arguments = _arguments(item[key])
    return None if arguments is None else ToolCall(name=name, arguments=arguments)


def _is_documentation(item: dict[str, JsonValue]) -> bool:
    """Tell a tool's documentation, which models quote before they call, from a call: it describes and has a schema."""
    schema = item.get("parameters")
    return "description" in item and isinstance(schema, dict) and isinstance(schema.get("properties"), dict)


def _tool_name(item: dict[str, JsonValue]) -> str | None:
    for key in NAME_KEYS:
        name = item.get(key)
        if isinstance(name, str):
            name = name.strip()
            if name:
                return name
    return None


def _argument_key(item: dict[str, JsonValue]) -> str | None:
    for key in ARGUMENT_KEYS:
        if key in item:
            return key
    return None


def _arguments(value: JsonValue) -> Arguments | None:
    """Return the arguments, also from JSON text, or JSON text in JSON text; nothing at all means ``{}``."""
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = decode(value) if value.strip() else None
        except ValueError:
            return None
    if isinstance(value, dict):
        return value
    return {} if value is None else None


def _stands_alone(text: str, place: _Place) -> bool:
    """Tell whether an object is all that the answer, a fence or a tag holds."""
    end = skip_space(text, place.end)
    if end != len(text) and not text.startswith(_CONTAINER_ENDS, end):
        return False
    start = skip_space_back(text, place.start)
    before = text[max(0, start - _MAX_MARGIN) : start]
    return not before or before.endswith((_TAG, "|>")) or before.rstrip(ascii_letters).endswith(_FENCES)


def _function_tag(text: str, at: int) -> str | None:
    """Return the tool that a tag such as ``<function=lookup>`` names right before ``at``."""
    if text[at - 1 : at] != ">" and not text[at - 1 : at].isspace():
        return None
    end = skip_space_back(text, at)
    if text[end - 1 : end] != ">":
        return None
    start = text.rfind(_FUNCTION_TAG, max(0, end - _MAX_NAME), end)
    name = text[start + len(_FUNCTION_TAG) : end - 1].strip()
    return name if start != -1 and name and "\n" not in name else None


# Calls in Python's notation


def _python_calls(text: str, source: str) -> list[tuple[int, ToolCall]]:
    """Return each call and where it begins; without arguments it has to be all that its line holds."""
    found: list[tuple[int, ToolCall]] = []
    reader = Reader(text, source)
    at = text.find("(")
    while at != -1:
        resume = at + 1
        end_of_name = text[at - 1 : at]
        if end_of_name.isalnum() or end_of_name in _NAME_MARKS:
            arguments, resume = reader.read_keywords(resume)
            start = at if arguments is None else _name_start(text, at)
            if arguments is not None and start < at and (arguments or _is_all_of_line(text, start, resume)):
                found.append((start, ToolCall(name=text[start:at], arguments=arguments)))
        at = text.find("(", resume)
    return found


def _name_start(text: str, end: int) -> int:
    """Return where the name that ends at ``end`` begins: ``end`` itself if there is none."""
    if text[end - 1 : end] == ">":
        return _path_start(text, end)
    start = end
    # Chinese and Japanese put no space between a word and a name that follows it.
    while start > 0 and (text[start - 1] in "_.-" or text[start - 1].isalnum()):
        if text[start - 1] >= _FIRST_IDEOGRAPHIC:
            break
        start -= 1
    while start < end and text[start] in ".-":
        start += 1
    return start


def _path_start(text: str, end: int) -> int:
    """Do the same for a name in the published data's form, ``<Category>.<Provider>.<End point>``."""
    stop = end
    for parts_before in (2, 1, 0):
        start = text.rfind("<", max(0, stop - _MAX_NAME), stop)
        part = text[start + 1 : stop - 1]
        if start == -1 or text[stop - 1 : stop] != ">" or ">" in part or "\n" in part or not part.strip():
            return end
        if parts_before and text[start - 1 : start] != ".":
            return end
        stop = start - 1
    return start


def _is_all_of_line(text: str, start: int, end: int) -> bool:
    """Tell whether nothing but a list's or code's marks stands beside the call on its line."""
    before = text[max(0, start - _MAX_MARGIN) : start]
    if "\n" in before:
        before = before[before.rindex("\n") + 1 :]
    elif start > _MAX_MARGIN:
        return False
    before = before.replace(_TAG, "").strip().rstrip("`[").rstrip()
    after = text[end : end + _MAX_MARGIN].partition("\n")[0].partition(_TAG_END)[0]
    is_marked = before in ("", "-", "*", "+", "\u2022") or before.rstrip(".)").isdecimal()
    return is_marked and not after.strip().strip("`].;")
