"""Whether a training run fits the memory, told before any weights are loaded."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from petoolbench.errors import PEToolBenchError

from .config import RunConfig
from .loading import Blueprint, adapted_modules, is_sharded

_STATE_BYTES = 16
"""A trained weight, its gradient and Adam's two averages, in float32."""

_CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a run needs at least; what kernels and fragments take comes on top."""

    weights: int
    adapter: int
    activations: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.adapter + self.activations


def memory_need(config: RunConfig, blueprint: Blueprint, row_tokens: int) -> MemoryNeed:
    """Estimate what a run needs.

    Args:
        config: The run.
        blueprint: Its model.
        row_tokens: How many tokens one process reads at once, padding included.
    """
    about = blueprint.model.config.get_text_config()
    size = 2 if blueprint.bf16 else 4
    hidden: int = about.hidden_size
    inner: int = getattr(about, "intermediate_size", None) or 4 * hidden
    layers: int = about.num_hidden_layers
    one_layer = 8 * hidden + 3 * inner
    kept = layers * hidden + one_layer if config.trainer.gradient_checkpointing else layers * one_layer
    shards = _shards()
    return MemoryNeed(
        weights=blueprint.parameters * size // shards,
        adapter=_adapter_weights(config, blueprint) * _STATE_BYTES // shards,
        activations=row_tokens * kept * size,
    )


def _adapter_weights(config: RunConfig, blueprint: Blueprint) -> int:
    modules = dict(blueprint.model.named_modules())
    chosen = [modules[name] for name in adapted_modules(blueprint.model, config.lora, config.model)]
    return sum(config.lora.r * (module.in_features + module.out_features) for module in chosen)


def _shards() -> int:
    """Return over how many processes the weights are divided."""
    return int(os.environ.get("WORLD_SIZE", "1")) if is_sharded() else 1


def free_bytes(device: str) -> int:
    """Return how much memory is free on the GPU of this process, or for processes of this machine or container."""
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(int(os.environ.get("LOCAL_RANK", "0")))
        return free
    import psutil

    free = int(psutil.virtual_memory().available)
    return min([free, *_left_in_container()])


def _left_in_container() -> list[int]:
    found = []
    for limit, used in _CGROUP_LIMITS:
        try:
            most, now = (Path(place).read_text(encoding="utf-8").strip() for place in (limit, used))
        except OSError:
            continue
        if most.isdigit():
            found.append(max(0, int(most) - int(now)))
    return found


def check_memory(config: RunConfig, blueprint: Blueprint, row_tokens: int) -> dict[str, Any]:
    """Refuse a run that cannot fit; return the estimate for the run's report.

    Raises:
        PEToolBenchError: More is needed than is free.
    """
    need, free = memory_need(config, blueprint, row_tokens), free_bytes(blueprint.device)
    if need.total > free:
        raise PEToolBenchError(
            f"{config.model}: training needs at least {_gib(need.total)} ({_gib(need.weights)} of weights, "
            f"{_gib(need.adapter)} for the adapter, {_gib(need.activations)} of activations at {row_tokens} tokens), "
            f"{_gib(free)} are free on {blueprint.device}; lower trainer.per_device_train_batch_size "
            "or prompts.max_tokens, or take a smaller model"
        )
    return {**asdict(need), "free": free}


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
