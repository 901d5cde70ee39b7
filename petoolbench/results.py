"""Runs → scores → the numbers of one run: averages by setting and by what divides it, and what its answers took."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .analyses.breakdowns import averages, by_category, by_evidence, by_length, by_seen
from .analyses.calibration import calibration
from .analyses.comparison import compare
from .analyses.records import Judged, ScoredRun, grouped
from .analyses.usage import Prices, usage
from .errors import InputError, PEToolBenchError
from .files import content_hash, json_text, write_text
from .folders import open_dataset
from .names import split_tool_name
from .predict import chosen, visible
from .runs import Run, read_run
from .schema import Instance, Prediction, ScoringMode
from .scoring import SCORING_VERSION, score
from .statistics import Estimate
from .version import VERSION

__all__ = [
    "Judged",
    "Prices",
    "ScoredRun",
    "compare",
    "percent",
    "run_instances",
    "score_run",
    "score_runs",
    "summarise",
    "write_scores",
]

Progress = Callable[[Iterable[Instance], int], Iterable[Instance]]


def score_run(
    folder: Path,
    mode: ScoringMode = "strict",
    source: str | None = None,
    progress: Progress = lambda instances, total: instances,
) -> ScoredRun:
    """Judge the answers of a run folder; an instance without an answer is unscored.

    Args:
        folder: The run folder.
        mode: The scoring mode.
        source: Where the data is now, if not where the run's manifest says.
        progress: Wraps the instances to show progress.

    Raises:
        InputError: The run or its data is missing or damaged, or the data is not what the run was made on.
    """
    run = read_run(folder)
    judged = [_judge(instance, run, mode) for instance in progress(run_instances(run, source), run.spec.instances)]
    unknown = run.predictions.keys() - {entry.id for entry in judged}
    if unknown:
        raise InputError(f"answers instances that its data does not hold, such as {min(unknown)}", file=folder)
    return ScoredRun(run, mode, tuple(judged))


def score_runs(
    folders: Sequence[Path],
    mode: ScoringMode = "strict",
    source: str | None = None,
    progress: Progress = lambda instances, total: instances,
) -> list[ScoredRun]:
    """Judge runs that are to stand side by side; the arguments are those of ``score_run``.

    Raises:
        PEToolBenchError: Two runs have the same name, or one cannot be scored.
    """
    names = [folder.name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise PEToolBenchError(f"two runs are called {name!r}; rename one folder, runs are told apart by name")
    return [score_run(folder, mode, source, progress) for folder in folders]


def run_instances(run: Run, source: str | None = None) -> Iterable[Instance]:
    """Return the instances that a run was made on.

    Raises:
        InputError: The data is missing, or differs from what the run was made on.
    """
    spec, place = run.spec, source or run.source
    try:
        data = open_dataset(place)
        fingerprint = data.fingerprint(spec.config, spec.split)
    except InputError as error:
        raise InputError(f"the data of this run: {error}; say where it is with --data", file=run.folder) from None
    if fingerprint != spec.fingerprint:
        raise InputError(
            f"{place} holds other data than this run was made on ({fingerprint}, not {spec.fingerprint})",
            file=run.folder,
        )
    return chosen(data, spec, run.ids)


def _judge(instance: Instance, run: Run, mode: ScoringMode) -> Judged:
    prediction = run.predictions.get(instance.id) or Prediction(id=instance.id, error="not answered yet")
    wanted = len(visible(instance, run.spec).history)
    return Judged(
        id=instance.id,
        setting=instance.setting,
        functionality=instance.functionality,
        interactions=max(0, wanted - (prediction.dropped or 0)),
        evidence=instance.evidence,
        score=score(prediction, instance.reference, mode),
        seen=instance.functionality_seen,
        category=split_tool_name(instance.reference.name)[0],
        request=_request(instance),
    )


def _request(instance: Instance) -> str:
    """Return a name for what is asked, of which candidates, with which reference; the history has no part in it."""
    reference = instance.reference
    origin = [instance.provenance.source, instance.provenance.record]
    names = sorted(tool.name for tool in instance.candidates)
    return content_hash([*origin, instance.instruction, reference.name, reference.arguments, names])


def summarise(scored: ScoredRun, prices: Prices | None = None) -> dict[str, Any]:
    """Return the numbers of one run for ``scores-<mode>.json`` and ``report.json``.

    ``usage`` and ``calibration`` are there only where answers tell tokens, times or confidences.

    Args:
        scored: The run.
        prices: Adds what the tokens cost to ``usage``.
    """
    spec = scored.run.spec
    groups = grouped(scored.judged)
    answers = {name: scored.answers(members) for name, members in groups.items()}
    told: dict[str, dict[str, Any]] = {
        "usage": {name: usage(pairs, prices) for name, pairs in answers.items()},
        "calibration": {name: calibration(pairs) for name, pairs in answers.items()},
    }
    return {
        "name": scored.run.name,
        "agent": spec.agent,
        "oracle": scored.run.oracle,
        "mode": scored.mode,
        "scoring_version": SCORING_VERSION,
        "petoolbench": VERSION,
        "spec": asdict(spec),
        "settings": {name: averages(members) for name, members in groups.items()},
        "by_history_length": {name: by_length(members) for name, members in groups.items()},
        "by_evidence": {name: by_evidence(members) for name, members in groups.items()},
        "by_seen": {name: by_seen(members) for name, members in groups.items()},
        "by_category": {name: by_category(members) for name, members in groups.items()},
        **{name: parts for name, parts in told.items() if any(parts.values())},
    }


def write_scores(scored: ScoredRun, prices: Prices | None = None) -> dict[str, Any]:
    """Write ``scores-<mode>.json`` and, one judgement a line, ``scores-<mode>.jsonl`` into the run folder.

    Returns:
        The summary that the JSON file holds.

    Raises:
        OutputError: The run folder cannot be written.
    """
    summary = summarise(scored, prices)
    lines = [json_text(entry.score.model_dump(mode="json")) for entry in scored.judged]
    write_text(scored.run.folder / f"scores-{scored.mode}.jsonl", "\n".join(lines) + "\n")
    write_text(
        scored.run.folder / f"scores-{scored.mode}.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    )
    return summary


def percent(values: dict[str, Any] | Estimate) -> str:
    """Write an estimate as ``61.2 [55.0, 67.1]``, in per cent; a dash where there is none."""
    row = values if isinstance(values, dict) else asdict(values)
    if row["value"] is None:
        return "–"
    return f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
