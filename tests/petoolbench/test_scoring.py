"""Both scoring modes: the six error types, every rule of the strict mode, and the published scorer's numbers."""

import json
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petoolbench.parsing import render_call
from petoolbench.schema import ERROR_TYPES, AcceptedValue, Prediction, Reference, ToolCall
from petoolbench.scoring import gold_prediction, score
from petoolbench.statistics import error_shares

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 3},
        "units": {"type": "string", "enum": ["metric", "imperial"], "default": "metric"},
        "exact": {"type": "boolean"},
        "radius": {"type": "number"},
        "tags": {"type": "array"},
        "extra": {},
    },
    "required": ["city"],
}
REFERENCE = Reference(
    name="<W>.<A>.<now>",
    arguments={"city": "Oslo"},
    group=("<W>.<A>.<now>", "<W>.<B>.<now>"),
    candidates=("<W>.<A>.<now>", "<W>.<B>.<now>", "<M>.<C>.<play>"),
    parameters=SCHEMA,
)


FAULTS = {
    None: None,
    "name": "parameter_name_mismatch",
    "value": "parameter_value_mismatch",
    "format": "invalid_format",
}
"""The published scorer cuts its call at the first double brace, so an object among the arguments is no valid JSON."""


def _answer(arguments, name="<W>.<A>.<now>"):
    return Prediction(id="x", text=render_call(ToolCall(name=name, arguments=arguments)))


def _judge(given, wanted, mode="strict"):
    return score(_answer(given), REFERENCE.model_copy(update={"arguments": wanted}), mode)


@pytest.mark.parametrize("mode", ["strict", "official"])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no idea", "invalid_format"),
        ('{"tool_name": "<W>.<Z>.<now>", "parameters": {"city": "Oslo"}}', "tool_hallucination"),
        ('{"tool_name": "<M>.<C>.<play>", "parameters": {"city": "Oslo"}}', "functionality_mismatch"),
        ('{"tool_name": "<W>.<B>.<now>", "parameters": {"city": "Oslo"}}', "preference_mismatch"),
        ('{"tool_name": "<W>.<B>.<now>", "parameters": {"town": "Oslo"}}', "preference_mismatch"),
        ('{"tool_name": "<W>.<A>.<now>", "parameters": {"town": "Oslo"}}', "parameter_name_mismatch"),
        ('{"tool_name": "<W>.<A>.<now>", "parameters": {"city": "Bergen"}}', "parameter_value_mismatch"),
        ('{"tool_name": "<W>.<A>.<now>", "parameters": {"city": "Oslo"}}', None),
    ],
)
def test_the_six_error_types_exclude_each_other(mode, text, error):
    judged = score(Prediction(id="x", text=text), REFERENCE, mode)
    assert judged.scored
    assert judged.error == error
    assert judged.tool == (error is None or error.startswith("parameter"))
    assert judged.arguments == ('"city": "Oslo"' in text)


@pytest.mark.parametrize(
    ("given", "wanted", "strict", "official"),
    [
        ({"city": "Oslo", "radius": 2.0}, {"city": "Oslo", "radius": 2}, None, None),
        ({"city": "Oslo", "radius": "2"}, {"city": "Oslo", "radius": 2}, None, "value"),
        ({"city": "Oslo", "radius": "2e0"}, {"city": "Oslo", "radius": 2}, None, "value"),
        ({"city": "Oslo", "radius": "two"}, {"city": "Oslo", "radius": 2}, "value", "value"),
        ({"city": "Oslo", "exact": "True"}, {"city": "Oslo", "exact": True}, None, "value"),
        ({"city": "Oslo", "exact": 1}, {"city": "Oslo", "exact": True}, "value", None),
        ({"city": 5}, {"city": "5"}, None, "value"),
        ({"city": "Oslo", "extra": 1}, {"city": "Oslo", "extra": "1"}, "value", "value"),
        ({"city": " oslo "}, {"city": "Oslo"}, None, "value"),
        ({"city": "Ｏｓｌｏ"}, {"city": "Oslo"}, None, "value"),
        ({"city": "Straße"}, {"city": "STRASSE"}, None, "value"),
        ({"city": "Os lo"}, {"city": "Oslo"}, "value", "value"),
        ({"city": "Oslo", "days": 3}, {"city": "Oslo"}, None, "name"),
        ({"city": "Oslo"}, {"city": "Oslo", "days": 3}, None, "name"),
        ({"city": "Oslo", "days": "3"}, {"city": "Oslo"}, None, "name"),
        ({"city": "Oslo", "days": 4}, {"city": "Oslo"}, "value", "name"),
        ({"city": "Oslo"}, {"city": "Oslo", "days": 4}, "value", "name"),
        ({"city": "Oslo", "units": None}, {"city": "Oslo"}, None, "name"),
        ({"city": "Oslo", "exact": None}, {"city": "Oslo"}, None, "name"),
        ({"city": "Oslo"}, {"city": "Oslo", "extra": ""}, None, "name"),
        ({"city": "Oslo", "exact": False}, {"city": "Oslo"}, "name", "name"),
        ({"city": "Oslo", "foreign": 1}, {"city": "Oslo"}, "name", "name"),
        ({}, {"city": "Oslo"}, "name", "name"),
        ({"city": ""}, {"city": "Oslo"}, "value", "value"),
        ({"city": ""}, {"city": ""}, None, None),
        ({"city": None}, {"city": ""}, "value", "value"),
        ({"city": "Oslo", "extra": ""}, {"city": "Oslo", "extra": ""}, None, None),
        ({"city": "Oslo", "tags": ["A", 1]}, {"city": "Oslo", "tags": ["a", 1.0]}, None, "value"),
        ({"city": "Oslo", "tags": [1, "a"]}, {"city": "Oslo", "tags": ["a", 1]}, "value", "value"),
        ({"city": "Oslo", "extra": {"k": "V"}}, {"city": "Oslo", "extra": {"k": "v"}}, None, "format"),
        ({"city": "Oslo", "extra": {"k": "v", "l": 1}}, {"city": "Oslo", "extra": {"k": "v"}}, "value", "format"),
        ({"city": "Bergen", "foreign": 1}, {"city": "Oslo"}, "name", "name"),
    ],
)
def test_arguments_in_both_modes(given, wanted, strict, official):
    for mode, fault in (("strict", strict), ("official", official)):
        expected = FAULTS[fault]
        assert _judge(given, wanted, mode).error == expected, mode


def test_a_required_default_cannot_be_left_out():
    schema = {"type": "object", "properties": {"city": {"type": "string", "default": "Oslo"}}, "required": ["city"]}
    reference = REFERENCE.model_copy(update={"parameters": schema})
    assert score(_answer({}), reference).error == "parameter_name_mismatch"
    assert score(_answer({"city": "Oslo"}), reference.model_copy(update={"arguments": {}})).error is None


def test_several_accepted_values():
    accepted = (AcceptedValue(argument="city", value="Christiania", origin="profile"),)
    reference = REFERENCE.model_copy(update={"accepted": accepted})
    assert score(_answer({"city": "christiania"}), reference).error is None
    assert score(_answer({"city": "Kristiania"}), reference).error == "parameter_value_mismatch"


def test_a_twin_counts_only_where_the_instance_says_so():
    answer = _answer({"city": "Oslo"}, "<W>.<B>.<now>")
    assert score(answer, REFERENCE).error == "preference_mismatch"
    assert score(answer, REFERENCE.model_copy(update={"twins": ("<W>.<B>.<now>",)})).error is None


@pytest.mark.parametrize("name", ["<w>.<a>.<NOW>", " <W>.<A>.<now> ", "<Ｗ>.<A>.<now>"])
def test_a_name_may_differ_in_width_case_and_outer_space(name):
    assert score(_answer({"city": "Oslo"}, name), REFERENCE).error is None
    assert score(_answer({"city": "Oslo"}, name), REFERENCE, "official").tool is (
        name.strip() == REFERENCE.name and name == REFERENCE.name
    )


def test_an_ambiguous_name_is_not_guessed():
    reference = REFERENCE.model_copy(update={"candidates": ("<W>.<A>.<now>", "<W>.<A>.<Now>")})
    assert score(_answer({"city": "Oslo"}, "<W>.<A>.<NOW>"), reference).error == "tool_hallucination"


def test_the_first_of_several_calls_is_judged():
    text = "\n".join(render_call(ToolCall(name=f"<W>.<{p}>.<now>", arguments={"city": "Oslo"})) for p in "AB")
    judged = score(Prediction(id="x", text=text), REFERENCE)
    assert (judged.error, judged.calls) == (None, 2)


def test_without_an_answer_an_instance_is_unscored():
    for prediction in (Prediction(id="x", error="server said 500"), Prediction(id="x")):
        judged = score(prediction, REFERENCE)
        assert not judged.scored
        assert judged.error is None
    empty = score(Prediction(id="x", text=""), REFERENCE)
    assert (empty.scored, empty.error) == (True, "invalid_format")
    assert score(Prediction(id="x", calls=()), REFERENCE).error == "invalid_format"


@pytest.mark.parametrize("mode", ["strict", "official"])
def test_gold_scores_fully(small_instances, mode):
    assert {_gold_error(instance, mode) for instance in small_instances} == {None}


@pytest.mark.parametrize("mode", ["strict", "official"])
def test_gold_scores_fully_on_the_published_data(official_instances, mode):
    assert {_gold_error(instance, mode) for instance in official_instances} == {None}


def _gold_error(instance, mode):
    judged = score(gold_prediction(instance.id, instance.reference), instance.reference, mode)
    assert judged.tool
    assert judged.arguments
    return judged.error


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(["city", "days", "units", "exact", "radius", "tags", "extra", "foreign"])


@given(st.dictionaries(_NAMES, _VALUES, max_size=5), st.sampled_from(["strict", "official"]))
def test_whatever_the_reference_says_is_right(arguments, mode):
    reference = REFERENCE.model_copy(update={"arguments": arguments})
    call = ToolCall(name=reference.name, arguments=arguments)
    text = render_call(call)
    if mode == "strict" or (PUBLISHED_RULE.search(text) or [""])[0] == text:
        assert score(Prediction(id="x", text=text), reference, mode).error is None


@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_any_two_calls_can_be_judged(given_arguments, wanted):
    reference = REFERENCE.model_copy(update={"arguments": wanted})
    judged = score(_answer(given_arguments), reference)
    assert judged.tool
    assert judged.arguments == (judged.error is None)


PUBLISHED_RULE = re.compile(r"\{.*" + r'"tool_name":\s*' + r'".*?",\s*' + r'"parameters":\s*' + r"\{.*?\}\}")


def _by_the_published_rule(text, gold):
    """Judge one answer as the published scorer does: (tool right, parameters right)."""
    found = PUBLISHED_RULE.search(text) if text else None
    try:
        answer = json.loads(found.group(0)) if found else {}
    except json.JSONDecodeError:
        answer = {}
    return gold["tool_name"] == answer.get("tool_name"), gold["parameters"] == answer.get("parameters")


def _perturbed(gold, others, generator):
    """Return an answer as a model might botch it."""
    name = generator.choice([gold["tool_name"], gold["tool_name"], generator.choice(others)])
    parameters = dict(gold["parameters"])
    if parameters and generator.random() < 0.4:
        key = generator.choice(list(parameters))
        change = generator.randrange(4)
        if change == 0:
            parameters.pop(key)
        elif change == 1:
            parameters[key] = str(parameters[key])
        elif change == 2:
            parameters[key + "_id"] = parameters.pop(key)
        else:
            parameters[key] = {"value": parameters[key]}
    text = json.dumps(
        {"tool_name": name, "parameters": parameters},
        ensure_ascii=generator.random() < 0.3,
        indent=generator.choice([None, None, None, 2]),
        separators=generator.choice([(", ", ": "), (",", ":"), (" , ", " : ")]),
    )
    return _damaged(text, generator)


def _damaged(text, generator):
    places = [
        lambda: text,
        lambda: text,
        lambda: f"Sure!\n```json\n{text}\n```",
        lambda: f"{{note}} {text} and {{more}}",
        lambda: f"{text}\n{text}",
        lambda: f"{text} {text}",
        lambda: text.replace('"', "'"),
        lambda: text.replace("tool_name", "name"),
        lambda: text[: generator.randrange(len(text))],
        lambda: text[: (cut := generator.randrange(len(text)))] + text[cut + 1 :],
        lambda: text.replace("{}", '"{}"'),
        lambda: text.replace(" ", "\u2003").replace(",", ",\n"),
        lambda: json.dumps(text),
        lambda: text + "}",
        lambda: "",
    ]
    return generator.choice(places)()


def test_official_mode_equals_the_published_rule_on_perturbed_answers(official_entries, official_instances):
    generator = random.Random(7)
    names = sorted({entry["api_call_ground_truth"]["tool_name"] for entry in official_entries})
    seen = set()
    for index in range(1_000):
        instance = official_instances[3 * (index % len(official_entries))]
        gold = official_entries[index % len(official_entries)]["api_call_ground_truth"]
        text = _perturbed(gold, names, generator)
        judged = score(Prediction(id="x", text=text), instance.reference, "official")
        wanted = _by_the_published_rule(text, gold)
        assert (judged.tool, judged.arguments) == wanted, text
        seen.add(wanted)
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


def test_an_answer_that_stalls_the_published_rule_is_judged_at_once():
    text = '{"tool_name": "a", ' * 4_000
    assert score(Prediction(id="x", text=text), REFERENCE, "official").error == "invalid_format"


def test_combining_marks_do_not_stall_the_scorer():
    marks = "\u0300\u0316" * 25_000
    started = time.perf_counter()
    value = ToolCall(name=REFERENCE.name, arguments={"city": marks})
    assert score(Prediction(id="x", calls=(value,)), REFERENCE).error == "parameter_value_mismatch"
    assert score(Prediction(id="x", calls=(ToolCall(name=marks),)), REFERENCE).error == "tool_hallucination"
    assert time.perf_counter() - started < 1


def test_shares_add_up_to_one(small_instances):
    generator = random.Random(1)
    scores = []
    for instance in small_instances:
        call = ToolCall(name=generator.choice(instance.reference.candidates), arguments={"a": 1})
        scores.append(score(Prediction(id=instance.id, calls=(call,)), instance.reference))
    shares = error_shares(scores)
    assert set(shares) == {*ERROR_TYPES, "correct"}
    assert sum(shares.values()) == pytest.approx(1)
