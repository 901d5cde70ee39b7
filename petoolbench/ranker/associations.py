"""Which words stand near the values of which parameters: learned from training instances, as log-odds.

A clue is a word before or after a span, a word in it, its outline, or a word of the instruction. For each word of a
parameter's name and description it is counted how often a value with the clue was right and how often it wasn't.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SEEN_OFTEN = 7
_PRIOR = 2.0
_WEAK = 0.6

Counts = dict[str, dict[str, int]]


@dataclass
class AssociationCounts:
    """What has been seen so far: by word of a parameter and clue, how often right and how often at all.

    Two tables of plain numbers, not one of pairs: the garbage collector would walk over millions of pairs.
    """

    hits: Counts = field(default_factory=dict)
    seen: Counts = field(default_factory=dict)
    right: int = 0
    total: int = 0

    def add(self, words: Iterable[str], clues: Sequence[str], right: bool) -> None:
        """Count the distinct clues of one value of a parameter under each of the parameter's words."""
        self.right += right
        self.total += 1
        for word in words:
            for counts in (self.seen, self.hits) if right else (self.seen,):
                known = counts.setdefault(word, {})
                for clue in clues:
                    known[clue] = known.get(clue, 0) + 1

    def join(self, other: AssociationCounts) -> AssociationCounts:
        """Return the counts of both."""
        hits, seen = _sum(self.hits, other.hits), _sum(self.seen, other.seen)
        return AssociationCounts(hits, seen, self.right + other.right, self.total + other.total)

    def weigh(self) -> Associations:
        """Return log-odds against the average value; what was seen rarely or says little is left out."""
        share = min(max(self.right / max(self.total, 1), 1e-3), 1 - 1e-3)
        base = math.log(share / (1 - share))
        weights: dict[str, dict[str, float]] = {}
        for word in sorted(self.seen):
            hits, kept = self.hits.get(word, {}), {}
            for clue, seen in self.seen[word].items():
                if seen >= _SEEN_OFTEN:
                    right = hits.get(clue, 0)
                    odds = (right + _PRIOR * share) / (seen - right + _PRIOR * (1 - share))
                    weight = round(math.log(odds) - base, 2)
                    if abs(weight) >= _WEAK:
                        kept[clue] = weight
            if kept:
                weights[word] = dict(sorted(kept.items()))
        return Associations(weights)


def _sum(one: Counts, other: Counts) -> Counts:
    joined = {word: dict(clues) for word, clues in one.items()}
    for word, clues in other.items():
        known = joined.setdefault(word, {})
        for clue, count in clues.items():
            known[clue] = known.get(clue, 0) + count
    return joined


@dataclass(frozen=True)
class Associations:
    """Log-odds by word of a parameter and clue."""

    weights: Mapping[str, Mapping[str, float]]

    def of(self, words: Iterable[str]) -> list[Mapping[str, float]]:
        """Return the tables of the words that have one."""
        return [table for word in words if (table := self.weights.get(word)) is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the log-odds in hundredths."""
        return {
            word: {clue: round(100 * weight) for clue, weight in clues.items()} for word, clues in self.weights.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, int]]) -> Associations:
        """Read what ``to_json`` returned; other types are a TypeError or an AttributeError."""
        return cls({word: {clue: weight / 100 for clue, weight in clues.items()} for word, clues in data.items()})


def mean_weight(tables: list[Mapping[str, float]], clue: str) -> float:
    """Return the mean log-odds of a clue over the tables that know it, 0 where none does."""
    if len(tables) == 1:
        return tables[0].get(clue, 0.0)
    total, known = 0.0, 0
    for table in tables:
        weight = table.get(clue)
        if weight is not None:
            total += weight
            known += 1
    return total / known if known else 0.0
