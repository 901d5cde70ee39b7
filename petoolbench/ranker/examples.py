"""Training instances → what the filler learns from: counts of words, and rows of features with their labels.

What is counted of words becomes a feature of the same instances. So that the trees do not take the counts for surer
than they are with new requests, functionalities are split in two halves, and each half's rows use the other's counts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..schema import Instance, Reference
from ..scoring import argument_fault
from .associations import AssociationCounts
from .boundaries import Boundaries, BoundaryCounts
from .clues import Clues, span_clues, word_clues
from .gold_calls import GoldCall, gold_calls
from .rows import FEATURES, call_rows
from .slots import Slot
from .spans import Reading, read_instruction
from .values import Candidate, Offer, Scene, Source, call_offers, past_values

_HALVES = 2
_MOST_CALLS = 8_000


@dataclass(frozen=True)
class Lesson:
    """One right call: what fills it, and which of the values are right, offer by offer."""

    scene: Scene
    offers: Sequence[Offer]
    right: Sequence[Sequence[bool]]
    half: int


@dataclass(frozen=True)
class TrainingTable:
    """Rows of ``FEATURES`` and whether their value is right, and all that was learned of words."""

    values: NDArray[np.float32]
    labels: NDArray[np.float32]
    boundaries: Boundaries
    clues: Clues


def training_table(instances: Sequence[Instance], seed: int) -> TrainingTable:
    """Learn words from instances and build the rows; instances whose candidates lack the gold tool are left out.

    Of more than 8,000 instances as many are drawn, for time and for the size of the word tables.
    """
    chosen = sorted(random.Random(seed).sample(range(len(instances)), min(len(instances), _MOST_CALLS)))
    calls = gold_calls([instances[place] for place in chosen], seed)
    readings = [read_instruction(call.instruction) for call in calls]
    counted = [BoundaryCounts() for _ in range(_HALVES)]
    for call, reading in zip(calls, readings, strict=True):
        counted[_half(call)].add(reading, _free_values(call, reading))
    edges = [counted[1 - half].weigh() for half in range(_HALVES)]
    lessons = [_lesson(call, reading, edges[_half(call)]) for call, reading in zip(calls, readings, strict=True)]
    clue_counts = [_ClueCounts() for _ in range(_HALVES)]
    for lesson in lessons:
        _count_clues(lesson, clue_counts[lesson.half])
    clues = [clue_counts[1 - half].weigh() for half in range(_HALVES)]
    values, labels = _rows(lessons, clues)
    boundaries = counted[0].join(counted[1]).weigh()
    return TrainingTable(values, labels, boundaries, clue_counts[0].join(clue_counts[1]).weigh())


def _half(call: GoldCall) -> int:
    return crc32(call.instance.functionality.encode()) % _HALVES


def _lesson(call: GoldCall, reading: Reading, boundaries: Boundaries) -> Lesson:
    scene = Scene(reading, boundaries.edges(reading), past_values(call.instance))
    offers = call_offers(call.slots, scene)
    right = [[_is_right(one, offer.slot, call.reference) for one in offer.candidates] for offer in offers]
    return Lesson(scene, offers, right, _half(call))


@dataclass
class _ClueCounts:
    texts: AssociationCounts = field(default_factory=AssociationCounts)
    numbers: AssociationCounts = field(default_factory=AssociationCounts)
    switches: AssociationCounts = field(default_factory=AssociationCounts)
    choices: AssociationCounts = field(default_factory=AssociationCounts)

    def join(self, other: _ClueCounts) -> _ClueCounts:
        return _ClueCounts(
            self.texts.join(other.texts),
            self.numbers.join(other.numbers),
            self.switches.join(other.switches),
            self.choices.join(other.choices),
        )

    def weigh(self) -> Clues:
        return Clues(self.texts.weigh(), self.numbers.weigh(), self.switches.weigh(), self.choices.weigh())


def _free_values(call: GoldCall, reading: Reading) -> list[tuple[int, int]]:
    """Return the token ranges of the right values that are free text and stand outside quotation marks."""
    ranges = []
    for slot in call.slots:
        value = call.reference.arguments.get(slot.name)
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str) or slot.choices or not text:
                continue
            at = reading.text.find(text)
            inside = [n for n, one in enumerate(reading.tokens) if one.end > at and one.start < at + len(text)]
            if at >= 0 and inside and not any(one.start <= inside[0] < one.end for one in reading.quoted):
                ranges.append((inside[0], inside[-1] + 1))
    return ranges


def _is_right(candidate: Candidate, slot: Slot, reference: Reference) -> bool:
    left_out = candidate.source is Source.FALLBACK and not slot.has_default
    arguments = {} if left_out else {slot.name: candidate.value}
    return argument_fault(arguments, slot.name, reference) is None


def _count_clues(lesson: Lesson, counts: _ClueCounts) -> None:
    spoken = lesson.scene.reading.ordered_stems
    for (slot, found), rights in zip(lesson.offers, lesson.right, strict=True):
        words = (*slot.name_stems, *slot.text_stems)
        near = counts.numbers if slot.kind in ("number", "integer") else counts.texts
        for candidate, right in zip(found, rights, strict=True):
            if candidate.source is Source.SWITCH:
                counts.switches.add(word_clues(slot, candidate), spoken, right)
            elif candidate.source is Source.CHOICE and slot.kind != "list":
                counts.choices.add(word_clues(slot, candidate), spoken, right)
            elif candidate.start >= 0 and candidate.end >= 0 and candidate.source is not Source.FALLBACK:
                clues = span_clues(lesson.scene.reading, candidate)
                near.add(words, clues.around(), right)
                near.add(slot.name_stems, clues.inside(), right)


def _rows(lessons: Sequence[Lesson], clues: Sequence[Clues]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    blocks: list[NDArray[np.float32]] = []
    labels: list[bool] = []
    for lesson in lessons:
        rows = call_rows(lesson.offers, lesson.scene, clues[lesson.half])
        if rows:
            blocks.append(np.array([row.features for row in rows], dtype=np.float32))
            labels.extend(right for rights in lesson.right for right in rights)
    values = np.concatenate(blocks) if blocks else np.zeros((0, len(FEATURES)), dtype=np.float32)
    return values, np.array(labels, dtype=np.float32)
