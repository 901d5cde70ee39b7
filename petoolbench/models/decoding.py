"""Prompts → tokens, many answers at a time. Loads torch and transformers: import it at the point of use.

Every prompt is read alone, so that none is padded and none sees another; what it leaves in the model's cache becomes a
row of one cache for all. From then on one step writes a token of every answer. As soon as an answer is done, the next
prompt is read into its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from .answer import Answer
from .chat import Asked
from .rows import Rows, capacity
from .sampling import choose


class Decoder:
    """Writes the answers of one model."""

    def __init__(self, model: Any, temperature: float, max_new_tokens: int) -> None:
        self._model = model
        self._temperature = temperature
        self._most = max_new_tokens
        layers = DynamicCache(config=model.config).layers
        self.batches = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
        """Whether answers can share steps: models whose cache is no list of keys and values answer one by one."""
        self._last_only = {"logits_to_keep": 1} if model._supports_logits_to_keep() else {}

    def slots(self, longest: int, tokens: int) -> int:
        """Return how many answers to prompts of at most ``longest`` tokens fit so many tokens; at least one."""
        return max(1, tokens // capacity(longest, self._most))

    @torch.inference_mode()
    def write(self, answers: Iterable[Answer], longest: int, slots: int) -> Iterator[Answer]:
        """Write answers, and yield each when it is done; it tells then how many seconds it took.

        Args:
            answers: The longest prompt first; several in a row that were asked the same share the reading of it.
            longest: Tokens of the longest prompt.
            slots: How many are written at the same time at most.

        Raises:
            torch.OutOfMemoryError: They do not fit the device together.
        """
        if not self.batches:
            for answer in answers:
                self._write_alone(answer)
                yield answer
            return
        rows = Rows(slots, capacity(longest, self._most), self._model.device)
        reader = _Reader(self)
        waiting = iter(answers)
        newest: list[int] = []
        while True:
            while rows.free and (begun := next(waiting, None)) is not None:
                if self._begin(begun, reader, rows, newest):
                    yield begun
            if not rows.answers:
                return
            started = time.perf_counter()
            chosen = self._choose(self._step(newest, rows), rows.answers)
            share = (time.perf_counter() - started) / len(chosen)
            for answer in rows.answers:
                answer.seconds += share
            newest, done = rows.take(chosen)
            yield from done

    def read(self, ids: Sequence[int], cache: Cache) -> torch.Tensor:
        """Read a prompt into a cache; return the logits of the token after it, one row."""
        tokens = self._tensor([ids])
        logits: torch.Tensor = self._model(tokens, past_key_values=cache, use_cache=True, **self._last_only).logits
        return logits[:, -1]

    def _begin(self, answer: Answer, reader: _Reader, rows: Rows, newest: list[int]) -> bool:
        """Read a prompt and write the first token; return whether the answer is done with that."""
        started = time.perf_counter()
        cache, logits = reader.read(answer.asked)
        (token,) = self._choose(logits.clone(), [answer])
        answer.seconds += time.perf_counter() - started
        if not answer.take(token):
            return True
        rows.add(answer, cache)
        newest.append(token)
        return False

    def _write_alone(self, answer: Answer) -> None:
        started = time.perf_counter()
        cache = DynamicCache(config=self._model.config)
        tokens = self._choose(self.read(answer.asked.ids, cache), [answer])
        while answer.take(tokens[0]):
            logits = self._model(self._tensor([tokens]), past_key_values=cache, use_cache=True).logits[:, -1]
            tokens = self._choose(logits, [answer])
        answer.seconds = time.perf_counter() - started

    def _step(self, tokens: Sequence[int], rows: Rows) -> torch.Tensor:
        rows.begin_step()
        logits: torch.Tensor = self._model(
            self._tensor([[token] for token in tokens]),
            attention_mask=rows.mask(),
            position_ids=rows.positions(),
            past_key_values=rows.cache,
            use_cache=True,
        ).logits
        return logits[:, -1]

    def _tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self._model.device)

    def _choose(self, logits: torch.Tensor, answers: Sequence[Answer]) -> list[int]:
        for row, answer in enumerate(answers):
            if answer.guide is not None:
                allowed = torch.from_numpy(answer.guide.allowed()).to(logits.device)
                logits[row].masked_fill_(~allowed[: logits.shape[1]], float("-inf"))
        return choose(logits, self._temperature, [answer.draw() for answer in answers])


class _Reader:
    """Reads prompts, each once for all draws that follow each other."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._last: tuple[Asked, Cache, torch.Tensor] | None = None

    def read(self, asked: Asked) -> tuple[Cache, torch.Tensor]:
        """Return what reading leaves in a cache, and the logits of the first token."""
        if self._last is None or self._last[0] is not asked:
            self._last = None  # Before the next prompt is read, so that only one is ever held.
            cache = DynamicCache()
            self._last = asked, cache, self._decoder.read(asked.ids, cache)
        return self._last[1:]


@torch.inference_mode()
def cache_bytes(model: Any) -> int:
    """Return how many bytes a token's keys and values take in all layers of a model."""
    cache = DynamicCache(config=model.config)
    model(torch.zeros((1, 1), dtype=torch.long, device=model.device), past_key_values=cache, use_cache=True)
    held = [getattr(layer, part, None) for layer in cache.layers for part in ("keys", "values")]
    return sum(states.numel() * states.element_size() for states in held if states is not None)
