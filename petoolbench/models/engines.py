"""A model's name and settings → the model."""

from __future__ import annotations

from .protocol import Generation, LanguageModel
from .settings import ModelSettings, Running, split_model


def load_model(settings: ModelSettings, seed: int, running: Running) -> LanguageModel:
    """Load a model, or connect to its server.

    Raises:
        PEToolBenchError: There is none of that name, or what it needs is missing.
    """
    engine, name = split_model(settings.name)
    generation = settings.generation(seed)
    if engine == "hf":
        return _local(name, generation, settings, running)
    if engine == "vllm":
        return _vllm(name, generation, settings, running)
    return _server(name, generation, settings, running)


def _local(name: str, generation: Generation, settings: ModelSettings, running: Running) -> LanguageModel:
    from .local import load_local

    return load_local(
        name,
        generation,
        adapter=settings.adapter,
        dtype=settings.dtype or "auto",
        device=running.device,
        batch_tokens=running.batch_tokens,
    )


def _vllm(name: str, generation: Generation, settings: ModelSettings, running: Running) -> LanguageModel:
    from .vllm import load_vllm

    return load_vllm(
        name,
        generation,
        adapter=settings.adapter,
        dtype=settings.dtype or "auto",
        tensor_parallel=running.tensor_parallel,
    )


def _server(name: str, generation: Generation, settings: ModelSettings, running: Running) -> LanguageModel:
    from .batch_api import BatchModel
    from .endpoint import open_server
    from .server import ServerModel

    server = open_server(name, generation, running.base_url, settings.tokenizer, running.timeout)
    if running.batch_api:
        return BatchModel(server, running.folder, running.tell)
    return ServerModel(server, running.concurrency)
