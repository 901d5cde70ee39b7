"""Thresholds from YAML, and lines held against them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml

from ..errors import InputError
from ..files import read_bytes
from ..schema import SETTINGS
from .leaks import TRAIN_LINES
from .records import Line, SectionName, Subject, Threshold, Verdict

DEFAULT_THRESHOLDS = "thresholds.yaml"
NOT_MEASURED = "was not measured"
ALL = "all"

_BOUNDS = ("max", "min", "max_over_chance")
_KEYS = ("line", *_BOUNDS, "settings", "why")
_SKIPPED_WITHOUT_TRAINING = frozenset(f"leaks.{name}" for name in TRAIN_LINES)
_ROUNDING = 1e-9
"""A share that is a sum of fractions may miss a bound that it meets by less than this."""


def read_thresholds(path: Path | None = None) -> tuple[Threshold, ...]:
    """Read thresholds from a YAML file, or the default ones.

    The file holds a list of entries with ``line`` (``<section>.<name>``), one or more of ``max``, ``min`` and
    ``max_over_chance``, and, where wanted, ``settings`` and ``why``.

    Raises:
        InputError: The file is missing or no YAML, or an entry is not of this form; the message names entry and key.
    """
    shown: object = DEFAULT_THRESHOLDS if path is None else path
    data = files(__package__).joinpath(DEFAULT_THRESHOLDS).read_bytes() if path is None else read_bytes(path)
    try:
        entries = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"is no readable YAML: {error}", file=shown) from None
    if not isinstance(entries, list) or not entries:
        raise InputError("holds no list of entries with the key 'line'", file=shown)
    return tuple(_Entry(shown, index, entry).threshold() for index, entry in enumerate(entries, start=1))


@dataclass(frozen=True)
class _Entry:
    """One entry of a threshold file, and where it stands."""

    file: object
    number: int
    values: Any

    def threshold(self) -> Threshold:
        """Return the entry as a record."""
        if not isinstance(self.values, dict):
            raise self._error("is no mapping with the key 'line'", None)
        unknown = [key for key in self.values if key not in _KEYS]
        if unknown:
            raise self._error(f"unknown key; there are: {', '.join(_KEYS)}", str(unknown[0]))
        bounds = {key: self._number(key) for key in _BOUNDS if key in self.values}
        if not bounds:
            raise self._error(f"needs a bound: {', '.join(_BOUNDS)}", None)
        return Threshold(line=self._line(), settings=self._settings(), why=self._text("why", ""), **bounds)

    def _line(self) -> str:
        line = self._text("line", None)
        section, _, name = line.partition(".")
        if section not in get_args(SectionName) or not name:
            known = ", ".join(get_args(SectionName))
            raise self._error(f"{line!r} is no '<section>.<name>'; sections: {known}", "line")
        return line

    def _text(self, key: str, default: str | None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self._error("text is needed", key)
        return value

    def _number(self, key: str) -> float:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._error(f"{value!r} is no number", key)
        return float(value)

    def _settings(self) -> tuple[str, ...]:
        value = self.values.get("settings", [])
        known = (*SETTINGS, ALL)
        if not isinstance(value, list) or any(name not in known for name in value):
            raise self._error(f"a list is needed of: {', '.join(known)}", "settings")
        return tuple(value)

    def _error(self, problem: str, key: str | None) -> InputError:
        return InputError(problem, file=self.file, record=f"entry {self.number}", field=key)


def judge(thresholds: Sequence[Threshold], lines: Sequence[Line], subject: Subject) -> tuple[Verdict, ...]:
    """Hold lines against thresholds, one verdict a threshold and group.

    A threshold speaks of its ``settings`` where it names some, else of every setting of the subject, and of ``all``
    where the line has such a group. A line that is missing fails, unless it needs training instances and
    there are none.
    """
    known = {(line.key, line.group): line for line in lines}
    verdicts: list[Verdict] = []
    for threshold in thresholds:
        if threshold.line in _SKIPPED_WITHOUT_TRAINING and not subject.train:
            verdicts += [
                Verdict(_absent(threshold, group), threshold, None, "no train split")
                for group in _groups(threshold, known, subject)
            ]
        else:
            verdicts += [
                _verdict(threshold, known.get((threshold.line, group)) or _absent(threshold, group))
                for group in _groups(threshold, known, subject)
            ]
    return tuple(verdicts)


def _groups(threshold: Threshold, known: Mapping[tuple[str, str], Line], subject: Subject) -> list[str]:
    settings = [name for name in subject.settings if not threshold.settings or name in threshold.settings]
    united = ALL in threshold.settings if threshold.settings else (threshold.line, ALL) in known
    if united and not threshold.settings and not any((threshold.line, name) in known for name in settings):
        return [ALL]
    return [*settings, ALL] if united else [*settings]


def _absent(threshold: Threshold, group: str) -> Line:
    section, _, name = threshold.line.partition(".")
    return Line(section, name, group, None, "share", 0)


def _verdict(threshold: Threshold, line: Line) -> Verdict:
    if line.value is None:
        return Verdict(line, threshold, False, NOT_MEASURED)
    if threshold.max_over_chance is not None and line.chance is None:
        return Verdict(line, threshold, False, "its chance is not known")
    upper = [threshold.max] if threshold.max is not None else []
    if threshold.max_over_chance is not None and line.chance is not None:
        upper.append(line.chance + threshold.max_over_chance)
    low_enough = all(line.value <= bound + _ROUNDING for bound in upper)
    high_enough = threshold.min is None or line.value >= threshold.min - _ROUNDING
    return Verdict(line, threshold, low_enough and high_enough)
