"""The records of an audit: what is audited, what was measured, and what it was held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..schema import Instance, Setting

SectionName = Literal["composition", "shortcuts", "ceilings", "leaks"]
Unit = Literal["share", "count", "mean", "p", "number"]


@dataclass(frozen=True)
class Line:
    """One measured figure.

    ``group`` is a setting or ``all``. A share runs from 0 to 1; ``low`` and ``high`` are its 95 % interval, clustered
    by functionality, and ``chance`` is what a blind guess would reach. ``n`` counts the instances. ``value`` is None
    only where a threshold asks for a figure that was not measured.
    """

    section: str
    name: str
    group: str
    value: float | None
    unit: Unit
    n: int
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """The name by which thresholds call it: ``<section>.<name>``."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class Subject:
    """What is audited: test instances and, where there are any, training instances, by setting.

    ``fingerprints`` names the files they were read from by ``<config>/<split>``.
    """

    name: str
    settings: dict[Setting, list[Instance]]
    train: dict[Setting, list[Instance]]
    fingerprints: dict[str, str] = field(default_factory=dict)


Section = tuple[str, Callable[[Subject], list[Line]]]
"""A part of an audit: what it is called in progress notes, and what measures it."""


@dataclass(frozen=True)
class Threshold:
    """A bound for one line, ``<section>.<name>``, in the given settings, or in every one.

    ``max_over_chance`` is added to the line's own chance. ``why`` says in one sentence what the bound guards.
    """

    line: str
    max: float | None = None
    min: float | None = None
    max_over_chance: float | None = None
    settings: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """A line held against a threshold. ``passed`` is None where it could not apply; ``note`` says why."""

    line: Line
    threshold: Threshold
    passed: bool | None
    note: str = ""


@dataclass(frozen=True)
class Audit:
    """A finished audit; ``created`` is the only field that differs between two audits of the same data."""

    name: str
    created: str
    version: str
    fingerprints: dict[str, str]
    thresholds: tuple[Threshold, ...]
    lines: tuple[Line, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> bool:
        """Whether any verdict failed."""
        return any(verdict.passed is False for verdict in self.verdicts)
