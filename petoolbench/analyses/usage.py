"""What answers took: tokens, seconds and money, what the window left out, and how the answers ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..schema import Prediction
from .records import Judged

_PER = 1_000_000


@dataclass(frozen=True)
class Prices:
    """What a million tokens of prompts, and of answers, cost, in any one currency."""

    input: float
    output: float


def usage(answers: Sequence[tuple[Judged, Prediction]], prices: Prices | None = None) -> dict[str, Any]:
    """Return what is known of the answers' cost; what no answer tells is absent, never zero.

    Every part holds ``n``, the number of answers that tell it. Unscored answers count: they were paid for too.

    Args:
        answers: The judged instances with their predictions.
        prices: Adds ``cost``, over the answers that tell both numbers of tokens.
    """
    predictions = [prediction for _, prediction in answers]
    parts = {
        "prompt_tokens": _distribution(entry.prompt_tokens for entry in predictions),
        "completion_tokens": _distribution(entry.completion_tokens for entry in predictions),
        "seconds": _distribution(entry.seconds for entry in predictions),
        "truncation": _truncation(answers),
        "finish": _finish(predictions),
        "cost": _cost(predictions, prices) if prices else None,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _distribution(values: Iterable[float | None]) -> dict[str, Any] | None:
    """Return where values lie; median and 90th percentile are values that occur (nearest rank)."""
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return None
    median, high = np.quantile(known, [0.5, 0.9], method="inverted_cdf")
    return {
        "n": len(known),
        "mean": float(known.mean()),
        "median": median.item(),
        "p90": high.item(),
        "max": known.max().item(),
        "total": known.sum().item(),
    }


def _truncation(answers: Sequence[tuple[Judged, Prediction]]) -> dict[str, Any] | None:
    """Return how many of the interactions that the run would have shown the window left no room for."""
    known = [(entry.interactions, answer.dropped) for entry, answer in answers if answer.dropped is not None]
    if not known:
        return None
    dropped = sum(count for _, count in known)
    wanted = sum(shown for shown, _ in known) + dropped
    cut = sum(count > 0 for _, count in known)
    return {
        "n": len(known),
        "instances": cut,
        "instances_share": cut / len(known),
        "interactions": dropped,
        "interactions_share": dropped / wanted if wanted else None,
    }


def _finish(predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    counts = Counter(entry.finish for entry in predictions if entry.finish is not None)
    return {"n": counts.total(), "counts": dict(counts.most_common())} if counts else None


def _cost(predictions: Sequence[Prediction], prices: Prices) -> dict[str, Any] | None:
    spent = [
        (entry.prompt_tokens * prices.input + entry.completion_tokens * prices.output) / _PER
        for entry in predictions
        if entry.prompt_tokens is not None and entry.completion_tokens is not None
    ]
    if not spent:
        return None
    return {"n": len(spent), "prices": asdict(prices), "total": sum(spent), "per_instance": sum(spent) / len(spent)}
