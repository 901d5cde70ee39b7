"""What every analysis reads: the instances of a run, each with its judgement and what it is grouped by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..runs import Run
from ..schema import SETTINGS, Evidence, Prediction, Score, ScoringMode, Setting

ALL = "all"
"""The group of all settings, where a run has several."""


@dataclass(frozen=True)
class Judged:
    """One instance of a run: what averages are grouped by, and its score.

    ``interactions`` counts those of the history that were shown, after all cuts. ``request`` is the same for the
    instances that ask for the same thing of the same candidates, whatever history they show. ``seen`` says whether
    training instances ask for the functionality too (None: unknown).
    """

    id: str
    setting: Setting
    functionality: str
    interactions: int
    evidence: Evidence | None
    score: Score
    seen: bool | None
    category: str
    request: str


@dataclass(frozen=True)
class ScoredRun:
    """A run and the judgement of each of its instances, in the order of the data."""

    run: Run
    mode: ScoringMode
    judged: tuple[Judged, ...]

    def answers(self, members: Sequence[Judged]) -> list[tuple[Judged, Prediction]]:
        """Return the members that there is a prediction of, each with it."""
        known = self.run.predictions
        return [(entry, known[entry.id]) for entry in members if entry.id in known]


def grouped(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Return the members of each setting and, where there are several settings, of ``all``."""
    groups: dict[str, list[Judged]] = {}
    for setting in SETTINGS:
        if members := [entry for entry in judged if entry.setting == setting]:
            groups[setting] = members
    if len(groups) > 1:
        groups[ALL] = list(judged)
    return groups
