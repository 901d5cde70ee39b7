"""Preference pairs: what is chosen is right, what is rejected is wrong, shares hold, and nothing is lost uncounted."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from petoolbench.errors import PEToolBenchError
from petoolbench.parsing import render_call
from petoolbench.schema import Prediction, ToolCall
from petoolbench.scoring import score

pytest.importorskip("jsonschema")

from training.pairs import make_pairs, report
from training.siblings import sibling_call

N = 4


def gold(instance):
    return ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)


def siblings(instance):
    return sorted(set(instance.reference.group) - {instance.reference.name})


def to_sibling(instance, number=0):
    return gold(instance).model_copy(update={"name": siblings(instance)[number]})


def to_stranger(instance):
    name = next(tool.name for tool in instance.candidates if tool.name not in instance.reference.group)
    return ToolCall(name=name, arguments={})


def with_wrong_value(instance):
    name = next(iter(instance.reference.arguments), "unheard_of")
    return gold(instance).model_copy(update={"arguments": {**instance.reference.arguments, name: ["wrong"]}})


def answer(instance, call):
    return Prediction(id=instance.id, text=render_call(call))


def drawn(instances, seed):
    """Return samples of every kind, drawn by a seed."""
    kinds = (
        lambda entry: answer(entry, gold(entry)),
        lambda entry: answer(entry, to_sibling(entry)),
        lambda entry: answer(entry, to_stranger(entry)),
        lambda entry: answer(entry, ToolCall(name="invented", arguments={})),
        lambda entry: answer(entry, with_wrong_value(entry)),
        lambda entry: Prediction(id=entry.id, text="I cannot do that."),
        lambda entry: Prediction(id=entry.id, error="no answer"),
    )
    lots = random.Random(seed)
    return {entry.id: tuple(lots.choice(kinds)(entry) for _ in range(N)) for entry in instances}


def judged(call, instance):
    return score(Prediction(id=instance.id, text=render_call(call)), instance.reference)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_chosen_is_right_rejected_is_wrong_and_the_share_holds(small_instances, share, seed):
    samples = drawn(small_instances, seed)
    found = make_pairs(small_instances, samples, other_share=share, seed=seed)
    known = {entry.id: entry for entry in small_instances}
    for pair in found.pairs:
        instance = known[pair.id]
        assert judged(pair.chosen, instance).error is None
        assert judged(pair.rejected, instance).error == pair.fault is not None
        if pair.rejected_from == "sampled_other":
            assert pair.fault != "preference_mismatch"
        else:
            assert pair.rejected.name in siblings(instance)
        if pair.rejected_from.startswith("sampled"):
            assert any(render_call(pair.rejected) == sampled.text for sampled in samples[pair.id])
        if pair.chosen_from != "gold":
            assert any(render_call(pair.chosen) == sampled.text for sampled in samples[pair.id])
    others = sum(pair.rejected_from == "sampled_other" for pair in found.pairs)
    possible = sum(
        any(
            score(sampled, known[key].reference).called
            and score(sampled, known[key].reference).error not in (None, "preference_mismatch")
            for sampled in entries
        )
        for key, entries in samples.items()
    )
    assert others == min(possible, int(share * len(found.pairs) + 1e-9))
    assert len(found.pairs) + len(found.dropped) == len(small_instances)


def test_pairs_depend_on_the_seed_and_not_on_the_order(small_instances):
    samples = drawn(small_instances, 0)

    def made(instances, seed):
        return {pair.id: pair for pair in make_pairs(instances, samples, other_share=0.2, seed=seed).pairs}

    assert made(small_instances, 1) == made(small_instances[::-1], 1)
    assert made(small_instances, 1) != made(small_instances, 2)


def test_the_likeliest_calls_are_taken(small_instances):
    instance = next(entry for entry in small_instances if len(siblings(entry)) > 1)
    sampled = [to_sibling(instance, 0), to_sibling(instance, 1), to_sibling(instance, 1)]
    (pair,) = make_pairs([instance], {instance.id: [answer(instance, call) for call in sampled]}).pairs
    assert (pair.rejected, pair.rejected_from) == (to_sibling(instance, 1), "sampled_sibling")
    assert (pair.chosen, pair.chosen_from) == (gold(instance), "gold")


def test_a_right_call_in_other_words_is_chosen_if_it_was_sampled(small_instances):
    instance = next(
        entry for entry in small_instances if any(isinstance(value, str) for value in gold(entry).arguments.values())
    )
    other = {
        name: value.upper() if isinstance(value, str) else value for name, value in instance.reference.arguments.items()
    }
    call = gold(instance).model_copy(update={"arguments": other})
    samples = {instance.id: [answer(instance, call)]}
    (pair,) = make_pairs([instance], samples).pairs
    assert (pair.chosen, pair.chosen_from) == (call, "sampled")
    (pair,) = make_pairs([instance], samples, sampled_chosen=False).pairs
    assert (pair.chosen, pair.chosen_from) == (gold(instance), "gold")
    (pair,) = make_pairs([instance], {instance.id: [answer(instance, gold(instance))]}).pairs
    assert pair.chosen_from == "sampled_gold"


def test_made_calls_keep_the_gold_arguments_where_the_schema_takes_them(small_instances):
    for instance in small_instances:
        call, made = sibling_call(instance, seed=0)
        assert made == "made_sibling"
        assert call.arguments == instance.reference.arguments
        assert call.name in siblings(instance)


def with_schema(instance, schema):
    """Return the instance with other parameters for all siblings of its gold tool."""
    changed = [
        tool.model_copy(update={"parameters": schema}) if tool.name in siblings(instance) else tool
        for tool in instance.candidates
    ]
    return instance.model_copy(update={"candidates": tuple(changed)})


def test_arguments_that_a_sibling_does_not_know_are_read_from_the_instruction(small_instances):
    schema = {"type": "object", "properties": {"how_many": {"type": "integer"}}, "required": ["how_many"]}
    instance = with_schema(small_instances[0], schema).model_copy(update={"instruction": "Get me 7 of them"})
    call, made = sibling_call(instance, seed=0)
    assert (call.arguments, made) == ({"how_many": 7}, "filled_sibling")


def test_arguments_of_the_gold_call_stay_where_a_sibling_knows_them(small_instances):
    instance = next(entry for entry in small_instances if len(entry.reference.arguments) > 1)
    name, value = next(iter(instance.reference.arguments.items()))
    about = instance.reference.parameters["properties"][name]
    instance = with_schema(instance, {"type": "object", "properties": {name: about}, "required": [name]})
    call, made = sibling_call(instance, seed=0)
    assert (call.arguments, made) == ({name: value}, "filled_sibling")


def with_reference(instance, **changes):
    return instance.model_copy(update={"reference": instance.reference.model_copy(update=changes)})


_NEEDS_MUCH = {"type": "object", "properties": {"secret": {"type": "object"}}, "required": ["secret"]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda entry: with_reference(entry, group=()), "group_unknown"),
        (lambda entry: with_reference(entry, group=(entry.reference.name,)), "no_sibling"),
        (lambda entry: with_reference(entry, twins=tuple(siblings(entry))), "no_sibling"),
        (lambda entry: with_schema(entry, _NEEDS_MUCH), "no_arguments"),
    ],
)
def test_an_instance_without_a_call_to_reject_is_dropped_with_the_reason(small_instances, changed, reason):
    first, second = small_instances[:2]
    found = make_pairs([changed(first), second], {})
    assert found.dropped == {first.id: reason}
    assert [pair.id for pair in found.pairs] == [second.id]
    assert report(found)["dropped"] == {reason: 1}


def test_another_wrong_call_beyond_the_share_is_dropped_and_said_so(small_instances):
    first, second = small_instances[:2]
    lonely = with_reference(first, group=())
    samples = {first.id: [answer(first, to_stranger(first))]}
    assert make_pairs([lonely, second], samples).dropped == {first.id: "others_beyond_share"}
    found = make_pairs([lonely, second], samples, other_share=0.5)
    assert [pair.rejected_from for pair in found.pairs] == ["sampled_other", "made_sibling"]


def test_the_share_takes_made_calls_before_sampled_ones(small_instances):
    first, second = small_instances[:2]
    samples = {
        first.id: [answer(first, to_stranger(first)), answer(first, to_sibling(first))],
        second.id: [answer(second, to_stranger(second))],
    }
    for seed in range(5):
        found = make_pairs([first, second], samples, other_share=0.5, seed=seed)
        assert [pair.rejected_from for pair in found.pairs] == ["sampled_sibling", "sampled_other"]


def test_published_pairs_come_first_unless_they_score_as_right(small_instances):
    instance = small_instances[0]
    worse = to_sibling(instance)
    published = instance.model_copy(update={"rejected": (gold(instance), worse)})
    samples = {instance.id: [answer(instance, to_sibling(instance, -1))]}
    (pair,) = make_pairs([published], samples).pairs
    assert (pair.rejected, pair.rejected_from) == (worse, "published")
    (pair,) = make_pairs([instance.model_copy(update={"rejected": (gold(instance),)})], samples).pairs
    assert pair.rejected_from == "sampled_sibling"


def test_the_report_counts_every_pair_and_every_sample(small_instances):
    samples = drawn(small_instances, 0)
    found = make_pairs(small_instances, samples, other_share=0.3)
    told = report(found)
    assert told["instances"] == len(small_instances)
    assert told["samples"] == Counter(
        "unscored" if not entry.scored else entry.error or "right"
        for instance in small_instances
        for entry in (score(sampled, instance.reference) for sampled in samples[instance.id])
    )
    for part in [told, *told["settings"].values()]:
        for kind in ("chosen", "rejected", "faults"):
            assert sum(part[kind].values()) == part["pairs"]
    assert sum(part["pairs"] for part in told["settings"].values()) == told["pairs"] == len(found.pairs)
    assert {"gold", "sampled_gold"} == set(told["chosen"])
    assert {"sampled_sibling", "made_sibling", "sampled_other"} == set(told["rejected"])


def test_what_is_no_share_is_refused_in_one_line(small_instances):
    with pytest.raises(PEToolBenchError, match="from 0 to 1"):
        make_pairs(small_instances, {}, other_share=1.5)
