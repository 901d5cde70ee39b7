"""Averages over a group of judged instances, and tool accuracy by what divides the group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..schema import ERROR_TYPES
from ..statistics import METRICS, error_shares, estimate
from .records import Judged

LENGTH_BINS = ((0, 0), (1, 5), (6, 10), (11, 15), (16, 20), (21, None))
"""Numbers of shown interactions that are averaged together; the paper's histories hold at most 20."""

FEWEST = 10
"""Fewer instances than these are too few to show by themselves: their interval spans nearly everything."""


def averages(members: Sequence[Judged]) -> dict[str, Any]:
    """Return every metric with its interval, the error types as shares and counts, and how many were judged."""
    scores = [entry.score for entry in members]
    clusters = [entry.functionality for entry in members]
    counts: Counter[str] = Counter(entry.error or "correct" for entry in scores if entry.scored)
    return {
        "n": len(scores),
        "unscored": sum(not entry.scored for entry in scores),
        **{metric: asdict(estimate(scores, clusters, metric)) for metric in METRICS},
        "errors": error_shares(scores),
        "error_counts": {kind: counts[kind] for kind in (*ERROR_TYPES, "correct")},
        "several_calls": sum(entry.calls > 1 for entry in scores if entry.scored),
        "functionalities": len(set(clusters)),
    }


def tool_accuracy(members: Sequence[Judged]) -> dict[str, Any]:
    """Return the tool accuracy of the scored members with its clustered interval."""
    scores = [entry.score for entry in members]
    return asdict(estimate(scores, [entry.functionality for entry in members], "tool_accuracy"))


def by_length(members: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return tool accuracy by the number of interactions that were shown (paper, Figure 6); empty bins are left out."""
    rows = []
    for low, high in LENGTH_BINS:
        inside = [e for e in members if low <= e.interactions and (high is None or e.interactions <= high)]
        if inside:
            rows.append({"from": low, "to": high, "tool_accuracy": tool_accuracy(inside)})
    return rows


def by_evidence(members: Sequence[Judged]) -> dict[str, Any]:
    """Return tool accuracy by kind of evidence; empty where the data does not say."""
    kinds = sorted({entry.evidence for entry in members if entry.evidence is not None})
    return {kind: tool_accuracy([e for e in members if e.evidence == kind]) for kind in kinds}


def by_seen(members: Sequence[Judged]) -> dict[str, Any]:
    """Return tool accuracy on functionalities that training asks for and on the others; empty where unknown."""
    parts = {name: [e for e in members if e.seen is flag] for name, flag in (("seen", True), ("unseen", False))}
    return {name: tool_accuracy(part) for name, part in parts.items() if part}


def by_category(members: Sequence[Judged]) -> dict[str, Any]:
    """Return tool accuracy by the wanted tool's category.

    Returns:
        ``rows``, the category with the most instances first, and ``small``: those with fewer than ``FEWEST``
        scored instances, by name, and all of them taken together; None where there are none. Over one functionality
        that is neither all right nor all wrong there is no interval, since resampling it shows no spread.
    """
    parts: dict[str, list[Judged]] = {}
    for entry in members:
        parts.setdefault(entry.category, []).append(entry)
    ordered = sorted(parts, key=lambda name: (-len(parts[name]), name))
    found = {name: _if_several(parts[name]) for name in ordered}
    few = [name for name in ordered if found[name]["n"] < FEWEST]
    together = _if_several([entry for name in few for entry in parts[name]])
    return {
        "rows": [{"category": name, "tool_accuracy": found[name]} for name in ordered],
        "small": {"categories": few, "tool_accuracy": together} if few else None,
    }


def _if_several(members: Sequence[Judged]) -> dict[str, Any]:
    """Return tool accuracy, without an interval where one functionality is all that there is to resample."""
    found = tool_accuracy(members)
    single = len({entry.functionality for entry in members if entry.score.scored}) == 1
    return {**found, "low": None, "high": None} if single and 0 < found["value"] < 1 else found
