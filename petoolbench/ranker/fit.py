"""How well a tool's parameters go with what an instruction spells out; cheap, without a model."""

from __future__ import annotations

from dataclasses import dataclass

from .slots import Slot, overlap
from .spans import Reading


@dataclass(frozen=True)
class ParameterFit:
    """Three shares from 0 to 1.

    ``required`` is that of the parameters that must be given and find a value of their kind in the instruction, 1
    where there are none. ``taken`` is that of the numbers, dates, quotations and codes in the instruction that some
    parameter could take, 1 where there are none. ``named`` is that of the words of parameters' names that are spoken.
    """

    required: float
    taken: float
    named: float


def value_fit(slots: tuple[Slot, ...], reading: Reading) -> ParameterFit:
    """Compare a tool's parameters with the values of an instruction; both are already taken apart."""
    named = dict.fromkeys(word for slot in slots for word in slot.name_stems)
    return ParameterFit(_required(slots, reading), _taken(slots, reading), overlap(named, reading.stems))


def _required(slots: tuple[Slot, ...], reading: Reading) -> float:
    """Count each kind of value once: two numbers are enough for two parameters, not for three."""
    texts = len(reading.quoted) + len(reading.names) + sum(1 for one in reading.codes if not one.text.isdigit())
    left = {"number": len(reading.numbers), "date": len(reading.dates), "text": texts}
    needed = found = 0
    for slot in slots:
        if not slot.must_be_given:
            continue
        needed += 1
        if slot.choices:
            found += any(choice.spelled and overlap(choice.spelled, reading.stems) == 1 for choice in slot.choices)
            continue
        kind = _kind(slot)
        if left.get(kind, 0) > 0:
            left[kind] -= 1
            found += 1
    return found / needed if needed else 1.0


def _taken(slots: tuple[Slot, ...], reading: Reading) -> float:
    kinds = {_kind(slot) for slot in slots if not slot.choices}
    spoken = {span.start: "number" for span in reading.numbers if span.plain}
    for span in (*reading.codes, *reading.quoted):
        # A text parameter takes numbers too: numbers of houses, tickets, articles.
        spoken[span.start] = "either" if spoken.get(span.start) == "number" else "text"
    for day in reading.dates:
        spoken.update(dict.fromkeys(range(day.start, day.end), ""))
        spoken[day.start] = "date"
    values = [kind for kind in spoken.values() if kind]
    fitting = sum(kind in kinds or (kind == "either" and bool(kinds & {"number", "text"})) for kind in values)
    return fitting / len(values) if values else 1.0


def _kind(slot: Slot) -> str:
    if slot.kind in ("number", "integer"):
        return "number"
    if slot.date_form:
        return "date"
    return "text" if slot.kind in ("text", "list") else slot.kind
