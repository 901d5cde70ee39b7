"""Who answers: rule agents, trained rankers and language models behind one face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from .baselines import AGENTS, Agent
from .errors import PEToolBenchError
from .models.protocol import LanguageModel
from .ranker.model import Ranker, read_ranker
from .schema import Instance, Prediction

RANKER = "ranker"
"""The name of the agent that needs a trained ranker."""

_BLOCK = 64
"""So many instances are ranked together."""


class Answerer(LanguageModel, Protocol):
    """Anything that answers instances without being told their references, unless ``oracle`` says so."""

    @property
    def oracle(self) -> bool:
        """Whether it is told the gold group."""
        ...


@dataclass(frozen=True)
class RuleAnswerer:
    """A rule agent; the same instance and seed always give the same answer."""

    agent: Agent
    seed: int = 0

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def oracle(self) -> bool:
        """Whether the agent is told the gold group."""
        return self.agent.oracle

    def described(self) -> Mapping[str, str]:
        """Return nothing: a rule is told by its name."""
        return {}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the agent's calls, in the order of the instances."""
        for entry in instances:
            yield Prediction(id=entry.id, calls=(self.agent.call(entry, self.seed),))


@dataclass(frozen=True)
class RankerAnswerer:
    """A trained ranker.

    ``top_k`` adds the names of that many of the likeliest candidates to each answer. Where the best one's probability
    is below ``abstain_below``, there is no answer, and the instance is unscored.
    """

    ranker: Ranker
    top_k: int | None = None
    abstain_below: float | None = None
    name: str = RANKER
    oracle: bool = False

    def described(self) -> Mapping[str, str]:
        """Return nothing: a ranker is told by the hash of its file."""
        return {}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the ranker's calls, each with the probability that its tool is right, a block after another."""
        left = iter(instances)
        while block := list(islice(left, _BLOCK)):
            for instance, ranking in zip(block, self.ranker.rankings(block), strict=True):
                yield self._answer(instance, ranking.names, min(1.0, ranking.probabilities[0]))

    def _answer(self, instance: Instance, names: Sequence[str], confidence: float) -> Prediction:
        known = Prediction(
            id=instance.id,
            confidence=round(confidence, 6),
            shortlist=tuple(names[: self.top_k]) if self.top_k is not None else None,
        )
        if self.abstain_below is not None and confidence < self.abstain_below:
            reason = f"abstained: the likeliest tool has a probability of {confidence:.2f}, below {self.abstain_below}"
            return known.model_copy(update={"error": reason})
        return known.model_copy(update={"calls": (self.ranker.call(instance, names[0]),)})


@dataclass(frozen=True)
class ModelAnswerer:
    """A language model."""

    model: LanguageModel
    oracle: bool = False

    @property
    def name(self) -> str:
        """The model's name with its engine."""
        return self.model.name

    def described(self) -> Mapping[str, str]:
        """Return what the model says of itself."""
        return self.model.described()

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the model's answers."""
        return self.model.answers(instances)


def find_answerer(
    name: str,
    *,
    seed: int = 0,
    ranker: Path | None = None,
    top_k: int | None = None,
    abstain_below: float | None = None,
) -> Answerer:
    """Return who goes by a name.

    Args:
        name: Of a rule agent, or ``ranker``.
        seed: For agents that draw lots.
        ranker: The file of a trained ranker, for ``ranker`` only.
        top_k: See ``RankerAnswerer``.
        abstain_below: See ``RankerAnswerer``.

    Raises:
        PEToolBenchError: There is none of that name, or what it needs is missing, or is given to another.
        InputError: The file holds no ranker of this version.
    """
    if name == RANKER:
        if ranker is None:
            raise PEToolBenchError("the agent 'ranker' needs --ranker FILE; make one with: petoolbench train-ranker")
        return RankerAnswerer(read_ranker(ranker), top_k, abstain_below)
    if ranker is not None or top_k is not None or abstain_below is not None:
        raise PEToolBenchError("--ranker, --top-k and --abstain-below go with --agent ranker only")
    if name not in AGENTS:
        raise PEToolBenchError(f"no agent {name!r}; there are: {', '.join((*AGENTS, RANKER))}")
    return RuleAnswerer(AGENTS[name], seed)
