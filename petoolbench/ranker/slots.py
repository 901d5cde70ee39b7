"""The documentation of a tool's parameters, taken apart for the filling of arguments.

A slot is one parameter: what kind of value it takes, which values the documentation names, and in which form it wants
dates. Nothing here looks at an instruction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from ..filling import parameters_of, words_of
from ..schema import Tool
from .spans import Reading, read_instruction
from .tokens import shape_of, stem, stems_of

SlotKind = Literal["text", "number", "integer", "switch", "choice", "list"]
"""What a parameter takes: free text, a number, true or false, one of the documented values, several values."""

_STOP_WORDS = (
    "a an the of to in on at for from by with and or as is are be it its this that one which what who how if only add "
    "value name want get used use you your e g ex any all"
)
_STOP = frozenset(_STOP_WORDS.split(" "))
_ARTICLES = frozenset(("a", "an", "th", "the", "at", "of", "on"))
_LONGEST_CHOICE = 40
_SHORT = 2
_EXAMPLE_SIGNS = (("for", "example"), ("such", "as"), ("e.g.",), ("ex",), ("example",), ("e.g",), ("eg",))
_EXAMPLE_MARKS = ("'", '"', "`", "xample", "such as", "e.g", "Ex", "eg")
_DATE_LETTERS = frozenset("ymd")


class Choice(NamedTuple):
    """A documented value and the stems of the words that say it, in two wordings: the value and its gloss."""

    value: Any
    spelled: tuple[str, ...]
    gloss: tuple[str, ...]
    text: str


@dataclass(frozen=True, eq=False)
class Slot:
    """One parameter.

    ``default`` is the documented default, None without one. ``choices`` are the documented values, of a list those of
    its items; ``numeric_items`` says that a list holds numbers. ``name_stems`` and ``text_stems`` are the words of name
    and description, ``examples`` the values given as examples, ``shapes`` the outlines of default and examples.
    ``date_form`` spells the wanted form of dates in the letters Y, M and D, empty where the parameter takes no date.
    ``short_code`` is the length of a default that abbreviates a word, else 0. ``rank`` counts the slots of the same
    kind before this one, ``rivals`` all required ones of its kind without a default, ``twins`` those named alike, and
    ``twin_rank`` is its place among them.
    """

    name: str
    kind: SlotKind
    numeric_items: bool
    required: bool
    has_default: bool
    default: Any
    choices: tuple[Choice, ...]
    enumerated: bool
    name_stems: tuple[str, ...]
    text_stems: tuple[str, ...]
    examples: tuple[str, ...]
    shapes: frozenset[str]
    date_form: str
    takes_time: bool
    short_code: int
    order: int = 0
    rank: int = 0
    rivals: int = 0
    twin_rank: int = 0
    twins: int = 0
    count: int = 1

    @property
    def must_be_given(self) -> bool:
        """Whether a call without the parameter is invalid and no default says what to put in."""
        return self.required and not self.has_default


def read_slots(parameters: Mapping[str, JsonValue]) -> tuple[Slot, ...]:
    """Return the parameters of a JSON Schema in the documented order; what is no object there is left out."""
    return _read_slots(json.dumps(parameters))


@lru_cache(maxsize=8_192)
def _read_slots(parameters: str) -> tuple[Slot, ...]:
    tool = Tool(name="", category="", provider="", endpoint="", description="", parameters=json.loads(parameters))
    slots = [_slot(name, schema, required) for name, schema, required in parameters_of(tool)]
    placed = []
    for order, slot in enumerate(slots):
        alike = [one for one in slots if _takes(one) == _takes(slot)]
        rank = sum(1 for one in slots[:order] if _takes(one) == _takes(slot))
        rivals = sum(1 for one in alike if one.must_be_given)
        twins = [at for at, one in enumerate(slots) if one in alike and _are_twins(one, slot)]
        twin_rank = sum(at < order for at in twins)
        slot = replace(slot, order=order, count=len(slots), rank=rank, rivals=rivals)
        placed.append(replace(slot, twin_rank=twin_rank, twins=len(twins)))
    return tuple(placed)


def _are_twins(one: Slot, other: Slot) -> bool:
    """Tell whether two parameters take the same kind of thing, as *from_city* and *to_city* do."""
    mine, theirs = one.name_stems, other.name_stems
    return bool(mine and theirs) and (mine[-1] == theirs[-1] or mine[:-1] == theirs[:-1] != ())


def _takes(slot: Slot) -> str:
    """Return what slots compete for: numbers, dates, other text, or nothing."""
    if slot.kind in ("number", "integer"):
        return "number"
    return "date" if slot.date_form else slot.kind


def _slot(name: str, schema: dict[str, Any], required: bool) -> Slot:
    description = str(schema.get("description") or "")
    items = schema.get("items")
    listed = items if schema.get("type") == "array" and isinstance(items, dict) else schema
    values = listed.get("enum")
    enumerated = isinstance(values, list) and bool(values)
    choices = list(values) if isinstance(values, list) else list(_listed_values(description))
    default = schema.get("default")
    examples = tuple(_examples(description))
    known = [str(value) for value in (default, *examples) if isinstance(value, str | int | float)]
    name_stems = tuple(dict.fromkeys(stems_of(name)))
    text_stems = dict.fromkeys(stem(word) for word in words_of(description) if word not in _STOP)
    kind = _kind(schema, bool(choices))
    return Slot(
        name=name,
        kind=kind,
        numeric_items=listed is not schema and listed.get("type") in ("number", "integer"),
        required=required,
        has_default="default" in schema,
        default=default,
        choices=tuple(_choice(value, description) for value in choices),
        enumerated=enumerated,
        name_stems=name_stems[-3:],
        text_stems=tuple(word for word in text_stems if word not in name_stems)[:5],
        examples=examples,
        shapes=frozenset(shape_of(value) for value in known),
        date_form=_date_form(name, description, default) if kind == "text" else "",
        short_code=_code_length(default),
        takes_time="HH:MM" in description or "time" in name_stems[-1:],
    )


def _kind(schema: dict[str, Any], has_choices: bool) -> SlotKind:
    kind = schema.get("type")
    if kind == "boolean":
        return "switch"
    if kind == "array":
        return "list"
    if kind == "integer":
        return "integer"
    if kind == "number":
        return "number"
    return "choice" if has_choices else "text"


def _choice(value: Any, description: str) -> Choice:
    """Return a documented value with its gloss: what stands in brackets behind the value in the description."""
    text = str(value)
    gloss = ""
    mark = f"{text} ("
    start = description.find(mark)
    if start >= 0:
        gloss = description[start + len(mark) :].partition(")")[0]
    return Choice(value, _stems(text), _stems(gloss), text.lower())


def _stems(text: str) -> tuple[str, ...]:
    return tuple(one for one in stems_of(text) if one not in _ARTICLES)


def _listed_values(description: str) -> Iterator[str]:
    """Yield the values of a description such as *One of: asc|desc* or *one of the following: day, week or month*."""
    for word in description.split():
        parts = word.strip(".,;:()[]\"'").split("|")
        if len(parts) > 1 and all(parts):
            yield from parts
            return
    head, colon, tail = description.partition(":")
    if colon and {"one", "values", "options", "either"} & set(words_of(head)[-6:]):
        for part in tail.partition(".")[0].replace(" or ", ",").replace(" and ", ",").split(","):
            bare = part.strip(" '\"`")
            if bare and len(bare) <= _LONGEST_CHOICE and len(bare.split()) <= 3:
                yield bare


def _examples(description: str) -> Iterator[str]:
    """Yield values that a description gives as examples: behind *for example* and the like, or in quotation marks."""
    if not any(sign in description for sign in _EXAMPLE_MARKS):
        return
    reading = read_instruction(description)
    yield from (quoted.text for quoted in reading.quoted if not quoted.text.isspace())
    for place in range(len(reading.tokens)):
        for sign in _EXAMPLE_SIGNS:
            after = place + len(sign)
            if after < len(reading.tokens) and _says(reading, place, sign):
                word = reading.slice(after, after + 1).strip("'\"`")
                if word[-1:].isalnum():
                    yield word


def _says(reading: Reading, place: int, words: tuple[str, ...]) -> bool:
    return all(reading.tokens[place + step].low.rstrip(":") == word for step, word in enumerate(words))


def _date_form(name: str, description: str, default: Any) -> str:
    """Return the form in which a parameter wants dates, ISO's where only its name says that it takes one."""
    for word in description.split():
        bare = word.strip(".,;:()[]{}\"'`")
        letters = [char for char in bare.lower() if char.isalpha()]
        if len(letters) >= 6 and set(letters) <= _DATE_LETTERS and {"y", "m"} <= set(letters):
            return bare.upper()
    if isinstance(default, str) and (form := _form_of(default)):
        return form
    words = words_of(name)
    return "YYYY-MM-DD" if {"date", "day"} & set(words[-1:]) and "day" not in words[:-1] else ""


def _form_of(written: str) -> str:
    """Return the form of a date of digits, or nothing."""
    dates = read_instruction(written).dates
    if len(dates) != 1 or dates[0].text != written:
        return ""
    for sign in "-/.":
        lengths = [len(part) for part in written.split(sign)]
        if lengths == [4, 2, 2]:
            return f"YYYY{sign}MM{sign}DD"
        if lengths == [2, 2, 4]:
            return f"DD{sign}MM{sign}YYYY"
        if lengths == [4, 2]:
            return f"YYYY{sign}MM"
    return ""


def _code_length(default: Any) -> int:
    """Return the length of a default such as *en* or *US*, which stands for a longer word; else 0."""
    is_code = isinstance(default, str) and len(default) == _SHORT and default.isalpha() and default.isascii()
    return _SHORT if is_code else 0


def overlap(stems: Iterable[str], spoken: frozenset[str]) -> float:
    """Return the share of words that an instruction holds, 0 of none."""
    words = list(stems)
    return sum(word in spoken for word in words) / len(words) if words else 0.0
