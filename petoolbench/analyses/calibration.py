"""Whether answers are as often right as they claim, and what abstaining from the doubtful ones would gain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..schema import Prediction
from .breakdowns import tool_accuracy
from .records import Judged

_BINS = 10


def calibration(answers: Sequence[tuple[Judged, Prediction]]) -> dict[str, Any] | None:
    """Compare tool accuracy with the answers' own confidence; None where no scored answer states one.

    Returns:
        ``n``; ``ece``, the expected calibration error over ten bins of equal width, from 0 to 1; ``bins`` that hold
        answers, with their mean confidence and tool accuracy; ``coverage``: for each tenth, the tool accuracy if only
        answers at least as sure as ``threshold`` were given, with the share that these are (ties stay together).
    """
    known = [
        (answer.confidence, entry) for entry, answer in answers if entry.score.scored and answer.confidence is not None
    ]
    if not known:
        return None
    bins = _bins(known)
    gaps = [row["n"] * abs(row["confidence"] - row["tool_accuracy"]["value"]) for row in bins]
    return {"n": len(known), "ece": sum(gaps) / len(known), "bins": bins, "coverage": _coverage(known)}


def _bins(known: Sequence[tuple[float, Judged]]) -> list[dict[str, Any]]:
    parts: dict[int, list[tuple[float, Judged]]] = {}
    for confidence, entry in known:
        parts.setdefault(min(int(confidence * _BINS), _BINS - 1), []).append((confidence, entry))
    return [
        {
            "from": place / _BINS,
            "to": (place + 1) / _BINS,
            "n": len(part),
            "confidence": sum(confidence for confidence, _ in part) / len(part),
            "tool_accuracy": tool_accuracy([entry for _, entry in part]),
        }
        for place, part in sorted(parts.items())
    ]


def _coverage(known: Sequence[tuple[float, Judged]]) -> list[dict[str, Any]]:
    ordered = sorted((confidence for confidence, _ in known), reverse=True)
    thresholds = [ordered[math.ceil(len(ordered) * tenth / _BINS) - 1] for tenth in range(1, _BINS + 1)]
    rows = []
    for threshold in dict.fromkeys(thresholds):
        kept = [entry for confidence, entry in known if confidence >= threshold]
        rows.append({"coverage": len(kept) / len(known), "threshold": threshold, "tool_accuracy": tool_accuracy(kept)})
    return rows
