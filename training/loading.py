"""Base weights, tokenizer and LoRA of a training run; what can go wrong is found before any weights are loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from petoolbench.errors import MissingExtraError, PEToolBenchError
from petoolbench.models.loading import Source, choose_device, find_source, foreign_weight

from .config import LoraSettings, RunConfig

EXTRA: Final = "train"
_PACKAGES: Final = ("torch", "transformers", "peft", "trl", "accelerate", "psutil")


@dataclass(frozen=True)
class Blueprint:
    """A model without its weights: ``model`` lies on the meta device."""

    source: Source
    model: Any
    tokenizer: Any
    device: str
    bf16: bool

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def context(self) -> int | None:
        """How many tokens the model was made for."""
        found: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return found


def read_blueprint(config: RunConfig) -> Blueprint:
    """Read a model's configuration and tokenizer, and check the run's LoRA targets or adapter and device against them.

    Raises:
        MissingExtraError: The extra ``train`` is not installed.
        PEToolBenchError: There is no such model, adapter, attention kernel, target or device.
    """
    _check_packages()
    device = choose_device(config.device)
    bf16 = _chosen_bf16(config.trainer.bf16, device)
    source = find_source(config.model)
    model, tokenizer = _without_weights(config, source)
    found = Blueprint(source, model, tokenizer, device, bf16)
    if config.adapter is not None:
        _check_adapter(config.adapter, found)
    else:
        adapted_modules(found.model, config.lora, config.model)
    room = found.context
    if room is not None and config.prompts.max_tokens > room:
        raise PEToolBenchError(
            f"{config.model}: reads {room} tokens at most, fewer than prompts.max_tokens {config.prompts.max_tokens}"
        )
    return found


def _check_packages() -> None:
    from importlib.util import find_spec

    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError("training", package, EXTRA)


def _without_weights(config: RunConfig, source: Source) -> tuple[Any, Any]:
    import torch
    import transformers

    files = {"gguf_file": source.gguf} if source.gguf is not None else {}
    kernel = {"attn_implementation": config.attention} if config.attention is not None else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.place, padding_side="left", trust_remote_code=False, **files
        )
        about = transformers.AutoConfig.from_pretrained(source.place, trust_remote_code=False, **files)
        with torch.device("meta"):
            make: Any = transformers.AutoModelForCausalLM
            model = make.from_config(about, trust_remote_code=False, **kernel)
    except Exception as error:
        # Damaged or foreign files raise whatever a reader stumbles on.
        raise PEToolBenchError(f"{config.model}: cannot be trained ({_reason(error)})") from error
    return model, tokenizer


def _chosen_bf16(wanted: bool | None, device: str) -> bool:
    possible = computes_bf16(device)
    if wanted and not possible:
        raise PEToolBenchError(f"trainer.bf16: this {device} does not compute in bfloat16; leave it out")
    return possible and gains_by_bf16(device) if wanted is None else wanted


def computes_bf16(device: str) -> bool:
    """Whether the hardware has instructions for bfloat16, as far as torch tells."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _can("avx512_bf16") or _can("amx_bf16")


def gains_by_bf16(device: str) -> bool:
    """Whether bfloat16 is quicker than float32; without matrix units a processor takes 1.3 to 1.7 times as long."""
    return device == "cuda" or _can("amx_bf16")


def _can(instructions: str) -> bool:
    import torch

    abilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(abilities.get(instructions))


def adapted_modules(model: Any, lora: LoraSettings, name: str) -> list[str]:
    """Return the names of the modules that get an adapter.

    Raises:
        PEToolBenchError: A target is none of the model's linear modules, or is its output layer.
    """
    import torch

    output = model.get_output_embeddings()
    linear = [
        key for key, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not output
    ]
    if lora.targets == "all-linear":
        return linear
    found: set[str] = set()
    for target in lora.targets:
        matching = [key for key in linear if key == target or key.endswith(f".{target}")]
        if not matching:
            kinds = sorted({key.rpartition(".")[2] for key in linear})
            raise PEToolBenchError(
                f"lora.targets: {name} has no {target!r} that can carry an adapter; there are: {', '.join(kinds)}"
            )
        found.update(matching)
    return [key for key in linear if key in found]


def _check_adapter(adapter: str, blueprint: Blueprint) -> None:
    """Refuse an adapter that is none, or whose targets the model lacks."""
    import peft

    path = Path(adapter).expanduser()
    if not path.is_dir() and (adapter.count("/") != 1 or adapter.startswith((".", "/", "~"))):
        raise PEToolBenchError(f"adapter: no such folder: {adapter}; train it first, or name one of the Hub")
    try:
        about = peft.PeftConfig.from_pretrained(adapter)
        targets = about.target_modules
    except Exception as error:
        raise PEToolBenchError(f"adapter: {adapter}: is none that peft reads ({_reason(error)})") from error
    if isinstance(targets, set | list):
        adapted_modules(blueprint.model, LoraSettings(targets=tuple(sorted(targets))), blueprint.source.place)


def load_model(config: RunConfig, blueprint: Blueprint) -> Any:
    """Load the weights for training, and the adapter to go on from where one is named; no foreign code is ever run.

    Raises:
        PEToolBenchError: The files are damaged, or the adapter is another model's.
    """
    import torch
    import transformers

    source = blueprint.source
    weights: dict[str, Any] = {"use_safetensors": True}
    if source.gguf is not None:
        weights = {"gguf_file": source.gguf, "quantization_config": transformers.GgufConfig(dequantize=True)}
    if config.attention is not None:
        weights["attn_implementation"] = config.attention
    dtype = torch.bfloat16 if blueprint.bf16 else torch.float32
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source.place, dtype=dtype, trust_remote_code=False, **weights
        )
    except Exception as error:
        raise PEToolBenchError(f"{config.model}: its weights cannot be loaded ({_reason(error)})") from error
    return model if config.adapter is None else _with_adapter(model, config.adapter)


def _with_adapter(model: Any, adapter: str) -> Any:
    import peft

    try:
        adapted = peft.PeftModel.from_pretrained(model, adapter, is_trainable=True)
        foreign = foreign_weight(adapted, adapter, peft)
    except Exception as error:
        raise PEToolBenchError(f"adapter: {adapter}: is no adapter of this model ({_reason(error)})") from error
    if foreign:
        raise PEToolBenchError(f"adapter: {adapter}: is of another model: this one has no {foreign}")
    return adapted


def is_sharded() -> bool:
    """Whether ``accelerate launch`` divides the weights over the processes of a run."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes")


def lora_config(lora: LoraSettings) -> Any:
    """Return peft's configuration of a new adapter."""
    import peft

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    return peft.LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split())[:200].rstrip(".:") if lines else type(error).__name__
