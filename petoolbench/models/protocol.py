"""What every language model is asked with, and how it answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..prompts import PromptStyle
from ..schema import Instance, Prediction


@dataclass(frozen=True)
class Generation:
    """How answers are made; the defaults are the paper's protocol (section 5.1), N = 10 being the data's.

    ``window`` is the number of tokens that a prompt may have, chat template included; the oldest interactions are
    dropped until it fits. ``temperature`` 0 is greedy. ``seed`` and an instance's id alone decide its draws, whatever
    else is in its batch. ``guided`` lets the model write nothing but a well-formed call of one of the candidates.
    """

    style: PromptStyle = "paper"
    window: int = 4_000
    max_new_tokens: int = 256
    temperature: float = 0.1
    seed: int = 0
    guided: bool = False


class LanguageModel(Protocol):
    """A model that answers instances; it never reads their references."""

    @property
    def name(self) -> str:
        """As the user named it, such as ``hf:Qwen/Qwen2.5-7B-Instruct``."""
        ...

    def described(self) -> Mapping[str, str]:
        """Return what a run's manifest says of it: versions of its packages, hardware, hash of the template, dtype."""
        ...

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield one prediction an instance, each as soon as it is there, in whatever order is quickest.

        Instances are taken a bounded number ahead. A fault that concerns one instance is its ``error``; a fault that
        concerns all of them raises ``PEToolBenchError``.
        """
        ...
