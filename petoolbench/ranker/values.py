"""A parameter × an instruction → the values that it could take, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from ..schema import Instance
from .amounts import DateSpan, parsed_number
from .boundaries import Edges
from .enumerations import enumerations, list_items
from .slots import Choice, Slot
from .spans import Reading
from .tokens import stems_of

_PAST_VALUES = 3


class Source(IntEnum):
    """Where a value comes from. The fallback is the documented default, or leaving the parameter out."""

    FALLBACK = 0
    CHOICE = 1
    SWITCH = 2
    NUMBER = 3
    DATE = 4
    TIME = 5
    QUOTED = 6
    CODE = 7
    NAME = 8
    PHRASE = 9
    LIST = 10
    HISTORY = 11
    EXAMPLE = 12


class Candidate(NamedTuple):
    """A value for a parameter; ``start`` and ``end`` are the tokens that say it, both -1 where none does.

    ``place`` is its place among the values of the same source, ``score`` that of its boundaries where it is free text.
    """

    value: Any
    source: Source
    start: int
    end: int
    text: str
    place: int
    score: float = 0.0


@dataclass(frozen=True)
class PastValue:
    """A value of past calls: ``age`` 0 is the latest one, ``count`` how often the parameter had this value."""

    name: str
    stems: frozenset[str]
    value: Any
    age: int
    count: int


@dataclass(frozen=True)
class Scene:
    """All that a call can be filled from: the instruction, the edges of values in it, and past values."""

    reading: Reading
    edges: Edges
    past: tuple[PastValue, ...]


class Offer(NamedTuple):
    """A parameter and the values that it could take."""

    slot: Slot
    candidates: list[Candidate]


def call_offers(slots: Sequence[Slot], scene: Scene) -> list[Offer]:
    """Return the values that each parameter of a call could take."""
    return [Offer(slot, candidates(slot, scene)) for slot in slots]


def past_values(instance: Instance) -> tuple[PastValue, ...]:
    """Return the distinct values of past calls by parameter name, latest first."""
    found: dict[tuple[str, str], PastValue] = {}
    calls = [entry.call for entry in reversed(instance.history)]
    for age, call in enumerate(calls):
        for name, value in call.arguments.items():
            key = (name, str(value))
            known = found.get(key)
            if known is None:
                found[key] = PastValue(name, frozenset(stems_of(name)), value, age, 1)
            else:
                found[key] = PastValue(name, known.stems, known.value, known.age, known.count + 1)
    return tuple(found.values())


def candidates(slot: Slot, scene: Scene) -> list[Candidate]:
    """Return the values that a parameter could take, each once; the fallback first where there is one."""
    found: list[Candidate] = []
    seen: set[str] = set()
    for candidate in _all_candidates(slot, scene):
        key = str(candidate.value)
        if key not in seen:
            seen.add(key)
            found.append(candidate)
    if not slot.must_be_given:
        same = next((one for one in found if slot.has_default and str(one.value) == str(slot.default)), None)
        rest = [one for one in found if one is not same]
        start, end = (same.start, same.end) if same else (-1, -1)
        return [Candidate(slot.default, Source.FALLBACK, start, end, str(slot.default), 0), *rest]
    return found


def _all_candidates(slot: Slot, scene: Scene) -> Iterator[Candidate]:
    if slot.kind == "switch":
        yield from (Candidate(value, Source.SWITCH, -1, -1, "", 0) for value in (True, False))
        return
    if slot.kind == "list":
        yield from _lists(slot, scene)
    else:
        for place, choice in enumerate(slot.choices):
            yield Candidate(choice.value, Source.CHOICE, -1, -1, choice.text, place)
    if slot.kind in ("number", "integer"):
        yield from _numbers(slot, scene.reading)
    elif slot.kind == "text":
        yield from _texts(slot, scene)
    if slot.kind != "choice":
        yield from _recalled(slot, scene)
    if slot.kind == "text":
        for place, example in enumerate(slot.examples[:2]):
            yield Candidate(example, Source.EXAMPLE, -1, -1, example, place)


def _numbers(slot: Slot, reading: Reading) -> Iterator[Candidate]:
    for place, span in enumerate(reading.numbers):
        value = span.value
        if slot.kind == "integer" and isinstance(value, float):
            if not value.is_integer():
                continue
            value = int(value)
        yield Candidate(value, Source.NUMBER, span.start, span.end, span.unit, place)


def _texts(slot: Slot, scene: Scene) -> Iterator[Candidate]:
    reading = scene.reading
    if slot.date_form and reading.dates:
        for place, day in enumerate(reading.dates):
            yield Candidate(_written(day, slot.date_form), Source.DATE, day.start, day.end, day.text, place)
        return
    if slot.takes_time and reading.times:
        for place, span in enumerate(reading.times):
            yield Candidate(span.text, Source.TIME, span.start, span.end, span.text, place)
    score = scene.edges.score
    for place, span in enumerate(reading.quoted):
        likely = score(span.start, span.end)
        yield Candidate(span.text, Source.QUOTED, span.start, span.end, span.text, place, likely)
    for place, span in enumerate(reading.codes):
        likely = score(span.start, span.end)
        yield Candidate(span.text, Source.CODE, span.start, span.end, span.text, place, likely)
        if span.text[0] == "@":
            yield Candidate(span.text[1:], Source.CODE, span.start, span.end, span.text, place, likely)
    for place, span in enumerate(reading.names):
        likely = score(span.start, span.end)
        if slot.short_code and span.end == span.start + 1 and len(span.text) > slot.short_code + 1:
            short = _abbreviated(span.text, slot)
            yield Candidate(short, Source.NAME, span.start, span.end, span.text, place, likely)
            continue
        yield Candidate(span.text, Source.NAME, span.start, span.end, span.text, place, likely)
    for place, proposal in enumerate(scene.edges.proposals):
        text = reading.slice(proposal.start, proposal.end)
        yield Candidate(text, Source.PHRASE, proposal.start, proposal.end, text, place, proposal.score)


def _abbreviated(text: str, slot: Slot) -> str:
    """Return a word's first letters in the case of the default: *en* for *English*, as most language codes are made."""
    short = text[: slot.short_code]
    return short.upper() if str(slot.default).isupper() else short.lower()


def _written(day: DateSpan, form: str) -> str:
    """Write a date in the form of a parameter; a month without a day only where the form has none."""
    if day.day is None and "D" in form:
        return day.text
    for letters, number in (("YYYY", day.year), ("YY", day.year % 100), ("MM", day.month), ("DD", day.day or 0)):
        form = form.replace(letters, f"{number:0{len(letters)}d}", 1)
    return form


def _recalled(slot: Slot, scene: Scene) -> Iterator[Candidate]:
    """Yield values of past calls: where the instruction points back, or where the same value came again and again."""
    mine = frozenset(slot.name_stems)
    place = 0
    for past in scene.past:
        is_mine = past.name == slot.name or bool(mine & past.stems)
        pointed = scene.reading.points_back and (is_mine or bool(past.stems & scene.reading.stems))
        habit = past.name == slot.name and past.count > 1
        if (pointed or habit) and _is_of_kind(past.value, slot) and place < _PAST_VALUES:
            yield Candidate(past.value, Source.HISTORY, -1, -1, past.name, place)
            place += 1


def _is_of_kind(value: Any, slot: Slot) -> bool:
    if slot.kind in ("number", "integer"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, list) if slot.kind == "list" else isinstance(value, str)


def _lists(slot: Slot, scene: Scene) -> Iterator[Candidate]:
    reading = scene.reading
    if slot.choices:
        spoken = [(place, choice.value) for choice in slot.choices if (place := _spoken_at(choice, reading)) >= 0]
        if spoken:
            values = [value for _, value in sorted(spoken, key=lambda one: one[0])]
            yield Candidate(values, Source.CHOICE, min(one[0] for one in spoken), -1, "", len(values))
        return
    if reading.quoted:
        inside = [span.text for span in reading.quoted]
        yield Candidate(inside, Source.QUOTED, reading.quoted[0].start, reading.quoted[-1].end, inside[0], 0)
    for place, (start, end) in enumerate(enumerations(scene.reading, scene.edges)):
        values = _items(slot, reading, start, end)
        if values:
            text = reading.slice(start, start + 1)
            yield Candidate(values, Source.LIST, start, end, text, place, scene.edges.score(start, end))
    for place, proposal in enumerate(scene.edges.proposals[:3]):
        values = _items(slot, reading, proposal.start, proposal.end)
        if values:
            text = reading.slice(proposal.start, proposal.end)
            yield Candidate(values, Source.PHRASE, proposal.start, proposal.end, text, place, proposal.score)


def _spoken_at(choice: Choice, reading: Reading) -> int:
    """Return the token where a documented value or its gloss is spelled, -1 where it isn't."""
    stems = reading.stemmed
    for words in (choice.spelled, choice.gloss):
        for place in range(len(stems) - len(words) + 1):
            if words and stems[place : place + len(words)] == words:
                return place
    return -1


def _items(slot: Slot, reading: Reading, start: int, end: int) -> list[Any]:
    """Return the items of a range of tokens; nothing where one is no number and the documentation wants numbers."""
    items = list_items(reading, start, end)
    if not slot.numeric_items:
        return items
    numbers = [parsed_number(item) for item in items]
    return [] if None in numbers else numbers
