"""The answers that are written at the same time, a row of one cache for each. Loads torch and transformers.

All rows end at the same column, whatever their lengths, so that one step writes a token of each. The last column moves
on with every step; now and then all rows are moved back, so that no step reads columns that no row needs any more.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers.cache_utils import Cache, DynamicLayer

from .answer import Answer

SLACK: Final = 16
"""Rows are moved back once one in so many of their columns is of no row."""


class AlignedLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """The keys and values of one layer, in memory that is taken once."""

    def __init__(self, slots: int, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._slots, self._capacity = slots, capacity
        self._rows = self._length = 0
        self._all_keys = self._all_values = torch.empty(0)

    def place(self, row: int, keys: torch.Tensor, values: torch.Tensor, end: int) -> None:
        """Put what a prompt left into a row, so that it ends before a column."""
        if not self.is_initialized:
            self._all_keys, self._all_values = self._room(keys), self._room(values)
            self.lazy_initialization(keys, values)
        start = end - keys.shape[-2]
        self._all_keys[row, :, start:end] = keys[0]
        self._all_values[row, :, start:end] = values[0]

    def replace(self, row: int, by: int) -> None:
        """Overwrite a row with another."""
        self._all_keys[row, :, : self._length] = self._all_keys[by, :, : self._length]
        self._all_values[row, :, : self._length] = self._all_values[by, :, : self._length]

    def move_back(self, columns: int) -> None:
        """Move all rows so many columns back, over what lies there."""
        kept = self._length - columns
        for states in (self._all_keys, self._all_values):
            states[: self._rows, :, :kept] = states[: self._rows, :, columns : self._length].clone()

    def show(self, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the model see so many rows and columns; return their keys and values."""
        self._rows, self._length = rows, length
        keys, values = self._all_keys[:rows, :, :length], self._all_values[:rows, :, :length]
        self.keys, self.values = keys, values
        return keys, values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add one token's keys and values to every row."""
        end = self._length + key_states.shape[-2]
        self._all_keys[: self._rows, :, self._length : end] = key_states
        self._all_values[: self._rows, :, self._length : end] = value_states
        return self.show(self._rows, end)

    def get_seq_length(self) -> int:
        """Return where the rows end."""
        return self._length

    def _room(self, states: torch.Tensor) -> torch.Tensor:
        # Not ``empty``: what a mask hides must still be finite.
        return states.new_zeros(self._slots, states.shape[1], self._capacity, states.shape[3])


class Rows:
    """The answers that are being written.

    Args:
        slots: How many at most.
        columns: How many tokens a row has room for, see ``capacity``.
        device: Where the model is.
    """

    def __init__(self, slots: int, columns: int, device: torch.device) -> None:
        self.answers: list[Answer] = []
        self.cache = Cache(layers=[])
        self._slots, self._capacity = slots, columns
        self._layers: list[AlignedLayer] = []
        self._starts: list[int] = []
        self._end = 0
        self._device = device

    @property
    def free(self) -> bool:
        """Whether there is room for one more."""
        return len(self.answers) < self._slots

    def add(self, answer: Answer, read: Cache) -> None:
        """Take in an answer, and what reading its prompt left; no prompt may be longer than those before it."""
        if not self._layers:
            self._layers = [AlignedLayer(self._slots, self._capacity) for _ in read.layers]
            self.cache = Cache(layers=[*self._layers])
        row, length = len(self.answers), len(answer.asked.ids)
        if not self.answers:
            self._end = length
        one: Any
        for layer, one in zip(self._layers, read.layers, strict=True):
            if one.is_initialized:
                layer.place(row, one.keys, one.values, self._end)
        self.answers.append(answer)
        self._starts.append(self._end - length)
        self._show()

    def take(self, tokens: list[int]) -> tuple[list[int], list[Answer]]:
        """Give every answer its token; return the tokens of those that go on, and the answers that are done."""
        goes_on = [answer.take(token) for answer, token in zip(self.answers, tokens, strict=True)]
        left, done = list(tokens), []
        for row in reversed(range(len(left))):
            if not goes_on[row]:
                done.append(self.answers[row])
                self._drop(row, left)
        if done:
            self._show()
        return left, done

    def begin_step(self) -> None:
        """Make room for the next token of every answer."""
        unused = min(self._starts)
        if unused * SLACK >= self._end or self._end == self._capacity:
            for layer in self._initialized():
                layer.move_back(unused)
            self._starts = [start - unused for start in self._starts]
            self._end -= unused
            self._show()
        self._end += 1

    def mask(self) -> torch.Tensor | None:
        """Return which columns each row has, or None where all rows have all of them."""
        if not any(self._starts):
            return None
        columns = torch.arange(self._end, device=self._device)
        return (columns >= self._tensor(self._starts)[:, None]).long()

    def positions(self) -> torch.Tensor:
        """Return the position of each row's newest token in its own text."""
        return self._tensor([self._end - 1 - start for start in self._starts])[:, None]

    def _drop(self, row: int, left: list[int]) -> None:
        last = len(left) - 1
        if row != last:
            for layer in self._initialized():
                layer.replace(row, last)
            self._starts[row], left[row] = self._starts[last], left[last]
            self.answers[row] = self.answers[last]
        for column in (self.answers, self._starts, left):
            column.pop()

    def _show(self) -> None:
        for layer in self._initialized():
            layer.show(len(self.answers), self._end)

    def _initialized(self) -> list[AlignedLayer]:
        """Return the layers that hold something; some models let layers share the keys of others."""
        return [layer for layer in self._layers if layer.is_initialized]

    def _tensor(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, device=self._device)


def capacity(longest: int, most: int) -> int:
    """Return how many columns rows take: those of the longest answer, and some to move on in."""
    return longest + most + (longest + most) // SLACK + 1
