"""Logits → tokens. What an answer draws depends on the seed and on its instance, not on its batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch


def draws(seed: int, identity: str) -> random.Random:
    """Return the generator of an instance's draws, one number from 0 to 1 a token."""
    return random.Random(f"{seed}:{identity}")


def choose(logits: torch.Tensor, temperature: float, uniform: Sequence[float]) -> list[int]:
    """Return one token a row of ``logits`` (rows × vocabulary).

    At temperature 0 it is the likeliest. Else it is an exact draw from softmax(logits / temperature): the first token
    at which the cumulative probability exceeds the row's number in ``uniform``.
    """
    import torch

    if temperature == 0:
        return cast("list[int]", logits.argmax(dim=-1).tolist())
    cumulative = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    wanted = torch.tensor(uniform, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
    # Rounding must not lead past the last token that has any probability.
    last = (cumulative < cumulative[:, -1:]).sum(dim=-1)
    found = torch.searchsorted(cumulative, wanted, right=True)[:, 0]
    return cast("list[int]", torch.minimum(found, last).tolist())
