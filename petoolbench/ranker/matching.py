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
    pooled = {f"{name}, pooled": _pooled(values, likeness.alike) for name, values in measures.items()}
    both = {**measures, **pooled}
    return {f"{name}, below the best": values - values.max() for name, values in both.items()} | {
        f"{name}, rank": _ranks(values) for name, values in both.items()
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
    """Return the Jaccard index of the words of each two tools, 1 for each tool itself."""
    found = np.eye(len(tools))
    for place, tool in enumerate(tools):
        for other in range(place):
            both = len(tool.stems & tools[other].stems)
            either = len(tool.stems) + len(tools[other].stems) - both
            found[place, other] = found[other, place] = both / either if either else 0.0
    return found


def _pooled(values: Matrix, alike: NDArray[np.bool_]) -> Matrix:
    """Return the mean over each tool's alike tools."""
    found: Matrix = (alike @ values) / alike.sum(axis=1)
    return found


def _ranks(values: Matrix) -> Matrix:
    """Return 0 for the largest value, 1 for the next, and so on; ties share the better rank."""
    found: Matrix = (values[None, :] > values[:, None]).sum(axis=1).astype(np.float64)
    return found
