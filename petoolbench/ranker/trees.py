"""Gradient-boosted trees (LightGBM) over feature tables: trained, applied, kept as text.

``lambdarank`` is LambdaMART with one gold candidate an instance; ``binary`` predicts each candidate by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingExtraError
from ..files import content_hash
from .features import FeatureTable

Objective = Literal["lambdarank", "binary"]

_PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.06,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    # More threads wait for each other at every split: where something else runs too, small data takes minutes.
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Trees:
    """Trained trees: the names of the features that they read, and LightGBM's text of them."""

    names: tuple[str, ...]
    model: str

    def predict(self, table: FeatureTable) -> NDArray[np.float64]:
        """Return a raw score a row: the larger, the better; for ``binary`` the log-odds."""
        columns = table.columns(self.names)
        found: NDArray[np.float64] = self._booster.predict(
            columns, raw_score=True, num_threads=1, predict_disable_shape_check=True
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which ``from_json`` makes the same trees."""
        return {"names": list(self.names), "model": self.model, "model_hash": content_hash(self.model)}

    @classmethod
    def from_json(cls, data: Any) -> Trees:
        """Read what ``to_json`` returned.

        Raises:
            InputError: It is something else, or it was damaged.
        """
        names = data.get("names") if isinstance(data, Mapping) else None
        model = data.get("model") if isinstance(data, Mapping) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError("these are no trees of this version; train the ranker again")
        # LightGBM reads past the end of a text that was cut.
        if not isinstance(model, str) or data.get("model_hash") != content_hash(model):
            raise InputError("the trees are damaged; train the ranker again", field="model")
        # With fewer columns than it was trained on, LightGBM reads past the end of a row.
        if f"\nmax_feature_idx={len(names) - 1}\n" not in model:
            raise InputError("these are not the features of the trees; train the ranker again", field="names")
        return cls(tuple(names), model)

    @cached_property
    def _booster(self) -> Any:
        return lightgbm().Booster(model_str=self.model)


def train_trees(
    table: FeatureTable,
    labels: NDArray[np.int64],
    objective: Objective,
    *,
    trees: int,
    leaves: int = 7,
    directions: Sequence[int] | None = None,
    smallest_leaf: int | None = None,
    seed: int = 0,
) -> Trees:
    """Train on rows and their labels, 0 or 1; the same input gives the same trees.

    Args:
        table: The features.
        labels: One a row.
        objective: What to learn.
        trees: How many.
        leaves: Of each tree, at most.
        directions: One a feature: 1 where the score may only rise with it, -1 where it may only fall, 0 free.
        smallest_leaf: How many rows a leaf holds at least, where not the default of 60.
        seed: Of the draws of rows and features.

    Raises:
        MissingExtraError: The extra ``ranker`` is not installed.
    """
    options = {**_PARAMETERS, "objective": objective, "num_leaves": leaves, "seed": seed}
    if objective == "lambdarank":
        options["label_gain"] = [0, 1]
    if directions is not None:
        options |= {"monotone_constraints": list(directions), "monotone_constraints_method": "advanced"}
    if smallest_leaf is not None:
        options["min_data_in_leaf"] = smallest_leaf
    library = lightgbm()
    data = library.Dataset(table.values, labels, group=table.sizes)
    booster = library.train(options, data, num_boost_round=trees)
    return Trees(table.names, booster.model_to_string(num_iteration=trees))


def lightgbm() -> Any:
    """Return the library.

    Raises:
        MissingExtraError: The extra ``ranker`` is not installed.
    """
    try:
        import lightgbm as library
    except ImportError:
        raise MissingExtraError("the ranker", "lightgbm", "ranker") from None
    return library
