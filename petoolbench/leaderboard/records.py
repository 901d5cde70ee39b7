"""The records of a leaderboard: what is read of a scored run, and what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ..schema import SETTINGS, ScoringMode, Setting

Group = Literal[Setting, "all"]
GROUPS: tuple[Group, ...] = ("all", *SETTINGS)
"""What accuracies are averaged over, the widest first."""

Unranked = Literal["oracle", "partial", "unscored"]
"""Why a run has no rank: it is told part of the answer; it was asked of part of the data; answers are missing."""


class _Read(BaseModel):
    """Part of a run's summary; keys that a leaderboard does not show are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Accuracy(_Read):
    """A share from 0 to 1 and its 95 % interval, which is None where none was published."""

    value: float | None = Field(ge=0, le=1)
    low: float | None = Field(default=None, ge=0, le=1)
    high: float | None = Field(default=None, ge=0, le=1)


class Measured(Accuracy):
    """A share that was measured here: value and interval are there, or, over no answers, neither is."""

    @model_validator(mode="after")
    def _has_its_interval(self) -> Measured:
        if (self.value, self.low, self.high) == (None, None, None):
            return self
        if self.value is None or self.low is None or self.high is None or not self.low <= self.value <= self.high:
            raise ValueError("value, low and high must be there, low ≤ value ≤ high, or all be null")
        return self


class Part(_Read):
    """A run's figures in one setting or in all; ``unscored`` of the ``n`` instances have no answer."""

    n: int = Field(ge=0)
    unscored: int = Field(ge=0)
    tool_accuracy: Measured
    param_accuracy: Measured
    joint_accuracy: Measured


class Spec(_Read):
    """What was asked of whom. Whatever else a run's spec says is kept: it tells runs apart."""

    model_config = ConfigDict(extra="allow")

    config: str
    split: str
    fingerprint: str
    history: bool = True
    max_interactions: int | None = None
    limit: int | None = None
    ids: JsonValue = None
    instances: int = Field(ge=0)

    def said(self) -> dict[str, JsonValue]:
        """Return every field that says something, those of nested objects by their own names."""
        return _flat(self.model_dump(mode="json"))


class Summary(_Read):
    """The summary of one run, as in ``scores-<mode>.json`` and in a report."""

    name: str
    agent: str
    oracle: bool
    mode: ScoringMode
    scoring_version: str
    petoolbench: str
    spec: Spec
    settings: dict[Group, Part] = Field(min_length=1)


@dataclass(frozen=True)
class Entry:
    """A scored run, the folder or report it was read from, and how its maker named the data (None: unknown)."""

    summary: Summary
    place: Path
    source: str | None = None


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Rank(_Shown):
    """``place`` is 1 and one for each run of a higher tool accuracy; intervals leave ``best`` to ``worst`` open."""

    place: int
    best: int
    worst: int


class Row(_Shown):
    """One line of a table: a run, or figures that the paper published (``n`` and the run's fields are then None)."""

    name: str
    agent: str | None = None
    published: bool = False
    rank: Rank | None = None
    unranked: tuple[Unranked, ...] = ()
    n: int | None = None
    unscored: int | None = None
    tool_accuracy: Accuracy
    param_accuracy: Accuracy
    joint_accuracy: Accuracy | None = None
    style: str | None = None
    guided: bool | None = None
    history: str | None = None
    petoolbench: str | None = None
    spec: dict[str, JsonValue] = Field(default_factory=dict)


class Section(_Shown):
    """All runs on one data set, ranked in each setting; ``fingerprint`` is None where only published rows stand."""

    title: str
    official: bool
    fingerprint: str | None
    config: str
    split: str
    note: str
    tables: dict[Group, tuple[Row, ...]]


class Leaderboard(_Shown):
    """What ``leaderboard.json`` holds."""

    petoolbench: str
    scoring_version: str
    mode: ScoringMode
    created: str
    published_source: str
    sections: tuple[Section, ...]


def _flat(values: dict[str, Any]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value)
        elif value is not None:
            found[name] = value
    return found
