"""What training asks for: no test request repeats it in its words, nearly in its words, or in its call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from petoolbench.audit.near import NEAR, jaccard, shingles
from petoolbench.files import json_text

from .market import Market
from .records import FinalRequest, Plan


class Asked:
    """The requests of training, by functionality for their words and by group for their arguments.

    Words of different functionalities are never near each other; an audit of the finished data looks at them all.

    Args:
        requests: The final requests of training; none while training itself is written.
        plans: Their plans, by user.
        market: Knows the functionality of a group.
    """

    def __init__(self, requests: Iterable[FinalRequest], plans: Mapping[str, Plan], market: Market) -> None:
        self._market = market
        self._words: dict[str, list[frozenset[str]]] = {}
        self._calls: set[tuple[str, str]] = set()
        for request in requests:
            plan = plans[request.user_id]
            self._words.setdefault(self._functionality(plan), []).append(shingles(request.instruction))
            self._calls.add(_call(plan, request))

    def repeats(self, plan: Plan, request: FinalRequest) -> bool:
        """Return whether training has a call of the same group with the same arguments, or (nearly) the same words.

        Nearly the same is what the audit takes for it: a Jaccard index of character 5-grams of ``NEAR`` or more.
        """
        if _call(plan, request) in self._calls:
            return True
        words = shingles(request.instruction)
        return any(_near(words, other) for other in self._words.get(self._functionality(plan), ()))

    def _functionality(self, plan: Plan) -> str:
        return self._market.groups[plan.target.group].functionality


def _call(plan: Plan, request: FinalRequest) -> tuple[str, str]:
    return plan.target.group, json_text(sorted(request.arguments.items()))


def _near(one: frozenset[str], other: frozenset[str]) -> bool:
    """Compare the sizes first, which rules most pairs out."""
    small, large = sorted((len(one), len(other)))
    return small >= NEAR * large and jaccard(one, other) >= NEAR
