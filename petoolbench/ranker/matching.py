"""Features of candidate × instruction and of candidate × other candidates.

Every feature is an array with one value a candidate.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fit import ParameterFit
from .reading import Rarity, ToolReading

Matrix = NDArray[np.float64]

_ALIKE_IN_NAME = 0.80
_ALIKE_IN_ALL = 0.80
_ALIKE_WITH_SAME_PARAMETERS = 0.45
_DECIMALS = 9


@dataclass(frozen=True)
class Likeness:
    """How alike the candidates are, each of shape (candidates, candidates).

    ``cosines`` compares whole documentation by its vectors, ``words`` by shared words; ``alike`` says which seem to do
    the same thing, each tool itself included.
    """

    cosines: Matrix
    words: Matrix
    alike: NDArray[np.bool_]

    def siblings(self) -> NDArray[np.bool_]:
        """Return ``alike`` without each tool itself."""
        return self.alike & ~np.eye(len(self.alike), dtype=bool)


@dataclass(frozen=True)
class Request:
    """An instruction taken apart: its stems, its unit vector, how each candidate's parameters fit its values."""

    stems: frozenset[str]
    vector: Matrix
    fits: Sequence[ParameterFit]
    rarity: Rarity


def likeness_of(tools: Sequence[ToolReading], names: Matrix, fulls: Matrix) -> Likeness:
    """Compare the candidates; ``names`` and ``fulls`` hold their unit vectors, one row a tool."""
    by_name, by_all = names @ names.T, fulls @ fulls.T
    same_parameters = np.array([[a.signature == b.signature for b in tools] for a in tools])
    with_parameters = np.array([bool(tool.signature) for tool in tools])
    words = _shared_words(tools)
    close = by_name >= _ALIKE_WITH_SAME_PARAMETERS
    alike = (by_name >= _ALIKE_IN_NAME) | (by_all >= _ALIKE_IN_ALL) | (same_parameters & with_parameters & close)
    return Likeness(by_all, words, alike | np.eye(len(tools), dtype=bool))


def match_features(
    request: Request, tools: Sequence[ToolReading], names: Matrix, fulls: Matrix, likeness: Likeness
) -> dict[str, Matrix]:
    """Return how well each candidate fits the instruction: each measure below its best, and its rank.

    Args:
        request: The instruction taken apart.
        tools: The candidates.
        names: Vectors of their names and parameters, one row a tool.
        fulls: Vectors of their whole documentation.
        likeness: Of the candidates.
    """
    stems, rarity = request.stems, request.rarity
    length = rarity.squared(stems)
    measures = {
        "name cosine": names @ request.vector,
        "text cosine": fulls @ request.vector,
        "words of name": _array(_cosine(stems, tool.name_stems, length, tool.name_weight, rarity) for tool in tools),
        "words of text": _array(_cosine(stems, tool.stems, length, tool.weight, rarity) for tool in tools),
        "name found": _array(_share(tool.name_stems, stems, rarity) for tool in tools),
        "request found": _array(_share(stems, tool.detail_stems, rarity) for tool in tools),
        "values needed": _array(fit.required for fit in request.fits),
        "values taken": _array(fit.taken for fit in request.fits),
        "parameters named": _array(fit.named for fit in request.fits),
        "choice": _nearest(likeness.cosines),
        "choice in words": _nearest(likeness.words),
    }
    own = np.stack(list(measures.values()))
    both = np.concatenate([own, _pooled(own, likeness.alike)])
    names_of_both = [*measures, *(f"{name}, pooled" for name in measures)]
    # Without their last digits, which depend on the order of sums: equal tools have equal ranks.
    both = both.round(_DECIMALS)
    below, ranks = both - both.max(axis=1, keepdims=True), _ranks(both)
    return {f"{name}, below the best": row for name, row in zip(names_of_both, below, strict=True)} | {
        f"{name}, rank": row for name, row in zip(names_of_both, ranks, strict=True)
    }


def composition_features(tools: Sequence[ToolReading], likeness: Likeness) -> dict[str, Matrix]:
    """Return how each candidate stands among the others: how a data set was put together, not what anybody wants."""
    strangers = np.where(likeness.alike, np.nan, likeness.cosines)
    twins = Counter(tool.twin_key for tool in tools)
    providers = Counter(tool.tool.provider for tool in tools)
    vendors = Counter(tool.vendor for tool in tools)
    categories = Counter(tool.tool.category for tool in tools)
    found = {
        "twins": _array(twins[tool.twin_key] for tool in tools),
        "tools of its provider": _array(providers[tool.tool.provider] for tool in tools),
        "tools of its vendor": _array(vendors[tool.vendor] for tool in tools),
        "tools of its category": _array(categories[tool.tool.category] for tool in tools),
        "parameters": _array(len(tool.signature) for tool in tools),
        "nearest stranger": _array(np.max(row, initial=-1.0, where=~np.isnan(row)) for row in strangers),
        "length": _array(len(tool.tool.description) for tool in tools),
    }
    pooled = {f"{name}, above alike": values - _pooled(values, likeness.alike) for name, values in found.items()}
    return {"alike tools": likeness.alike.sum(axis=1).astype(np.float64), **found, **pooled}


def _array(values: object) -> Matrix:
    return np.array(list(values), dtype=np.float64)  # type: ignore[call-overload]


def _cosine(a: frozenset[str], b: frozenset[str], a_weight: float, b_weight: float, rarity: Rarity) -> float:
    """Return the cosine of two sets of words as vectors of rarities (TF-IDF without counts), from 0 to 1."""
    product = a_weight * b_weight
    return rarity.squared(a & b) / math.sqrt(product) if product else 0.0


def _share(words: frozenset[str], within: frozenset[str], rarity: Rarity) -> float:
    """Return the share of words, weighed by rarity, that stand in others, from 0 to 1."""
    total = math.fsum(map(rarity.of, words))
    return math.fsum(map(rarity.of, words & within)) / total if total else 0.0


def _nearest(likeness: Matrix) -> Matrix:
    """Return each tool's likeness to the other tool nearest to it: there is a choice only among alike tools."""
    return _array((likeness - 2 * np.eye(len(likeness))).max(axis=1))


def _shared_words(tools: Sequence[ToolReading]) -> Matrix:
    """Return the Jaccard index of the words of each two tools, 1 for each tool itself, 0 for two without words."""
    places: dict[str, int] = {}
    rows = [[places.setdefault(stem, len(places)) for stem in tool.stems] for tool in tools]
    present = np.zeros((len(tools), len(places)), dtype=np.float32)
    for held, row in zip(present, rows, strict=True):
        held[row] = 1.0
    both = (present @ present.T).astype(np.float64)
    sizes = np.diag(both)
    found: Matrix = both / np.maximum(1.0, sizes[:, None] + sizes[None, :] - both)
    np.fill_diagonal(found, 1.0)
    return found


def _pooled(values: Matrix, alike: NDArray[np.bool_]) -> Matrix:
    """Return the mean over each tool's alike tools; values have a tool a column."""
    found: Matrix = (values @ alike.T) / alike.sum(axis=1)
    return found


def _ranks(values: Matrix) -> Matrix:
    """Return in each row 0 for the largest value, 1 for the next, and so on; ties share the better rank."""
    found: Matrix = (values[:, None, :] > values[:, :, None]).sum(axis=2).astype(np.float64)
    return found
