"""Both prompt styles, the name mapping, and what truncation may and may not drop."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petoolbench.official import PROMPT_COLUMNS, read_published
from petoolbench.parsing import parse_calls, render_call
from petoolbench.prompts import (
    PROMPT_STYLES,
    PromptError,
    name_map,
    native_call,
    read_native_calls,
    render_prompt,
)
from petoolbench.schema import Prediction, ToolCall, UserProfile
from petoolbench.scoring import score
from tests.conftest import published_entry

_ALLOWED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def _words(prompt):
    return len(json.dumps([prompt.messages, prompt.tools], ensure_ascii=False).split())


def _gold(instance):
    return ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)


@pytest.fixture
def published(published_file):
    return [entry.instance for entry in read_published(published_file)]


def test_paper_style_gives_the_published_text(published):
    entry = published_entry()
    columns = {setting: column for column, setting in PROMPT_COLUMNS.items()}
    for instance in published:
        system, user = render_prompt(instance).messages
        assert system == {"role": "system", "content": entry[columns[instance.setting]]}
        assert user == {"role": "user", "content": instance.instruction}


def test_paper_style_of_the_real_files(official_entries, official_instances):
    columns = {setting: column for column, setting in PROMPT_COLUMNS.items()}
    for index, instance in enumerate(official_instances):
        text = render_prompt(instance).messages[0]["content"]
        assert text == official_entries[index // 3][columns[instance.setting]]


def test_own_wording_shows_history_candidates_and_form(small_instances):
    for instance in small_instances:
        text = render_prompt(instance).messages[0]["content"]
        assert all(
            past.call.name in text and json.dumps(past.instruction, ensure_ascii=False) in text
            for past in instance.history
        )
        assert all(
            tool.name in text and json.dumps(tool.parameters, ensure_ascii=False) in text
            for tool in instance.candidates
        )
        assert ('"rating"' in text) == (instance.setting == "rating_integrated")
        assert "functionality" not in text


def test_native_style_is_a_valid_conversation(small_instances):
    for instance in small_instances:
        prompt = render_prompt(instance, "native")
        names = [tool["function"]["name"] for tool in prompt.tools]
        assert len(set(names)) == len(instance.candidates)
        assert all(set(name) <= _ALLOWED and 0 < len(name) <= 64 for name in names)
        roles = [message["role"] for message in prompt.messages]
        assert roles == ["system", *["user", "assistant", "tool"] * len(instance.history), "user"]
        for past, message in zip(instance.history, prompt.messages[2::3], strict=False):
            assert read_native_calls(message["tool_calls"], prompt.names) == (past.call,)


def test_gold_survives_both_styles(small_instances):
    for instance in small_instances:
        gold = _gold(instance)
        names = render_prompt(instance, "native").names
        native = read_native_calls([native_call(gold, names)], names)
        assert native == parse_calls(render_call(gold)) == (gold,)
        assert score(Prediction(id="x", calls=native), instance.reference).error is None


def test_gold_of_the_real_files_survives_the_native_style(official_instances):
    for instance in official_instances:
        names = render_prompt(instance, "native").names
        assert read_native_calls([native_call(_gold(instance), names)], names) == (_gold(instance),)


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_history_off(small_instances, style):
    instance = small_instances[0]
    prompt = render_prompt(instance, style, history=False)
    assert (prompt.kept, prompt.dropped) == (0, len(instance.history))
    text = json.dumps(prompt.messages, ensure_ascii=False)
    assert all(past.instruction not in text for past in instance.history)
    assert "taste shows in" not in text


def test_history_off_on_published_data(published):
    text = render_prompt(published[0], history=False).messages[0]["content"]
    assert "\n[]\n" in text
    whole = published[0].published.model_copy(update={"without_history": "bare"})
    bare = render_prompt(published[0].model_copy(update={"published": whole}), history=False)
    assert bare.messages[0]["content"] == "bare"


@pytest.mark.parametrize("style", PROMPT_STYLES)
@pytest.mark.parametrize("most", [0, 1, 3, 99])
def test_the_latest_interactions_stay(small_instances, style, most):
    instance = small_instances[0]
    prompt = render_prompt(instance, style, max_interactions=most)
    kept = min(most, len(instance.history))
    assert (prompt.kept, prompt.dropped) == (kept, len(instance.history) - kept)
    text = json.dumps(prompt.messages, ensure_ascii=False)
    for past in instance.history[len(instance.history) - kept :]:
        assert past.call.arguments == {} or past.call.name in text or prompt.names.to_native[past.call.name] in text


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_a_budget_drops_only_the_oldest(small_instances, style):
    for instance in small_instances[:20]:
        sizes = [_words(render_prompt(instance, style, max_interactions=k)) for k in range(len(instance.history) + 1)]
        for keep, size in enumerate(sizes):
            prompt = render_prompt(instance, style, max_tokens=size, count_tokens=_words)
            assert prompt.kept == keep
            assert prompt.dropped == len(instance.history) - keep
            assert prompt.messages[-1]["content"] == instance.instruction
            text = json.dumps([prompt.messages, prompt.tools], ensure_ascii=False)
            assert all(tool.description[:20] in text for tool in instance.candidates)


def test_a_budget_below_the_candidates_is_refused(small_instances):
    with pytest.raises(PromptError, match="widen the window"):
        render_prompt(small_instances[0], max_tokens=10, count_tokens=_words)
    with pytest.raises(ValueError, match="count_tokens"):
        render_prompt(small_instances[0], max_tokens=10)


def test_a_verbatim_prompt_is_not_cut(published):
    whole = published[0].published.model_copy(update={"verbatim": "As published."})
    instance = published[0].model_copy(update={"published": whole})
    assert render_prompt(instance).messages[0]["content"] == "As published."
    with pytest.raises(PromptError, match="cannot be cut"):
        render_prompt(instance, max_interactions=1)


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_a_profile_is_shown(small_instances, style):
    instance = small_instances[0].model_copy(update={"profile": UserProfile(attributes={"diet": "vegan"})})
    assert '{"diet": "vegan"}' in render_prompt(instance, style).messages[0]["content"]


@pytest.mark.parametrize("style", PROMPT_STYLES)
def test_documentation_of_a_past_call_stands_beside_it(small_instances, style):
    instance = small_instances[0]
    past = instance.history[1].model_copy(update={"documentation": 'Tides, of "Föhn & Co."'})
    history = (instance.history[0], past, *instance.history[2:])
    shown = render_prompt(instance.model_copy(update={"history": history}), style).messages
    entries = _paper_history(shown) if style == "paper" else _native_results(shown)
    assert [entry.get("tool_description") for entry in entries] == [entry.documentation for entry in history]
    assert "tool_description" not in json.dumps(render_prompt(instance, style).messages)


def _paper_history(messages):
    lines = messages[0]["content"].splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"instruction"')]


def _native_results(messages):
    return [json.loads(message["content"]) for message in messages if message["role"] == "tool"]


def test_alike_names_stay_apart():
    names = [
        "<A>.<b c>.<d>",
        "<A>.<b_c>.<d>",
        "<A>.<b/c>.<d>",
        "<A>.<" + "x" * 80 + ">.<d>",
        "<A>.<" + "x" * 80 + ">.<e>",
    ]
    mapping = name_map(names)
    assert len(set(mapping.to_native.values())) == len(names)
    assert name_map(reversed(names)).to_native == mapping.to_native
    assert mapping.original("not given out") == "not given out"


@given(st.lists(st.text(max_size=90), max_size=8))
def test_every_name_maps_back(names):
    mapping = name_map(names)
    for name in names:
        native = mapping.to_native[name]
        assert set(native) <= _ALLOWED
        assert 0 < len(native) <= 64
        assert mapping.original(native) == name


def test_native_arguments_that_are_no_object_are_refused():
    names = name_map(["f"])
    with pytest.raises(ValueError, match="arguments"):
        read_native_calls([{"function": {"name": "f", "arguments": "[1]"}}], names)
    assert read_native_calls([{"function": {"name": "f", "arguments": ""}}], names) == (ToolCall(name="f"),)
