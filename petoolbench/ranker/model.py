"""The reference ranker: which candidate serves the instruction and suits the user, and with which arguments.

Two questions are learned apart. ``match`` is about function: does a candidate do what is asked for? It reads the
instruction and the documentation. ``taste`` is about preference: which of several tools that do the same thing would
this user take? It reads the history. ``match`` counts as its mean over the tools that seem to do the same thing, so
that wording does not choose among these. Two weights join both into probabilities, fitted on instances that neither was
trained on, so that the probability of the best candidate says how often it is right. A ``Filler`` gives the arguments.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import content_hash, read_json, write_text
from ..schema import Instance, ToolCall
from .features import Family, FeatureMaker, FeatureTable
from .filler import Filler
from .reading import Rarity
from .trees import Trees

_FORMAT = "petoolbench-ranker-2"
# Candidates whose probabilities agree so far are tied; the last digits depend on the order of sums.
_DECIMALS = 9
LEARNED: tuple[Family, ...] = ("match", "history")
SIGNALS = ("match of alike tools", "taste")


@dataclass(frozen=True)
class Ranking:
    """The candidates of one instance by falling probability; the probabilities add up to 1."""

    names: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Ranker:
    """A trained ranker. ``trained_on`` says on which data: its name, config, split, fingerprint and instances."""

    rarity: Rarity
    match: Trees
    taste: Trees
    weights: tuple[float, ...]
    filler: Filler
    trained_on: dict[str, str | int]

    def rankings(self, instances: Sequence[Instance]) -> list[Ranking]:
        """Rank the candidates of instances; their references are not read."""
        table = self._maker.table(instances, LEARNED)
        logits = signals(table, self.match, self.taste) @ np.array(self.weights)
        parts = np.split(logits, table.starts()[1:])
        return [_ranking(instance, part) for instance, part in zip(instances, parts, strict=True)]

    def call(self, instance: Instance, name: str) -> ToolCall:
        """Return a call of a candidate with its arguments filled in."""
        tool = next(tool for tool in instance.candidates if tool.name == name)
        return ToolCall(name=name, arguments=self.filler.fill(tool, instance))

    def write(self, path: Path) -> None:
        """Write the ranker as one JSON file.

        Raises:
            OutputError: The file cannot be written.
        """
        data = {
            "format": _FORMAT,
            "trained_on": self.trained_on,
            "weights": dict(zip(SIGNALS, self.weights, strict=True)),
            "rarity": {"requests": self.rarity.requests, "counts": self.rarity.counts},
            "match": self.match.to_json(),
            "taste": self.taste.to_json(),
            "filler": self.filler.to_json(),
        }
        write_text(path, json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n")

    @cached_property
    def _maker(self) -> FeatureMaker:
        return FeatureMaker(self.rarity)


def read_ranker(path: Path) -> Ranker:
    """Read a ranker from its file. Nothing in it is executed.

    Raises:
        InputError: It is no ranker of this version, or was damaged.
    """
    data = read_json(path)
    if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
        raise InputError("is no ranker of this version; make one with: petoolbench train-ranker", file=path)
    try:
        rarity = Rarity(int(data["rarity"]["requests"]), {str(k): int(v) for k, v in data["rarity"]["counts"].items()})
        weights = tuple(float(data["weights"][name]) for name in SIGNALS)
        if not all(0 <= weight < math.inf for weight in weights) or min((rarity.requests, *rarity.counts.values())) < 0:
            raise ValueError("a weight or a count is out of range")
        trained_on = dict(data["trained_on"])
        match, taste = Trees.from_json(data["match"]), Trees.from_json(data["taste"])
        return Ranker(rarity, match, taste, weights, Filler.from_json(data["filler"]), trained_on)
    except InputError as error:
        raise InputError(str(error), file=path) from None
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(f"is a damaged ranker ({error!r}); train it again", file=path) from None


def signals(table: FeatureTable, match: Trees, taste: Trees) -> NDArray[np.float64]:
    """Return what the weights join, of shape (rows, 2): the mean of match over alike tools, and taste."""
    fit, liking = match.predict(table), taste.predict(table)
    parts = zip(np.split(fit, table.starts()[1:]), table.alike, strict=True)
    pooled = np.concatenate([(alike @ part) / alike.sum(axis=1) for part, alike in parts])
    return np.stack([pooled, liking], axis=1)


def _ranking(instance: Instance, logits: NDArray[np.float64]) -> Ranking:
    shares = np.exp(logits - logits.max())
    shares = (shares / shares.sum()).round(_DECIMALS)
    order = sorted(range(len(shares)), key=lambda place: (-shares[place], _lot(instance, place)))
    names = tuple(instance.candidates[place].name for place in order)
    return Ranking(names, tuple(float(shares[place]) for place in order))


def _lot(instance: Instance, place: int) -> str:
    """Return what settles a tie: a draw, since the order of the candidates is no reason."""
    return content_hash([instance.id, instance.candidates[place].name])
