"""A text → its words, each with its place, its punctuation, its stem and its outline."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..filling import words_of

_OPENING = "([{\"'“‘«<"
_CLOSING = ".,;:!?)]}\"'”’»>…"


class Token(NamedTuple):
    """One word: ``text[start:end]`` is it, ``low`` its lower-case form, ``after`` the punctuation that ends it."""

    low: str
    start: int
    end: int
    before: str
    after: str
    shape: str


class Span(NamedTuple):
    """The tokens from ``start`` up to ``end`` as text."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=32_768)
def stem(word: str) -> str:
    """Return a form that a word shares with most of its inflections: at most its first five letters."""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if len(word) > 4 and word.endswith(("ed", "ly")):
        word = word[:-2]
    elif len(word) > 5 and word.endswith("ing"):
        word = word[:-3]
    return word[:5].rstrip("ey") or word


@lru_cache(maxsize=32_768)
def stems_of(text: str) -> tuple[str, ...]:
    """Return the stems of a text's words in order, camelCase taken apart."""
    return tuple(stem(word) for word in words_of(text))


@lru_cache(maxsize=32_768)
def shape_of(text: str) -> str:
    """Return the outline of a text: letters as ``A`` or ``a``, digits as ``9``, runs shortened to four."""
    outline: list[str] = []
    run = 0
    for char in text[:48]:
        kind = "9" if char.isdigit() else ("A" if char.isupper() else "a") if char.isalpha() else char
        run = run + 1 if outline and outline[-1] == kind else 1
        if run <= (1 if kind == "a" else 4):
            outline.append(kind)
    return "".join(outline)


def tokens_of(text: str) -> Iterator[Token]:
    """Yield what stands between spaces, without the punctuation around it."""
    place = 0
    for word in text.split():
        start = text.index(word, place)
        place = end = start + len(word)
        if len(word) > 1:
            start, end = _bare(text, start, end)
        core = text[start:end]
        yield Token(core.lower(), start, end, word[: start - (place - len(word))], text[end:place], shape_of(core))


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where a word begins and ends without the punctuation and the 's around it."""
    left, right = start, end
    while left < right - 1 and text[left] in _OPENING:
        left += 1
    while right > left + 1 and text[right - 1] in _CLOSING:
        right -= 1
    if right - left > 2 and text[right - 2 : right] in ("'s", "’s"):
        right -= 2
    # A word of punctuation alone stays as it is.
    return (left, right) if any(char.isalnum() for char in text[left:right]) else (start, end)
