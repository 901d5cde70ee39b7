"""Run folders, folders of them, and reports → the scored runs of a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from ..files import read_json
from ..predictions import PREDICTIONS
from ..report import REPORT_JSON
from ..results import score_run, summarise
from ..runs import MANIFEST, Run, read_run
from ..schema import Instance, ScoringMode
from ..scoring import SCORING_VERSION
from .places import Places
from .records import Entry, Spec, Summary

Progress = Callable[[Iterable[Instance], int], Iterable[Instance]]


def read_entries(
    paths: Sequence[Path],
    mode: ScoringMode,
    places: Places,
    progress: Progress = lambda instances, total: instances,
) -> list[Entry]:
    """Read the scored runs that ``paths`` name; each run counts once, however often it is named.

    Args:
        paths: Run folders, folders that hold such at any depth, reports' folders, or their ``report.json`` files.
        mode: The scoring mode. A run without scores of it, or with older ones than its answers, is scored here.
        places: Where data may be.
        progress: Wraps the instances that are scored.

    Raises:
        InputError: There is no run, or one is damaged, of another mode or scoring version, or lacks its data.
    """
    entries: list[Entry] = []
    runs: dict[Path, None] = {}
    for path in paths:
        if path.is_dir() and not (path / REPORT_JSON).is_file():
            runs |= dict.fromkeys(_run_folders(path))
        else:
            entries += _report_entries(path / REPORT_JSON if path.is_dir() else path, mode)
    entries += [_run_entry(folder, mode, places, progress) for folder in runs]
    return list({_identity(entry.summary): entry for entry in entries}.values())


def _run_folders(path: Path) -> list[Path]:
    """Return the run folders at or below ``path``; what lies in a run folder or a hidden one is not searched."""
    found: list[Path] = []
    seen: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        if (folder / MANIFEST).is_file():
            found.append(folder)
        else:
            waiting += _folders_in(folder)
    if not found:
        raise InputError(
            f"holds no run folder (one with a {MANIFEST}) and no {REPORT_JSON}; make one with predict", file=path
        )
    return sorted(found)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [child.resolve() for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=folder) from None


def _run_entry(folder: Path, mode: ScoringMode, places: Places, progress: Progress) -> Entry:
    run = read_run(folder)
    summary = _kept_scores(run, mode)
    if summary is None:
        scored = score_run(folder, mode, places.holding(_spec(run)), progress)
        summary = _checked(summarise(scored), folder)
    return Entry(summary.model_copy(update={"name": run.name}), folder, run.source)


def _kept_scores(run: Run, mode: ScoringMode) -> Summary | None:
    """Return what ``petoolbench score`` wrote, if it is of these answers and of this scoring version."""
    path = run.folder / f"scores-{mode}.json"
    answers = run.folder / PREDICTIONS
    if not path.is_file() or (answers.is_file() and answers.stat().st_mtime_ns > path.stat().st_mtime_ns):
        return None
    summary = _checked(read_json(path), path)
    current = summary.scoring_version == SCORING_VERSION and summary.mode == mode
    return summary if current and summary.spec.said() == _spec(run).said() else None


def _spec(run: Run) -> Spec:
    return Spec.model_validate(asdict(run.spec))


def _report_entries(path: Path, mode: ScoringMode) -> list[Entry]:
    report = read_json(path)
    if not isinstance(report, dict) or not isinstance(report.get("runs"), list):
        raise InputError("is no report.json: it has no list 'runs'; name run folders or reports", file=path)
    if not report["runs"]:
        raise InputError("holds no run", file=path)
    summaries = [_checked(entry, path, number) for number, entry in enumerate(report["runs"])]
    names = [summary.name for summary in summaries]
    for number, summary in enumerate(summaries):
        _refuse_other_scores(summary, mode, path)
        if summary.name in names[:number]:
            raise InputError(f"two of its runs are called {summary.name!r}", file=path, record=number)
    return [Entry(summary, path.resolve()) for summary in summaries]


def _refuse_other_scores(summary: Summary, mode: ScoringMode, path: Path) -> None:
    if summary.scoring_version != SCORING_VERSION:
        raise InputError(
            f"{summary.name!r} was scored with scoring version {summary.scoring_version}, this is {SCORING_VERSION}; "
            "make the report anew",
            file=path,
        )
    if summary.mode != mode:
        raise InputError(
            f"{summary.name!r} was scored in mode {summary.mode}, not {mode}; pass --mode {summary.mode}, "
            "or make the report anew",
            file=path,
        )


def _checked(value: Any, path: Path, record: int | None = None) -> Summary:
    try:
        return Summary.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or None
        raise InputError(f"is no summary of a run: {first['msg']}", file=path, record=record, field=field) from None


def _identity(summary: Summary) -> tuple[Any, ...]:
    """Return what two readings of one run have in common, whichever release wrote them down."""
    figures = summary.model_dump_json(include={"name", "agent", "oracle", "settings"})
    return figures, tuple(sorted((name, repr(value)) for name, value in summary.spec.said().items()))
