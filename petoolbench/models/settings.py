"""How models are named and what can be set: ``hf:NAME``, ``openai:NAME``, ``vllm:NAME``.

What stands before the colon is the engine; no name after it changes what is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from ..errors import PEToolBenchError
from ..prompts import PromptStyle
from .protocol import Generation

Engine = Literal["hf", "openai", "vllm"]
ADDRESS = "OPENAI_BASE_URL"
ENGINES: tuple[Engine, ...] = get_args(Engine)

_OWN_OPTIONS: Mapping[Engine, frozenset[str]] = {
    "hf": frozenset({"adapter", "dtype", "device", "batch_tokens"}),
    "openai": frozenset({"base_url", "tokenizer", "concurrency", "timeout", "batch_api"}),
    "vllm": frozenset({"adapter", "dtype", "tensor_parallel"}),
}


@dataclass(frozen=True)
class ModelSettings:
    """Which model answers, and how it is asked: what a run's manifest holds, and what must not change in a run.

    ``name`` is as the user wrote it. ``base_url`` is without anything secret. ``tokenizer`` is what counts the tokens
    of a server's prompts; without one, no prompt for a server is cut on this side.
    """

    name: str
    style: PromptStyle = Generation.style
    window: int = Generation.window
    max_new_tokens: int = Generation.max_new_tokens
    temperature: float = Generation.temperature
    guided: bool = Generation.guided
    adapter: str | None = None
    dtype: str | None = None
    base_url: str | None = None
    tokenizer: str | None = None

    def generation(self, seed: int) -> Generation:
        """Return how answers are made, with the run's seed."""
        return Generation(self.style, self.window, self.max_new_tokens, self.temperature, seed, self.guided)


@dataclass(frozen=True)
class Running:
    """How the work is done, which does not change what is asked.

    ``batch_tokens`` is how many tokens a batch of a local model may hold, None for as many as there is room for.
    ``base_url`` is the address as the user gave it. ``timeout`` is in seconds, for one call. ``folder`` is the run
    folder, where a batch leaves its state; ``tell`` is told how a batch comes along.
    """

    device: str = "auto"
    batch_tokens: int | None = None
    tensor_parallel: int = 1
    base_url: str | None = None
    concurrency: int = 16
    timeout: float = 600.0
    batch_api: bool = False
    folder: Path = Path()
    tell: Callable[[str], None] = lambda text: None


def split_model(name: str) -> tuple[Engine, str]:
    """Return a model's engine and its name there.

    Raises:
        PEToolBenchError: There is no such engine, or no name.
    """
    prefix, _, rest = name.partition(":")
    for engine in ENGINES:
        if prefix == engine and rest:
            return engine, rest
    raise PEToolBenchError(
        f"{name!r} names no model; write hf:NAME (a folder, a GGUF file or a Hub id), openai:NAME (a server's model) "
        "or vllm:NAME"
    )


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options of another engine.

    Args:
        name: The model, with its engine.
        given: The options that the user gave, by the names of ``ModelSettings`` and ``Running``.

    Raises:
        PEToolBenchError: An option belongs to another engine only.
    """
    engine, _ = split_model(name)
    for option in given:
        owners = [other for other in ENGINES if option in _OWN_OPTIONS[other]]
        if owners and engine not in owners:
            option_name = f"--{option.replace('_', '-')}"
            raise PEToolBenchError(f"{option_name} goes with {' and '.join(owners)} models only, not with {name}")


def default_address(name: str) -> dict[str, str]:
    """Return the address that the environment names for a model on a server, as ``base_url``, or nothing."""
    engine, _ = split_model(name)
    url = os.environ.get(ADDRESS)
    return {"base_url": url} if engine == "openai" and url else {}


def public_address(url: str) -> str:
    """Return a server's address without user, password and query.

    Raises:
        PEToolBenchError: It is no address of a server.
    """
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https"):
        raise PEToolBenchError("--base-url is no address; write one like http://127.0.0.1:8000/v1")
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
