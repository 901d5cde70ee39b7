"""Plans whose preference only documented attributes show: the paper's non-functional preference in its pure form.

The user likes tools that document one attribute and dislikes tools that do not. Neither the providers of the final
request's group nor their vendors occur in the history; exactly one tool of the group documents the attribute.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from petoolbench.schema import Preference

from .config import BuildConfig
from .market import Market
from .preferences import SPARE_NEIGHBOURS
from .records import Cluster, PastCall, Plan
from .replies import UnsettledError
from .schedule import Ticket

_LIKED, _DISLIKED = (4, 7), (3, 6)
_TRIES = 30


def make_attribute_plan(market: Market, ticket: Ticket, config: BuildConfig, allowed: frozenset[str]) -> Plan:
    """Decide about one user of an ``attribute`` config.

    Raises:
        UnsettledError: No attribute of the gold tool tells it from its siblings, or too few tools show it.
    """
    rng = random.Random(f"{ticket.seed}/plan")
    tastes = sorted(_own_attributes(market, ticket))
    rng.shuffle(tastes)
    for taste in tastes:
        neighbours = _neighbours(market, ticket, taste, allowed, rng)
        closed = {ticket.group, *neighbours}
        chosen = _history_tools(market, ticket, taste, allowed, closed, rng)
        if chosen is not None:
            liked, disliked = chosen
            return Plan(
                user_id=ticket.user_id,
                config=ticket.config,
                setting="rating_integrated",
                split=ticket.split,
                target=Cluster(group=ticket.group, tool=ticket.tool, evidence="attribute"),
                neighbours=tuple(attribute_answer(market, group, {taste}) for group in neighbours),
                decoy_sizes=ticket.decoy_sizes,
                preference=Preference(user_id=ticket.user_id, preferred=liked, non_preferred=disliked),
                length=rng.randint(*config.history_length),
                functionality_seen=ticket.functionality_seen,
                taste=taste,
            )
    raise UnsettledError("no attribute tells the gold tool from its siblings")


def _neighbours(market: Market, ticket: Ticket, taste: str, allowed: frozenset[str], rng: random.Random) -> list[str]:
    """Return groups of the sizes of the decoys, those first in which the taste settles one tool as well.

    Among them those come first that share attributes with many of the gold tool's siblings: else an attribute that
    turns up in several groups would show the gold tool to who reads no history. For the same reason no provider of
    the group is among their providers.
    """
    own = market.members(ticket.group).keys()
    siblings = [name for name in market.groups[ticket.group].tools if name != ticket.tool]
    chosen: list[str] = []
    for size in dict.fromkeys(ticket.decoy_sizes):
        near = [
            group
            for group in market.near_groups(ticket.group)
            if group in allowed and len(market.groups[group].tools) == size and not own & market.members(group).keys()
        ]
        rng.shuffle(near)
        near.sort(key=lambda group: -_settles(market, group, taste) * (1 + _shared(market, group, siblings)))
        chosen += near[: ticket.decoy_sizes.count(size) + SPARE_NEIGHBOURS]
    return chosen


def _settles(market: Market, group: str, taste: str) -> bool:
    return attribute_answer(market, group, {taste}).tool is not None


def _shared(market: Market, group: str, tools: Sequence[str]) -> int:
    """Return how many of the tools share an attribute with some tool of a group."""
    theirs = set().union(*(attributes_of(market, name) for name in market.groups[group].tools))
    return sum(bool(theirs & attributes_of(market, name)) for name in tools)


def attributes_of(market: Market, tool: str) -> set[str]:
    """Return what a tool documents, each as ``dimension: value``."""
    return {f"{dimension}: {value}" for dimension, value in market.tools[tool].source.attributes.items()}


def _own_attributes(market: Market, ticket: Ticket) -> set[str]:
    siblings = [name for name in market.groups[ticket.group].tools if name != ticket.tool]
    return attributes_of(market, ticket.tool).difference(*(attributes_of(market, name) for name in siblings))


def _history_tools(
    market: Market, ticket: Ticket, taste: str, allowed: frozenset[str], closed: set[str], rng: random.Random
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return liked tools that share the attribute and no other one, and disliked tools without it."""
    barred = {market.provider[name] for name in market.groups[ticket.group].tools}
    vendors = {market.vendor[provider] for provider in barred} - {None}
    liked: list[str] = []
    options = [name for name in market.showing[taste] if _usable(market, name, allowed, closed, barred, vendors)]
    rng.shuffle(options)
    for name in options:
        if market.provider[name] not in {market.provider[other] for other in liked}:
            liked.append(name)
        if len(liked) >= rng.randint(*_LIKED) and shared_attributes(market, liked) == {taste}:
            break
    if len(liked) < _LIKED[0] or shared_attributes(market, liked) != {taste}:
        return None
    used = {market.provider[name] for name in liked}
    disliked: list[str] = []
    for name in rng.sample(market.names, min(len(market.names), _TRIES * _DISLIKED[1])):
        if len(disliked) == _DISLIKED[1] or (len(disliked) >= _DISLIKED[0] and rng.random() < 0.2):
            break
        fits = _usable(market, name, allowed, closed, barred | used, vendors)
        if fits and taste not in attributes_of(market, name):
            disliked.append(name)
            used.add(market.provider[name])
    return (tuple(liked), tuple(disliked)) if len(disliked) >= _DISLIKED[0] else None


def _usable(
    market: Market, name: str, allowed: frozenset[str], closed: set[str], barred: set[str], vendors: set[str | None]
) -> bool:
    provider, group = market.provider[name], market.group_of[name]
    return (
        group in allowed and group not in closed and provider not in barred and market.vendor[provider] not in vendors
    )


def shared_attributes(market: Market, tools: Sequence[str]) -> set[str]:
    """Return the attributes that every one of the tools documents."""
    first, *others = (attributes_of(market, name) for name in tools)
    return first.intersection(*others)


def attribute_answer(market: Market, group: str, tastes: Iterable[str]) -> Cluster:
    """Return the tool of a group that alone documents one of the attributes, if there is one."""
    wanted = set(tastes)
    found = [name for name in market.groups[group].tools if wanted & attributes_of(market, name)]
    return Cluster(group=group, tool=found[0], evidence="attribute") if len(found) == 1 else Cluster(group=group)


def shown_attributes(market: Market, calls: Sequence[PastCall]) -> set[str]:
    """Read from a rated history the attributes that all liked tools document and no disliked one does."""
    liked = [past.call.name for past in calls if past.liked]
    disliked = [attributes_of(market, past.call.name) for past in calls if not past.liked]
    return shared_attributes(market, liked).difference(*disliked) if liked else set()
