"""Values of instances → lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from ..schema import Instance
from ..statistics import share_estimate
from .records import Line, SectionName, Unit


class Sheet:
    """The lines of one section and one group of instances, in the order in which they are written."""

    def __init__(self, section: SectionName, group: str, instances: Sequence[Instance]) -> None:
        self.lines: list[Line] = []
        self._section = section
        self._group = group
        self._instances = instances

    def share(
        self,
        name: str,
        values: Iterable[float | None],
        chances: Iterable[float | None] | None = None,
        note: str = "",
    ) -> None:
        """Write the average of one value from 0 to 1 an instance, with its clustered interval.

        Args:
            name: The line's name.
            values: In the order of the instances; None leaves an instance out. Over none, no line is written.
            chances: What a blind guess reaches on each instance.
            note: What a reader has to know.
        """
        counted = [(v, entry.functionality) for v, entry in zip(values, self._instances, strict=True) if v is not None]
        if not counted:
            return
        found = share_estimate([value for value, _ in counted], [cluster for _, cluster in counted])
        known = [chance for chance in chances or () if chance is not None]
        self._write(name, found.value, "share", found.n, found.low, found.high, fmean(known) if known else None, note)

    def ratio(self, name: str, value: float, note: str = "") -> None:
        """Write a share, from 0 to 1, of other things than instances; it has no interval."""
        self._write(name, value, "share", len(self._instances), note=note)

    def mean(self, name: str, values: Iterable[float | None], note: str = "") -> None:
        """Write an average of values of any size; None leaves an instance out."""
        counted = [value for value in values if value is not None]
        if counted:
            self._write(name, fmean(counted), "mean", len(counted), note=note)

    def count(self, name: str, value: int, note: str = "") -> None:
        """Write a number of things."""
        self._write(name, value, "count", len(self._instances), note=note)

    def number(self, name: str, value: float, note: str = "") -> None:
        """Write a figure that is no average."""
        self._write(name, value, "number", len(self._instances), note=note)

    def p_value(self, name: str, value: float, note: str = "") -> None:
        """Write the p-value of a test."""
        self._write(name, value, "p", len(self._instances), note=note)

    def _write(
        self,
        name: str,
        value: float | None,
        unit: Unit,
        n: int,
        low: float | None = None,
        high: float | None = None,
        chance: float | None = None,
        note: str = "",
    ) -> None:
        self.lines.append(Line(self._section, name, self._group, value, unit, n, low, high, chance, note))
