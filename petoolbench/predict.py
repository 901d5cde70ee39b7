"""Instances → predictions, in a run folder that an interrupted run goes on from.

A run folder holds ``manifest.json``, which says what was asked of whom, and ``predictions.jsonl``, to which
predictions are only ever appended.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .answering import Answerer
from .errors import InputError, OutputError
from .files import content_hash, file_hash, json_text, read_json, write_text
from .folders import PACKAGE_NAME, DatasetFolder
from .schema import Instance, Prediction
from .version import VERSION

MANIFEST = "manifest.json"
PREDICTIONS = "predictions.jsonl"
_BLOCK = 64


@dataclass(frozen=True)
class RunSpec:
    """What was asked of whom; a run is only gone on with under the same spec.

    ``fingerprint`` stands for the data's bytes, so the folder may move. ``history`` false hides the histories,
    ``max_interactions`` shows only so many of the latest, ``limit`` takes only so many of the first instances.
    ``ranker`` and ``shortlist`` are hashes of a trained ranker's file and of a shortlist that replaced the candidates;
    ``top_k`` and ``abstain_below`` are a ranker's.
    """

    config: str
    split: str
    fingerprint: str
    instances: int
    agent: str
    seed: int = 0
    history: bool = True
    max_interactions: int | None = None
    limit: int | None = None
    ranker: str | None = None
    top_k: int | None = None
    abstain_below: float | None = None
    shortlist: str | None = None


@dataclass(frozen=True)
class Run:
    """A run folder as it was read."""

    folder: Path
    spec: RunSpec
    source: str
    oracle: bool
    predictions: dict[str, Prediction]

    @property
    def name(self) -> str:
        """The folder's own name, by which reports call the run."""
        return self.folder.name


def run_spec(
    data: DatasetFolder,
    config: str,
    split: str,
    agent: str,
    *,
    seed: int = 0,
    history: bool = True,
    max_interactions: int | None = None,
    limit: int | None = None,
    ranker: Path | None = None,
    top_k: int | None = None,
    abstain_below: float | None = None,
    shortlist: Mapping[str, Sequence[str]] | None = None,
) -> RunSpec:
    """Return the spec of a run over a data set.

    Raises:
        InputError: There is no such config or split, or no such ranker file.
    """
    count = data.count(config, split)
    return RunSpec(
        config=config,
        split=split,
        fingerprint=data.fingerprint(config, split),
        instances=count if limit is None else min(limit, count),
        agent=agent,
        seed=seed,
        history=history,
        max_interactions=max_interactions,
        limit=limit,
        ranker=file_hash(ranker) if ranker is not None else None,
        top_k=top_k,
        abstain_below=abstain_below,
        shortlist=content_hash(sorted(shortlist.items())) if shortlist is not None else None,
    )


def predict(
    data: DatasetFolder,
    source: str,
    spec: RunSpec,
    answerer: Answerer,
    folder: Path,
    shortlist: Mapping[str, Sequence[str]] | None = None,
    progress: Callable[[Iterable[Instance], int], Iterable[Instance]] = lambda instances, total: instances,
) -> int:
    """Let somebody answer every instance that the run folder has no answer for yet.

    Args:
        data: The data set that ``spec`` speaks of.
        source: How the user named it; a local folder is kept as an absolute path.
        spec: What to do.
        answerer: Who answers.
        folder: The run folder, new or of an interrupted run of the same spec.
        shortlist: The names of the candidates to show, by the instance's id; all others are hidden.
        progress: Wraps the instances to show progress; it is told how many are left.

    Returns:
        How many answers were added.

    Raises:
        InputError: The shortlist speaks of other instances.
        OutputError: The folder holds something else, or a run of another spec; the message says what differs.
    """
    instances = islice(data.instances(spec.config, spec.split), spec.limit)
    first = next(instances, None)
    if shortlist is not None and first is not None:
        _check_shortlist(first, spec, shortlist)
    done = _open_run(folder, spec, source, answerer)
    left = (entry for entry in _chained(first, instances) if entry.id not in done)
    shown = (visible(entry, spec, shortlist) for entry in progress(left, spec.instances - len(done)))
    added = 0
    try:
        with (folder / PREDICTIONS).open("a", encoding="utf-8") as file:
            while block := list(islice(shown, _BLOCK)):
                for prediction in answerer.answers(block):
                    file.write(json_text(prediction.model_dump(mode="json", exclude_none=True)) + "\n")
                file.flush()
                added += len(block)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return added


def visible(instance: Instance, spec: RunSpec, shortlist: Mapping[str, Sequence[str]] | None = None) -> Instance:
    """Return the instance with the history cut to what the spec shows, and the candidates to the shortlist.

    Raises:
        InputError: The instance is not in the shortlist, or none of its candidates is.
    """
    shown = instance.history if spec.history else ()
    if spec.max_interactions is not None:
        shown = shown[max(0, len(shown) - spec.max_interactions) :]
    candidates = instance.candidates
    if shortlist is not None:
        candidates = tuple(tool for tool in candidates if tool.name in shortlist.get(instance.id, ()))
        if not candidates:
            raise InputError("has no candidate in the shortlist; make it on the same data", record=instance.id)
    if shown == instance.history and candidates == instance.candidates:
        return instance
    return instance.model_copy(update={"history": shown, "candidates": candidates})


def _check_shortlist(first: Instance, spec: RunSpec, shortlist: Mapping[str, Sequence[str]]) -> None:
    """Refuse a shortlist of other data or of a shorter run before a run folder is made."""
    visible(first, spec, shortlist)
    if len(shortlist) < spec.instances:
        raise InputError(
            f"the shortlist speaks of {len(shortlist)} instances, {spec.instances} are asked for; "
            "finish the ranker's run, or pass its --limit"
        )


def read_shortlist(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the shortlists that a ranker's run holds, by the instance's id.

    Raises:
        InputError: The folder is no run folder, or its answers hold no shortlists.
    """
    run = read_run(folder)
    found = {entry.id: entry.shortlist for entry in run.predictions.values() if entry.shortlist}
    if not found:
        raise InputError("holds no shortlists; run predict --agent ranker with --top-k", file=folder)
    return found


def read_run(folder: Path) -> Run:
    """Read a run folder; an answer that was cut off while it was written counts as not given.

    Raises:
        InputError: The folder is no run folder, or its files are damaged.
    """
    if not folder.is_dir():
        raise InputError("no such run folder", file=folder)
    if not (folder / MANIFEST).is_file():
        raise InputError(f"is no run folder: it holds no {MANIFEST}", file=folder)
    manifest = read_json(folder / MANIFEST)
    try:
        spec = RunSpec(**manifest["spec"])
        source, oracle = str(manifest["source"]), bool(manifest["oracle"])
    except (KeyError, TypeError):
        raise InputError("is no manifest of this version of petoolbench", file=folder / MANIFEST) from None
    predictions = {entry.id: entry for entry in _read_predictions(folder / PREDICTIONS)}
    return Run(folder, spec, source, oracle, predictions)


def _chained(first: Instance | None, rest: Iterable[Instance]) -> Iterator[Instance]:
    if first is not None:
        yield first
        yield from rest


def _open_run(folder: Path, spec: RunSpec, source: str, answerer: Answerer) -> set[str]:
    """Make the run folder, or check that it holds this run; return the ids that are answered."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    if (folder / MANIFEST).is_file():
        run = read_run(folder)
        _refuse_another(run.spec, spec, folder)
        _drop_cut_line(folder / PREDICTIONS)
        return set(run.predictions)
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty and holds no {MANIFEST}; choose another folder")
    write_text(folder / MANIFEST, json.dumps(_manifest(spec, source, answerer), indent=2) + "\n")
    return set()


def _manifest(spec: RunSpec, source: str, answerer: Answerer) -> dict[str, Any]:
    local = Path(source)
    known = str(local.resolve()) if source.rstrip("/") != PACKAGE_NAME and local.exists() else source
    packages = ("datasets", "numpy", "pyarrow", "pydantic")
    return {
        "spec": asdict(spec),
        "source": known,
        "oracle": answerer.oracle,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "petoolbench": VERSION,
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
    }


def _refuse_another(found: RunSpec, wanted: RunSpec, folder: Path) -> None:
    for entry in fields(RunSpec):
        there, here = getattr(found, entry.name), getattr(wanted, entry.name)
        if there != here:
            raise OutputError(
                f"{folder}: holds a run of another {entry.name} ({there} there, {here} here); choose another folder"
            )


def _read_predictions(path: Path) -> Iterator[Prediction]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield Prediction.model_validate_json(line)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].lower()
                raise InputError(f"is no prediction: {reason}", file=path, record=f"in line {number}") from None


def _drop_cut_line(path: Path) -> None:
    """Cut away an answer that an interrupted run left half-written at the end."""
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with path.open("r+b") as file:
                file.truncate(whole)
