"""How examples share a step, whether the model keeps them apart, and in which order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import trainer_pt_utils

from petoolbench.errors import PEToolBenchError

from .config import Batching
from .loading import is_sharded

_PROBE_FIRST, _PROBE_OTHER, _PROBE_SECOND = (5, 6, 7, 8), (9, 4, 3, 2), (6, 3, 8, 5, 7)
_SAME = 1e-3
"""How far, relative to the largest value, rounding alone may move what must not move at all."""

_ROUNDING = 1e-6


def choose_batching(wanted: Batching, model: Any, device: str) -> Batching:
    """Return how examples share a step.

    ``auto`` is ``padding_free`` where a flash attention kernel takes rows of several examples at no cost, and
    ``padded`` elsewhere: the masks of other kernels make them as right, and slower the longer the row. A model whose
    weights are divided over processes cannot be asked whether it keeps examples apart, and trains on padded rows.

    Args:
        wanted: As configured.
        model: With its weights.
        device: ``cpu`` or ``cuda``.

    Raises:
        PEToolBenchError: Examples are to share rows, and the model lets them see each other or cannot be asked.
    """
    free = "flash" in str(model.config._attn_implementation) and not is_sharded()
    if wanted == "padded" or (wanted == "auto" and not free):
        return "padded"
    if is_sharded():
        raise PEToolBenchError(f"batching: {wanted}: sharded weights train on padded rows; set batching: padded")
    apart = keeps_apart(model.to(device))
    if wanted == "auto":
        return "padding_free" if apart else "padded"
    if not apart:
        raise PEToolBenchError(
            f"batching: {wanted}: this model with attention kernel {model.config._attn_implementation!r} lets examples "
            "in one row see each other; set batching: padded"
        )
    return wanted


@torch.no_grad()
def keeps_apart(model: Any) -> bool:
    """Find out whether what a model makes of an example in a shared row depends on the example before it."""
    training = model.training
    model.eval()
    start = len(_PROBE_FIRST)
    states = [_read_together(model, (first, _PROBE_SECOND))[:, start:] for first in (_PROBE_FIRST, _PROBE_OTHER)]
    model.train(training)
    difference = (states[0] - states[1]).abs().max()
    return bool(difference <= _SAME * states[0].abs().max())


def _read_together(model: Any, examples: Sequence[Sequence[int]]) -> torch.Tensor:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    batch = collate([{"input_ids": list(ids)} for ids in examples])
    del batch["labels"]
    placed = {key: value.to(model.device) if hasattr(value, "to") else value for key, value in batch.items()}
    logits: torch.Tensor = model(**placed, use_cache=False).logits
    return logits.float()


class SeededOrder(Sampler[int]):
    """An order that the seed and the number of the epoch alone decide, so that a resumed run meets the same one.

    Args:
        lengths: Tokens of each example.
        group: So many consecutive examples are of much the same length; None: they come as they come.
        seed: Of the run.
        epoch: Tells the number of the epoch that begins, from 0.
    """

    def __init__(self, lengths: Sequence[int], group: int | None, seed: int, epoch: Callable[[], int]) -> None:
        self._lengths = list(lengths)
        self._group = group
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch())
        if self._group is None:
            return iter(torch.randperm(len(self._lengths), generator=generator).tolist())
        grouped: Any = trainer_pt_utils.get_length_grouped_indices
        indices: list[int] = grouped(self._lengths, self._group, generator=generator)
        return iter(indices)


class SeededSampling:
    """Makes a trainer of transformers take its examples in a ``SeededOrder``; name it before the trainer's class."""

    def _get_train_sampler(self: Any, train_dataset: Any = None) -> SeededOrder:
        rows, args = self.train_dataset, self.args
        grouped = args.train_sampling_strategy == "group_by_length"
        lengths = rows[args.length_column_name] if grouped else range(len(rows))
        group = args.train_batch_size * args.gradient_accumulation_steps if grouped else None
        return SeededOrder(lengths, group, args.seed, lambda: int((self.state.epoch or 0) + _ROUNDING))
