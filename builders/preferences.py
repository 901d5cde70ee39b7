"""Groups → one plan a user: what is preferred, and by which evidence each group is settled (paper, section 3.2.2).

The paper samples a group, prefers one of its tools, and adds the five tools nearest to it in non-functional text; a
tool that overlaps in functionality with an earlier one is discarded. So here; besides, the taste has to settle the
group of the final request by one kind of evidence, and as many groups like it as it can, so that no candidate gives
itself away by being the only one of a liked provider. Which groups are the neighbours never depends on the gold tool.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from petoolbench.schema import Evidence, Preference

from .config import BuildConfig, SampleConfig
from .market import Market
from .records import Cluster, Plan
from .replies import UnsettledError
from .schedule import Ticket
from .taste import Taste

SPARE_NEIGHBOURS = 1
NEAR_OF_A_SIZE = 8
RETRIEVED_TOOLS = 5
_ATTEMPTS = 8
_MOST_PROVIDERS = 14
_NOISE_DISLIKED = 3
_MOST_LIKED_TOOLS = 3
_MOST_DISLIKED_TOOLS = 2
_SIBLING_SHARE = 0.6


@dataclass
class _Frame:
    """What a plan is made within: ``closed`` are the target's group and its neighbours, kept out of the history.

    ``length`` is the number of interactions wanted; a history is longer only where its evidence needs it.
    """

    market: Market
    allowed: frozenset[str]
    closed: list[str]
    kinds: Mapping[Evidence, float]
    length: int
    rng: random.Random

    def shown_tools(self, provider: str) -> list[str]:
        """Return the provider's tools that a history may show."""
        groups = self.market.group_of
        return [
            name
            for name in self.market.offered[provider]
            if groups[name] in self.allowed and groups[name] not in self.closed
        ]

    def can_show(self, provider: str) -> bool:
        """Return whether a history may show any tool of a provider."""
        groups = self.market.group_of
        return any(
            groups[name] in self.allowed and groups[name] not in self.closed for name in self.market.offered[provider]
        )


def make_plan(
    market: Market, ticket: Ticket, sample: SampleConfig, config: BuildConfig, allowed: frozenset[str]
) -> Plan:
    """Decide about one user.

    Args:
        market: The grouped tools.
        ticket: The user, the target group and the gold tool.
        sample: The setting and the kinds of evidence wanted.
        config: The build's configuration.
        allowed: The groups that this split may use.

    Raises:
        UnsettledError: No attempt gave a taste that settles the target.
    """
    rng = random.Random(f"{ticket.seed}/plan")
    frame = _Frame(market, allowed, [ticket.group], sample.evidence, rng.randint(*config.history_length), rng)
    for kind in _kinds(sample.evidence, rng):
        for _ in range(_ATTEMPTS):
            taste = _target_taste(frame, ticket, kind, sample)
            if taste is not None:
                return _plan(frame, ticket, sample, kind, taste)
    raise UnsettledError("no taste settles the target group")


def _kinds(weights: Mapping[Evidence, float], rng: random.Random) -> Iterator[Evidence]:
    """Yield the kinds of evidence in a random order, the heavier ones earlier."""
    left = dict(weights)
    while left:
        kind = rng.choices(list(left), list(left.values()))[0]
        del left[kind]
        yield kind


def _target_taste(frame: _Frame, ticket: Ticket, kind: Evidence, sample: SampleConfig) -> Taste | None:
    taste = _settled(frame, Taste(frame.market, sample.setting), (), ticket.group, ticket.tool, kind)
    if taste is None:
        return None
    return _with_successors(frame, taste, [Cluster(group=ticket.group, tool=ticket.tool, evidence=kind)])


def _settled(
    frame: _Frame, taste: Taste, settled: Sequence[Cluster], group: str, tool: str, kind: Evidence
) -> Taste | None:
    """Return the taste extended so that a group asks for a tool by a kind of evidence, or None where it cannot."""
    market = frame.market
    provider = market.provider[tool]
    if kind == "direct":
        additions = [taste.extended(liked=[provider])]
    elif kind == "vendor":
        partners = [other for other in market.runs.get(market.vendor[provider] or "", ()) if other != provider]
        frame.rng.shuffle(partners)
        additions = [taste.extended(liked=[partner]) for partner in partners]
    else:
        siblings = [other for other in market.members(group) if other != provider]
        additions = [taste.extended(disliked=siblings)]
    wanted = [*settled, Cluster(group=group, tool=tool, evidence=kind)]
    return next((found for found in additions if _holds(frame, found, wanted)), None)


def _holds(frame: _Frame, taste: Taste, wanted: Iterable[Cluster]) -> bool:
    """Return whether a taste can be shown, contradicts nothing and gives every wanted answer."""
    return (
        _size(taste) <= _MOST_PROVIDERS
        and taste.consistent()
        and all(frame.can_show(provider) for provider in (*taste.liked, *taste.disliked))
        and all(taste.answer(cluster.group) == cluster for cluster in wanted)
    )


def _size(taste: Taste) -> int:
    return len(taste.liked) + len(taste.disliked)


def _with_successors(frame: _Frame, taste: Taste, wanted: Sequence[Cluster]) -> Taste | None:
    """In time order, give each category with a provider left behind the one that the user went over to."""
    if taste.setting != "chronological":
        return taste
    market = frame.market
    served = {market.category[provider] for provider in taste.liked}
    for category in dict.fromkeys(market.category[provider] for provider in taste.disliked):
        if category in served:
            continue
        options = [p for p, c in market.category.items() if c == category and taste.standing(p) >= 0]
        frame.rng.shuffle(options)
        extended = (taste.extended(liked=[option]) for option in options)
        found = next((option for option in extended if _holds(frame, option, wanted)), None)
        if found is None:
            return None
        taste = found
    return taste


def _plan(frame: _Frame, ticket: Ticket, sample: SampleConfig, kind: Evidence, taste: Taste) -> Plan:
    settled = [Cluster(group=ticket.group, tool=ticket.tool, evidence=kind)]
    taste = _settle_neighbours(frame, taste, settled, ticket)
    taste = _add_near_tools(frame, taste, settled, ticket.tool)
    taste = _add_disliked(frame, taste, settled)
    preferred = _preferred_tools(frame, taste)
    return Plan(
        user_id=ticket.user_id,
        config=ticket.config,
        setting=sample.setting,
        split=ticket.split,
        target=settled[0],
        neighbours=tuple(taste.answer(group) for group in frame.closed[1:]),
        decoy_sizes=ticket.decoy_sizes,
        preference=Preference(
            user_id=ticket.user_id,
            preferred=tuple(preferred),
            non_preferred=tuple(_non_preferred_tools(frame, taste, preferred)),
        ),
        length=frame.length,
        functionality_seen=ticket.functionality_seen,
    )


def neighbours_of_size(market: Market, group: str, size: int, allowed: frozenset[str], rng: random.Random) -> list[str]:
    """Return the nearest groups of a size in random order, but those of the same functionality first.

    The gold tool has no part in it: that a provider occurs among the neighbours must not tell it from its siblings.
    """
    own = market.groups[group].functionality
    near = [
        other for other in market.near_groups(group) if other in allowed and len(market.groups[other].tools) == size
    ][:NEAR_OF_A_SIZE]
    rng.shuffle(near)
    return sorted(near, key=lambda other: market.groups[other].functionality != own)


def _settle_neighbours(frame: _Frame, taste: Taste, settled: list[Cluster], ticket: Ticket) -> Taste:
    """Add neighbours for each size of decoy, one more than needed, and let the taste settle as many as it can."""
    for size in dict.fromkeys(ticket.decoy_sizes):
        wanted = ticket.decoy_sizes.count(size) + SPARE_NEIGHBOURS
        unsettled = []
        for group in neighbours_of_size(frame.market, ticket.group, size, frame.allowed, frame.rng):
            if wanted == 0:
                break
            found = _settle_neighbour(frame, taste, settled, group)
            if found is None:
                unsettled.append(group)
                continue
            taste, wanted = found[0], wanted - 1
            settled.append(found[1])
        for group in unsettled[: max(0, wanted - SPARE_NEIGHBOURS)]:
            frame.closed.append(group)
            if not _holds(frame, taste, settled):
                frame.closed.remove(group)
    return taste


def _settle_neighbour(
    frame: _Frame, taste: Taste, settled: Sequence[Cluster], group: str
) -> tuple[Taste, Cluster] | None:
    """Close one more group and let the taste settle it, if it can without touching the others."""
    frame.closed.append(group)
    answer = taste.answer(group)
    if answer.tool is not None and _holds(frame, taste, settled):
        return taste, answer
    found = None if answer.tool is not None else _extension(frame, taste, settled, group)
    if found is None:
        frame.closed.remove(group)
    return found


def _extension(frame: _Frame, taste: Taste, settled: Sequence[Cluster], group: str) -> tuple[Taste, Cluster] | None:
    tools = list(frame.market.groups[group].tools)
    frame.rng.shuffle(tools)
    for tool in tools:
        for kind in _kinds(frame.kinds, frame.rng):
            found = _settled(frame, taste, settled, group, tool, kind)
            wanted = [*settled, Cluster(group=group, tool=tool, evidence=kind)]
            found = found and _with_successors(frame, found, wanted)
            if found is not None:
                return found, wanted[-1]
    return None


def _add_near_tools(frame: _Frame, taste: Taste, settled: Sequence[Cluster], gold: str) -> Taste:
    """Like the providers of the five tools nearest to the gold one in non-functional text, where nothing overlaps."""
    market = frame.market
    near = [name for name in market.near_tools(gold) if market.group_of[name] in frame.allowed]
    fresh = list(dict.fromkeys(market.provider[name] for name in near if market.group_of[name] not in frame.closed))
    added = 0
    for provider in fresh:
        if added == RETRIEVED_TOOLS or _size(taste) >= frame.length:
            break
        if taste.standing(provider) != 0:
            continue
        found = taste.extended(liked=[provider])
        if _holds(frame, found, settled):
            taste, added = found, added + 1
    return taste


def _add_disliked(frame: _Frame, taste: Taste, settled: Sequence[Cluster]) -> Taste:
    """Dislike siblings of liked tools that have nothing to do with the final request."""
    if taste.setting == "preferred_only":
        return taste
    market = frame.market
    shown = [name for provider in taste.liked for name in frame.shown_tools(provider)]
    groups = list(dict.fromkeys(market.group_of[name] for name in shown))
    frame.rng.shuffle(groups)
    wanted = frame.rng.randint(1, _NOISE_DISLIKED)
    for group in groups:
        options = [provider for provider in market.members(group) if taste.standing(provider) == 0]
        if wanted == 0 or _size(taste) >= frame.length:
            break
        if not options:
            continue
        found = taste.extended(disliked=[frame.rng.choice(options)])
        if _holds(frame, found, settled) and _with_successors(frame, found, settled) == found:
            taste, wanted = found, wanted - 1
    return taste


def _preferred_tools(frame: _Frame, taste: Taste) -> list[str]:
    """Return one to three tools of each liked provider, no two of one group as long as there are others."""
    groups = frame.market.group_of
    chosen: list[str] = []
    for provider in taste.liked:
        taken = {groups[name] for name in chosen}
        tools = frame.shown_tools(provider)
        fresh = [name for name in tools if groups[name] not in taken] or tools
        chosen += frame.rng.sample(fresh, min(len(fresh), frame.rng.randint(1, _MOST_LIKED_TOOLS)))
    return chosen


def _non_preferred_tools(frame: _Frame, taste: Taste, preferred: Sequence[str]) -> list[str]:
    """Return one or two tools of each disliked provider, rather siblings of preferred tools."""
    groups = frame.market.group_of
    contested = {groups[name] for name in preferred}
    chosen: list[str] = []
    for provider in taste.disliked:
        tools = frame.shown_tools(provider)
        siblings = [name for name in tools if groups[name] in contested]
        pool = siblings if siblings and frame.rng.random() < _SIBLING_SHARE else tools
        chosen += frame.rng.sample(pool, min(len(pool), frame.rng.randint(1, _MOST_DISLIKED_TOOLS)))
    return chosen
