"""How large the groups among the candidates are, so that the size of a group never tells which one is asked for.

A composition is the sizes of the complete groups among N candidates, the target's group one of them. If each group of a
composition is the target equally often, sizes say nothing. ``composition_odds`` finds how often each composition has to
be used for that, given how often targets have each size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

Sizes = tuple[int, ...]
Odds = Mapping[int, Sequence[tuple[Sizes, float]]]

_MOST_GROUPS = 3
_FREE_PLACES = 2
_EPSILON = 1e-9
_EVEN, _PAIRS = 0.02, 0.05
"""How much an even use of the compositions, and the avoiding of pairs, weigh against a perfect balance."""


def composition_odds(target_sizes: Sequence[int], candidates: int) -> Odds:
    """Return for each target size the sizes of the decoy groups to put beside it, each with its probability.

    Args:
        target_sizes: The sizes of all target groups.
        candidates: N, the number of candidates. Compositions leave at most two places for single tools, and more of
            three groups than of two are used where the sizes allow it. A size that fits into none has no decoys.
    """
    counts = Counter(target_sizes)
    sizes = sorted(counts)
    options = _compositions(tuple(sizes), candidates)
    if not options:
        return {size: [((), 1.0)] for size in sizes}
    shares = np.array([[option.count(size) / len(option) for option in options] for size in sizes])
    wanted = np.array([counts[size] / len(target_sizes) for size in sizes])
    pairs = np.array([[float(len(option) < _MOST_GROUPS) for option in options]])
    weights, _ = nnls(
        np.vstack([shares, _EVEN * np.eye(len(options)), _PAIRS * pairs]),
        np.concatenate([wanted, np.full(len(options), _EVEN / len(options)), [0.0]]),
    )
    return {size: _given(size, options, weights.tolist()) for size in sizes}


@lru_cache(maxsize=64)
def _compositions(sizes: Sizes, candidates: int) -> list[Sizes]:
    """Return the multisets of two or three sizes that fill the candidates but for a few places."""
    found: list[Sizes] = []

    def grow(start: int, chosen: Sizes) -> None:
        total = sum(chosen)
        if len(chosen) > 1 and candidates - _FREE_PLACES <= total <= candidates:
            found.append(chosen)
        if len(chosen) < _MOST_GROUPS:
            for index in range(start, len(sizes)):
                if total + sizes[index] <= candidates:
                    grow(index, (*chosen, sizes[index]))

    grow(0, ())
    return found


def _given(size: int, options: Sequence[Sizes], weights: Sequence[float]) -> list[tuple[Sizes, float]]:
    """Return the decoy sizes beside a target of a size, with the odds that keep compositions even."""
    rated = [
        (_without(option, size), weight * option.count(size) / len(option))
        for option, weight in zip(options, weights, strict=True)
        if size in option and weight > _EPSILON
    ]
    total = sum(weight for _, weight in rated)
    return [(rest, weight / total) for rest, weight in rated] if total > 0 else [((), 1.0)]


def _without(option: Sizes, size: int) -> Sizes:
    rest = list(option)
    rest.remove(size)
    return tuple(rest)
