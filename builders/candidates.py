"""Instance → its candidate tools (paper, section 5.1: the gold group, retrieved tools, random ones).

What is retrieved comes as whole groups, of the sizes that ``compositions`` asks for: a group of twins is then no sign
of the gold group, because other groups stand there complete as well. None of the candidates occurs in the history.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from .config import BuildConfig
from .embedding import Vectors
from .market import Market
from .records import CandidateList, History, Plan
from .replies import UnsettledError

_TOO_SIMILAR = 0.85
_DRAWS = 200
_BESIDE_A_DECOY = 2 / 3


class Retriever:
    """Groups ranked by the similarity of their functionality to an instruction."""

    def __init__(self, market: Market) -> None:
        self._vectors = market.group_vectors
        self._groups = list(market.groups)
        self._row = {group: row for row, group in enumerate(self._groups)}

    def ranked(self, instruction: Vectors) -> Iterator[str]:
        """Yield all groups, the nearest to an instruction's vector first."""
        order = np.argsort(-(self._vectors @ instruction), kind="stable")
        yield from (self._groups[row] for row in order)

    def similarity(self, group: str, instruction: Vectors) -> float:
        """Return the cosine similarity of a group and an instruction's vector."""
        return float(self._vectors[self._row[group]] @ instruction)

    def alike(self, one: str, other: str) -> float:
        """Return the cosine similarity of two groups."""
        return float(self._vectors[self._row[one]] @ self._vectors[self._row[other]])


def choose_candidates(
    plan: Plan,
    history: History,
    instruction: Vectors,
    retriever: Retriever,
    market: Market,
    allowed: frozenset[str],
    config: BuildConfig,
) -> CandidateList:
    """Choose the tools that a model can pick from.

    Args:
        plan: The user's plan; its neighbours are the groups that decoys come from.
        history: The past calls; none of their tools becomes a candidate.
        instruction: The vector of the instruction.
        retriever: Ranks groups for it.
        market: The grouped tools.
        allowed: The groups that this split may use.
        config: Says how many candidates there are, and how many at least are retrieved if there is room.

    Raises:
        UnsettledError: The catalogue has too few tools that may stand beside the gold one.
    """
    rng = random.Random(f"{plan.user_id}/candidates")
    size, retrieved = config.candidates, config.retrieved
    used = {past_call.call.name for past_call in history.calls}
    names = list(market.groups[plan.target.group].tools)
    decoys = list(_decoys(plan, instruction, retriever, market, rng))
    found = [name for group in decoys for name in market.groups[group].tools]
    closed = {plan.target.group, *decoys}
    others = (group for group in retriever.ranked(instruction) if group in allowed and group not in closed)
    for group in others:
        if len(found) >= min(retrieved, size - len(names)):
            break
        free = [name for name in market.groups[group].tools if name not in used]
        if free and not _serves_too(group, plan, retriever, market):
            found.append(rng.choice(free))
            closed.add(group)
    drawn = _drawn(plan, closed, used, retriever, market, allowed, size - len(names) - len(found), rng)
    shown = [*names, *found, *drawn]
    rng.shuffle(shown)
    return CandidateList(
        user_id=plan.user_id,
        names=tuple(shown),
        retrieved=tuple(found),
        drawn=tuple(drawn),
        decoy_groups=tuple(decoys),
    )


def _decoys(
    plan: Plan, instruction: Vectors, retriever: Retriever, market: Market, rng: random.Random
) -> Iterator[str]:
    """Yield for each size of decoy a neighbour group of that size: the first is the nearest to the instruction.

    Were all of them, the target would show as the group in their middle. So a later one is in two of three instances
    the nearest to the decoy before it.
    """
    left = [cluster.group for cluster in plan.neighbours]
    before: str | None = None
    for size in plan.decoy_sizes:
        fitting = [group for group in left if len(market.groups[group].tools) == size]
        if not fitting:
            continue
        centre = before if rng.random() < _BESIDE_A_DECOY else None
        nearness = {
            group: retriever.alike(group, centre) if centre else retriever.similarity(group, instruction)
            for group in fitting
        }
        before = max(fitting, key=lambda group: (nearness[group], group))
        left.remove(before)
        yield before


def _serves_too(group: str, plan: Plan, retriever: Retriever, market: Market) -> bool:
    """Return whether a group of another functionality is so near to the target's that it might serve the request."""
    if market.groups[group].functionality == market.groups[plan.target.group].functionality:
        return False
    return retriever.alike(group, plan.target.group) > _TOO_SIMILAR


def _drawn(
    plan: Plan,
    closed: set[str],
    used: set[str],
    retriever: Retriever,
    market: Market,
    allowed: frozenset[str],
    count: int,
    rng: random.Random,
) -> list[str]:
    """Draw tools of groups that are not there yet."""
    drawn: list[str] = []
    taken = set(closed)
    for _ in range(_DRAWS * count):
        if len(drawn) == count:
            break
        name = rng.choice(market.names)
        group = market.group_of[name]
        free = group in allowed and group not in taken and name not in used
        if free and not _serves_too(group, plan, retriever, market):
            drawn.append(name)
            taken.add(group)
    if len(drawn) < count:
        raise UnsettledError("too few tools for the candidates")
    return drawn
