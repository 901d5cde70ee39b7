"""Instances → a ``Ranker``. References are read here, and only here."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import content_hash
from ..schema import Instance
from .features import FeatureMaker, FeatureTable
from .filler import Filler, train_filler
from .model import LEARNED, SIGNALS, Ranker, signals
from .orders import opened_by_dislikes
from .reading import rarity_of
from .trees import Trees, train_trees

MATCH_TREES = 200
TASTE_TREES = 150
_FOLDS = 2
_HIDDEN_SHARE = 0.5
_FEWEST = 20

Labels = NDArray[np.int64]


def train_ranker(
    instances: Sequence[Instance],
    trained_on: dict[str, str | int],
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> Ranker:
    """Train a ranker; the same instances and seed give the same one.

    Args:
        instances: Training instances, of any settings; their groups have to be known.
        trained_on: What to say of them in the ranker's file.
        seed: Of all draws.
        note: Told what is being done.

    Raises:
        InputError: There are too few instances to learn from, or no group is known.
        MissingExtraError: The extra ``ranker`` is not installed.
    """
    usable = [instance for instance in instances if _is_usable(instance)]
    if len(usable) < _FEWEST:
        raise InputError(
            f"{len(usable)} of {len(instances)} instances can be learned from, {_FEWEST} are needed: "
            "the gold tool has to be a candidate with siblings in its group"
        )
    with _filler_beside(usable, seed) as filler:
        rarity = rarity_of(instance.instruction for instance in usable)
        maker = FeatureMaker(rarity)
        note("encoding texts")
        told = list(opened_by_dislikes(usable, seed))
        maker.prepare([*usable, *told])
        note("reading candidates and histories")
        table = maker.table(usable, LEARNED)
        extra = maker.table(told, LEARNED) if told else None
        learner = _Learner(table, usable, extra, told, seed)
        note("learning function and taste")
        weights = _weights(learner.held_out_signals(), gold_labels(usable), table)
        match, taste = learner.match(range(len(usable))), learner.taste(range(len(usable)))
        note("learning arguments")
        return Ranker(rarity, match, taste, weights, filler(), trained_on)


@contextmanager
def _filler_beside(instances: Sequence[Instance], seed: int) -> Iterator[Callable[[], Filler]]:
    """Train the filler in a process of its own where the system can fork; yield what waits for it."""
    if "fork" not in multiprocessing.get_all_start_methods():
        yield lambda: train_filler(instances, seed)
        return
    # A forked process finds the instances in its memory; they need not be sent to it.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, context, initializer=_keep, initargs=(instances,)) as pool:
        future = pool.submit(_kept_filler, seed)
        yield lambda: Filler.from_json(future.result())


_kept: list[Sequence[Instance]] = []


def _keep(instances: Sequence[Instance]) -> None:
    _kept.append(instances)


def _kept_filler(seed: int) -> dict[str, Any]:
    return train_filler(_kept[0], seed).to_json()


def gold_labels(instances: Sequence[Instance]) -> Labels:
    """Return 1 for each candidate that is the gold tool, else 0."""
    return np.array([tool.name == i.reference.name for i in instances for tool in i.candidates], dtype=np.int64)


def group_labels(instances: Sequence[Instance]) -> Labels:
    """Return 1 for each candidate of the gold tool's group, else 0."""
    return np.array([tool.name in i.reference.group for i in instances for tool in i.candidates], dtype=np.int64)


def folds_by(keys: Sequence[str], count: int) -> list[list[int]]:
    """Split places into folds so that equal keys stay together; the folds are of about the same size."""
    members: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(key, []).append(place)
    folds: list[list[int]] = [[] for _ in range(count)]
    for key in sorted(members, key=lambda key: (-len(members[key]), content_hash(key))):
        min(folds, key=len).extend(members[key])
    return [sorted(fold) for fold in folds]


class _Learner:
    """Trains the two parts on any of the instances."""

    def __init__(
        self,
        table: FeatureTable,
        instances: Sequence[Instance],
        extra: FeatureTable | None,
        told: Sequence[Instance],
        seed: int,
    ) -> None:
        self._instances, self._told, self._seed = instances, told, seed
        self._match, self._taste = table.only(["match"]), table.only(["history"])
        self._extra = extra.only(["history"]) if extra is not None else None
        self._gold, self._group = gold_labels(instances), group_labels(instances)

    def match(self, places: Sequence[int]) -> Trees:
        """Learn whether a candidate is of the wanted group, once as it is and once with measures hidden at random."""
        table, labels = self._match.rows(places), self._group[self._match.places(places)]
        both = table.joined(_hidden(table, self._seed))
        return train_trees(
            both,
            np.tile(labels, 2),
            "binary",
            trees=MATCH_TREES,
            directions=table.directions(),
            seed=self._seed,
        )

    def taste(self, places: Sequence[int]) -> Trees:
        """Learn which tool of the gold group is the gold one."""
        table, labels = self._in_group(self._taste, self._instances, places)
        if self._extra is not None:
            wanted = {self._instances[place].id for place in places}
            also = [place for place, instance in enumerate(self._told) if instance.id in wanted]
            if also:
                more, more_labels = self._in_group(self._extra, self._told, also)
                table, labels = table.joined(more), np.concatenate([labels, more_labels])
        return train_trees(
            table, labels, "lambdarank", trees=TASTE_TREES, directions=table.directions(), seed=self._seed
        )

    def held_out_signals(self) -> NDArray[np.float64]:
        """Return the signals of every instance from parts that saw nothing of its functionality."""
        found = np.zeros((len(self._gold), len(SIGNALS)))
        folds = folds_by([instance.functionality for instance in self._instances], _FOLDS)
        for fold in folds:
            rest = sorted(set(range(len(self._instances))) - set(fold))
            parts = self.match(rest), self.taste(rest)
            both = _beside(self._match, self._taste).rows(fold)
            found[self._match.places(fold)] = signals(both, *parts)
        return found

    def _in_group(
        self, table: FeatureTable, instances: Sequence[Instance], places: Sequence[int]
    ) -> tuple[FeatureTable, Labels]:
        members = [instances[place] for place in places]
        kept = group_labels(members).astype(bool)
        return table.rows(places).keep(kept), gold_labels(members)[kept]


def _is_usable(instance: Instance) -> bool:
    names = {tool.name for tool in instance.candidates}
    group = names & set(instance.reference.group)
    return instance.reference.name in group and len(group) > 1


def _beside(left: FeatureTable, right: FeatureTable) -> FeatureTable:
    values = np.concatenate([left.values, right.values], axis=1)
    return FeatureTable(values, left.names + right.names, left.families + right.families, left.sizes, left.alike)


def _hidden(table: FeatureTable, seed: int) -> FeatureTable:
    """Return a copy in which each measure is hidden from half of the instances, so that none is leant on alone."""
    generator = np.random.default_rng(seed)
    values = table.values.copy()
    instance_of = np.repeat(np.arange(len(table.sizes)), table.sizes)
    measures = [name.split(",")[0] for name in table.names]
    for measure in dict.fromkeys(measures):
        rows = (generator.random(len(table.sizes)) < _HIDDEN_SHARE)[instance_of]
        for column, name in enumerate(measures):
            if name == measure:
                values[rows, column] = 0.0
    return FeatureTable(values, table.names, table.families, table.sizes, table.alike)


def _weights(found: NDArray[np.float64], gold: Labels, table: FeatureTable) -> tuple[float, ...]:
    """Return the non-negative weights under which the gold candidates are likeliest (a conditional logit)."""
    from scipy.optimize import minimize

    starts, sizes = table.starts(), table.sizes
    chosen = found[gold.astype(bool)]

    def surprise(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = found @ weights
        tops = np.maximum.reduceat(logits, starts)
        shares = np.exp(logits - np.repeat(tops, sizes))
        totals = np.add.reduceat(shares, starts)
        expected = np.add.reduceat(found * (shares / np.repeat(totals, sizes))[:, None], starts)
        loss = float(np.mean(tops + np.log(totals) - chosen @ weights))
        return loss, (expected - chosen).mean(axis=0)

    best = minimize(
        surprise, np.full(found.shape[1], 0.5), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(SIGNALS)
    )
    return tuple(float(weight) for weight in best.x)
