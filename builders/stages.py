"""Files of records, one a stage: written line by line, taken up where a killed run left them, complete by a rename."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from petoolbench.errors import InputError
from petoolbench.files import write_text
from petoolbench.schema import Record

_R = TypeVar("_R", bound=Record)


class StageFile(Generic[_R]):
    """A JSON Lines file of records of one kind.

    Args:
        path: The complete file; while it is written it is called ``<path>.part``.
        form: The records' class.
    """

    def __init__(self, path: Path, form: type[_R]) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._form = form

    @property
    def complete(self) -> bool:
        """Whether the stage has finished."""
        return self.path.exists()

    def read(self) -> list[_R]:
        """Return the records of the complete file.

        Raises:
            InputError: A line is damaged.
        """
        return list(_records(self.path, self._form))

    def write(self, records: Iterable[_R]) -> None:
        """Write a whole file at once."""
        write_text(self.path, "".join(record.model_dump_json() + "\n" for record in records))

    def begun(self) -> list[_R]:
        """Return what an earlier, killed run has written; a line that it cut off is removed."""
        if not self._part.exists():
            return []
        data = self._part.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with self._part.open("r+b") as file:
                file.truncate(len(whole))
        return list(_records(self._part, self._form))

    def append(self, records: Iterator[_R]) -> Iterator[_R]:
        """Write records as they come, yield each, and give the file its name at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("a", encoding="utf-8") as file:
            for record in records:
                file.write(record.model_dump_json() + "\n")
                yield record
            file.flush()
            os.fsync(file.fileno())
        self._part.replace(self.path)


def _records(path: Path, form: type[_R]) -> Iterator[_R]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield form.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"])) or None
                raise InputError(f"{first['msg']}; delete the file", file=path, record=number, field=field) from None


def resumed(
    file: StageFile[_R],
    keys: Sequence[str],
    key: Callable[[_R], str],
    make: Callable[[Sequence[str]], Iterator[_R]],
) -> list[_R]:
    """Return the records of a stage, from its file, or from where a killed run left it.

    Args:
        file: The stage's file.
        keys: The records wanted, in order.
        key: The key of a record.
        make: Makes the records of keys; it may leave some out (and counts why), but keeps their order.
    """
    if file.complete:
        return file.read()
    found = file.begun()
    last = key(found[-1]) if found else None
    rest = keys[keys.index(last) + 1 :] if last is not None else keys
    return [*found, *file.append(make(rest))]


@dataclass(frozen=True)
class StageCounts:
    """How many records a stage took in and let out, and how many it dropped, by reason."""

    entered: int
    left: int
    dropped: dict[str, int]


class Funnel:
    """The counts of every stage, in order."""

    def __init__(self) -> None:
        self.stages: dict[str, StageCounts] = {}

    def count(self, stage: str, entered: int, left: int, dropped: Counter[str]) -> None:
        """Note what a stage did. Reasons are known in the run that drops; a stage read from its file has 'earlier'."""
        reasons = {reason: count for reason, count in sorted(dropped.items()) if count}
        unknown = entered - left - sum(reasons.values())
        if unknown:
            reasons["dropped in an earlier run"] = unknown
        self.stages[stage] = StageCounts(entered, left, reasons)
