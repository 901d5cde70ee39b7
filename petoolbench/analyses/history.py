"""What the history is worth: the same requests without it and with each of the three (paper, Figure 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from ..files import content_hash
from ..schema import SETTINGS
from ..statistics import paired_test, share_estimate
from .records import Judged, ScoredRun

_OF_THE_DATA = frozenset({"config", "split", "fingerprint", "instances", "limit", "ids"})
_OF_THE_HISTORY = frozenset({"history", "max_interactions", "prompts"})
"""What a spec says of the histories that are shown; so does the hash of the prompts, which hold them."""


def history_effects(runs: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """Compare the runs that show histories with those of the same answerer, asked in the same way, that hide them.

    Runs on the same source whose specs differ only in the part of it are taken together, so that there may be one run
    a setting. An answer with a history is held against the answer without to the same instance or, where there is none,
    to another instance of the same request. Only what was scored on both sides counts.

    Returns:
        One dict an answerer: ``name``, the runs ``with`` and ``without``, and by setting the number of instances, both
        tool accuracies, their difference and McNemar's p. Where requests were asked with several histories,
        ``same_requests`` holds their number and the tool accuracies on exactly these; a request that has several
        answers of one kind counts with their mean.
    """
    shown: dict[str, list[ScoredRun]] = {}
    hidden: dict[str, list[ScoredRun]] = {}
    for run in runs:
        if run.run.spec.history:
            spec = run.run.spec
            key = content_hash([_asker(run), spec.max_interactions, run.run.source, spec.split])
            shown.setdefault(key, []).append(run)
        else:
            hidden.setdefault(_asker(run), []).append(run)
    effects = [_effect(group, hidden[_asker(group[0])]) for group in shown.values() if _asker(group[0]) in hidden]
    return [effect for effect in effects if effect["settings"]]


def _asker(run: ScoredRun) -> str:
    """Return what is the same for all runs of one answerer that was asked in one way, whatever the data."""
    apart = _OF_THE_DATA | _OF_THE_HISTORY
    return content_hash({name: value for name, value in asdict(run.run.spec).items() if name not in apart})


def _effect(shown: Sequence[ScoredRun], hidden: Sequence[ScoredRun]) -> dict[str, Any]:
    pairs = _pairs(_scored(shown), _scored(hidden))
    used = {bare.id for _, bare in pairs}
    by_setting = {setting: [pair for pair in pairs if pair[0].setting == setting] for setting in SETTINGS}
    effect: dict[str, Any] = {
        "name": shown[0].run.name if len(shown) == 1 else " + ".join(run.run.name for run in shown),
        "agent": shown[0].run.spec.agent,
        "with": [run.run.name for run in shown],
        "without": [run.run.name for run in hidden if any(entry.id in used for entry in run.judged)],
        "settings": {setting: _difference(members) for setting, members in by_setting.items() if members},
    }
    same = _same_requests(pairs, list(effect["settings"]))
    return {**effect, "same_requests": same} if same else effect


def _scored(runs: Iterable[ScoredRun]) -> list[Judged]:
    """Return the scored instances of runs; one that several hold stands once."""
    found: dict[str, Judged] = {}
    for run in runs:
        for entry in run.judged:
            if entry.score.scored:
                found.setdefault(entry.id, entry)
    return list(found.values())


def _pairs(shown: Sequence[Judged], hidden: Sequence[Judged]) -> list[tuple[Judged, Judged]]:
    by_id = {entry.id: entry for entry in hidden}
    by_request: dict[str, Judged] = {}
    for entry in hidden:
        by_request.setdefault(entry.request, entry)
    found = [(entry, by_id.get(entry.id) or by_request.get(entry.request)) for entry in shown]
    return [(entry, bare) for entry, bare in found if bare is not None]


def _difference(pairs: Sequence[tuple[Judged, Judged]]) -> dict[str, Any]:
    """Return both accuracies and their difference, with − without."""
    clusters = [entry.functionality for entry, _ in pairs]
    bare = [other.score.model_copy(update={"id": entry.id}) for entry, other in pairs]
    test = paired_test(bare, [entry.score for entry, _ in pairs], clusters, "tool_accuracy")
    return {
        "n": test.n,
        "with": asdict(share_estimate([entry.score.tool for entry, _ in pairs], clusters)),
        "without": asdict(share_estimate([score.tool for score in bare], clusters)),
        "difference": asdict(test.difference),
        "mcnemar_p": test.mcnemar_p,
    }


def _same_requests(pairs: Sequence[tuple[Judged, Judged]], settings: Sequence[str]) -> dict[str, Any] | None:
    requests: dict[str, list[tuple[Judged, Judged]]] = {}
    for pair in pairs:
        requests.setdefault(pair[0].request, []).append(pair)
    whole = [group for group in requests.values() if {entry.setting for entry, _ in group} == set(settings)]
    if len(settings) < 2 or not whole:
        return None
    clusters = [group[0][0].functionality for group in whole]
    bare = [fmean({other.id: other.score.tool for _, other in group}.values()) for group in whole]
    return {
        "n": len(whole),
        "without": asdict(share_estimate(bare, clusters)),
        "with": {name: asdict(share_estimate([_mean(group, name) for group in whole], clusters)) for name in settings},
    }


def _mean(group: Sequence[tuple[Judged, Judged]], setting: str) -> float:
    return fmean(entry.score.tool for entry, _ in group if entry.setting == setting)
