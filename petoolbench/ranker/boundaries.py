"""Where free text values begin and end: learned from the words around and inside the values of training instances.

Values such as *chicken breast* carry no mark. A span is scored by the log-odds that a value begins after the word
before it and with its first word, ends with its last word and before the next one, and holds the words within.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from .spans import Reading
from .tokens import Token

_LONGEST = 12
_KEPT = 14
_SEEN_OFTEN = 8
_PRIOR = 4.0
_PARTS = ("before", "first", "last", "next", "inside", "length", "break")


class Proposal(NamedTuple):
    """A span that may be a value, and its score: the higher, the likelier."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Edges:
    """Log-odds that a value begins with, or ends with, each token, and the likeliest values, best first.

    ``inner`` sums those of the words before each token to stand in a value, ``breaks`` those of the punctuation before
    each token to stand in one; ``lengths`` are those of values of as many tokens as its place says.
    """

    starts: Sequence[float]
    ends: Sequence[float]
    inner: Sequence[float]
    breaks: Sequence[float]
    lengths: Sequence[float]
    proposals: Sequence[Proposal]

    def score(self, start: int, end: int) -> float:
        """Return how likely a span is a value; the longer ones are taken for as likely as the longest known."""
        within = self.inner[end] - self.inner[start] + self.breaks[end - 1] - self.breaks[start]
        return self.starts[start] + self.ends[end - 1] + within + self.lengths[min(end - start, _LONGEST)]


@dataclass(frozen=True)
class Boundaries:
    """Log-odds by part of a span (word before, first, last, next, inside, length, break inside) and word."""

    weights: Mapping[str, Mapping[str, float]]

    def edges(self, reading: Reading) -> Edges:
        """Return how likely values begin and end at the tokens of an instruction, and the likeliest values."""
        keys = [_keys(reading.tokens, place) for place in range(len(reading.tokens))]
        before, first, last, following, inside, _, broken = (self.weights[part] for part in _PARTS)
        starts = [_weight(before, key[0]) + _weight(first, key[1]) for key in keys]
        ends = [_weight(last, key[1]) + _weight(following, key[2]) for key in keys]
        inner = [0.0, *accumulate(_weight(inside, key[1]) for key in keys)]
        breaks = [0.0, *accumulate(_weight(broken, _break_key(token)) for token in reading.tokens)]
        lengths = [0.0, *(self.weights["length"].get(str(length), 0.0) for length in range(1, _LONGEST + 1))]
        known = Edges(starts, ends, inner, breaks, lengths, ())
        return replace(known, proposals=_best(reading, known)) if starts else known

    def to_json(self) -> dict[str, Any]:
        """Return the log-odds in hundredths."""
        return {part: {key: round(100 * value) for key, value in self.weights[part].items()} for part in _PARTS}

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, int]]) -> Boundaries:
        """Read what ``to_json`` returned; a missing part is a KeyError, another type a TypeError or AttributeError."""
        return cls({part: {str(key): value / 100 for key, value in data[part].items()} for part in _PARTS})


@dataclass
class BoundaryCounts:
    """What has been seen so far: by part of a span and word, how often of a value and how often at all."""

    counts: dict[str, dict[str, list[int]]] = field(default_factory=lambda: {part: {} for part in _PARTS})

    def add(self, reading: Reading, spans: Sequence[tuple[int, int]]) -> None:
        """Count one instruction and the token ranges of the values in it."""
        starts, ends = {start for start, _ in spans}, {end - 1 for _, end in spans}
        within = {place for start, end in spans for place in range(start, end)}
        broken = {place for start, end in spans for place in range(start, end - 1)}
        for place, token in enumerate(reading.tokens):
            before, word, following = _keys(reading.tokens, place)
            self._see("before", before, place in starts)
            self._see("first", word, place in starts)
            self._see("last", word, place in ends)
            self._see("next", following, place in ends)
            self._see("inside", word, place in within)
            self._see("break", _break_key(token), place in broken)
        for start, end in spans:
            for length in range(1, _LONGEST + 1):
                self._see("length", str(length), length == end - start)

    def join(self, other: BoundaryCounts) -> BoundaryCounts:
        """Return the counts of both."""
        joined = BoundaryCounts()
        for part in _PARTS:
            for counts in (self.counts[part], other.counts[part]):
                for key, (hits, seen) in counts.items():
                    entry = joined.counts[part].setdefault(key, [0, 0])
                    entry[0] += hits
                    entry[1] += seen
        return joined

    def weigh(self) -> Boundaries:
        """Return the log-odds; of rare words only their kind has some."""
        return Boundaries({part: _log_odds(self.counts[part]) for part in _PARTS})

    def _see(self, part: str, key: str, is_value: bool) -> None:
        known = self.counts[part]
        for one in (key, _outline(key)):
            entry = known.get(one)
            if entry is None:
                known[one] = [int(is_value), 1]
            else:
                entry[0] += is_value
                entry[1] += 1


def _best(reading: Reading, edges: Edges) -> list[Proposal]:
    """Return the spans with the highest scores, best first; none cuts through a quotation."""
    count = len(edges.starts)
    starts, ends, inner, breaks = map(np.array, (edges.starts, edges.ends, edges.inner, edges.breaks))
    # Row: length less one; column: first token.
    last = np.arange(min(_LONGEST, count))[:, None] + np.arange(count)[None, :]
    kept = np.minimum(last, count - 1)
    within = inner[kept + 1] - inner[:count] + breaks[kept] - breaks[:count]
    scores = starts + ends[kept] + within + np.array(edges.lengths[1 : len(last) + 1])[:, None]
    scores[last >= count] = -np.inf
    flat = scores.ravel()
    best = [int(one) for one in np.argsort(-flat, kind="stable")[: 2 * _KEPT]]
    found = [Proposal(one % count, one % count + one // count + 1, float(flat[one])) for one in best]
    return [one for one in found if one.score > -math.inf and not _cuts_quotation(reading, one)][:_KEPT]


def _keys(tokens: tuple[Token, ...], place: int) -> tuple[str, str, str]:
    """Return the word or punctuation before a token, the token itself, and the punctuation or word after it."""
    token = tokens[place]
    previous = tokens[place - 1] if place else None
    if token.before:
        before = token.before[-1]
    elif previous is None:
        before = "^"
    else:
        before = previous.after[-1] if previous.after else previous.low
    after = token.after[0] if token.after else tokens[place + 1].low if place + 1 < len(tokens) else "$"
    return before, token.shape[:2] + token.low if token.shape[:1] == "A" else token.low, after


def _weight(known: Mapping[str, float], key: str) -> float:
    value = known.get(key)
    return known.get(_outline(key), 0.0) if value is None else value


def _break_key(token: Token) -> str:
    return token.after[-1] if token.after else "none"


@lru_cache(maxsize=32_768)
def _outline(key: str) -> str:
    """Return what stands for a rare word: its kind, and of lower-case words the ending."""
    if key[:1] == "A":
        return "#A" if key[:2] != "AA" else "#AA"
    if key.isalpha():
        return "#" + key[-2:]
    return "#9" if key[:1].isdigit() else "#x"


def _log_odds(counts: Mapping[str, list[int]]) -> dict[str, float]:
    """Return log-odds, each drawn towards that of the word's kind, which is drawn towards the average."""
    total = sum(entry[1] for key, entry in counts.items() if key[:1] == "#") or 1
    share = max(sum(entry[0] for key, entry in counts.items() if key[:1] == "#") / total, 1e-4)
    weights = {}
    kinds = {key: (entry[0] + _PRIOR * share) / (entry[1] + _PRIOR) for key, entry in counts.items() if key[:1] == "#"}
    for key, (hits, seen) in counts.items():
        if key in kinds or seen >= _SEEN_OFTEN:
            prior = share if key in kinds else kinds.get(_outline(key), share)
            chance = (hits + _PRIOR * prior) / (seen + _PRIOR)
            weights[key] = math.log(max(chance, 1e-4) / max(1 - chance, 1e-4)) - math.log(share / (1 - share))
    return weights


def _cuts_quotation(reading: Reading, span: Proposal) -> bool:
    return any(
        span.start < quoted.end
        and quoted.start < span.end
        and not (span.start >= quoted.start and span.end <= quoted.end)
        and not (span.start <= quoted.start and span.end >= quoted.end)
        for quoted in reading.quoted
    )
