"""What rankers that see only part of a prompt reach: LambdaMART over families of features, judged on unseen instances.

Unlike the two-part ranker of ``model``, which is made to carry over to other data, these are made to find whatever a
data set gives away, also by how it was put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..schema import Instance
from .features import Family, FeatureTable
from .training import Labels, folds_by, gold_labels
from .trees import Trees, train_trees

Scores = NDArray[np.float64]

_TREES = 150
_LEAVES = 15
_SMALL = 20_000
_SMALL_LEAF = 20
_SMALL_DRAWS = 3


@dataclass(frozen=True)
class Fold:
    """Places of the instances that are trained on and of those that are judged."""

    training: tuple[int, ...]
    judged: tuple[int, ...]


def cross_folds(keys: Sequence[str], count: int) -> list[Fold]:
    """Return folds in which the judged instances share no key with those trained on.

    Args:
        keys: Of each instance, such as its functionality or its user.
        count: Of folds.
    """
    parts = folds_by(keys, count)
    everything = set(range(len(keys)))
    return [Fold(tuple(sorted(everything - set(part))), tuple(part)) for part in parts if part]


def study(
    table: FeatureTable,
    instances: Sequence[Instance],
    folds: Sequence[Fold],
    families: Sequence[Family],
    others: Sequence[FeatureTable] = (),
    seed: int = 0,
) -> list[Scores]:
    """Train on each fold's training instances, and score those that it judges.

    Args:
        table: The features of the instances.
        instances: Their labels are read in training.
        folds: Who trains and who is judged.
        families: What the ranker sees.
        others: Further tables of the same instances, changed in some way, which the same rankers score.
        seed: Of the draws.

    Returns:
        Scores a row, of the table and then of the others; NaN for instances that no fold judges.
    """
    seen = [each.only(families) for each in (table, *others)]
    labels = gold_labels(instances)
    found = [np.full(len(each.values), np.nan) for each in seen]
    for fold in folds:
        rankers = _trained(seen[0].rows(fold.training), labels[seen[0].places(fold.training)], seed)
        for each, scores in zip(seen, found, strict=True):
            judged = each.rows(fold.judged)
            scores[each.places(fold.judged)] = np.mean([trees.predict(judged) for trees in rankers], axis=0)
    return found


def _trained(table: FeatureTable, labels: Labels, seed: int) -> list[Trees]:
    """Return one ranker, or three of different draws where there is little to learn from."""
    small = len(table.values) < _SMALL
    return [
        train_trees(
            table,
            labels,
            "lambdarank",
            trees=_TREES,
            leaves=_LEAVES,
            smallest_leaf=_SMALL_LEAF if small else None,
            seed=seed + draw,
        )
        for draw in range(_SMALL_DRAWS if small else 1)
    ]


def right(table: FeatureTable, instances: Sequence[Instance], scores: Scores, in_group: bool = False) -> list[float]:
    """Return for each instance whether the best candidate is gold; ties count as a share.

    Args:
        table: Of the instances; only its sizes are read.
        instances: Their gold tool and its group are read.
        scores: One a row.
        in_group: Choose among the gold tool's group only.
    """
    found = []
    for instance, part in zip(instances, np.split(scores, table.starts()[1:]), strict=True):
        group = set(instance.reference.group)
        names = [tool.name for tool in instance.candidates]
        kept = [place for place, name in enumerate(names) if not in_group or name in group] or list(range(len(names)))
        best = max(part[place] for place in kept)
        leaders = [names[place] for place in kept if part[place] == best]
        found.append((instance.reference.name in leaders) / len(leaders))
    return found
