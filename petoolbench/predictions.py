"""``predictions.jsonl``: answers appended as they come, brought into the order of the data at the end.

Where an id stands on several lines, the last one counts. Ids are held in memory, answers are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError

from .errors import InputError, OutputError
from .files import json_text, replaced
from .schema import Prediction

PREDICTIONS = "predictions.jsonl"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Tally:
    """What a file of answers holds: counts of instances, tokens as far as they are known, and one of its errors."""

    answered: int = 0
    unscored: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    example: str | None = None


class _Line(NamedTuple):
    """Where the answer to an id stands in its file, in bytes."""

    start: int
    length: int


class PredictionLog:
    """Appends answers to a file, each at once in full, so that a kill loses only what nobody has answered yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> PredictionLog:
        try:
            self._file = self._path.open("ab")
        except OSError as error:
            raise _unwritable(self._path, error) from None
        return self

    def append(self, prediction: Prediction) -> None:
        """Add a line and hand it to the system.

        Raises:
            OutputError: The file cannot be written.
        """
        line = json_text(prediction.model_dump(mode="json", exclude_none=True)) + "\n"
        try:
            self._file.write(line.encode("utf-8", "replace"))
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Yield the answers in a file as they stand; one that was cut off at the end counts as not given.

    Raises:
        InputError: A line is no prediction.
    """
    for _, prediction in _lines(path):
        yield prediction


def read_standing(path: Path) -> dict[str, bool]:
    """Return, for every id in a file, whether it has an answer that can be scored; no file holds none."""
    return {prediction.id: prediction.error is None for prediction in read_predictions(path)}


def tally(path: Path) -> Tally:
    """Count what a file holds."""
    seen: dict[str, tuple[int, int, bool]] = {}
    example = None
    for entry in read_predictions(path):
        seen[entry.id] = (entry.prompt_tokens or 0, entry.completion_tokens or 0, entry.error is None)
        example = example or entry.error
    unscored = sum(not scored for *_, scored in seen.values())
    return Tally(
        answered=len(seen) - unscored,
        unscored=unscored,
        prompt_tokens=sum(prompt for prompt, *_ in seen.values()),
        completion_tokens=sum(completion for _, completion, _ in seen.values()),
        example=example if unscored else None,
    )


def put_in_order(path: Path, ids: Iterable[str]) -> None:
    """Leave one line an id, the last one, in the order of ``ids``; a file in that order is not touched.

    Raises:
        OutputError: The file cannot be written.
    """
    index: dict[str, _Line] = {}
    repeated = False
    for line, prediction in _lines(path):
        repeated = repeated or prediction.id in index
        index[prediction.id] = line
    known = [key for key in ids if key in index]
    order = [*known, *(index.keys() - set(known))]
    if repeated or order != list(index):
        with path.open("rb") as source, replaced(path) as file:
            for key in order:
                file.write(_at(source, index[key]))


def drop_cut_line(path: Path) -> None:
    """Cut away an answer that an interrupted run left half-written at the end."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - _BLOCK)
            place = _at(file, _Line(start, end - start)).rfind(b"\n")
            if place >= 0:
                file.truncate(start + place + 1)
                return
            end = start
        file.truncate(0)


def _at(file: BinaryIO, line: _Line) -> bytes:
    file.seek(line.start)
    return file.read(line.length)


def _lines(path: Path) -> Iterator[tuple[_Line, Prediction]]:
    if not path.exists():
        return
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _Line(start, len(line)), Prediction.model_validate_json(line)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].lower()
                raise InputError(f"is no prediction: {reason}", file=path, record=f"in line {number}") from None
            start += len(line)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")
