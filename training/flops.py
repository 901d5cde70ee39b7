"""How much a machine computes while it trains, beside what it reaches on one large matrix product."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from .loading import Blueprint

_SIZE: Final = {"cuda": 8_192, "cpu": 2_048}
_TRIES: Final = 5


def flops_per_token(blueprint: Blueprint, lengths: Sequence[int], references: int = 0) -> float:
    """Return the floating-point operations of training an adapter on one token, padding and recomputation left out.

    Forward, a weight takes 2 and backward 2 more, since frozen weights get no gradient; a layer's causal attention
    takes 2 per channel and token before it, and backward twice that.

    Args:
        blueprint: The model; all of its weights but the embeddings multiply every token.
        lengths: Tokens of each example.
        references: How often a frozen model reads the token besides.
    """
    about = blueprint.model.config.get_text_config()
    embeddings: Any = blueprint.model.get_input_embeddings()
    tied = embeddings.weight is getattr(blueprint.model.get_output_embeddings(), "weight", None)
    weights = blueprint.parameters - (0 if tied else embeddings.weight.numel())
    before = sum(length * length for length in lengths) / sum(lengths)
    head: int = getattr(about, "head_dim", None) or about.hidden_size // about.num_attention_heads
    attention: float = 2 * about.num_hidden_layers * about.num_attention_heads * head * before
    return (4 + 2 * references) * weights + (3 + references) * attention


def product_speed(blueprint: Blueprint) -> float:
    """Return the floating-point operations a second of one large matrix product, in the number format of the run."""
    import torch

    size = _SIZE[blueprint.device]
    dtype = torch.bfloat16 if blueprint.bf16 else torch.float32
    factor = torch.randn(size, size, device=blueprint.device, dtype=dtype)
    return 2 * size**3 / min(_seconds(factor) for _ in range(_TRIES))


def _seconds(factor: Any) -> float:
    import torch

    _wait(torch, factor)
    started = time.perf_counter()
    factor @ factor
    _wait(torch, factor)
    return time.perf_counter() - started


def _wait(torch: Any, factor: Any) -> None:
    if factor.is_cuda:
        torch.cuda.synchronize(factor.device)
