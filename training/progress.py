"""A bar with tokens per second and the time left, and lines of losses; no library's own bar is shown beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

from petoolbench.console import Console

_SHOWN = ("loss", "eval_loss", "eval_tool_accuracy", "eval_argument_accuracy", "learning_rate")


class ProgressBar(TrainerCallback):
    """Shows how a run comes along, and measures it.

    ``seconds`` and ``tokens`` are those of this session's training steps, without evaluations and checkpoints; what was
    trained before a resumption is not in them.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.seconds = 0.0
        self.steps = 0
        self._console = console
        self._title = title
        self._began = 0.0
        self._first = self._last = 0
        self._bar: Progress | None = None

    @property
    def tokens(self) -> int:
        """Tokens read by all processes, without padding."""
        return self._last - self._first

    @property
    def speed(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the bar."""
        self._first = self._last = state.num_input_tokens_seen
        if state.is_world_process_zero and not self._console.quiet:
            columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[speed]}")
            shown = [TextColumn(column) if isinstance(column, str) else column for column in columns]
            self._bar = Progress(*shown, TimeElapsedColumn(), TimeRemainingColumn(), console=self._console.terminal)
            self._bar.add_task(self._title, total=state.max_steps, completed=state.global_step, speed="")
            self._bar.start()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop the clock and move the bar."""
        self.seconds += time.perf_counter() - self._began
        self.steps += 1
        self._last = state.num_input_tokens_seen
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=state.global_step, speed=f"{self.speed:.0f} tokens/s", refresh=True
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Write a line of what was measured."""
        known = [f"{name} {logs[name]:.4g}" for name in _SHOWN if logs and name in logs]
        if state.is_world_process_zero and known:
            self._console.note(f"step {state.global_step} of {state.max_steps}: {', '.join(known)}{self._left(state)}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, also where a fault ended the run."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _left(self, state: Any) -> str:
        if not self.steps:
            return ""
        minutes = (state.max_steps - state.global_step) * self.seconds / self.steps / 60
        return f"; {self.speed:.0f} tokens/s, {minutes:.0f} min of steps left"
