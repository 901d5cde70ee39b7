"""Which words around, in and about a value are counted, and what has been learned of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .associations import Associations
from .slots import Slot
from .spans import Reading
from .tokens import shape_of
from .values import Candidate, Source

ANY = "*"
"""Stands for all words of the documentation."""


@dataclass(frozen=True)
class Clues:
    """What is learned of words: beside and in texts and numbers, and anywhere with switches and choices."""

    texts: Associations
    numbers: Associations
    switches: Associations
    choices: Associations

    def near(self, slot: Slot) -> Associations:
        """Return what is learned of spans for a parameter of this kind."""
        return self.numbers if slot.kind in ("number", "integer") else self.texts


class SpanClues(NamedTuple):
    """What stands around and in a span."""

    before: str
    after: str
    shape: str
    first: str
    last: str

    def around(self) -> tuple[str, ...]:
        """Return the clues that are counted for all words of a parameter."""
        return (self.before, self.after, self.shape)

    def inside(self) -> tuple[str, ...]:
        """Return the clues that are counted for the words of its name only."""
        return (self.first, self.last) if self.first != self.last else (self.first,)


def span_clues(reading: Reading, candidate: Candidate) -> SpanClues:
    """Return the clues of a candidate that the instruction says."""
    tokens, start, end, text = reading.tokens, candidate.start, candidate.end, candidate.text
    before = tokens[start - 1].low if start else "^"
    after = tokens[end].low if end < len(tokens) else "$"
    if candidate.source is Source.NUMBER:
        value = candidate.value
        size = f"#{'f' if isinstance(value, float) else 'i'}{len(str(abs(int(value))))}"
        return SpanClues("p:" + before, "n:" + text, size, "v:number", "v:number")
    first, last = tokens[start].low, tokens[end - 1].low
    return SpanClues("p:" + before, "n:" + after, shape_clue(text), "v:" + first, "v:" + last)


def word_clues(slot: Slot, candidate: Candidate) -> tuple[str, ...]:
    """Return the words of the documentation that speak of a switch or of one documented value."""
    if candidate.source is Source.SWITCH:
        return (*slot.name_stems, *slot.text_stems, ANY)
    choice = slot.choices[candidate.place]
    return tuple(dict.fromkeys((*choice.spelled, *choice.gloss, ANY)))


@lru_cache(maxsize=32_768)
def shape_clue(text: str) -> str:
    """Return the outline of a value, long ones and addresses by their kind only."""
    shape = shape_of(text)
    if "://" in shape:
        return "#url"
    if "@" in shape[1:] and "." in shape:
        return "#email"
    if len(shape) > 16 or " " in shape:
        return "#several" if "9" not in shape else "#several9"
    return "#" + shape
