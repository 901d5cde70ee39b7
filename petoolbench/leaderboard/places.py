"""Where the data of runs may be, and what that data is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import metadata_load

from ..errors import InputError
from ..folders import ALL_CONFIG, CARD, PACKAGE_NAME, DatasetFolder, open_dataset
from .records import Spec

_OFFICIAL = "Official PEToolBench"


@dataclass(frozen=True)
class DataName:
    """What a data set is called; ``official`` says that it is (part of) the published test set."""

    title: str
    official: bool


@dataclass(frozen=True)
class Places:
    """What the user says of data.

    ``named`` are places, of which the shipped data is always one; ``official`` are hashes of data that is (part of) the
    published test set, for where that data is not at hand.
    """

    named: Sequence[str] = ()
    official: Sequence[str] = ()

    @cached_property
    def _opened(self) -> dict[str, DatasetFolder]:
        """The data sets, opened.

        Raises:
            InputError: A place holds no data set.
        """
        return {place: open_dataset(place) for place in (PACKAGE_NAME, *self.named)}

    def holding(self, spec: Spec) -> str | None:
        """Return the place that holds the data of a run, byte for byte."""
        return next((place for place, data in self._opened.items() if _holds(data, spec)), None)

    def name(self, spec: Spec, sources: Iterable[str | None]) -> DataName:
        """Say what the data of runs is called.

        Args:
            spec: Of one of the runs.
            sources: How the makers of the runs named it; only folders on this machine are opened.
        """
        if spec.fingerprint in self.official:
            return DataName(_title(_OFFICIAL, spec), True)
        known = [source for source in dict.fromkeys(sources) if source is not None]
        opened = {**self._opened, **_local(known)}
        for place, data in opened.items():
            if _holds(data, spec):
                official = _published(data, spec)
                return DataName(_title(_OFFICIAL if official else _card_name(place, data), spec), official)
        digits = spec.fingerprint[:8]
        return DataName(_title(f"{Path(known[0]).name} ({digits})" if known else f"Data {digits}", spec), False)


def _local(sources: Iterable[str]) -> dict[str, DatasetFolder]:
    found = {}
    for source in sources:
        if Path(source).is_dir():
            try:
                found[source] = open_dataset(source)
            except InputError:  # what lies there now is no data set: only its name is lost
                continue
    return found


def _holds(data: DatasetFolder, spec: Spec) -> bool:
    there = spec.split in data.files.get(spec.config, {})
    return there and data.fingerprint(spec.config, spec.split) == spec.fingerprint


def _published(data: DatasetFolder, spec: Spec) -> bool:
    first = next(data.instances(spec.config, spec.split), None)
    return spec.split == "test" and first is not None and first.published is not None


def _card_name(place: str, data: DatasetFolder) -> str:
    name = (metadata_load(data.path / CARD) or {}).get("pretty_name")
    return name if isinstance(name, str) and name.strip() else Path(place).name


def _title(name: str, spec: Spec) -> str:
    return f"{name} {spec.split}" + ("" if spec.config == ALL_CONFIG else f", {spec.config}")
