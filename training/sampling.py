"""Several calls an instance, sampled from a model.

Every draw is a run folder of its own that ``petoolbench score`` reads. An instance's draws depend on nothing but their
seeds: a sampling that was interrupted and goes on gives the same calls. A prompt is read once for all draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from petoolbench.answering import ModelAnswerer
from petoolbench.models.local import LocalModel
from petoolbench.predictions import PREDICTIONS, PredictionLog, put_in_order, read_predictions, tally
from petoolbench.runs import Manifest, RunSpec, close_run, open_run
from petoolbench.schema import Instance, Prediction

Progress = Callable[[Iterable[tuple[int, Prediction]], int], Iterable[tuple[int, Prediction]]]


class LazyModel:
    """A model that is loaded when it is first needed: a sampling that is complete needs none.

    Args:
        name: By which manifests call it.
        load: Loads it.
    """

    def __init__(self, name: str, load: Callable[[], LocalModel]) -> None:
        self._name = name
        self._load = load
        self._model: LocalModel | None = None

    @property
    def name(self) -> str:
        """By which manifests call it."""
        return self._name

    def described(self) -> dict[str, str]:
        """Return what the model says of itself."""
        return self._loaded().described()

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the model's answers under its own seed."""
        return self._loaded().answers(instances)

    def draws(self, wanted: Iterable[tuple[Instance, Sequence[int]]]) -> Iterator[tuple[int, Prediction]]:
        """Yield a seed and an answer for every instance and each of its seeds."""
        return self._loaded().draws(wanted)

    def _loaded(self) -> LocalModel:
        if self._model is None:
            self._model = self._load()
        return self._model


def sample(
    instances: Sequence[Instance],
    spec: RunSpec,
    source: str,
    model: LazyModel,
    folder: Path,
    draws: int,
    progress: Progress = lambda drawn, total: drawn,
) -> dict[str, tuple[Prediction, ...]]:
    """Let a model answer every instance several times, or go on with it; return the answers by the instance's id.

    Args:
        instances: As the model is to see them.
        spec: Of the first draw; the seeds of the others follow on its own.
        source: Where the data is, for the manifests.
        model: Who answers.
        folder: Holds a run folder a draw.
        draws: How many answers an instance gets.
        progress: Wraps the answers to show progress; it is told how many are to come.

    Raises:
        OutputError: A folder holds something else, or draws of another model, data or prompt; it says what differs.
        PEToolBenchError: The model cannot be loaded, or a batch does not fit the memory.
    """
    ids = [entry.id for entry in instances]
    folders = {spec.seed + number: folder / f"draw-{number}" for number in range(draws)}
    answerer = ModelAnswerer(model)
    lacking: dict[str, list[int]] = {identity: [] for identity in ids}
    for seed, place in folders.items():
        standing = open_run(place, Manifest(replace(spec, seed=seed), source, False, frozenset(ids)), answerer)
        for identity in lacking.keys() - standing.keys():
            lacking[identity].append(seed)
    if total := sum(map(len, lacking.values())):
        wanted = [(entry, lacking[entry.id]) for entry in instances if lacking[entry.id]]
        _write(progress(model.draws(wanted), total), folders)
        for place in folders.values():
            put_in_order(place / PREDICTIONS, ids)
            close_run(place, answerer, tally(place / PREDICTIONS))
    return _read(ids, list(folders.values()))


def _write(drawn: Iterable[tuple[int, Prediction]], folders: Mapping[int, Path]) -> None:
    with ExitStack() as stack:
        logs = {seed: stack.enter_context(PredictionLog(place / PREDICTIONS)) for seed, place in folders.items()}
        for seed, prediction in drawn:
            logs[seed].append(prediction)


def _read(ids: Iterable[str], folders: Sequence[Path]) -> dict[str, tuple[Prediction, ...]]:
    draws = [{entry.id: entry for entry in read_predictions(place / PREDICTIONS)} for place in folders]
    return {identity: tuple(draw[identity] for draw in draws) for identity in ids}
