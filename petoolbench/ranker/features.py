"""Instance → one row of features a candidate, from nothing but what the prompt shows.

Three families, which an audit can leave out one by one: ``match`` (candidate × instruction), ``history`` (candidate ×
past calls), ``composition`` (candidate × other candidates). Values are floats; most are also given relative to the
instance's other candidates, since a ranker only ever compares candidates of one instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..schema import Instance
from .encoder import TextEncoder
from .evidence import HISTORY_DIRECTIONS, history_features
from .fit import value_fit
from .matching import Matrix, Request, composition_features, likeness_of, match_features
from .reading import Rarity, Reader, ToolReading
from .spans import read_instruction

Family = Literal["match", "history", "composition"]
FAMILIES: tuple[Family, ...] = ("match", "history", "composition")


@dataclass(frozen=True)
class FeatureTable:
    """The rows of many instances, one under another.

    ``values`` has shape (rows, features); ``names`` and ``families`` speak of its columns; ``sizes`` counts the rows
    of each instance. ``alike`` says for each instance which of its candidates seem to do the same thing, of shape
    (candidates, candidates).
    """

    values: Matrix
    names: tuple[str, ...]
    families: tuple[Family, ...]
    sizes: NDArray[np.int64]
    alike: tuple[NDArray[np.bool_], ...]

    def only(self, families: Sequence[Family]) -> FeatureTable:
        """Return the columns of some families."""
        kept = [place for place, family in enumerate(self.families) if family in families]
        return FeatureTable(
            self.values[:, kept],
            tuple(self.names[place] for place in kept),
            tuple(self.families[place] for place in kept),
            self.sizes,
            self.alike,
        )

    def columns(self, names: Sequence[str]) -> Matrix:
        """Return the columns of these names, in this order, of shape (rows, names).

        Raises:
            InputError: There is no column of a name.
        """
        if tuple(names) == self.names:
            return self.values
        if missing := [name for name in names if name not in self.names]:
            raise InputError(f"this version makes no feature {missing[0]!r}; train the ranker again")
        places = {name: place for place, name in enumerate(self.names)}
        return self.values[:, [places[name] for name in names]]

    def starts(self) -> NDArray[np.int64]:
        """Return the first row of each instance."""
        found: NDArray[np.int64] = np.cumsum(self.sizes) - self.sizes
        return found

    def directions(self) -> tuple[int, ...]:
        """Return for each column whether more of it can only speak for a candidate (1), against it (-1), or either."""
        return tuple(_direction(name, family) for name, family in zip(self.names, self.families, strict=True))

    def rows(self, instances: Sequence[int]) -> FeatureTable:
        """Return the rows of some instances, by their places."""
        rows, alike = self.places(instances), tuple(self.alike[place] for place in instances)
        return FeatureTable(self.values[rows], self.names, self.families, self.sizes[list(instances)], alike)

    def places(self, instances: Sequence[int]) -> NDArray[np.int64]:
        """Return the numbers of the rows of some instances."""
        starts = self.starts()
        picked = [np.arange(starts[place], starts[place] + self.sizes[place]) for place in instances]
        return np.concatenate(picked) if picked else np.zeros(0, dtype=np.int64)

    def keep(self, kept: NDArray[np.bool_]) -> FeatureTable:
        """Return some of the rows; each instance keeps at least one."""
        sizes = np.add.reduceat(kept.astype(np.int64), self.starts())
        parts = np.split(kept, self.starts()[1:])
        alike = tuple(matrix[part][:, part] for matrix, part in zip(self.alike, parts, strict=True))
        return FeatureTable(self.values[kept], self.names, self.families, sizes, alike)

    def joined(self, other: FeatureTable) -> FeatureTable:
        """Return the rows of both, which have the same columns."""
        values, sizes = np.concatenate([self.values, other.values]), np.concatenate([self.sizes, other.sizes])
        return FeatureTable(values, self.names, self.families, sizes, self.alike + other.alike)


def _direction(name: str, family: Family) -> int:
    if family == "match":
        return -1 if name.endswith(", rank") else 1
    return HISTORY_DIRECTIONS[name] if family == "history" else 0


class FeatureMaker:
    """Makes feature rows; keeps the encoder and what it has read of tools."""

    def __init__(self, rarity: Rarity, encoder: TextEncoder | None = None) -> None:
        self.encoder = encoder or TextEncoder()
        self._reader = Reader(rarity)

    def table(self, instances: Sequence[Instance], families: Sequence[Family] = FAMILIES) -> FeatureTable:
        """Return the features of instances, at least one, of some families.

        The texts are encoded together, which is quicker.
        """
        self.prepare(instances)
        made = [self._features(instance, families) for instance in instances]
        parts = made[0][0]
        names = tuple(name for part in parts.values() for name in part)
        values = np.concatenate([_stacked(part) for part, _ in made])
        return FeatureTable(
            values,
            names,
            tuple(family for family, part in parts.items() for _ in part),
            np.array([len(instance.candidates) for instance in instances], dtype=np.int64),
            tuple(alike for _, alike in made),
        )

    def prepare(self, instances: Iterable[Instance]) -> None:
        """Encode all that the instances' features need."""
        texts: dict[str, None] = {}
        for instance in instances:
            texts[instance.instruction] = None
            for tool in instance.candidates:
                reading = self._reader.tool(tool)
                texts[reading.name_text] = texts[reading.full_text] = None
        self.encoder.encode(list(texts))

    def _features(
        self, instance: Instance, wanted: Sequence[Family]
    ) -> tuple[dict[Family, dict[str, Matrix]], NDArray[np.bool_]]:
        tools = [self._reader.tool(tool) for tool in instance.candidates]
        past = self._reader.history(instance)
        vectors = self.encoder.encode(
            [instance.instruction, *(t.name_text for t in tools), *(t.full_text for t in tools)]
        ).astype(np.float64)
        names, fulls = vectors[1 : 1 + len(tools)], vectors[1 + len(tools) :]
        likeness = likeness_of(tools, names, fulls)
        request = self._request(instance, tools, vectors[0])
        makers: dict[Family, Callable[[], dict[str, Matrix]]] = {
            "match": lambda: match_features(request, tools, names, fulls, likeness),
            "history": lambda: history_features(instance.setting, tools, past, likeness),
            "composition": lambda: composition_features(tools, likeness),
        }
        return {family: makers[family]() for family in wanted}, likeness.alike

    def _request(self, instance: Instance, tools: Sequence[ToolReading], vector: Matrix) -> Request:
        values = read_instruction(instance.instruction)
        fits = [value_fit(tool.slots, values) for tool in tools]
        return Request(self._reader.stems(instance.instruction), vector, fits, self._reader.rarity)


def _stacked(families: dict[Family, dict[str, Matrix]]) -> Matrix:
    return np.stack([column for part in families.values() for column in part.values()], axis=1)
