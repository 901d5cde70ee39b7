"""Drawing the values of a call: rows of pools, dates, numbers, choices, each with the words people use for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from pydantic import JsonValue

from .reading import enum_words
from .records import Parameter, Pool, Scalar

TODAY = date(2026, 11, 16)
"""The day on which the requests of the data set are made."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
"""Spelled out: strftime would follow the machine's locale."""

_TRIES = 10

Row = Mapping[str, Scalar]


@dataclass(frozen=True)
class Drawn:
    """A value, the words that say it, and the key of the pool row that it stems from."""

    value: JsonValue
    said: str
    row: tuple[str, Row] | None = None


@dataclass
class Draws:
    """The values drawn for one call; parameters that name the same pool row share it."""

    pools: Mapping[str, Pool]
    random: random.Random
    rows: dict[str, Row] = field(default_factory=dict)
    dates_in_words: bool = field(init=False)

    def __post_init__(self) -> None:
        self.dates_in_words = self.random.random() < 0.5

    def draw(self, parameter: Parameter) -> Drawn:
        """Draw a value for a parameter that is not a boolean; of a listed one rather not the default."""
        if parameter.type == "array":
            return self._several(parameter)
        drawn = self._one(parameter)
        for _ in range(_TRIES):
            if parameter.default is None or drawn.value != parameter.default:
                break
            drawn = self._one(parameter)
        return drawn

    def _one(self, parameter: Parameter) -> Drawn:
        if parameter.source is not None:
            return self._from_pool(parameter.source)
        if parameter.enum is not None:
            value, words = self.random.choice(list(enum_words(parameter).items()))
            return Drawn(value, words)
        if parameter.range is not None:
            number = _step(parameter.range, self.random)
            return Drawn(_whole(number), _words(number))
        if parameter.values is None:
            raise ValueError("a parameter without a source of values")
        chosen = _whole(self.random.choice(parameter.values))
        return Drawn(chosen, _words(chosen))

    def _several(self, parameter: Parameter) -> Drawn:
        low, high = parameter.count or (2, 3)
        number = self.random.randint(low, high)
        found = dict(self._items(parameter, number))
        return Drawn(list(found), _enumeration(list(found.values())))

    def _items(self, parameter: Parameter, number: int) -> list[tuple[str, str]]:
        if parameter.enum is not None:
            return self.random.sample(list(enum_words(parameter).items()), number)
        if parameter.source is None:
            return [(str(value), str(value)) for value in self.random.sample(parameter.values or (), number)]
        slot, _, name = parameter.source.partition(".")
        values = list(dict.fromkeys(str(row[name]) for row in self.pools[slot.partition(":")[0]].rows))
        return [(value, value) for value in self.random.sample(values, number)]

    def _from_pool(self, source: str) -> Drawn:
        slot, _, name = source.partition(".")
        if slot not in self.rows:
            self.rows[slot] = self._new_row(slot)
        row = self.rows[slot]
        value = _whole(row[name])
        said = say_date(str(value)) if self.dates_in_words and is_date(slot) else _words(value)
        pool = slot.partition(":")[0]
        return Drawn(value, said, None if pool in GENERATORS else (pool, row))

    def _new_row(self, slot: str) -> Row:
        """Draw a row that no other label of the same pool has."""
        pool = slot.partition(":")[0]
        if pool in GENERATORS:
            return GENERATORS[pool](self.random)
        taken = [row for other, row in self.rows.items() if other.partition(":")[0] == pool]
        rows = self.pools[pool].rows
        return self.random.choice([row for row in rows if row not in taken] if taken else rows)


def is_date(source: str) -> bool:
    """Return whether the values of a source are dates, which people say in several ways."""
    return source.partition(".")[0].partition(":")[0] in {"date", "period", "past_period"}


def _step(bounds: tuple[float, float, float], rng: random.Random) -> float:
    low, high, step = bounds
    return float(round(low + step * rng.randint(0, int((high - low) / step + 1e-9)), 6))


def _whole(value: Scalar) -> Scalar:
    """Return a float without a fraction as the integer that people write."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _words(value: Scalar) -> str:
    return str(_whole(value))


def _enumeration(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def say_date(value: str) -> str:
    """Return an ISO date as people write it, ``3 March 2027``; what is no date stays as it is."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _day(rng: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randint(0, (last - first).days))


def _dates(rng: random.Random) -> Row:
    return {
        "soon": _day(rng, TODAY + timedelta(days=2), TODAY + timedelta(days=120)).isoformat(),
        "recent": _day(rng, TODAY - timedelta(days=90), TODAY - timedelta(days=1)).isoformat(),
        "past": _day(rng, date(1990, 1, 1), date(2020, 12, 31)).isoformat(),
    }


def _period(rng: random.Random) -> Row:
    start, nights = _day(rng, TODAY + timedelta(days=5), TODAY + timedelta(days=150)), rng.randint(2, 12)
    return {"start": start.isoformat(), "end": (start + timedelta(days=nights)).isoformat(), "nights": nights}


def _past_period(rng: random.Random) -> Row:
    end, days = _day(rng, TODAY - timedelta(days=300), TODAY - timedelta(days=2)), rng.choice((6, 13, 29, 30, 60, 89))
    return {"start": (end - timedelta(days=days)).isoformat(), "end": end.isoformat()}


def _time(rng: random.Random) -> Row:
    return {"clock": f"{rng.randint(7, 21):02d}:{rng.choice((0, 15, 30, 45)):02d}"}


def _phone(rng: random.Random) -> Row:
    """Return a number of a range that is set aside for fiction (Ofcom; the North American 555-01XX block)."""
    if rng.random() < 0.5:
        return {"number": f"+44 20 7946 0{rng.randint(100, 999)}"}
    return {"number": f"+1 {rng.choice((202, 303, 415, 512, 617, 773))} 555 01{rng.randint(10, 99)}"}


def _ip(rng: random.Random) -> Row:
    """Return an address of a block that is set aside for documentation (RFC 5737)."""
    return {"address": f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(2, 254)}"}


GENERATORS: Mapping[str, Callable[[random.Random], Row]] = {
    "date": _dates,
    "period": _period,
    "past_period": _past_period,
    "time": _time,
    "phone": _phone,
    "ip": _ip,
}
"""The pools whose rows are made, not listed."""
