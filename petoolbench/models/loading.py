"""Weights, tokenizer and adapter of a local model: from a folder, from the Hub, or from a GGUF file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import MissingExtraError, PEToolBenchError
from ..files import file_hash

DTYPES: Final = ("auto", "float32", "bfloat16", "float16")
DEVICES: Final = ("auto", "cpu", "cuda")
EXTRA: Final = "llm"

_WEIGHTS: Final = ("*.safetensors", "*.gguf")
_TOKENIZER: Final = "tokenizer_config.json"


@dataclass(frozen=True)
class Source:
    """Where weights lie: a folder or a Hub id, and the GGUF file in it if it is one."""

    place: str
    gguf: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return Path(self.place).is_dir()

    def files(self) -> list[Path]:
        """Return the files of weights of a local source."""
        folder = Path(self.place)
        if self.gguf is not None:
            return [folder / self.gguf]
        return sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to answer; ``weights`` is a revision of the Hub or the hashes of local files."""

    model: Any
    tokenizer: Any
    weights: str


def find_source(name: str) -> Source:
    """Return where a model's weights lie.

    Args:
        name: A folder, a Hub id, the path of a ``.gguf`` file, or a Hub id, ``::`` and the name of a file in it.

    Raises:
        PEToolBenchError: It is a path, and nothing is there.
    """
    if "::" in name:
        place, _, file = name.partition("::")
        return Source(place, file)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise PEToolBenchError(f"hf:{name}: no such file; name a .gguf file, a folder or a Hub id")
        return Source(str(path.parent), path.name)
    if path.is_dir():
        return Source(str(path))
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or path.is_file():
        raise PEToolBenchError(f"hf:{name}: no such folder; name one that holds config.json, a Hub id or a .gguf file")
    return Source(name)


def load(name: str, adapter: str | None, dtype: str, device: str) -> Loaded:
    """Load a model for answering; no code that comes with weights is ever run.

    Args:
        name: See ``find_source``.
        adapter: A folder or Hub id of a PEFT adapter for it; it is merged into the weights.
        dtype: One of ``DTYPES``; ``auto`` is what the weights were saved in.
        device: One of ``DEVICES``; ``auto`` is a GPU where there is one.

    Raises:
        MissingExtraError: The extra ``llm`` is not installed.
        PEToolBenchError: There is no such model, adapter or device, or its files are damaged or of another kind.
    """
    source = find_source(name)
    place = choose_device(device)
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("a local model", str(error.name), EXTRA) from None
    weights: dict[str, Any] = {"use_safetensors": True}
    if source.gguf is not None:
        weights = {"gguf_file": source.gguf, "quantization_config": transformers.GgufConfig(dequantize=True)}
    files = {"gguf_file": source.gguf} if source.gguf is not None else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.place, padding_side="left", trust_remote_code=False, **files
        )
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            source.place, dtype=dtype, trust_remote_code=False, **weights
        )
    except ImportError as error:
        raise MissingExtraError(f"hf:{name}", str(error.name or "gguf"), EXTRA) from None
    except Exception as error:
        # Damaged or foreign files raise whatever a reader stumbles on.
        raise PEToolBenchError(_fault(name, source, error)) from error
    revision = getattr(model.config, "_commit_hash", None)
    if adapter is not None:
        model, tokenizer = _with_adapter(model, tokenizer, adapter)
    known = f"revision {revision}" if revision else _hashes(source)
    return Loaded(model.to(place).eval(), tokenizer, known)


def choose_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``.

    Raises:
        MissingExtraError: torch is not installed.
        PEToolBenchError: A GPU is asked for, and torch sees none.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("a local model", "torch", EXTRA) from None
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise PEToolBenchError("--device cuda: torch sees no GPU on this machine; pass --device cpu")
    return device


def check_context(model: Any, name: str, window: int, max_new_tokens: int) -> None:
    """Refuse a window that a model has no room for.

    Raises:
        PEToolBenchError: Window and answer are longer than what the model was made for.
    """
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if context is None or window + max_new_tokens <= context:
        return
    room = context - max_new_tokens
    what = f"pass --window {room}" if room > 0 else f"pass --window and --max-new-tokens that make {context} together"
    raise PEToolBenchError(
        f"{name}: reads {context} tokens at most, fewer than a window of {window} and {max_new_tokens} new ones; {what}"
    )


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens with which a model ends its turn."""
    ends = {tokenizer.eos_token_id}
    for config in (model.config, model.generation_config):
        known = getattr(config, "eos_token_id", None)
        ends.update(known if isinstance(known, list) else [known])
    return frozenset(end for end in ends if end is not None)


def _with_adapter(model: Any, tokenizer: Any, adapter: str) -> tuple[Any, Any]:
    """Merge an adapter; where it brings a tokenizer, its chat template is the one that it was trained with."""
    try:
        import peft
        import transformers
        from transformers.utils.hub import cached_file
    except ImportError as error:
        raise MissingExtraError("--adapter", str(error.name), EXTRA) from None
    try:
        adapted = peft.PeftModel.from_pretrained(model, adapter)
        foreign = foreign_weight(adapted, adapter, peft)
        if cached_file(adapter, _TOKENIZER, _raise_exceptions_for_missing_entries=False) is not None:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                adapter, padding_side="left", trust_remote_code=False
            )
    except Exception as error:
        # As above: an adapter of another base fails wherever its shapes or names first differ.
        raise PEToolBenchError(
            f"--adapter {adapter}: is no adapter of this model ({_reason(error)}); name one that was trained on it"
        ) from error
    if foreign:
        raise PEToolBenchError(
            f"--adapter {adapter}: is an adapter of another model: this one has no {foreign}; name one trained on it"
        )
    return adapted.merge_and_unload(), tokenizer


def foreign_weight(adapted: Any, adapter: str, peft: Any) -> str | None:
    """Return a weight of an adapter that found no place in the model, which peft does not complain of, or None."""
    given = peft.load_peft_weights(adapter, device="cpu")
    placed = peft.get_peft_model_state_dict(adapted)
    return min(given.keys() - placed.keys(), default=None)


def _hashes(source: Source) -> str:
    return ", ".join(f"{path.name} sha256 {file_hash(path)[:16]}" for path in source.files()) if source.local else ""


def _fault(name: str, source: Source, error: Exception) -> str:
    if source.gguf is not None and source.local:
        return f"hf:{name}: cannot be read as a GGUF model ({_reason(error)}); fetch it again"
    if source.local:
        return (
            f"hf:{name}: cannot be loaded ({_reason(error)}); a folder with config.json, safetensors and a tokenizer "
            "is needed"
        )
    return (
        f"hf:{name}: cannot be loaded from the Hub ({_reason(error)}); check its name, the network and the access to "
        "it, or name a folder"
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split())[:200].rstrip(".:") if lines else type(error).__name__
