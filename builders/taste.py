"""A user's taste as providers liked and disliked, and what it says about a group of interchangeable tools.

A provider that was liked counts most, one whose vendor was liked counts some, one that was disliked (in time order:
left behind for another provider of its category) counts against it. A group is settled when exactly one of its
tools comes out on top, and the taste says why (``Evidence``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from petoolbench.schema import Evidence, Setting

from .market import Market
from .records import Cluster, PastCall

_LIKED, _VENDOR_LIKED, _UNKNOWN, _DISLIKED = 2, 1, 0, -1


@dataclass(frozen=True)
class Taste:
    """Providers liked and disliked, in the order of their finding."""

    market: Market
    setting: Setting
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    _vendors: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        vendors = (self.market.vendor.get(provider) for provider in self.liked)
        object.__setattr__(self, "_vendors", frozenset(vendor for vendor in vendors if vendor is not None))

    def standing(self, provider: str) -> int:
        """Return how a provider stands: 2 liked, 1 its vendor liked, 0 unknown, -1 disliked."""
        if provider in self.liked:
            return _LIKED
        if provider in self.disliked:
            return _DISLIKED
        return _VENDOR_LIKED if self.market.vendor.get(provider) in self._vendors else _UNKNOWN

    def extended(self, liked: Iterable[str] = (), disliked: Iterable[str] = ()) -> Taste:
        """Return the taste with more providers."""
        return Taste(
            self.market,
            self.setting,
            tuple(dict.fromkeys([*self.liked, *liked])),
            tuple(dict.fromkeys([*self.disliked, *disliked])),
        )

    def consistent(self) -> bool:
        """Return whether no provider or vendor is on both sides, and time order has one liked provider a category."""
        if set(self.liked) & set(self.disliked):
            return False
        if self._vendors & {self.market.vendor.get(provider) for provider in self.disliked}:
            return False
        if self.setting != "chronological":
            return True
        categories = [self.market.category[provider] for provider in self.liked]
        return len(categories) == len(set(categories))

    def answer(self, group: str) -> Cluster:
        """Return which tool of a group the taste asks for, and by what evidence."""
        members = self.market.members(group)
        found = settle({provider: self.standing(provider) for provider in members})
        return Cluster(group=group, tool=members[found[0]], evidence=found[1]) if found else Cluster(group=group)


def settle(standings: Mapping[str, int]) -> tuple[str, Evidence] | None:
    """Return the one provider that stands out and the kind of evidence, or None.

    ``direct`` and ``vendor`` need all others unknown or disliked, ``elimination`` needs all others disliked.
    """
    best = max(standings, key=lambda provider: standings[provider])
    others = [standing for provider, standing in standings.items() if provider != best]
    top = standings[best]
    if top in (_LIKED, _VENDOR_LIKED) and all(standing <= _UNKNOWN for standing in others):
        return best, "direct" if top == _LIKED else "vendor"
    if top == _UNKNOWN and others and all(standing == _DISLIKED for standing in others):
        return best, "elimination"
    return None


def shown_taste(market: Market, setting: Setting, calls: Sequence[PastCall]) -> Taste:
    """Read the taste that a history shows, with nothing but the calls, their ratings and their order."""
    used = [(market.provider[past.call.name], past.liked) for past in calls]
    if setting != "chronological":
        return Taste(
            market,
            setting,
            tuple(dict.fromkeys(provider for provider, liked in used if liked)),
            tuple(dict.fromkeys(provider for provider, liked in used if not liked)),
        )
    latest = {market.category[provider]: provider for provider, _ in used}
    providers = tuple(dict.fromkeys(provider for provider, _ in used))
    current = tuple(provider for provider in providers if latest[market.category[provider]] == provider)
    return Taste(market, setting, current, tuple(provider for provider in providers if provider not in current))
