"""Runs → scores → the numbers of a report: averages by setting, by history length and by evidence, and comparisons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from .errors import InputError
from .files import json_text, write_text
from .folders import open_dataset
from .predict import chosen, visible
from .runs import Run, RunSpec, read_run
from .schema import SETTINGS, Evidence, Instance, Prediction, Score, ScoringMode, Setting
from .scoring import SCORING_VERSION, score
from .statistics import METRICS, Estimate, error_shares, estimate, holm, paired_test
from .version import VERSION

COMPARED = ("tool_accuracy", "param_accuracy", "joint_accuracy")
LENGTH_BINS = ((0, 0), (1, 5), (6, 10), (11, 15), (16, 20), (21, None))
"""Numbers of shown interactions that are averaged together; the paper's histories hold at most 20."""


@dataclass(frozen=True)
class Judged:
    """One instance of a run: what averages are grouped by, and its score."""

    id: str
    setting: Setting
    functionality: str
    interactions: int
    evidence: Evidence | None
    score: Score


@dataclass(frozen=True)
class ScoredRun:
    """A run and the judgement of each of its instances, in the order of the data."""

    run: Run
    mode: ScoringMode
    judged: tuple[Judged, ...]


def score_run(
    folder: Path,
    mode: ScoringMode = "strict",
    source: str | None = None,
    progress: Callable[[Iterable[Instance], int], Iterable[Instance]] = lambda instances, total: instances,
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
    return Judged(
        id=instance.id,
        setting=instance.setting,
        functionality=instance.functionality,
        interactions=_shown(instance, run.spec),
        evidence=instance.evidence,
        score=score(prediction, instance.reference, mode),
    )


def _shown(instance: Instance, spec: RunSpec) -> int:
    return len(visible(instance, spec).history)


def summarise(scored: ScoredRun) -> dict[str, Any]:
    """Return the numbers of one run for ``scores-<mode>.json`` and ``report.json``."""
    spec = scored.run.spec
    settings = [setting for setting in SETTINGS if any(entry.setting == setting for entry in scored.judged)]
    groups: dict[str, list[Judged]] = {
        setting: [e for e in scored.judged if e.setting == setting] for setting in settings
    }
    if len(settings) > 1:
        groups["all"] = list(scored.judged)
    return {
        "name": scored.run.name,
        "agent": spec.agent,
        "oracle": scored.run.oracle,
        "mode": scored.mode,
        "scoring_version": SCORING_VERSION,
        "petoolbench": VERSION,
        "spec": asdict(spec),
        "settings": {name: _averages(members) for name, members in groups.items()},
        "by_history_length": {name: _by_length(members) for name, members in groups.items()},
        "by_evidence": {name: _by_evidence(members) for name, members in groups.items()},
    }


def _averages(members: Sequence[Judged]) -> dict[str, Any]:
    scores = [entry.score for entry in members]
    clusters = [entry.functionality for entry in members]
    calls = Counter(entry.score.calls > 1 for entry in members if entry.score.scored)
    return {
        "n": len(scores),
        "unscored": sum(not entry.scored for entry in scores),
        **{metric: asdict(estimate(scores, clusters, metric)) for metric in METRICS},
        "errors": error_shares(scores),
        "several_calls": calls[True],
        "functionalities": len(set(clusters)),
    }


def _tool_accuracy(members: Sequence[Judged]) -> dict[str, Any]:
    scores = [entry.score for entry in members]
    return asdict(estimate(scores, [entry.functionality for entry in members], "tool_accuracy"))


def _by_length(members: Sequence[Judged]) -> list[dict[str, Any]]:
    rows = []
    for low, high in LENGTH_BINS:
        inside = [e for e in members if low <= e.interactions and (high is None or e.interactions <= high)]
        if inside:
            rows.append({"from": low, "to": high, "tool_accuracy": _tool_accuracy(inside)})
    return rows


def _by_evidence(members: Sequence[Judged]) -> dict[str, Any]:
    kinds = sorted({entry.evidence for entry in members if entry.evidence is not None})
    return {kind: _tool_accuracy([e for e in members if e.evidence == kind]) for kind in kinds}


def compare(runs: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """Test every pair of runs on the instances that both answered, by setting, with Holm-adjusted p-values.

    Returns:
        One dict a pair, setting and metric: both names, ``n``, the difference with its interval, counts, p-values.
    """
    rows: list[dict[str, Any]] = []
    for first, second in combinations(runs, 2):
        others = {entry.id: entry for entry in second.judged}
        shared = [(entry, others[entry.id]) for entry in first.judged if entry.id in others]
        for setting in SETTINGS:
            pairs = [(a, b) for a, b in shared if a.setting == setting]
            if pairs:
                rows += [_comparison(first, second, setting, pairs, metric) for metric in COMPARED]
    for row, adjusted in zip(rows, holm([row["mcnemar_p"] for row in rows]), strict=True):
        row["mcnemar_p_holm"] = adjusted
    return rows


def _comparison(
    first: ScoredRun, second: ScoredRun, setting: str, pairs: list[tuple[Judged, Judged]], metric: str
) -> dict[str, Any]:
    test = paired_test(
        [a.score for a, _ in pairs], [b.score for _, b in pairs], [a.functionality for a, _ in pairs], metric
    )
    return {"a": first.run.name, "b": second.run.name, "setting": setting, **asdict(test)}


def write_scores(scored: ScoredRun) -> dict[str, Any]:
    """Write ``scores-<mode>.json`` and, one judgement a line, ``scores-<mode>.jsonl`` into the run folder.

    Returns:
        The summary that the JSON file holds.

    Raises:
        OutputError: The run folder cannot be written.
    """
    summary = summarise(scored)
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
