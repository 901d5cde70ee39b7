"""Features of candidate × history: what the past calls say for and against each candidate.

The same features serve all settings. Where calls are rated, a rating of 0 speaks against a provider. Where only their
order is known, it is the place of a provider's latest call that counts, and how that compares with its siblings'. What
speaks for a provider speaks for its vendor too, so a sibling of the same vendor gains nothing over the provider itself;
what speaks against a provider says nothing of its vendor's other products. Each feature has a direction: 1 where more
of it can only speak for a candidate, -1 against, 0 neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..schema import Setting
from .matching import Likeness, Matrix
from .reading import PastCall, ToolReading

HISTORY_DIRECTIONS: dict[str, int] = {
    "provider": 1,
    "provider latest": 1,
    "provider kept": 1,
    "provider in the opening run": -1,
    "vendor": 1,
    "vendor latest": 1,
    "documents": 1,
    "documents, best sentence": 1,
    "documents, worst sentence": 1,
    "sentences only liked": 1,
    "sentences only disliked": -1,
    "standing": 1,
    "provider, best of siblings": -1,
    "provider, worst of siblings": -1,
    "provider latest, best of siblings": -1,
    "provider kept, best of siblings": -1,
    "vendor, best of siblings": -1,
    "vendor latest, best of siblings": -1,
    "siblings against": 1,
    "siblings in the opening run": 1,
    "opening run": 0,
    "standing above siblings": 1,
    "near one against": 1,
    "near one against, below the best": 1,
    "near one against in words": 1,
    "near one against in words, below the best": 1,
    "documents above siblings": 1,
    "rated": 0,
    "ordered": 0,
}
"""Every history feature and its direction."""


_DOCUMENTS = (
    "documents",
    "documents, best sentence",
    "documents, worst sentence",
    "sentences only liked",
    "sentences only disliked",
)


def history_features(
    setting: Setting, tools: Sequence[ToolReading], past: Sequence[PastCall], likeness: Likeness
) -> dict[str, Matrix]:
    """Return what the history says of each candidate, the features of ``HISTORY_DIRECTIONS``.

    Places go from 0, the oldest call, to 1, the latest; where there is no call they are NaN.

    Args:
        setting: What the history shows.
        tools: The candidates.
        past: The past calls, the oldest first.
        likeness: Of the candidates.
    """
    ordered = setting == "chronological"
    opening = _opening_run(past) if ordered else ()
    told = _told(past)
    found = _columns([{**_taste(tool, past, opening, ordered), **_documents(tool, *told)} for tool in tools])
    siblings = likeness.siblings()
    found["standing"] = 2 * np.sign(found["provider"]) + np.sign(found["vendor"])
    evidence = ("provider", "vendor", "provider latest", "provider kept", "vendor latest")
    rows = np.stack([*(found[name] for name in evidence), -found["provider"], found["standing"], found["documents"]])
    *bests, worst, standing, documents = _best(rows, siblings)
    found |= {f"{name}, best of siblings": best for name, best in zip(evidence, bests, strict=True)}
    found["provider, worst of siblings"] = -worst
    found["siblings against"] = _share_of(found["provider"] < 0, siblings)
    found["siblings in the opening run"] = _share_of(found["provider in the opening run"] > 0, siblings)
    found["opening run"] = np.full(len(tools), float(len(opening)))
    found["standing above siblings"] = found["standing"] - standing
    against = (found["provider"] < 0) | (found["provider in the opening run"] > 0)
    for name, values in (("near one against", likeness.cosines), ("near one against in words", likeness.words)):
        found[name] = _nearest(values, against)
        found[f"{name}, below the best"] = found[name] - found[name].max()
    found["documents above siblings"] = found["documents"] - documents
    found["rated"] = np.full(len(tools), float(setting == "rating_integrated"))
    found["ordered"] = np.full(len(tools), float(ordered))
    return {name: found[name] for name in HISTORY_DIRECTIONS}


def _taste(tool: ToolReading, past: Sequence[PastCall], opening: Sequence[PastCall], ordered: bool) -> dict[str, float]:
    """Return what past calls of the same provider and of the same vendor say; order and liking never mix."""
    own = [call for call in past if call.provider == tool.tool.provider]
    house = [call for call in past if call.vendor == tool.vendor and call.liked and not own and call not in opening]
    return {
        "provider": 0 if ordered else sum(1 if call.liked else -1 for call in own),
        "provider latest": own[-1].place if ordered and own else np.nan,
        "provider kept": _kept(tool.tool.provider, own, past) if ordered and own else np.nan,
        "provider in the opening run": bool(own) and own[0] in opening,
        "vendor": 0 if ordered else len(house),
        "vendor latest": house[-1].place if ordered and house else np.nan,
    }


def _opening_run(past: Sequence[PastCall]) -> Sequence[PastCall]:
    """Return the calls of one provider with which a history opens, if they are two or more and it never comes back."""
    own = [call for call in past if call.provider == past[0].provider] if past else []
    return own if len(own) > 1 and own == list(past[: len(own)]) else ()


def _kept(provider: str, own: Sequence[PastCall], past: Sequence[PastCall]) -> float:
    """Return the mean over the categories that a provider served: 1 where it is the latest, -1 where another is."""
    latest = {call.category: call.provider for call in past}
    return float(np.mean([1 if latest[category] == provider else -1 for category in {call.category for call in own}]))


def _told(past: Sequence[PastCall]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each sentence stands in the documentation of liked and of disliked tools, where it is shown."""
    liked = Counter(sentence for call in past if call.liked for sentence in call.sentences)
    disliked = Counter(sentence for call in past if not call.liked for sentence in call.sentences)
    return liked, disliked


def _documents(tool: ToolReading, liked: Counter[str], disliked: Counter[str]) -> dict[str, float]:
    """Return how a description's sentences compare with those of liked and disliked tools."""
    if not liked and not disliked:
        return dict.fromkeys(_DOCUMENTS, 0.0)
    gains = [liked[sentence] - disliked[sentence] for sentence in tool.sentences]
    only_liked = sum(liked[s] > 0 and not disliked[s] for s in tool.sentences)
    only_disliked = sum(disliked[s] > 0 and not liked[s] for s in tool.sentences)
    values = (sum(gains), max(gains, default=0), min(gains, default=0), only_liked, only_disliked)
    return dict(zip(_DOCUMENTS, map(float, values), strict=True))


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, Matrix]:
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}


def _best(rows: Matrix, siblings: NDArray[np.bool_]) -> Matrix:
    """Return for each row the largest value among each tool's siblings.

    NaN counts as absent, and 0 stands for no sibling at all.
    """
    known = ~np.isnan(rows)
    beside = siblings[None, :, :] & known[:, None, :]
    largest = np.where(beside, np.where(known, rows, 0.0)[:, None, :], -np.inf).max(axis=2)
    found: Matrix = np.where(beside.any(axis=2), largest, np.where(siblings.any(axis=1), np.nan, 0.0))
    return found


def _nearest(values: Matrix, flags: NDArray[np.bool_]) -> Matrix:
    """Return each tool's likeness to the nearest other tool that is flagged, 0 where none is; flagged ones get -1."""
    others = np.where(np.eye(len(flags), dtype=bool) | ~flags[None, :], 0.0, values)
    return np.where(flags, -1.0, others.max(axis=1))


def _share_of(flags: NDArray[np.bool_], siblings: NDArray[np.bool_]) -> Matrix:
    """Return the share of each tool's siblings that are flagged, 0 for a tool without any."""
    found: Matrix = (siblings @ flags.astype(np.float64)) / np.maximum(1, siblings.sum(axis=1))
    return found
