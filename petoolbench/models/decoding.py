"""Prompts → tokens, many answers at a time. Loads torch and transformers: import it at the point of use.

Every prompt is read alone, so that none is padded and none sees another; what it leaves in the model's cache is put
into a row of one cache for all, the rows' ends aligned. From then on one step writes a token of every answer. A row
whose answer is done is overwritten by the last one, so that no step computes for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from .answer import Answer
from .sampling import choose


class AlignedLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """The keys and values of one layer, in memory that is taken once; rows end at the same place."""

    def __init__(self, rows: int, capacity: int, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rows, self._capacity, self._length = rows, capacity, length
        self._all_keys = self._all_values = torch.empty(0)

    def place(self, row: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put what a prompt left into a row, so that it ends where all rows do."""
        if not self.is_initialized:
            self._all_keys, self._all_values = self._room(keys), self._room(values)
            self.lazy_initialization(keys, values)
        start = self._length - keys.shape[-2]
        self._all_keys[row, :, start : self._length] = keys[0]
        self._all_values[row, :, start : self._length] = values[0]
        self._show()

    def replace(self, row: int, by: int) -> None:
        """Overwrite a row with another."""
        self._all_keys[row, :, : self._length] = self._all_keys[by, :, : self._length]
        self._all_values[row, :, : self._length] = self._all_values[by, :, : self._length]

    def keep(self, rows: int) -> None:
        """Leave only so many of the first rows."""
        self._rows = rows
        self._show()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add one token's keys and values to every row."""
        end = self._length + key_states.shape[-2]
        self._all_keys[: self._rows, :, self._length : end] = key_states
        self._all_values[: self._rows, :, self._length : end] = value_states
        self._length = end
        return self._show()

    def get_seq_length(self) -> int:
        """Return where the rows end."""
        return self._length

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys = self._all_keys[: self._rows, :, : self._length]
        self.values = self._all_values[: self._rows, :, : self._length]
        return self.keys, self.values

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        # Not ``empty``: what a mask hides must still be finite.
        return states.new_zeros(self._rows, states.shape[1], self._capacity, states.shape[3])


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

    @torch.inference_mode()
    def write(self, answers: Sequence[Answer]) -> None:
        """Write all answers to their ends; several in a row that were asked the same share the reading of its prompt.

        Raises:
            torch.OutOfMemoryError: They do not fit the device together.
        """
        if not self.batches:
            for answer in answers:
                self._write_alone(answer)
            return
        longest = max(len(answer.asked.ids) for answer in answers)
        rows = _Rows(answers, longest, longest + self._most, self._model.device)
        for index, answer in enumerate(answers):
            if index == 0 or answer.asked is not answers[index - 1].asked:
                cache = DynamicCache()
                logits = self._read(answer, cache)
            rows.place(index, cache, logits)
        tokens = self._choose(rows.first_logits(), rows.answers)
        while tokens := rows.take(tokens):
            tokens = self._choose(self._step(tokens, rows), rows.answers)

    def _write_alone(self, answer: Answer) -> None:
        cache = DynamicCache(config=self._model.config)
        tokens = self._choose(self._read(answer, cache), [answer])
        while answer.take(tokens[0]):
            logits = self._model(self._tensor([tokens]), past_key_values=cache, use_cache=True).logits[:, -1]
            tokens = self._choose(logits, [answer])

    def _read(self, answer: Answer, cache: Cache) -> torch.Tensor:
        ids = self._tensor([answer.asked.ids])
        logits: torch.Tensor = self._model(ids, past_key_values=cache, use_cache=True, **self._last_only).logits
        return logits[:, -1]

    def _step(self, tokens: Sequence[int], rows: _Rows) -> torch.Tensor:
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


@torch.inference_mode()
def cache_bytes(model: Any) -> int:
    """Return how many bytes a token's keys and values take in all layers of a model."""
    cache = DynamicCache(config=model.config)
    model(torch.zeros((1, 1), dtype=torch.long, device=model.device), past_key_values=cache, use_cache=True)
    held = [getattr(layer, part, None) for layer in cache.layers for part in ("keys", "values")]
    return sum(states.numel() * states.element_size() for states in held if states is not None)


class _Rows:
    """The answers that are still being written, a row of the cache for each."""

    def __init__(self, answers: Sequence[Answer], longest: int, capacity: int, device: torch.device) -> None:
        self.answers = list(answers)
        self._layers: list[AlignedLayer] = []
        self.cache = Cache(layers=[])
        self._longest, self._capacity = longest, capacity
        self._logits: list[torch.Tensor] = []
        lengths = [len(answer.asked.ids) for answer in answers]
        self._starts = torch.tensor([longest - length for length in lengths], device=device)
        self._columns = torch.arange(capacity, device=device)
        self._end = longest

    def place(self, row: int, cache: Cache, logits: torch.Tensor) -> None:
        """Take over what reading a prompt left."""
        read: Any
        if not self._layers:
            size = len(self.answers), self._capacity, self._longest
            self._layers = [AlignedLayer(*size) for _ in cache.layers]
            self.cache = Cache(layers=[*self._layers])
        for own, read in zip(self._layers, cache.layers, strict=True):
            if read.is_initialized:
                own.place(row, read.keys, read.values)
        self._logits.append(logits)

    def first_logits(self) -> torch.Tensor:
        """Return the logits of the prompts' last tokens."""
        return torch.cat(self._logits)

    def take(self, tokens: Sequence[int]) -> list[int]:
        """Give every answer its token; return those of the answers that go on, whose rows are moved together."""
        goes_on = [answer.take(token) for answer, token in zip(self.answers, tokens, strict=True)]
        left = list(tokens)
        for row in reversed(range(len(left))):
            if not goes_on[row]:
                self._drop(row, left)
        if len(left) < len(tokens) and left:
            for layer in self._layers:
                layer.keep(len(left))
        self._end += 1
        return left

    def _drop(self, row: int, left: list[int]) -> None:
        last = len(left) - 1
        if row != last:
            for layer in self._layers:
                layer.replace(row, last)
            self._starts[row] = self._starts[last]
            self.answers[row], left[row] = self.answers[last], left[last]
        self.answers.pop()
        left.pop()

    def mask(self) -> torch.Tensor | None:
        """Return which columns each row has, or None where all rows have all of them."""
        starts = self._starts[: len(self.answers)]
        if not starts.any():
            return None
        return (self._columns[: self._end] >= starts[:, None]).long()

    def positions(self) -> torch.Tensor:
        """Return the position of each row's newest token in its own text."""
        return (self._end - 1 - self._starts[: len(self.answers)])[:, None]
