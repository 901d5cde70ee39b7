"""Candidate values → rows of features: how well each value fits its parameter, the instruction and past calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .associations import mean_weight
from .clues import ANY, Clues, shape_clue, span_clues, word_clues
from .enumerations import is_closed
from .slots import Choice, Slot, SlotKind, overlap
from .spans import Reading
from .tokens import Token, shape_of, stem
from .values import Candidate, Offer, Scene, Source

_KINDS: tuple[SlotKind, ...] = ("text", "number", "integer", "switch", "choice", "list")
_FAR = 12
_SHORT_WORD = 3
_NEARLY = 0.9
_LOOSELY = 0.6
_NO_ITEMS = [0.0, 0.0, 0.0, 0.0]
_SLOT_FEATURES = (
    "kind", "must_be_given", "has_default", "date", "enumerated", "order", "count", "rank", "rivals", "values",
    "name_spoken", "text_spoken", "default_spoken", "supply", "tokens", "quoted", "numbers", "points_back",
    "tail", "tail_typed", "twins", "twin_rank",
)  # fmt: skip
_VALUE_FEATURES = (
    "source", "place", "place_off", "score", "where", "words", "chars", "capital", "digit", "upper", "in_quote",
    "is_typed", "shape_fits", "is_default", "before_name", "before_text", "next_name", "next_text",
    "word_name", "shape_name", "shape_text", "named_before", "named_after", "distance", "spelled",
    "glossed", "prefix", "clue_sum", "clue_best", "clue_any", "clue_lead", "spoken_lead", "past_name",
    "past_place", "past_count",
    "kind_before", "kind_after", "alike", "alike_off", "items", "longest_item", "uneven", "mixed", "closed",
)  # fmt: skip
_RELATIVE_FEATURES = ("fit", "fit_lead", "fit_elsewhere", "score_lead")
FEATURES = (*_SLOT_FEATURES, *_VALUE_FEATURES, *_RELATIVE_FEATURES)
SPANNING = (
    Source.NUMBER,
    Source.DATE,
    Source.TIME,
    Source.QUOTED,
    Source.CODE,
    Source.NAME,
    Source.PHRASE,
    Source.LIST,
)
_FIT_COLUMNS = tuple(
    FEATURES.index(name) for name in ("before_name", "next_name", "word_name", "shape_name", "shape_text")
)
_SWITCH_COLUMNS = tuple(FEATURES.index(name) for name in ("spelled", "glossed", "clue_sum"))


class Row(NamedTuple):
    """A value of a parameter and its features, in the order of ``FEATURES``."""

    slot: Slot
    candidate: Candidate
    features: list[float]


def call_rows(offers: Sequence[Offer], scene: Scene, clues: Clues) -> list[Row]:
    """Return the rows of all values of all parameters of a call, parameter by parameter."""
    rows: list[Row] = []
    for offer in offers:
        rows.extend(_SlotRows(offer.slot, scene, clues).rows(offer.candidates))
    _compare(rows)
    return rows


class _SlotRows:
    """The rows of one parameter; what its values have in common is worked out once."""

    def __init__(self, slot: Slot, scene: Scene, clues: Clues) -> None:
        self.slot = slot
        self.scene = scene
        self.reading = scene.reading
        self.clues = clues
        near = clues.near(slot)
        self.name_tables = near.of(slot.name_stems)
        self.text_tables = near.of(slot.text_stems)
        self.own_stems = frozenset((*slot.name_stems, *slot.text_stems))
        self.named_at = [place for place, one in enumerate(self.reading.stemmed) if one in slot.name_stems]
        self.past = [one for one in scene.past if one.name == slot.name]
        self.typed = [(one.start, one.end) for one in scene.reading.dates]
        self.typed += [(one.start, one.end) for one in scene.reading.times]
        self.any_clue = self._any_clue()

    def rows(self, found: Sequence[Candidate]) -> list[Row]:
        """Return a row for each value."""
        common = self._common(found)
        worded = [self._worded(one) for one in found]
        best_clue = _two_best([one[3] for one in worded])
        best_spoken = _two_best([max(one[0], one[1]) for one in worded])
        rows = []
        alike: dict[str, int] = {}
        for candidate, words in zip(found, worded, strict=True):
            leads = (_lead(words[3], best_clue), _lead(max(words[0], words[1]), best_spoken))
            own = (*self._own(candidate), *words, *leads, *self._past(candidate), *self._beside(candidate, alike))
            rows.append(Row(self.slot, candidate, [*common, *own]))
        return rows

    def _common(self, found: Sequence[Candidate]) -> list[float]:
        slot, reading = self.slot, self.reading
        spoken = sum(1 for one in found if one.source in (Source.NUMBER, Source.DATE, Source.QUOTED, Source.CODE))
        default = str(slot.default).lower() if slot.has_default else ""
        return [
            _KINDS.index(slot.kind), slot.must_be_given, slot.has_default, bool(slot.date_form), slot.enumerated,
            slot.order, slot.count, slot.rank, slot.rivals, len(found),
            overlap(slot.name_stems, reading.stems), overlap(slot.text_stems, reading.stems),
            _spoken(default, reading) if default and slot.kind != "switch" else 0.0,
            spoken - slot.rivals, len(reading.tokens), len(reading.quoted), len(reading.numbers), reading.points_back,
            reading.tail, reading.tail_typed, slot.twins, slot.twin_rank,
        ]  # fmt: skip

    def _own(self, candidate: Candidate) -> list[float]:
        """Return the features of where the value stands and what it looks like."""
        slot, text = self.slot, candidate.text
        is_default = slot.has_default and str(candidate.value) == str(slot.default)
        shape_fits = bool(slot.shapes) and shape_of(str(candidate.value)) in slot.shapes
        off = candidate.place - slot.rank
        if candidate.start < 0 or candidate.end < 0:
            looks = [candidate.score, -1.0, 0.0, len(text), 0.0, 0.0, 0.0, 0.0, 0.0]
            return [candidate.source, candidate.place, off, *looks, shape_fits, is_default, *([0.0] * 9), _FAR]
        looks = [
            candidate.score, candidate.start / len(self.reading.tokens), candidate.end - candidate.start, len(text),
            text[:1].isupper(), "9" in shape_of(text), text.isupper(), self._quoted(candidate),
            self._typed(candidate),
        ]  # fmt: skip
        return [
            candidate.source, candidate.place, off, *looks, shape_fits, is_default, *self._near(candidate),
        ]  # fmt: skip

    def _near(self, candidate: Candidate) -> list[float]:
        clues = span_clues(self.reading, candidate)
        name, text = self.name_tables, self.text_tables
        tokens = self.reading.tokens
        before = tokens[candidate.start - 1] if candidate.start else None
        after = tokens[candidate.end] if candidate.end < len(tokens) else None
        gaps = [candidate.start - at if at < candidate.start else at - candidate.end + 1 for at in self.named_at]
        return [
            mean_weight(name, clues.before), mean_weight(text, clues.before),
            mean_weight(name, clues.after), mean_weight(text, clues.after),
            mean_weight(name, clues.first) + mean_weight(name, clues.last),
            mean_weight(name, clues.shape), mean_weight(text, clues.shape),
            self._names(before), self._names(after), min(gaps, default=_FAR),
        ]  # fmt: skip

    def _names(self, token: Token | None) -> bool:
        return token is not None and stem(token.low) in self.own_stems

    def _quoted(self, candidate: Candidate) -> bool:
        quoted = self.reading.quoted
        return bool(quoted) and any(one.start <= candidate.start and candidate.end <= one.end for one in quoted)

    def _typed(self, candidate: Candidate) -> bool:
        """Tell whether the value cuts into a date or a time, which are another kind of value."""
        return any(start < candidate.end and candidate.start < end for start, end in self.typed)

    def _worded(self, candidate: Candidate) -> list[float]:
        """Return how the instruction speaks of a documented value or a switch: by word, gloss, beginning and clue."""
        if candidate.source is Source.SWITCH:
            spelled, glossed, prefix = (overlap(self.slot.name_stems, self.reading.stems), 0.0, 0.0)
            glossed = overlap(self.slot.text_stems, self.reading.stems)
            tables = self.clues.switches.of(word_clues(self.slot, candidate)[:-1])
        elif (choice := self._choice(candidate)) is not None:
            spelled, glossed, prefix = _said(choice, self.reading)
            tables = self.clues.choices.of((*choice.spelled, *choice.gloss))
        else:
            return [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        stems = self.reading.ordered_stems
        sums = [sum([table.get(word, 0.0) for table in tables]) for word in stems] if tables else []
        return [spelled, glossed, prefix, sum(sums), max(sums, default=0.0), self.any_clue]

    def _choice(self, candidate: Candidate) -> Choice | None:
        """Return the documented value that a candidate is; the fallback is one where the default is."""
        if self.slot.kind == "list":
            return None
        if candidate.source is Source.CHOICE:
            return self.slot.choices[candidate.place]
        is_default = candidate.source is Source.FALLBACK and self.slot.has_default
        return next((one for one in self.slot.choices if is_default and one.value == candidate.value), None)

    def _any_clue(self) -> float:
        """Return how much the instruction's words speak for any switch, or any documented value, at all."""
        if self.slot.kind != "switch" and not self.slot.choices:
            return 0.0
        known = self.clues.switches if self.slot.kind == "switch" else self.clues.choices
        table = known.weights.get(ANY, {})
        return sum(table.get(word, 0.0) for word in self.reading.ordered_stems)

    def _past(self, candidate: Candidate) -> list[float]:
        if candidate.source is Source.HISTORY:
            return [candidate.text == self.slot.name, candidate.place, self._count(candidate)]
        return [0.0, -1.0, self._count(candidate)]

    def _beside(self, candidate: Candidate, alike: dict[str, int]) -> list[float]:
        """Return what kinds of words stand beside the value, and its place among the values that look like it."""
        is_list = isinstance(candidate.value, list)
        items = _items(candidate.value) if is_list else _NO_ITEMS
        if candidate.start < 0 or candidate.end < 0:
            return [-1.0, -1.0, -1.0, 0.0, *items, False]
        tokens, start, end = self.reading.tokens, candidate.start, candidate.end
        before = _word_kind(tokens[start - 1]) if start and not tokens[start - 1].after else 0.0
        after = _word_kind(tokens[end]) if end < len(tokens) and not tokens[end - 1].after else 0.0
        look = f"{candidate.source.name} {shape_clue(candidate.text)}"
        place = alike[look] = alike.get(look, -1) + 1
        return [before, after, place, place - self.slot.twin_rank, *items, is_list and is_closed(tokens, start, end)]

    def _count(self, candidate: Candidate) -> int:
        return sum(past.count for past in self.past if past.value == candidate.value)


def _items(values: Sequence[object]) -> list[float]:
    """Return how many items a list has, how long the longest is, and how many lengths and beginnings they have."""
    texts = [str(value) for value in values]
    lengths = {text.count(" ") for text in texts}
    beginnings = {shape_of(text)[:1] for text in texts}
    return [float(len(texts)), max(map(len, texts), default=0), float(len(lengths)), float(len(beginnings))]


def _word_kind(token: Token) -> float:
    """Return 1 for a short lower-case word, 2 for a longer one, 3 for a capitalised one, 4 for what has digits."""
    if "9" in token.shape:
        return 4.0
    if token.shape[:1] == "A":
        return 3.0
    return 1.0 if len(token.low) <= _SHORT_WORD else 2.0


def _compare(rows: list[Row]) -> None:
    """Add how a value's fit compares with the other values of its parameter and with other parameters for its words."""
    by_slot: dict[int, list[float]] = {}
    by_span: dict[tuple[int, int], dict[int, float]] = {}
    fits = [_fit(row) for row in rows]
    for row, fit in zip(rows, fits, strict=True):
        by_slot.setdefault(row.slot.order, []).append(fit)
        if row.candidate.source in SPANNING or row.candidate.source is Source.SWITCH:
            span = by_span.setdefault((row.candidate.start, row.candidate.end), {})
            span[row.slot.order] = max(fit, span.get(row.slot.order, -99.0))
    best = {order: _two_best(values) for order, values in by_slot.items()}
    top: dict[int, float] = {}
    for row in rows:
        top[row.slot.order] = max(row.candidate.score, top.get(row.slot.order, -99.0))
    for row, fit in zip(rows, fits, strict=True):
        order = row.slot.order
        others = by_span.get((row.candidate.start, row.candidate.end), {})
        elsewhere = max((other for at, other in others.items() if at != order), default=-20.0)
        row.features.extend((fit, _lead(fit, best[order]), fit - elsewhere, row.candidate.score - top[order]))


def _fit(row: Row) -> float:
    columns = _SWITCH_COLUMNS if row.candidate.source is Source.SWITCH else _FIT_COLUMNS
    return sum(row.features[column] for column in columns)


def _two_best(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values, reverse=True)
    return ordered[0] if ordered else 0.0, ordered[1] if len(ordered) > 1 else 0.0


def _lead(value: float, best: tuple[float, float]) -> float:
    """Return by how much a value lies above the best of the others, below 0 where one is better."""
    return value - (best[1] if value == best[0] else best[0])


def _spoken(text: str, reading: Reading) -> float:
    """Return 1 where the instruction holds the words of a text, less where it holds some of them."""
    low = reading.text.lower()
    at = low.find(text) if text else -1
    while at >= 0:
        end = at + len(text)
        if not (at and low[at - 1].isalnum()) and not (end < len(low) and low[end].isalnum()):
            return 1.0
        at = low.find(text, at + 1)
    words = [stem(word) for word in text.split()]
    return 0.8 * overlap(words, reading.stems)


def _said(choice: Choice, reading: Reading) -> tuple[float, float, float]:
    """Return the shares of a documented value's words and of its gloss that are said, and of its beginning."""
    spelled = _spoken(choice.text, reading) if choice.text else 0.0
    head = choice.text[:2]
    prefix = max((_common_prefix(choice.text, one.low) for one in reading.tokens if one.low[:2] == head), default=0.0)
    # Without its signs a value is only nearly said: -date is not date.
    loosely = _NEARLY if choice.text.replace(" ", "").isalnum() else _LOOSELY
    return max(spelled, loosely * overlap(choice.spelled, reading.stems)), overlap(choice.gloss, reading.stems), prefix


def _common_prefix(value: str, word: str) -> float:
    same = 0
    for one, other in zip(value, word, strict=False):
        if one != other:
            break
        same += 1
    return same / len(value) if len(value) > 1 and same > 1 else 0.0
