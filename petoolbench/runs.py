"""Run folders: ``manifest.json`` says what was asked of whom, ``predictions.jsonl`` holds the answers.

A run is only gone on with under the same spec. A folder without any answer is not yet a run: another one may take it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .answering import Answerer
from .errors import InputError, OutputError
from .files import read_json, write_text
from .folders import PACKAGE_NAME
from .models.hardware import git_commit, hardware, package_versions
from .models.settings import ModelSettings
from .predictions import PREDICTIONS, Tally, drop_cut_line, read_predictions, read_standing
from .schema import Prediction
from .version import VERSION

MANIFEST = "manifest.json"
_PACKAGES = ("datasets", "numpy", "pyarrow", "pydantic")


@dataclass(frozen=True)
class RunSpec:
    """What was asked of whom.

    ``fingerprint`` stands for the data's bytes, so the folder may move. ``history`` false hides the histories,
    ``max_interactions`` shows only so many of the latest, ``limit`` takes only so many of the first instances. ``ids``
    is the hash of the ids that alone were asked for. ``ranker`` and ``shortlist`` are hashes of a trained ranker's file
    and of a shortlist that replaced the candidates; ``top_k`` and ``abstain_below`` are a ranker's. ``model`` is a
    language model's, and ``prompts`` the hash of what it is asked, which another wording changes.
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
    ids: str | None = None
    ranker: str | None = None
    top_k: int | None = None
    abstain_below: float | None = None
    shortlist: str | None = None
    prompts: str | None = None
    model: ModelSettings | None = None


@dataclass(frozen=True)
class Manifest:
    """A run's manifest: its spec, where the data was, whether the agent was told the gold group, and the chosen ids."""

    spec: RunSpec
    source: str
    oracle: bool
    ids: frozenset[str] | None = None


@dataclass(frozen=True)
class Run:
    """A run folder as it was read."""

    folder: Path
    spec: RunSpec
    source: str
    oracle: bool
    predictions: dict[str, Prediction]
    ids: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The folder's own name, by which reports call the run."""
        return self.folder.name


def read_manifest(folder: Path) -> Manifest:
    """Read what a run folder says of itself.

    Raises:
        InputError: The folder is no run folder, or its manifest is damaged.
    """
    if not folder.is_dir():
        raise InputError("no such run folder", file=folder)
    if not (folder / MANIFEST).is_file():
        raise InputError(f"is no run folder: it holds no {MANIFEST}", file=folder)
    manifest = read_json(folder / MANIFEST)
    try:
        known = {**manifest["spec"]}
        known["model"] = ModelSettings(**known["model"]) if known.get("model") else None
        ids = manifest.get("ids")
        return Manifest(
            RunSpec(**known),
            str(manifest["source"]),
            bool(manifest["oracle"]),
            None if ids is None else frozenset(map(str, ids)),
        )
    except (AttributeError, KeyError, TypeError):
        raise InputError("is no manifest of this version of petoolbench", file=folder / MANIFEST) from None


def read_run(folder: Path) -> Run:
    """Read a run folder; an answer that was cut off while it was written counts as not given.

    Raises:
        InputError: The folder is no run folder, or its files are damaged.
    """
    manifest = read_manifest(folder)
    predictions = {entry.id: entry for entry in read_predictions(folder / PREDICTIONS)}
    return Run(folder, manifest.spec, manifest.source, manifest.oracle, predictions, manifest.ids)


def open_run(folder: Path, manifest: Manifest, answerer: Answerer) -> dict[str, bool]:
    """Make a run folder, or check that it holds this run.

    Returns:
        For every id that has an answer, whether it can be scored.

    Raises:
        InputError: The run in the folder is damaged.
        OutputError: The folder holds something else, or a run of another spec; the message says what differs.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    if (folder / MANIFEST).is_file():
        found = read_manifest(folder).spec
        standing = read_standing(folder / PREDICTIONS)
        if standing or _holds_more(folder):
            _refuse_another(found, manifest.spec, folder)
            drop_cut_line(folder / PREDICTIONS)
            return standing
    elif folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty and holds no {MANIFEST}; choose another folder")
    write_text(folder / MANIFEST, json.dumps(_manifest(manifest, answerer), indent=2) + "\n")
    return {}


def close_run(folder: Path, answerer: Answerer, found: Tally) -> None:
    """Add to the manifest what is known at the end: what the answerer says of itself now, and the counts.

    Raises:
        InputError: The manifest is damaged.
        OutputError: It cannot be written.
    """
    manifest = read_json(folder / MANIFEST)
    counts = {key: value for key, value in asdict(found).items() if key != "example"}
    told = {**manifest, "answerer": dict(answerer.described()), "answers": counts}
    if told != manifest:
        write_text(folder / MANIFEST, json.dumps(told, indent=2) + "\n")


def discard_run(folder: Path, existed: bool) -> None:
    """Take away a run that holds no answer that can be scored, and its folder if it was made for it.

    A folder that holds more, such as the state of a batch, is left as it is.
    """
    if not folder.is_dir() or _holds_more(folder):
        return
    for name in (PREDICTIONS, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    if not existed:
        folder.rmdir()


def _holds_more(folder: Path) -> bool:
    """Whether something besides the manifest and answers stands there, such as the state of a batch."""
    return any(path.name not in (MANIFEST, PREDICTIONS) for path in folder.iterdir())


def _manifest(manifest: Manifest, answerer: Answerer) -> dict[str, Any]:
    local = Path(manifest.source)
    is_folder = manifest.source.rstrip("/") != PACKAGE_NAME and local.exists()
    chosen = {} if manifest.ids is None else {"ids": sorted(manifest.ids)}
    return {
        "spec": asdict(manifest.spec),
        "source": str(local.resolve()) if is_folder else manifest.source,
        "oracle": manifest.oracle,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"petoolbench": VERSION, "python": platform.python_version(), **package_versions(_PACKAGES)},
        "git": git_commit(),
        "hardware": hardware(),
        "answerer": dict(answerer.described()),
        **chosen,
    }


def _refuse_another(found: RunSpec, wanted: RunSpec, folder: Path) -> None:
    there, here = _flat(found), _flat(wanted)
    names = [key for key in here if key in there and there[key] != here[key]]
    if names:
        differences = ", ".join(f"another {key} ({there[key]} there, {here[key]} here)" for key in names)
        raise OutputError(f"{folder}: holds a run of {differences}; choose another folder")


def _flat(spec: RunSpec) -> Mapping[str, Any]:
    """Return a spec's fields with those of its model beside them."""
    own = {entry.name: getattr(spec, entry.name) for entry in fields(spec) if entry.name != "model"}
    model = asdict(spec.model) if spec.model is not None else {}
    return {**own, **{key: value for key, value in model.items() if key != "name"}}
