"""Averages of scores, intervals that respect clusters, and paired tests.

Instances of one functionality share tools, requests and mistakes, so they are not independent: intervals and tests
resample whole functionalities (a cluster bootstrap), not instances.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .schema import ERROR_TYPES, Score

RESAMPLES = 2_000
CONFIDENCE = 0.95
_SEED = 20_250_226
_BLOCK = 4_000_000

METRICS: dict[str, Callable[[Score], bool | None]] = {
    "tool_accuracy": lambda score: score.tool,
    "param_accuracy": lambda score: score.arguments,
    "joint_accuracy": lambda score: score.tool and score.arguments,
    "param_accuracy_given_tool": lambda score: score.arguments if score.tool else None,
}
"""The criteria that are averaged; an answer for which one gives None does not count in it."""


@dataclass(frozen=True)
class Estimate:
    """A share from 0 to 1, its 95 % interval, and the number of instances; None over none."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class PairedTest:
    """Run B against run A on the instances that both have scores for.

    ``difference`` is B − A in share points with its clustered interval; ``only_a`` and ``only_b`` count the instances
    that one alone got right; ``mcnemar_p`` is the exact two-sided p-value of McNemar's test, ``bootstrap_p`` that of
    the cluster bootstrap.
    """

    metric: str
    n: int
    difference: Estimate
    only_a: int
    only_b: int
    mcnemar_p: float
    bootstrap_p: float


def estimate(scores: Sequence[Score], clusters: Sequence[str], metric: str) -> Estimate:
    """Average a metric over the scored answers, with its clustered interval.

    Where all answers are right, or all wrong, resampling them shows no spread; then the interval's inner end is the
    exact binomial one for as many draws as there are clusters.

    Args:
        scores: Judgements; unscored ones are left out.
        clusters: The functionality of each score, in the same order.
        metric: A key of ``METRICS``.
    """
    judged = [
        (METRICS[metric](entry), cluster) for entry, cluster in zip(scores, clusters, strict=True) if entry.scored
    ]
    counted = [(value, cluster) for value, cluster in judged if value is not None]
    return share_estimate([value for value, _ in counted], [cluster for _, cluster in counted])


def share_estimate(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Average values from 0 to 1, such as right and wrong, with the clustered interval of ``estimate``.

    Args:
        values: One value an instance; a right guess among k equal ones counts 1/k.
        clusters: The functionality of each value, in the same order.
    """
    numbers = np.array(values, dtype=np.float64)
    if not len(numbers) or 0 < numbers.mean() < 1:
        return _interval(numbers, clusters)
    bound = ((1 - CONFIDENCE) / 2) ** (1 / len(set(clusters)))
    low, high = (bound, 1.0) if numbers.all() else (0.0, 1 - bound)
    return Estimate(float(numbers.mean()), low, high, len(numbers))


def error_shares(scores: Sequence[Score]) -> dict[str, float]:
    """Return the share of each error type and of ``correct`` among the scored answers; they add up to 1."""
    counts: Counter[str] = Counter(entry.error or "correct" for entry in scores if entry.scored)
    total = counts.total()
    return {kind: counts[kind] / total if total else 0.0 for kind in (*ERROR_TYPES, "correct")}


def paired_test(
    scores_a: Sequence[Score], scores_b: Sequence[Score], clusters: Sequence[str], metric: str
) -> PairedTest:
    """Compare two runs on the same instances, given in the same order.

    Raises:
        ValueError: The two lists do not speak of the same instances.
    """
    judge = METRICS[metric]
    if [entry.id for entry in scores_a] != [entry.id for entry in scores_b]:
        raise ValueError("the two runs do not hold the same instances in the same order")
    judged = [
        (judge(a), judge(b), cluster)
        for a, b, cluster in zip(scores_a, scores_b, clusters, strict=True)
        if a.scored and b.scored
    ]
    both = [(int(b) - int(a), cluster) for a, b, cluster in judged if a is not None and b is not None]
    gains = np.array([gain for gain, _ in both], dtype=np.float64)
    names = [cluster for _, cluster in both]
    only_a, only_b = int((gains < 0).sum()), int((gains > 0).sum())
    return PairedTest(
        metric=metric,
        n=len(both),
        difference=_interval(gains, names),
        only_a=only_a,
        only_b=only_b,
        mcnemar_p=mcnemar(only_a, only_b),
        bootstrap_p=_bootstrap_p(gains, names),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value that the two counts of disagreements come from a fair coin."""
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1))
    return float(min(1.0, 2 * tail / 2**n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjustment of p-values for the number of tests, in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _interval(values: NDArray[np.float64], clusters: Sequence[str]) -> Estimate:
    if not len(values):
        return Estimate(None, None, None, 0)
    means = _resampled_means(values, clusters)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def _bootstrap_p(gains: NDArray[np.float64], clusters: Sequence[str]) -> float:
    """Return a two-sided p-value: how often resampled differences, centred on none, are as large as the one seen."""
    if not len(gains) or not gains.any():
        return 1.0
    means = _resampled_means(gains, clusters)
    centred = np.abs(means - gains.mean())
    return float((np.count_nonzero(centred >= abs(gains.mean())) + 1) / (len(means) + 1))


def _resampled_means(values: NDArray[np.float64], clusters: Sequence[str]) -> NDArray[np.float64]:
    """Return the means of ``RESAMPLES`` draws of whole clusters with replacement."""
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(codes, weights=values)
    sizes = np.bincount(codes).astype(np.float64)
    small = len(sizes) * RESAMPLES <= _BLOCK
    blocks = (_kept_draws(len(sizes)),) if small else _draws(len(sizes))
    return np.concatenate([(draws @ sums) / (draws @ sizes) for draws in blocks])


def _draws(number: int) -> Iterator[NDArray[np.uint16]]:
    """Yield how often each cluster is drawn, one draw a row; the same for the same number of clusters."""
    generator = np.random.default_rng(_SEED)
    block = max(1, _BLOCK // number)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        yield generator.multinomial(number, np.full(number, 1 / number), size=rows).astype(np.uint16)


@lru_cache(maxsize=32)
def _kept_draws(number: int) -> NDArray[np.uint16]:
    """Return the only block of draws; drawing takes far longer than averaging, and a report asks hundreds of times."""
    return next(_draws(number))
