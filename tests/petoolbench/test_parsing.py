"""What counts as a call, in what order places are looked at, and how long that may take."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from petoolbench.parsing import (
    MAX_ANSWER_CHARS,
    ParseError,
    Reason,
    parse_calls,
    render_call,
)
from petoolbench.published_rule import find_published_call
from petoolbench.schema import ToolCall
from petoolbench.tolerant_json import MAX_DEPTH

CORPUS = yaml.safe_load((Path(__file__).parents[1] / "assets" / "model_outputs.yaml").read_text(encoding="utf-8"))
CALL = '{"name": "f", "arguments": {"a": 1}}'
PARSED = ToolCall(name="f", arguments={"a": 1})


def reason_of(text: str) -> Reason:
    with pytest.raises(ParseError) as caught:
        parse_calls(text)
    return caught.value.reason


def arguments_of(text: str) -> dict[str, Any]:
    (call,) = parse_calls(text)
    return call.arguments


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["id"])
def test_corpus(case: dict[str, Any]) -> None:
    if "error" in case:
        assert reason_of(case["text"]) == case["error"]
    else:
        assert [call.model_dump() for call in parse_calls(case["text"])] == case["calls"]


def test_corpus_shows_every_reason() -> None:
    assert {case["error"] for case in CORPUS if "error" in case} == set(get_args(Reason))


def test_parse_error_is_one_line_with_a_reason_and_survives_a_process_boundary() -> None:
    with pytest.raises(ParseError) as caught:
        parse_calls("nothing")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.reason, str(copy)) == ("no-call", "the answer holds no tool call")
    assert isinstance(copy, ValueError)


@pytest.mark.parametrize("value", [None, b"{}", 5])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        parse_calls(value)


def test_rendering_is_one_line_and_keeps_letters() -> None:
    call = ToolCall(name="søk", arguments={"q": "a\nb", "n": [1.5, None]})
    assert render_call(call) == '{"tool_name": "søk", "parameters": {"q": "a\\nb", "n": [1.5, null]}}'


# The whole answer, and its arguments


def test_keys_are_chosen_by_meaning() -> None:
    text = '{"tool_name": "a", "name": "b", "parameters": {"type": "object"}, "arguments": {"x": 1}}'
    assert parse_calls(text) == (ToolCall(name="a", arguments={"x": 1}),)


def test_null_tool_name_leaves_the_other_name() -> None:
    assert parse_calls('{"tool_name": null, "name": "f", "parameters": {"a": 1}}') == (PARSED,)


def test_arguments_wrapped_three_times_are_bad() -> None:
    wrapped = json.dumps(json.dumps(json.dumps(json.dumps({"a": 1}))))
    assert reason_of('{"name": "f", "arguments": ' + wrapped + "}") == "bad-arguments"


@pytest.mark.parametrize("arguments", ["5", '"x"', "[]", "true", '"null x"', '"{} {}"'])
def test_arguments_that_are_no_object(arguments: str) -> None:
    assert reason_of('{"name": "f", "arguments": ' + arguments + "}") == "bad-arguments"


@pytest.mark.parametrize("arguments", ["null", '""', '" "', '"null"', '"{}"', "{}"])
def test_arguments_that_mean_none(arguments: str) -> None:
    assert arguments_of('{"name": "f", "arguments": ' + arguments + "}") == {}


def test_bare_names_in_a_list_count_only_as_tool_names() -> None:
    assert parse_calls('[{"tool_name": "a"}, {"tool_name": "b"}]') == (ToolCall(name="a"), ToolCall(name="b"))
    assert reason_of('[{"name": "a"}, {"name": "b"}]') == "no-call"


def test_many_calls_in_one_list() -> None:
    assert parse_calls("[" + ", ".join([CALL] * 100) + "]") == (PARSED,) * 100


# Reasoning, tags and fences


def test_call_before_closed_reasoning_is_not_searched() -> None:
    assert reason_of(CALL + " </think> Nothing to do.") == "no-call"


def test_python_call_in_open_reasoning_does_not_count() -> None:
    assert reason_of("Well <think> f(a=1)") == "unfinished-reasoning"


def test_reasoning_mark_inside_a_later_string_is_data() -> None:
    assert arguments_of('So: {"name": "f", "arguments": {"q": "<think>"}}') == {"q": "<think>"}


def test_reasoning_does_not_use_up_the_limit() -> None:
    assert parse_calls("x " * MAX_ANSWER_CHARS + "</think>" + CALL) == (PARSED,)


def test_limit_is_counted_in_characters_of_the_answer() -> None:
    assert parse_calls("-" * (MAX_ANSWER_CHARS - len(CALL)) + CALL) == (PARSED,)
    assert reason_of("-" * MAX_ANSWER_CHARS + CALL) == "no-call"


@pytest.mark.parametrize("fence", ["```", "~~~", "```json\n", "```JSON ", "<tool_call> ", "<|python_tag|>"])
def test_name_alone_counts_where_it_fills_its_place(fence: str) -> None:
    assert parse_calls("Here: " + fence + '{"name": "f"}') == (ToolCall(name="f"),)


@pytest.mark.parametrize("text", ['a {"name": "f"}', '{"name": "f"} a', '``` a {"name": "f"} ```'])
def test_name_alone_beside_other_text_is_data(text: str) -> None:
    assert reason_of(text) == "no-call"


def test_bare_tool_name_with_missing_brace_is_no_call() -> None:
    assert reason_of('{"tool_name": "f"') == "no-call"


@pytest.mark.parametrize("tag", ["<function=>", "<function=a\nb>", "<other=f>", "function=f>"])
def test_function_tags_that_name_nothing(tag: str) -> None:
    assert reason_of(tag + '{"a": 1}') == "no-call"


# Broken objects


@pytest.mark.parametrize("end", ["", "\n", "```", "\n~~~", "</s>", "<|im_end|>", "`"])
def test_missing_last_brace(end: str) -> None:
    assert parse_calls("-> " + CALL[:-1] + end) == (PARSED,)


@pytest.mark.parametrize(
    "text", [CALL[:-2], CALL[:-1] + ",", CALL[:-1] + "]", CALL[:-1] + " ok", "[" + CALL[:-1] + "]"]
)
def test_what_a_missing_brace_does_not_excuse(text: str) -> None:
    assert reason_of(text) in {"cut-off", "bad-json"}


def test_broken_json_is_not_searched_for_python_calls() -> None:
    assert reason_of('{"name": "f", "arguments": {"q": "g(x=1)') == "cut-off"


def test_whole_calls_survive_in_broken_surroundings() -> None:
    assert parse_calls('{"calls": [' + CALL + ", " + CALL + ", oops") == (PARSED, PARSED)


def test_search_goes_on_after_a_broken_object() -> None:
    assert parse_calls('{"name": "g", "arguments": {"a": oops}} ' + CALL) == (PARSED,)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "01", "+1", "1_0", "--1", "."])
def test_numbers_that_json_cannot_carry(number: str) -> None:
    assert reason_of('{"name": "f", "arguments": {"a": ' + number + "}}") == "bad-json"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("-0", 0),
        ("0", 0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5E-3", -0.0025),
        ("9" * 4300, 10**4300 - 1),
        ("(1, 2)", [1, 2]),
        ("(1,)", [1]),
        ("()", []),
        ("(1)", 1),
        ("('a')", "a"),
        ("[(), {}]", [[], {}]),
    ],
)
def test_values_in_tolerated_text(written: str, value: Any) -> None:
    assert arguments_of("x {'name': 'f', 'arguments': {'a': " + written + "}}") == {"a": value}
    assert arguments_of("f(a=" + written + ")") == {"a": value}


@pytest.mark.parametrize(
    "value", ["[1 2]", "[,]", "[1,,2]", "{,}", "{1: 2}", "{'a'}", "{'a': }", "[1}", "b'x'", "'a' 'b'"]
)
def test_values_that_are_none(value: str) -> None:
    assert reason_of("{'name': 'f', 'arguments': {'a': " + value + "}}") == "bad-json"
    assert reason_of("f(a=" + value + ")") == "no-call"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"\x41\u0042\U00000043", "ABC"),
        (r"\u12", "u12"),
        (r"\xg1", "xg1"),
        (r"\U00110000", "U00110000"),
        (r"\\n\\\n", "\\n\\\n"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d", "�"),
        (r"\"\'\/\_", "\"'/_"),
        (r"\t\b\f\r", "\t\x08\x0c\r"),
    ],
)
def test_escapes(written: str, value: str) -> None:
    assert arguments_of("f(a='" + written + "')") == {"a": value}
    assert arguments_of('- {"name": "f", "arguments": {"a": "' + written + '"}}') == {"a": value}


def test_raw_surrogates_are_replaced() -> None:
    call = parse_calls('{"name": "f\ud800", "arguments": {"\udfff": "\ud83d"}}')[0]
    assert call == ToolCall(name="f�", arguments={"�": "�"})


def test_escaped_surrogates_are_replaced_in_plain_json() -> None:
    call = parse_calls(r'{"name": "f\ud800", "arguments": {"\uDFFF": ["\ud83d\ude00"]}}')[0]
    assert call == ToolCall(name="f�", arguments={"�": ["😀"]})


@pytest.mark.parametrize("before", ["", "so "])
def test_depth_limit_is_the_same_for_every_form(before: str) -> None:
    def nested(depth: int) -> str:
        lists = depth - 2
        return before + '{"name": "f", "arguments": {"a": ' + "[" * lists + "]" * lists + "}}"

    assert parse_calls(nested(MAX_DEPTH))[0].name == "f"
    assert reason_of(nested(MAX_DEPTH + 1)) in {"no-call", "bad-json"}
    assert reason_of(nested(50_000)) in {"no-call", "bad-json"}


# Python's notation


@pytest.mark.parametrize(
    "text", ["f()", "`f()`", "- f()", "* `f()`", "3. f();", "[f()]", "a\n  f()  \nb", "```\nf()\n```"]
)
def test_empty_parentheses_on_a_line_of_their_own(text: str) -> None:
    assert parse_calls(text) == (ToolCall(name="f"),)


@pytest.mark.parametrize("text", ["use f()", "f() is it", "x" * 80 + " f()", "()", ".()", "f(,)", "f(", "f()()"])
def test_other_empty_parentheses(text: str) -> None:
    assert reason_of(text) == "no-call"


@pytest.mark.parametrize(
    "text",
    [
        "f(1)",
        "f(a)",
        "f(a=1, 2)",
        "f(a=1",
        "f(a=1 b=2)",
        "f(a==1)",
        "f(1a=1)",
        "(a=1)",
        "f(a=b)",
        'f(a="x" y)',
        "f(=1)",
    ],
)
def test_what_is_no_python_call(text: str) -> None:
    assert reason_of(text) == "no-call"


@pytest.mark.parametrize("name", ["f", "a.b.c", "a-b_c", "météo", "<A>.<B c>.<d/e (f)>"])
def test_python_names(name: str) -> None:
    assert parse_calls(f"Go: {name}(x=1).") == (ToolCall(name=name, arguments={"x": 1}),)


@pytest.mark.parametrize(
    "name", ["<A>.<B>", "<A><B><C>", "<A>.<>.<C>", "<A>.<B\n>.<C>", "A>.<B>.<C>", "...", "<A>.<B>.C>"]
)
def test_what_is_no_python_name(name: str) -> None:
    assert reason_of(name + "(x=1)") == "no-call"


def test_python_call_inside_another_is_found() -> None:
    assert parse_calls("f(g(a=1))") == (ToolCall(name="g", arguments={"a": 1}),)


def test_python_call_after_a_mispaired_quote() -> None:
    assert parse_calls("f(a='it's f(b='x')") == (ToolCall(name="f", arguments={"b": "x"}),)


def test_wide_punctuation_is_read_only_where_nothing_else_is_found() -> None:
    wide = '｛"name"："g"，"arguments"：｛｝｝'
    assert parse_calls(wide + CALL) == (PARSED,)
    assert parse_calls(wide) == (ToolCall(name="g"),)


def test_values_keep_their_wide_characters() -> None:
    assert arguments_of("｛“name”： “f”， “arguments”： ｛“ｑ”： “ＡＢ，ｃ　‘d’”｝｝") == {"q": "ＡＢ，ｃ　‘d’"}


# The published scorer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a {"tool_name": "x", "parameters": {"a": 1}} b', '{"tool_name": "x", "parameters": {"a": 1}}'),
        ('{"tool_name": "x", "parameters": {}}', '{"tool_name": "x", "parameters": {}}'),
        (
            '{"tool_name": "x", "parameters": {"a": {"b": 1}}} }}',
            '{"tool_name": "x", "parameters": {"a": {"b": 1}}',
        ),
        ('{{"tool_name": "x", "parameters": {}}', '{{"tool_name": "x", "parameters": {}}'),
        ('{"tool_name": "x",\n "parameters": {"a": 1}}', '{"tool_name": "x",\n "parameters": {"a": 1}}'),
        ('{\n"tool_name": "x", "parameters": {"a": 1}}', None),
        ('{"tool_name": "x", "parameters": {"a":\n 1}}', None),
        ('{"name": "x", "arguments": {"a": 1}}', None),
        ("", None),
    ],
)
def test_published_call(text: str, found: str | None) -> None:
    assert find_published_call(text) == found


# Time

FAMILIES = [
    *(
        "{",
        "{}",
        "[{",
        '{"name":',
        '{"a":{"a":',
        '{"name": "x", "arguments": {',
        '{"name":[{',
        '{"a":1}',
        '{"a":[',
    ),
    *(
        "f(a=",
        'f(a="',
        "f(a='",
        "f(a=1,",
        "f(",
        "f()",
        "(",
        ">(",
        "<a>(",
        "<",
        "<a>.<b>.<c>(",
        "<function=x>{}",
    ),
    *(
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "```",
        "\\",
        '\\"',
        '"',
        "'",
        "\"'",
        "{'",
        '{"',
        "{'{\"",
    ),
    *(
        "{\"'",
        '{"\\',
        '{"\\"',
        "{'a':\"",
        "{'a {\"b ",
        '{"a"',
        "｛",
        '｛"name"：',
        "“",
        "{“",
        "e\u0301",
        "\u0301",
        "\ud800",
    ),
    *(
        '{"tool_name":',
        '"tool_name":',
        '"parameters":',
        '{"tool_name": "',
        '"tool_name":"","parameters":{',
        CALL + "\n",
    ),
    *(
        '{"tool_name": "\n',
        '","parameters":{',
        " ",
        "\n",
        "{ ",
        '{"name":"x"}',
        '{"tool_name":"x"}',
        "1",
        "name",
    ),
]


def adversarial(unit: str, size: int) -> list[str]:
    """Return texts of the unit: alone, where no shortcut but both readings apply, and inside a call."""
    last = ' “name" = '
    return [
        unit * (size // len(unit)),
        unit * ((MAX_ANSWER_CHARS - len(last)) // len(unit)) + last,
        '{"name":[' + unit * (size // len(unit)),
        '{"tool_name": "' + unit * (size // len(unit)) + '","parameters": {}}',
    ]


def seconds(text: str, *functions: Callable[[str], object]) -> float:
    start = time.perf_counter()
    for function in functions:
        with suppress(ParseError):
            function(text)
    return time.perf_counter() - start


@pytest.mark.parametrize("unit", FAMILIES)
def test_no_text_takes_quadratic_time(unit: str) -> None:
    _, both_readings, *_ = adversarial(unit, MAX_ANSWER_CHARS)
    assert seconds(both_readings, parse_calls, find_published_call) < 2


def test_quoted_documentation_is_no_call() -> None:
    document = {
        "name": "<A>.<B>.<c>",
        "description": "Finds.",
        "parameters": {"type": "object", "properties": {"q": {}}},
    }
    call = ToolCall(name="<A>.<B>.<c>", arguments={"q": "x"})
    assert parse_calls(f"It says {json.dumps(document)}, so: {render_call(call)}") == (call,)
    with pytest.raises(ParseError) as caught:
        parse_calls(json.dumps(document))
    assert caught.value.reason == "no-call"
