"""What a harness asks: which instances, and how a model is shown them.

Harnesses take these values from users, who may type anything, and keep them in their logs, from which a run is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from ..errors import InputError
from ..folders import PACKAGE_NAME, DatasetFolder, open_dataset
from ..prompts import PROMPT_STYLES, Prompt, PromptStyle, render_prompt
from ..schema import Instance, ScoringMode


@dataclass(frozen=True)
class Questions:
    """The instances of one split, and the style in which they are asked.

    ``history`` false hides the histories; ``max_interactions`` shows only so many of the latest.
    """

    config: str
    data: str = PACKAGE_NAME
    split: str = "test"
    style: PromptStyle = "paper"
    history: bool = True
    max_interactions: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is not usable, since harnesses pass on whatever they are given.

        Raises:
            InputError: A value is of a wrong type or out of its range.
        """
        for name in ("config", "data", "split"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"is {getattr(self, name)!r}; text is needed", field=name)
        if self.style not in PROMPT_STYLES:
            raise InputError(f"is {self.style!r}; choose one of: {', '.join(PROMPT_STYLES)}", field="style")
        if not isinstance(self.history, bool):
            raise InputError(f"is {self.history!r}; true or false is needed", field="history")
        most = self.max_interactions
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
            raise InputError(f"is {most!r}; a number from 1 on is needed", field="max_interactions")

    def open(self) -> DatasetFolder:
        """Open the data set.

        Raises:
            InputError: There is no such data set.
        """
        return open_dataset(self.data)

    def instances(self) -> Iterator[Instance]:
        """Yield the instances in their order.

        Raises:
            InputError: There is no such data set, config or split, or it is damaged.
        """
        return self.open().instances(self.config, self.split)

    def prompt(self, instance: Instance) -> Prompt:
        """Render an instance as it is asked."""
        return render_prompt(instance, self.style, history=self.history, max_interactions=self.max_interactions)

    def record(self) -> dict[str, Any]:
        """Return what a harness keeps in its log, JSON-like: the values, and the fingerprint of the data."""
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if self.data.rstrip("/") != PACKAGE_NAME and Path(self.data).exists():
            known["data"] = str(Path(self.data).resolve())
        return {**known, "fingerprint": self.open().fingerprint(self.config, self.split)}


def one_turn(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a prompt of style ``paper`` as one turn of the user, for models without a system role."""
    return [{"role": "user", "content": "\n\n".join(message["content"] for message in messages)}]


def checked_mode(mode: str) -> ScoringMode:
    """Return a scoring mode that a harness was given.

    Raises:
        InputError: There is no such mode.
    """
    modes: tuple[ScoringMode, ...] = get_args(ScoringMode)
    for known in modes:
        if mode == known:
            return known
    raise InputError(f"is {mode!r}; choose one of: {', '.join(modes)}", field="mode")
