"""Where the first call of a growing answer is closed, against the parser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from petoolbench.models.closing import ClosingWatch
from petoolbench.parsing import ParseError, parse_calls, render_call
from petoolbench.schema import ToolCall
from tests.conftest import ROOT
from tests.petoolbench.test_parsing_fuzz import CALLS, NASTY, PROSE

CASES = yaml.safe_load((Path(ROOT) / "tests/assets/model_outputs.yaml").read_text(encoding="utf-8"))
OPEN = {"think-closed-only"}
LATE = {
    # In Python's notation, or read only with plain punctuation: a call in JSON could still take its place.
    *(case["id"] for case in CASES if case["id"].startswith("python-")),
    *("fullwidth-punctuation", "fullwidth-parentheses", "curly-quotes", "curly-single-quotes"),
    # No arguments: an object with arguments could still take its place.
    *("only-tool-name", "only-name-is-all", "only-tool-name-in-prose", "only-name-in-fence", "only-name-in-tag"),
    # Never closed.
    *("last-brace-missing", "last-brace-missing-in-fence", "last-brace-missing-in-tag"),
    "cut-off-list-keeps-whole-calls",
    # Its quote hides where objects end.
    "apostrophe-that-hides-a-brace",
    # A call in tags could still take its place; only as a whole it is read past the mark of reasoning.
    *("empty-tag", "tag-as-a-value", "think-tags-as-a-value"),
} - {"python-dict", "python-words-in-json"}  # fmt: skip


def closing(text: str, opening: str = "", tagged: bool = False, size: int = 1) -> int | None:
    """Return where an answer that comes in pieces of a size is closed."""
    watch = ClosingWatch(opening, tagged=tagged)
    for at in range(0, len(text), size):
        end = watch.feed(text[at : at + size])
        if end is not None:
            assert watch.text[:end] == (opening + text)[:end]
            return end
    return None


def first(text: str) -> ToolCall | None:
    try:
        return parse_calls(text)[0]
    except ParseError:
        return None


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_first_call_is_the_scorers(case, size):
    text, opening = case["text"], "<think>" if case["id"] in OPEN else ""
    end = closing(text, opening, tagged="<tool_call>" in text, size=size)
    assert (end is not None) == ("calls" in case and case["id"] not in LATE)
    if end is not None:
        whole = opening + text
        assert first(whole[:end]) == first(whole)
        assert whole[end - 1] == "}"


@settings(max_examples=120)
@given(st.lists(st.one_of(NASTY, CALLS.map(render_call)), max_size=6).map("".join), st.booleans(), st.integers(1, 9))
def test_what_follows_a_closing_changes_nothing(text, tagged, size):
    assume("\ud800" not in text and "\udc00" not in text)
    end = closing(text, tagged=tagged, size=size)
    if end is not None:
        rest = text[end:]
        assume("</think>" not in rest and (tagged or "<tool_call>" not in rest))
        assert first(text[:end]) == first(text)
        assert first(text[:end]) is not None


@given(CALLS, PROSE, PROSE, st.integers(1, 20))
def test_a_call_in_prose_is_closed_where_it_ends(call, before, after, size):
    text = render_call(call)
    assume("<" not in text)
    assert closing(before + text + after, size=size) == len(before + text)


@given(CALLS)
def test_a_draft_in_reasoning_closes_nothing(call):
    text = render_call(call)
    assume("think>" not in text)
    assert closing(text + text, opening="<think>") is None
    assert closing(f"{text}</think>{text}", opening="<think>") == len(f"<think>{text}</think>{text}")


def test_a_call_outside_tags_waits_for_one_inside():
    text = render_call(ToolCall(name="old", arguments={}))
    assert closing(f"Not {text}", tagged=True) is None
    assert closing(f"Not {text} but <tool_call>{text}", tagged=True) == len(f"Not {text} but <tool_call>{text}")


def test_a_function_tag_does_not_name_what_follows_it():
    text = '<function=f>"parameters": {}{"tool_name": "x", "parameters": {}}'
    assert closing(text, tagged=True) is None
    assert closing(text) == len(text)


@pytest.mark.parametrize(
    "unit", ["}", "{}", '{"a": ', '{"a": {}} ', '{"name": "f"} ', '{"name": {"arguments": {}}', "[{", "'}", '{"}']
)
def test_time_grows_with_the_answers_length(unit):
    def seconds(length: int) -> float:
        watch, text = ClosingWatch(), (unit * length)[:length]
        started = time.perf_counter()
        for at in range(0, length, 4):
            watch.feed(text[at : at + 4])
        return time.perf_counter() - started

    best = [min(seconds(length) for _ in range(3)) for length in (8_000, 32_000)]
    assert best[1] < 12 * best[0] + 0.05
