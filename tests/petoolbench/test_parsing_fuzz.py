"""Properties of parsing that hold for every text and every call."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from petoolbench.parsing import ParseError, parse_calls, render_call
from petoolbench.published_rule import find_published_call
from petoolbench.schema import ToolCall
from petoolbench.tolerant_json import Reader, Value, decode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CALLS = st.builds(
    ToolCall,
    name=TEXT.map(str.strip).filter(bool),
    arguments=st.dictionaries(TEXT, VALUES, max_size=4),
)
PROSE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}<>`~[]｛｝"), max_size=40)

FRAGMENTS = [
    *"{}[]()<>\"':,=.\\`~ \n\t\x00a1-+e/_“”‘’｛｝：，（）＝\ud800\udc00\u0301",
    *(
        '"tool_name":',
        '"name":',
        '"parameters":',
        '"arguments":',
        "'name':",
        '{"name": "f", "arguments": {',
        "}}",
    ),
    *(
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<function=f>",
        "</function>",
        "```",
        "```json\n",
        "~~~",
    ),
    *(
        '{"tool_name": "f", "parameters": {"a": 1}}',
        'f(a="',
        "f()",
        "f(a=1)",
        "<a>.<b>.<c>(",
        '\\"',
        "\\u",
        "\\ud83d",
    ),
    *(
        "NaN",
        "Infinity",
        "1e999",
        "True",
        "None",
        "null",
        "9" * 4301,
        "[" * 70,
        '{"a":' * 70,
        "<|",
        "[TOOL_CALLS]",
    ),
]
NASTY = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


def found(text: str) -> tuple[ToolCall, ...]:
    try:
        calls = parse_calls(text)
    except ParseError:
        return ()
    assert calls
    return calls


@given(CALLS)
def test_rendered_calls_are_read_back(call: ToolCall) -> None:
    assert parse_calls(render_call(call)) == (call,)


@given(CALLS, PROSE, PROSE)
def test_rendered_calls_are_read_back_from_prose(call: ToolCall, before: str, after: str) -> None:
    text = render_call(call)
    assume("<think>" not in text and "</think>" not in text)
    assert parse_calls(before + text + after) == (call,)


@given(CALLS, st.sampled_from(["```json\n{}\n```", "<tool_call>{}</tool_call>", "<think>a</think>{}", "`{}`"]))
def test_rendered_calls_are_read_back_from_wrappers(call: ToolCall, wrapper: str) -> None:
    text = render_call(call)
    assume("<" not in text)
    assert parse_calls(wrapper.replace("{}", text)) == (call,)


@given(CALLS)
def test_python_literals_are_read_back(call: ToolCall) -> None:
    text = str({"name": call.name, "arguments": call.arguments})
    assume("<" not in text)
    assert parse_calls(text) == (call,)


@given(CALLS, st.integers(1, 3))
def test_arguments_as_text_are_read_back(call: ToolCall, times: int) -> None:
    written: Any = call.arguments
    for _ in range(min(times, 2)):
        written = json.dumps(written)
    assert parse_calls(json.dumps({"name": call.name, "arguments": written})) == (call,)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), VALUES, min_size=1, max_size=4))
def test_python_calls_are_read_back(arguments: dict[str, Any]) -> None:
    text = "tool(" + ", ".join(f"{key}={value!r}" for key, value in arguments.items()) + ")"
    assume("name" not in text and "<" not in text)
    assert parse_calls(text) == (ToolCall(name="tool", arguments=arguments),)


@given(st.lists(CALLS, min_size=1, max_size=4))
def test_several_calls_stay_in_order(calls: list[ToolCall]) -> None:
    text = "\n".join(map(render_call, calls))
    assume("<" not in text)
    assert parse_calls(text) == tuple(calls)


@given(VALUES)
def test_the_tolerant_reader_agrees_with_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    copy = f"{text} "[:-1]  # another object, so that the reader cannot take its way through json
    assert Reader(text, copy).read(0) == Reader(text, text).read(0) == Value(value, len(text))
    assert decode(f" {text} ") == value


@settings(max_examples=800)
@given(st.text() | NASTY)
def test_no_text_raises_anything_else(text: str) -> None:
    for call in found(text):
        json.dumps(call.model_dump(), ensure_ascii=False, allow_nan=False).encode()
        assert call.name.strip() == call.name != ""
        assert parse_calls(render_call(call)) == (call,)


@settings(max_examples=200)
@given(NASTY, NASTY)
def test_a_call_on_its_own_survives_what_stands_around_it(before: str, after: str) -> None:
    """Whatever precedes it, an answer after closed reasoning is read as if it stood alone."""
    answer = '{"tool_name": "last", "parameters": {"a": [1, "b"]}}'
    assert found(f"{before}</think>{answer}") == found(answer)
    find_published_call(before + answer + after)


PUBLISHED = re.compile(
    "".join([r"\{", ".*", '"tool_name":', r"\s*", '".*?"', ",", r"\s*", '"parameters":', r"\s*", r"\{.*?\}\}"])
)
PIECES = [
    *("{", "}", "}}", '"tool_name":', '"parameters":', '"', ",", " ", "\n", "a", "\u2028", "\x1c"),
    *('",', '{"tool_name":"', '","parameters":{'),
]


def expected(text: str) -> str | None:
    match = PUBLISHED.search(text)
    return match.group() if match else None


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=18).map("".join))
def test_published_call_is_what_the_published_expression_finds(text: str) -> None:
    assert find_published_call(text) == expected(text)


def test_published_call_is_what_the_published_expression_finds_in_many_texts() -> None:
    """Hypothesis varies more cleverly; chance alone is faster, and one text in twenty holds a call here."""
    chance = random.Random(5)
    matches = 0
    for _ in range(50_000):
        text = "".join(chance.choices(PIECES, k=chance.randint(3, 22)))
        assert find_published_call(text) == expected(text), text
        matches += expected(text) is not None
    assert matches > 1000


def test_whitespace_means_the_same_to_str_and_to_the_published_expression() -> None:
    space = re.compile(r"\s")
    assert [code for code in range(0x110000) if bool(space.match(chr(code))) != chr(code).isspace()] == []
