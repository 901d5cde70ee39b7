"""An instruction → its tokens and the typed spans that can be values of arguments.

Spans are half-open ranges of tokens; numbers, dates and times carry what they mean, all others stand for their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .amounts import DateSpan, NumberSpan, date_spans, number_spans, time_spans
from .tokens import Span, Token, stem, tokens_of

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_LONGEST = 4_000
_CONNECTORS = frozenset(
    ("of", "the", "and", "&", "in", "on", "for", "to", "at", "a", "de", "la", "le", "du", "des", "et", "von", "der",
     "den", "van", "ter", "y", "del", "el", "dos", "das", "do", "da", "di")
)  # fmt: skip
_MOST_CONNECTORS = 2
_BACKWARD = frozenset(
    ("same", "before", "last", "earlier", "previous", "previously", "again", "mentioned", "usual", "always")
)


@dataclass(frozen=True)
class Reading:
    """What an instruction spells out. Spans are in the order of the text.

    ``stemmed`` holds the stem of each token, ``ordered_stems`` each of them once. ``tail`` counts the tokens after
    the last comma, ``tail_typed`` those after the last code, name or quotation; ``points_back`` tells whether a word
    such as *again* may point at an earlier request.
    """

    text: str
    tokens: tuple[Token, ...]
    quoted: tuple[Span, ...]
    codes: tuple[Span, ...]
    names: tuple[Span, ...]
    numbers: tuple[NumberSpan, ...]
    dates: tuple[DateSpan, ...]
    times: tuple[Span, ...]
    tail: int
    tail_typed: int
    stemmed: tuple[str, ...]
    stems: frozenset[str]
    ordered_stems: tuple[str, ...]
    points_back: bool

    def slice(self, start: int, end: int) -> str:
        """Return the text of a range of tokens, with a closing bracket where the range opens one."""
        first, last = self.tokens[start], self.tokens[end - 1]
        text = self.text[first.start : last.end]
        for opening, closing in _BRACKETS.items():
            if opening in text and text.count(opening) > text.count(closing) and last.after.startswith(closing):
                text += closing
        return text


# Ranking and filling read the same text, one shortly after the other.
@lru_cache(maxsize=256)
def read_instruction(text: str) -> Reading:
    """Take an instruction apart; what stands behind its first 4,000 characters is not read."""
    text = text[:_LONGEST]
    tokens = tuple(tokens_of(text))
    quoted = tuple(_quoted(text, tokens))
    dates = tuple(date_spans(text, tokens))
    dated = {place for span in dates if span.day is not None for place in range(span.start, span.end)}
    times = tuple(time_spans(tokens))
    timed = {span.start for span in times}
    stemmed = tuple(stem(token.low) for token in tokens)
    stems = dict.fromkeys(stemmed)
    codes = tuple(Span(place, place + 1, text[one.start : one.end]) for place, one in _coded(tokens))
    names = tuple(_joined_names(text, tokens, list(_names(text, tokens))))
    return Reading(
        text=text,
        tokens=tokens,
        quoted=quoted,
        codes=codes,
        names=names,
        numbers=tuple(span for span in number_spans(tokens) if span.start not in dated and span.start not in timed),
        dates=dates,
        times=times,
        tail=len(tokens) - max((place + 1 for place, one in enumerate(tokens) if "," in one.after), default=0),
        tail_typed=len(tokens) - max((one.end for one in (*quoted, *codes, *names)), default=0),
        stemmed=stemmed,
        stems=frozenset(stems),
        ordered_stems=tuple(stems),
        points_back=any(token.low in _BACKWARD for token in tokens),
    )


def _quoted(text: str, tokens: tuple[Token, ...]) -> Iterator[Span]:
    """Yield what stands in quotation marks; an apostrophe inside a word neither opens nor closes."""
    place = 0
    while place < len(text):
        closing = _QUOTES.get(text[place])
        if closing and (place == 0 or not text[place - 1].isalnum()):
            end = text.find(closing, place + 1)
            while end > 0 and end + 1 < len(text) and text[end + 1].isalnum():
                end = text.find(closing, end + 1)
            if end > place + 1:
                inside = [n for n, token in enumerate(tokens) if token.end > place and token.start < end]
                if inside:
                    yield Span(inside[0], inside[-1] + 1, text[place + 1 : end])
                place = end
        place += 1


def _coded(tokens: tuple[Token, ...]) -> Iterator[tuple[int, Token]]:
    """Yield the tokens that no dictionary holds: with digits, inner punctuation, or capitals after the first letter."""
    for place, token in enumerate(tokens):
        shape = token.shape
        inner = shape.replace("-", "").replace("'", "").replace("’", "")
        if "9" in shape or "AA" in shape or "aA" in shape or not inner.isalpha():
            yield place, token


def _names(text: str, tokens: tuple[Token, ...]) -> Iterator[Span]:
    """Yield runs of capitalised words and numbers; the first word of a sentence only begins a run if more follow."""
    start = -1
    for place, token in enumerate(tokens):
        capital = token.shape[:1] == "A" and token.low not in ("i", "i'm", "i've", "i'd", "i'll")
        joins = start >= 0 and (capital or token.shape[:1] == "9")
        if start >= 0 and not joins:
            yield Span(start, place, text[tokens[start].start : tokens[place - 1].end])
            start = -1
        if start < 0 and capital:
            start = place
        initial = token.after == "." and len(token.low) <= 2 and place + 1 < len(tokens)
        if start >= 0 and token.after and token.after not in ("'s", "’s") and not initial:
            yield Span(start, place + 1, text[tokens[start].start : token.end])
            start = -1
    if start >= 0:
        yield Span(start, len(tokens), text[tokens[start].start : tokens[-1].end])


def _opens_sentence(tokens: tuple[Token, ...], place: int) -> bool:
    return place == 0 or tokens[place - 1].after[-1:] in (".", "?", "!", ":")


def _joined_names(text: str, tokens: tuple[Token, ...], runs: list[Span]) -> Iterator[Span]:
    """Yield the runs, and two of them as one where only *of*, *and* and the like stand between them."""
    for place, run in enumerate(runs):
        yield run
        if run.end > run.start + 1 and _opens_sentence(tokens, run.start):
            # Its first word may be one that any sentence could begin with.
            yield Span(run.start + 1, run.end, text[tokens[run.start + 1].start : tokens[run.end - 1].end])
        following = runs[place + 1] if place + 1 < len(runs) else None
        if following is None or not run.end < following.start <= run.end + _MOST_CONNECTORS:
            continue
        between = tokens[run.end - 1 : following.start]
        if all(token.low in _CONNECTORS for token in between[1:]) and not any(token.after for token in between):
            yield Span(run.start, following.end, text[tokens[run.start].start : tokens[following.end - 1].end])
