"""Rewards: what ``petoolbench.scoring`` says of an answer, as numbers. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from petoolbench.models.chat import Asked
from petoolbench.models.reading import read_answer
from petoolbench.prompts import NameMap, Prompt
from petoolbench.schema import Prediction, Record, Reference, Score
from petoolbench.scoring import score

Reward = Callable[..., list[float]]
"""A reward function of TRL's: it takes completions and, by their names, the columns of the data."""

_HELD = 4_096
"""So many judgements are held: each reward asks for those of the same batch."""


class Question(Record):
    """What it takes to judge a completion: ``names`` maps names in native prompts to the tools' own, None: no such."""

    reference: Reference
    names: dict[str, str] | None
    opening: str


def question(asked: Asked) -> str:
    """Return the column ``question`` of a prompt: JSON text."""
    names = asked.prompt.names.to_native if asked.prompt.tools is not None else None
    return Question(reference=asked.instance.reference, names=names, opening=asked.opening).model_dump_json()


def call_reward(completions: Sequence[str], question: Sequence[str], **columns: Any) -> list[float]:
    """Return 1 for each completion that holds a call, else 0."""
    return [float(found.error != "invalid_format") for found in _scores(completions, question)]


def tool_reward(completions: Sequence[str], question: Sequence[str], **columns: Any) -> list[float]:
    """Return 1 for each completion that calls the right tool, else 0."""
    return [float(found.tool) for found in _scores(completions, question)]


def arguments_reward(completions: Sequence[str], question: Sequence[str], **columns: Any) -> list[float]:
    """Return 1 for each completion whose arguments are right, whatever its tool, else 0."""
    return [float(found.arguments) for found in _scores(completions, question)]


REWARDS: tuple[Reward, ...] = (call_reward, tool_reward, arguments_reward)


def _scores(completions: Sequence[str], questions: Sequence[str]) -> Iterator[Score]:
    return map(judged, completions, questions)


@lru_cache(maxsize=_HELD)
def judged(completion: str, text: str) -> Score:
    """Return what the scorer says of a completion to a ``question``."""
    asked = Question.model_validate_json(text)
    native = asked.names is not None
    prompt = Prompt([], [] if native else None, NameMap(asked.names or {}), kept=0, dropped=0)
    answer = read_answer(asked.opening + completion, prompt)
    return score(Prediction(id="completion", **answer), asked.reference)
