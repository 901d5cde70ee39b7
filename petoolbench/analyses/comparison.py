"""Paired tests between runs, on the instances that both answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from ..schema import SETTINGS
from ..statistics import METRICS, holm, paired_test
from .records import ALL, Judged, ScoredRun

COMPARED = ("tool_accuracy", "param_accuracy", "joint_accuracy")
GROUPS = (*SETTINGS, ALL)

Pair = tuple[ScoredRun, ScoredRun]


def compare(
    runs: Sequence[ScoredRun],
    *,
    against: ScoredRun | None = None,
    groups: Sequence[str] = GROUPS,
    metrics: Sequence[str] = COMPARED,
) -> list[dict[str, Any]]:
    """Test pairs of runs, by setting and metric, with p-values that Holm's method adjusts over all rows returned.

    Args:
        runs: Of different names.
        against: Test each run against this one only; without it, every pair.
        groups: Settings, and ``all`` for a pair that shares several of them.
        metrics: Keys of ``METRICS`` that every scored answer has.

    Returns:
        One dict a pair, group and metric: both names, ``n``, both shares, the difference B − A with its interval,
        counts, p-values. A pair that shares no instance of a group has no row for it.
    """
    pairs = combinations(runs, 2) if against is None else ((against, run) for run in runs)
    rows = [row for pair in pairs for row in _rows(pair, groups, metrics)]
    for row, adjusted in zip(rows, holm([row["mcnemar_p"] for row in rows]), strict=True):
        row["mcnemar_p_holm"] = adjusted
    return rows


def _rows(pair: Pair, groups: Sequence[str], metrics: Sequence[str]) -> list[dict[str, Any]]:
    first, second = pair
    others = {entry.id: entry for entry in second.judged}
    shared = [(entry, others[entry.id]) for entry in first.judged if entry.id in others]
    several = len({entry.setting for entry, _ in shared}) > 1
    rows = []
    for group in groups:
        members = [(a, b) for a, b in shared if group == a.setting or (group == ALL and several)]
        rows += [_comparison(pair, group, members, metric) for metric in metrics if members]
    return rows


def _comparison(pair: Pair, group: str, members: Sequence[tuple[Judged, Judged]], metric: str) -> dict[str, Any]:
    both = [(a, b) for a, b in members if a.score.scored and b.score.scored]
    firsts, seconds = [a.score for a, _ in both], [b.score for _, b in both]
    judge = METRICS[metric]
    return {
        "a": pair[0].run.name,
        "b": pair[1].run.name,
        "setting": group,
        **asdict(paired_test(firsts, seconds, [a.functionality for a, _ in both], metric)),
        "share_a": sum(bool(judge(entry)) for entry in firsts) / len(both) if both else None,
        "share_b": sum(bool(judge(entry)) for entry in seconds) / len(both) if both else None,
    }
