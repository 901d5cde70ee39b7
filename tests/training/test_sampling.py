"""Sampling: several answers an instance, each draw a run folder; one that was interrupted gives the same calls."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from petoolbench.errors import OutputError, PEToolBenchError
from petoolbench.folders import open_dataset
from petoolbench.models.protocol import Generation
from petoolbench.models.settings import ModelSettings
from petoolbench.results import score_run
from petoolbench.runs import RunSpec
from tests.tiny import tiny_model

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from petoolbench.models.local import load_local  # noqa: E402
from training.sampling import LazyModel, sample  # noqa: E402

DRAWS = 3
SEED = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    transformers.utils.logging.disable_progress_bar()
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def instances(small_data):
    """Four instances of one config and split, shown with little documentation and history."""
    found = islice(open_dataset(str(small_data)).instances("chronological", "test"), 4)
    return [
        entry.model_copy(update={"candidates": entry.candidates[:2], "history": entry.history[:2]}) for entry in found
    ]


@pytest.fixture
def spec(instances, small_data, folder):
    return RunSpec(
        config="chronological",
        split="test",
        fingerprint=open_dataset(str(small_data)).fingerprint("chronological", "test"),
        instances=len(instances),
        agent="hf:tiny",
        seed=SEED,
        model=ModelSettings(f"hf:{folder}", window=12_000, max_new_tokens=8, temperature=1.0),
    )


@pytest.fixture
def model(folder):
    generation = Generation(window=12_000, max_new_tokens=8, temperature=1.0)
    return LazyModel("hf:tiny", lambda: load_local(str(folder), generation, device="cpu"))


def texts(samples):
    return {key: [entry.text for entry in entries] for key, entries in samples.items()}


def unavailable():
    raise PEToolBenchError("the model is not needed")


def test_a_draw_is_what_the_model_answers_under_its_seed(instances, spec, small_data, model, folder, tmp_path):
    samples = sample(instances, spec, str(small_data), model, tmp_path / "samples", DRAWS)
    for number in range(DRAWS):
        generation = Generation(window=12_000, max_new_tokens=8, temperature=1.0, seed=SEED + number)
        alone = load_local(str(folder), generation, device="cpu", batch_tokens=1)
        assert {entry.id: entry.text for entry in alone.answers(instances)} == {
            key: entries[number].text for key, entries in samples.items()
        }
    assert all(len(set(answers)) > 1 for answers in texts(samples).values())


def test_every_draw_is_a_run_that_can_be_scored(instances, spec, small_data, model, tmp_path):
    sample(instances, spec, str(small_data), model, tmp_path, DRAWS)
    for number in range(DRAWS):
        scored = score_run(tmp_path / f"draw-{number}")
        assert [entry.id for entry in scored.judged] == [entry.id for entry in instances]
        assert all(entry.score.scored for entry in scored.judged)


@pytest.mark.parametrize("written", [1, 5])
def test_an_interrupted_sampling_goes_on_to_the_same_calls(
    instances, spec, small_data, model, folder, tmp_path, written
):
    whole = sample(instances, spec, str(small_data), model, tmp_path / "whole", DRAWS)

    def breaks_off(drawn, total):
        yield from islice(drawn, written)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(instances, spec, str(small_data), model, tmp_path / "halves", DRAWS, breaks_off)
    counted = []

    def counting(drawn, total):
        counted.append(total)
        return drawn

    halves = sample(instances, spec, str(small_data), model, tmp_path / "halves", DRAWS, counting)
    assert texts(halves) == texts(whole)
    assert counted == [len(instances) * DRAWS - written]


def test_a_complete_sampling_needs_no_model_and_more_draws_keep_the_old_ones(
    instances, spec, small_data, model, tmp_path
):
    two = sample(instances, spec, str(small_data), model, tmp_path, 2)
    absent = LazyModel("hf:tiny", unavailable)
    assert sample(instances, spec, str(small_data), absent, tmp_path, 2) == two
    with pytest.raises(PEToolBenchError, match="not needed"):
        sample(instances, spec, str(small_data), absent, tmp_path, 3)
    three = sample(instances, spec, str(small_data), model, tmp_path, 3)
    assert {key: entries[:2] for key, entries in three.items()} == two


def test_samples_of_another_model_are_refused_before_it_is_loaded(instances, spec, small_data, model, tmp_path):
    sample(instances, spec, str(small_data), model, tmp_path, 1)
    absent = LazyModel("hf:other", unavailable)
    with pytest.raises(OutputError, match=r"another agent \(hf:tiny there, hf:other here\)"):
        sample(instances, replace(spec, agent="hf:other"), str(small_data), absent, tmp_path, 1)


def test_a_prompt_is_read_once_for_all_its_draws(instances, folder):
    generation = Generation(window=12_000, max_new_tokens=2, temperature=1.0)
    local = load_local(str(folder), generation, device="cpu", batch_tokens=1_000_000)
    lengths = []
    hook = local._loaded.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(args[0].shape[1]), with_kwargs=True
    )
    drawn = list(local.draws((entry, (0, 1, 2)) for entry in instances))
    hook.remove()
    assert len(drawn) == 3 * len(instances)
    assert sum(length > 1 for length in lengths) == len(instances)


def test_a_prompt_that_does_not_fit_is_an_error_of_every_draw(instances, folder):
    local = load_local(str(folder), Generation(window=10, max_new_tokens=2), device="cpu")
    drawn = list(local.draws([(instances[0], (3, 4))]))
    assert [seed for seed, _ in drawn] == [3, 4]
    assert all("widen the window" in entry.error for _, entry in drawn)
