"""Learned arguments: the value of each parameter that trees find the likeliest, no words used twice.

Gradient-boosted trees say for each value of each parameter how likely it is right (``rows`` holds what they look at).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import JsonValue

from ..errors import InputError
from ..files import content_hash
from ..schema import Arguments, Instance, Tool
from .associations import Associations
from .boundaries import Boundaries
from .clues import Clues
from .examples import training_table
from .rows import FEATURES, SPANNING, Row, call_rows
from .slots import Slot, read_slots
from .spans import read_instruction
from .trees import lightgbm
from .values import Scene, Source, call_offers, past_values

_FORMAT = "petoolbench-filler-1"
_TREES = 150
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.6,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_EMPTY: dict[str, JsonValue] = {"text": "", "choice": "", "number": 0, "integer": 0, "switch": False}
_LEAST = 1e-6


@dataclass(frozen=True)
class Filler:
    """Fills the arguments of a call from instruction and history.

    ``model`` is LightGBM's text of the trees.
    """

    boundaries: Boundaries
    clues: Clues
    model: str

    def fill(self, tool: Tool, instance: Instance) -> Arguments:
        """Return the arguments of a call of the tool; the reference of the instance is not read.

        Parameters that keep their documented default are left out, unless they are required or the instruction says
        the default.
        """
        slots, scene = read_slots(tool.parameters), self.scene(instance)
        rows = call_rows(call_offers(slots, scene), scene, self.clues)
        if not rows:
            return _arguments(slots, {})
        values = np.array([row.features for row in rows], dtype=np.float32)
        chances = self._trees.predict(values, num_threads=1, predict_disable_shape_check=True)
        chosen = _choose(rows, [float(chance) for chance in chances])
        return _arguments(slots, chosen)

    def scene(self, instance: Instance) -> Scene:
        """Return what the instruction and the history of an instance offer as values."""
        reading = read_instruction(instance.instruction)
        return Scene(reading, self.boundaries.edges(reading), past_values(instance))

    def to_json(self) -> dict[str, Any]:
        """Return the filler as JSON values, from which ``from_json`` makes the same one."""
        clues = {
            "texts": self.clues.texts.to_json(),
            "numbers": self.clues.numbers.to_json(),
            "switches": self.clues.switches.to_json(),
            "choices": self.clues.choices.to_json(),
        }
        return {
            "format": _FORMAT,
            "features": list(FEATURES),
            "boundaries": self.boundaries.to_json(),
            "clues": clues,
            "model": self.model,
            "model_hash": content_hash(self.model),
        }

    @classmethod
    def from_json(cls, data: Any) -> Filler:
        """Read what ``to_json`` returned.

        Raises:
            InputError: It is something else, or was written by a version with other features.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT or data.get("features") != list(FEATURES):
            raise InputError("this is no filler of this version; train it again")
        model = data.get("model")
        # LightGBM reads past the end of a text that was cut.
        if not isinstance(model, str) or data.get("model_hash") != content_hash(model):
            raise InputError("the trees of the filler are damaged; train it again", field="model")
        try:
            clues = {name: Associations.from_json(part) for name, part in data["clues"].items()}
            return cls(Boundaries.from_json(data["boundaries"]), Clues(**clues), model)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"the words of the filler are damaged ({error!r}); train it again") from None

    @cached_property
    def _trees(self) -> Any:
        return lightgbm().Booster(model_str=self.model)


def train_filler(instances: Sequence[Instance], seed: int = 0) -> Filler:
    """Train on the gold calls of instances. The same instances and seed give the same filler.

    Raises:
        InputError: No instance has parameters to learn from.
        MissingExtraError: The extra ``ranker`` is not installed.
    """
    library = lightgbm()
    table = training_table(instances, seed)
    if not len(table.labels):
        raise InputError(
            "nothing to learn arguments from: no candidate of the instances is a gold tool with parameters"
        )
    data = library.Dataset(table.values, table.labels, feature_name=list(FEATURES), free_raw_data=True)
    trees = library.train({**_PARAMETERS, "seed": seed}, data, num_boost_round=_TREES)
    return Filler(table.boundaries, table.clues, trees.model_to_string(num_iteration=_TREES))


def _choose(rows: Sequence[Row], chances: Sequence[float]) -> dict[int, Row]:
    """Return a row for each parameter: the surest parameter chooses first, and words are used once."""
    open_slots: dict[int, list[tuple[float, Row]]] = {}
    for row, chance in zip(rows, chances, strict=True):
        kept = min(max(chance, _LEAST), 1 - _LEAST)
        open_slots.setdefault(row.slot.order, []).append((math.log(kept / (1 - kept)), row))
    for ranked in open_slots.values():
        ranked.sort(key=lambda one: -one[0])
    chosen: dict[int, Row] = {}
    while open_slots:
        order = max(open_slots, key=lambda at: (_margin(open_slots[at]), -at))
        row = open_slots.pop(order)[0][1]
        chosen[order] = row
        for at, ranked in open_slots.items():
            free = [one for one in ranked if not _share_words(one[1], row)]
            # A text that would be left with nothing takes words a second time; a number is then better left at zero.
            open_slots[at] = free or ([] if ranked[0][1].slot.kind in ("number", "integer") else ranked)
        open_slots = {at: ranked for at, ranked in open_slots.items() if ranked}
    return chosen


def _margin(ranked: Sequence[tuple[float, Row]]) -> float:
    return ranked[0][0] - ranked[1][0] if len(ranked) > 1 else math.inf


def _share_words(one: Row, other: Row) -> bool:
    mine, theirs = one.candidate, other.candidate
    if mine.source not in SPANNING or theirs.source not in SPANNING:
        return False
    if mine.source is Source.NUMBER and theirs.source is Source.NUMBER and mine.value != theirs.value:
        # Several numbers in one word, such as 24x38x32.
        return False
    return mine.start < theirs.end and theirs.start < mine.end


def _arguments(slots: Sequence[Slot], chosen: Mapping[int, Row]) -> Arguments:
    arguments: Arguments = {}
    for slot in slots:
        row = chosen.get(slot.order)
        if row is None:
            if slot.must_be_given:
                arguments[slot.name] = _empty(slot)
        elif row.candidate.source is not Source.FALLBACK:
            arguments[slot.name] = row.candidate.value
        elif slot.has_default and (slot.required or row.candidate.start >= 0):
            arguments[slot.name] = slot.default
    return arguments


def _empty(slot: Slot) -> JsonValue:
    """Return what a required parameter gets where nothing in sight can be its value."""
    return [] if slot.kind == "list" else _EMPTY[slot.kind]
