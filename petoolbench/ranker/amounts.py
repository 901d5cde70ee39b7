"""The numbers, dates and times of day that words write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from .tokens import Span, Token

_CURRENCIES = "$€£¥"
_MARKS = "%°+"
_MOST_DIGITS = 18
_MONTHS = (
    ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
    ("july", "jul"), ("august", "aug"), ("september", "sep", "sept"), ("october", "oct"), ("november", "nov"),
    ("december", "dec"),
)  # fmt: skip
_MONTH = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names}
_CARDINALS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_ORDINALS = (
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
)  # fmt: skip
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred")
_WORD_NUMBERS = {
    **{word: value for value, word in enumerate(_CARDINALS)},
    **{word: value for value, word in enumerate(_ORDINALS)},
    **{word: 30 + 10 * place for place, word in enumerate(_TENS)},
    "once": 1, "twice": 2, "dozen": 12,
}  # fmt: skip
_MULTIPLIERS = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000, "billion": 1_000_000_000}


class NumberSpan(NamedTuple):
    """A number; ``unit`` is the word or sign it counts, ``plain`` is false for words such as *third*."""

    start: int
    end: int
    value: int | float
    unit: str
    plain: bool


class DateSpan(NamedTuple):
    """A written date: ``day`` is None where only month and year stand there; ``text`` is how it is written."""

    start: int
    end: int
    text: str
    year: int
    month: int
    day: int | None


def parsed_number(text: str) -> int | float | None:
    """Return the number that a text is, with or without currency sign, thousands' commas, percent or plus sign.

    What has more than 18 signs is a code.
    """
    bare = text.lstrip(_CURRENCIES).rstrip(_MARKS + _CURRENCIES)
    digits = bare.lstrip("+-")
    if not digits[:1].isdigit() or not digits.isascii() or len(digits) > _MOST_DIGITS:
        return None
    if "," in bare:
        groups = bare.split(",")
        if any(len(group.partition(".")[0]) != 3 for group in groups[1:]) or len(groups[0].lstrip("+-")) > 3:
            return None
        bare = "".join(groups)
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return None
    try:
        value = float(bare) if any(sign in bare for sign in ".eE") else int(bare)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number_spans(tokens: tuple[Token, ...]) -> Iterator[NumberSpan]:
    """Yield numbers, in digits or as a word; those in codes and dates too."""
    for place, token in enumerate(tokens):
        following = tokens[place + 1].low if place + 1 < len(tokens) and not token.after.strip("'\"") else ""
        low = token.low
        value = parsed_number(low)
        if value is not None:
            if following in _MULTIPLIERS and len(following) > 1:
                value *= _MULTIPLIERS[following]
            sign = low[0] if low[0] in _CURRENCIES else low[-1] if low[-1] in _MARKS + _CURRENCIES else ""
            yield NumberSpan(place, place + 1, value, sign or following, True)
        elif low in _WORD_NUMBERS and not (low in _ORDINALS and following[:1].isdigit()):
            yield NumberSpan(place, place + 1, _WORD_NUMBERS[low], following, False)
        elif "9" in token.shape:
            yield from _glued(place, low, following)


def _glued(place: int, low: str, following: str) -> Iterator[NumberSpan]:
    """Yield the numbers in a word such as *4mb*, *2k*, *5th*, *v3*, *24x38* or *40-foot*."""
    parts = low.split("x")
    if len(parts) > 1 and all(parsed_number(part) is not None for part in parts):
        for part in parts:
            value = parsed_number(part)
            if value is not None:
                yield NumberSpan(place, place + 1, value, following, False)
        return
    letters = low.lstrip("+-.,0123456789" + _CURRENCIES)
    if letters != low and letters.strip("-").isalpha() and len(letters) <= 8:
        value, unit = parsed_number(low[: len(low) - len(letters)].rstrip("-")), letters.strip("-")
        if value is not None:
            factor = _MULTIPLIERS.get(unit, 1) if len(unit) == 1 and unit == "k" else 1
            ends = following if unit in ("st", "nd", "rd", "th") else unit
            yield NumberSpan(place, place + 1, value * factor, ends, False)
        return
    tail = low.lstrip("abcdefghijklmnopqrstuvwxyz#.")
    if tail != low and len(low) - len(tail) <= 2 and tail.isdigit():
        value = parsed_number(tail)
        if value is not None:
            yield NumberSpan(place, place + 1, value, low[: len(low) - len(tail)], False)


def date_spans(text: str, tokens: tuple[Token, ...]) -> Iterator[DateSpan]:
    """Yield dates such as *5 June 2026*, *June 5th, 2026*, *June 2026*, *2026-06-05*, *05/06/2026* and *2026-06*."""
    place = 0
    while place < len(tokens):
        low = tokens[place].low
        may_begin = low in _MONTH or (low[:1].isdigit() and low.isascii())
        found = (_spelled_date(tokens, place) or _numeric_date(low)) if may_begin else None
        if found:
            length, year, month, day = found
            written = text[tokens[place].start : tokens[place + length - 1].end]
            yield DateSpan(place, place + length, written, year, month, day)
            place += length
        else:
            place += 1


def _spelled_date(tokens: tuple[Token, ...], place: int) -> tuple[int, int, int, int | None] | None:
    low = [token.low for token in tokens[place : place + 4]]
    if low[0] not in _MONTH and _day(low[0]) is None:
        return None
    if len(low) > 2 and low[1] == "of":
        low = [low[0], *low[2:]]
        skipped = 1
    else:
        skipped = 0
    month = _MONTH.get(low[0])
    if month and len(low) > 1 and _year(low[1]):
        return 2 + skipped, _year(low[1]), month, None
    if len(low) > 2 and _year(low[2]):
        day = _day(low[1]) if month else _day(low[0])
        month = month or _MONTH.get(low[1])
        if month and day and _is_day(_year(low[2]), month, day):
            return 3 + skipped, _year(low[2]), month, day
    return None


def _numeric_date(low: str) -> tuple[int, int, int, int | None] | None:
    for sign in "-/.":
        parts = low.split(sign)
        if not all(part.isascii() and part.isdigit() for part in parts):
            continue
        if len(parts) == 2 and len(parts[0]) == 4 and len(parts[1]) == 2 and _is_day(int(parts[0]), int(parts[1]), 1):
            return 1, int(parts[0]), int(parts[1]), None
        if len(parts) == 3 and [len(part) for part in parts] == [4, 2, 2]:
            year, month, day = (int(part) for part in parts)
        elif len(parts) == 3 and len(parts[2]) == 4 and max(len(parts[0]), len(parts[1])) <= 2:
            day, month, year = (int(part) for part in parts)
            # Written the American way where the other reading is no date.
            day, month = (day, month) if month <= 12 else (month, day)
        else:
            continue
        if _is_day(year, month, day):
            return 1, year, month, day
    return None


def _day(low: str) -> int | None:
    digits = low[:-2] if low.endswith(("st", "nd", "rd", "th")) else low
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 2 else None


def _year(low: str) -> int:
    return int(low) if len(low) == 4 and low.isascii() and low.isdigit() else 0


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def time_spans(tokens: tuple[Token, ...]) -> Iterator[Span]:
    """Yield times of day as HH:MM, whether written *17:45*, *9:05*, *5 pm* or *5pm*."""
    for place, token in enumerate(tokens):
        low = token.low
        if not low[:1].isdigit():
            continue
        half = next((mark for mark in ("am", "pm") if low.endswith(mark)), "")
        bare, length = (low[: -len(half)] if half else low), 1
        following = tokens[place + 1].low if place + 1 < len(tokens) else ""
        if not half and following in ("am", "pm"):
            half, length = following, 2
        hour, colon, minute = bare.partition(":")
        if not (hour.isascii() and hour.isdigit() and len(hour) <= 2) or not (colon or half):
            continue
        if colon and not (minute.isascii() and minute.isdigit() and len(minute) == 2):
            continue
        clock = int(hour) % 12 + (12 if half == "pm" else 0) if half else int(hour)
        if clock < 24 and int(minute or 0) < 60:
            yield Span(place, place + length, f"{clock:02d}:{minute or '00'}")
