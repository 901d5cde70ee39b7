"""Reports of petoolbench → what a card says of a model: which runs were its own, on which data, beside which others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from petoolbench.errors import InputError
from petoolbench.files import read_json
from petoolbench.folders import DatasetFolder
from petoolbench.leaderboard.records import Group, Part, Summary
from petoolbench.schema import ERROR_TYPES
from petoolbench.scoring import SCORING_VERSION

_KINDS = (*ERROR_TYPES, "correct")
_ACCURACIES = ("tool_accuracy", "param_accuracy", "joint_accuracy")


class CardPart(Part):
    """A run's figures in one setting or in all, none of which may be missing; ``errors`` are shares from 0 to 1."""

    errors: dict[str, float]
    functionalities: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_whole(self) -> CardPart:
        missing = [kind for kind in _KINDS if kind not in self.errors]
        missing += [name for name in _ACCURACIES if getattr(self, name).value is None]
        if missing:
            raise ValueError(f"has no {missing[0]}")
        return self


class CardRun(Summary):
    """A run's summary, as ``scores-<mode>.json`` and ``report.json`` hold it, with all that a card shows."""

    settings: dict[Group, CardPart] = Field(min_length=1)  # type: ignore[assignment]

    @property
    def widest(self) -> CardPart:
        """The figures over all settings, or those of the only one."""
        return list(self.settings.values())[-1]

    @property
    def shown_agent(self) -> str:
        """Who answered, as the run calls it, without the folders of a machine."""
        model = (self.spec.model_extra or {}).get("model")
        names = [model.get(key) for key in ("adapter", "name")] if isinstance(model, dict) else []
        text = self.agent
        for name in filter(None, names):
            place = str(name).removeprefix("hf:")
            if Path(place).is_absolute():
                text = text.replace(place, "/".join(Path(place).parts[-2:]))
        return text

    @property
    def weights(self) -> str | None:
        """The adapter that answered, or else the model, as the user named it; None: no language model did."""
        model = (self.spec.model_extra or {}).get("model")
        if not isinstance(model, dict):
            return None
        adapter = model.get("adapter")
        return str(adapter) if adapter else str(model.get("name", "")).partition(":")[2]

    @property
    def restrictions(self) -> dict[str, Any]:
        """Whatever makes this another task than answering every instance with all of its history."""
        shortened = {key: value for key, value in self.spec.said().items() if key in _RESTRICTIONS}
        return shortened if self.spec.history else {"history": False, **shortened}

    @property
    def asked(self) -> dict[str, Any]:
        """How a language model was asked: style, window, temperature and so on, as the run's spec calls them."""
        return {key: value for key, value in self.spec.said().items() if key in _ASKED}


_RESTRICTIONS = ("max_interactions", "limit", "ids", "shortlist")
_ASKED = ("style", "window", "max_new_tokens", "temperature", "guided", "seed")


@dataclass(frozen=True)
class Source:
    """A data set that reports may speak of: its name in cards, and its folder."""

    name: str
    folder: DatasetFolder

    def holds(self, config: str, split: str, fingerprint: str) -> bool:
        """Whether it has that very split."""
        return split in self.folder.files.get(config, {}) and self.folder.fingerprint(config, split) == fingerprint


@dataclass(frozen=True)
class Tested:
    """One test of a model: its run, the data's name, and the other runs of the report on the same instances."""

    run: CardRun
    data: str
    others: tuple[CardRun, ...]


def read_reports(paths: Sequence[Path]) -> list[list[CardRun]]:
    """Read ``report.json`` files, folders that hold one, and ``scores-<mode>.json`` files.

    Returns:
        The runs of each.

    Raises:
        InputError: One is no report, lacks a number that a card shows, or is of another scoring version.
    """
    return [_read(path / "report.json" if path.is_dir() else path) for path in paths]


def _read(path: Path) -> list[CardRun]:
    value = read_json(path)
    if not isinstance(value, dict) or not ("runs" in value or "settings" in value):
        raise InputError("is no report: give a report.json or a scores-strict.json of petoolbench", file=path)
    entries = value.get("runs", [value])
    if not isinstance(entries, list) or not entries:
        raise InputError("holds no run", file=path)
    runs = [_checked(entry, path, number) for number, entry in enumerate(entries)]
    for run in runs:
        if run.scoring_version != SCORING_VERSION:
            raise InputError(
                f"{run.name!r} was scored with scoring version {run.scoring_version}, this is {SCORING_VERSION}; "
                "make the report anew",
                file=path,
            )
    return runs


def _checked(value: Any, path: Path, number: int) -> CardRun:
    try:
        return CardRun.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or None
        problem = str(first["msg"]).removeprefix("Value error, ").lower()
        raise InputError(
            f"{problem}; a card needs it, so make the report anew", file=path, record=number, field=field
        ) from None


def own_tests(
    reports: Sequence[Sequence[CardRun]], folder: Path, repository: str, named: Sequence[str], sources: Sequence[Source]
) -> list[Tested]:
    """Return the tests of a model, each with the data that it was made on.

    Args:
        reports: The runs of each report.
        folder: The adapter's own folder; a run of it is the model's, one of a checkpoint beside it is not.
        repository: Its name on the Hub; a run of it is its own too.
        named: Names of runs that are its own though their weights lay elsewhere then.
        sources: The data sets that tests may be of.

    Raises:
        InputError: There is no test of it, or one is of data that is not among the sources.
    """
    every = [run for runs in reports for run in runs]
    missing = [name for name in named if not any(run.name == name and run.weights for run in every)]
    if missing:
        raise InputError(f"--run {missing[0]}: no report holds a run of that name by a language model")
    found = []
    for runs in reports:
        own = [run for run in runs if run.name in named or _is_of(run, folder, repository)]
        found += [Tested(run, _data_of(run, sources), _beside(run, runs, own)) for run in own]
    if not found:
        seen = ", ".join(f"{run.name} ({run.weights or 'no model'})" for run in every)
        raise InputError(f"no report holds a run of this adapter, only {seen}; say which it is with --run", file=folder)
    return found


def _is_of(run: CardRun, folder: Path, repository: str) -> bool:
    if not run.weights:
        return False
    place = Path(run.weights).expanduser().resolve()
    return run.weights == repository or place == folder.resolve()


def _data_of(run: CardRun, sources: Iterable[Source]) -> str:
    spec = run.spec
    for source in sources:
        if source.holds(spec.config, spec.split, spec.fingerprint):
            return source.name
    known = ", ".join(source.name for source in sources) or "no data set"
    raise InputError(
        f"the report's run {run.name!r} was made on other data ({spec.config}/{spec.split}, fingerprint "
        f"{spec.fingerprint}) than {known} holds; name that data with --data"
    )


def _beside(run: CardRun, runs: Sequence[CardRun], own: Sequence[CardRun]) -> tuple[CardRun, ...]:
    """Return the other runs on the very instances that ``run`` was asked, the best first."""
    same = [
        other for other in runs if other is not run and other.mode == run.mode and _instances(other) == _instances(run)
    ]
    return tuple(sorted(same, key=lambda other: -(other.widest.tool_accuracy.value or 0.0)))


def _instances(run: CardRun) -> tuple[Any, ...]:
    spec = run.spec
    return (spec.config, spec.split, spec.fingerprint, spec.limit, spec.ids)
