"""What a history tells about a group, read by rules that are told the group and see only names, ratings and order.

A provider that was liked counts most, one whose vendor was liked counts some, one that was disliked counts against.
How a vendor shows in names, and when a provider of a chronological history counts as left behind, is each data set's
own convention. So there are several readings, and the one that suits the data best gives the ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..names import split_tool_name
from ..schema import Instance, Setting
from .texts import group_tools

Turn = Literal["category", "oldest"]

_LIKED, _VENDOR_LIKED, _UNKNOWN, _DISLIKED = 2, 1, 0, -1


@dataclass(frozen=True)
class Reading:
    """One way to read a history.

    ``vendors``: providers whose names begin with the same word have one vendor, and a liked vendor counts. ``turn``
    says which providers of a chronological history were left behind: by ``category``, each but the latest of its
    category; by ``oldest``, the provider of the oldest calls if it never comes back.
    """

    vendors: bool
    turn: Turn | None = None

    @property
    def summary(self) -> str:
        """The reading in words."""
        vendors = "with vendors" if self.vendors else "without vendors"
        turns = {"category": "the latest of each category is liked", "oldest": "the oldest provider is left behind"}
        return f"{vendors}, {turns[self.turn]}" if self.turn else vendors


@dataclass(frozen=True)
class Taste:
    """Providers that a history shows as liked and as disliked."""

    liked: frozenset[str]
    disliked: frozenset[str]


def readings(setting: Setting) -> tuple[Reading, ...]:
    """Return the ways to read a history of this setting."""
    turns: tuple[Turn | None, ...] = ("category", "oldest") if setting == "chronological" else (None,)
    return tuple(Reading(vendors, turn) for turn in turns for vendors in (False, True))


def best_reading(instances: Sequence[Instance]) -> Reading:
    """Return the reading under which the oracle is right most often; the simpler one of equals.

    Args:
        instances: Of one setting, at least one.
    """
    return max(
        readings(instances[0].setting), key=lambda reading: sum(oracle(entry, reading) or 0 for entry in instances)
    )


def oracle(instance: Instance, reading: Reading) -> float | None:
    """Return how right the oracle is: 1/k where gold is one of k that stand highest, else 0; None without a group."""
    top = standing_highest(instance, reading)
    if not top or instance.reference.name not in {tool.name for tool in group_tools(instance)}:
        return None
    return (instance.reference.name in top) / len(top)


def standing_highest(instance: Instance, reading: Reading) -> list[str]:
    """Return the names of the group's tools whose providers the history speaks for most; all where it says nothing."""
    taste = shown_taste(instance, reading.turn)
    vendors = {vendor_of(provider) for provider in taste.liked} if reading.vendors else set()
    standings = {tool.name: _standing(tool.provider, taste, vendors) for tool in group_tools(instance)}
    best = max(standings.values(), default=_UNKNOWN)
    return [name for name, standing in standings.items() if standing == best]


def _standing(provider: str, taste: Taste, vendors: set[str]) -> int:
    if provider in taste.liked:
        return _LIKED
    if provider in taste.disliked:
        return _DISLIKED
    return _VENDOR_LIKED if vendor_of(provider) in vendors else _UNKNOWN


def vendor_of(provider: str) -> str:
    """Return the first word of a provider's name, which is its vendor's where several providers share it."""
    return provider.split()[0] if provider.strip() else provider


def past_providers(instance: Instance) -> list[str]:
    """Return the provider of each past call, oldest first."""
    return [split_tool_name(entry.call.name)[1] for entry in instance.history]


def shown_taste(instance: Instance, turn: Turn | None) -> Taste:
    """Return which providers a history shows as liked and as disliked."""
    if instance.setting == "chronological":
        left = _latest_behind(instance) if turn == "category" else _oldest_behind(instance)
        return Taste(frozenset(past_providers(instance)) - left, left)
    balance: dict[str, int] = {}
    for provider, entry in zip(past_providers(instance), instance.history, strict=True):
        balance[provider] = balance.get(provider, 0) + (-1 if entry.rating == 0 else 1)
    liked = frozenset(provider for provider, likes in balance.items() if likes > 0)
    return Taste(liked, frozenset(provider for provider, likes in balance.items() if likes < 0))


def _latest_behind(instance: Instance) -> frozenset[str]:
    latest = {category: provider for category, provider, _ in (split_tool_name(e.call.name) for e in instance.history)}
    return frozenset(past_providers(instance)) - frozenset(latest.values())


def _oldest_behind(instance: Instance) -> frozenset[str]:
    providers = past_providers(instance)
    run = 0
    while run < len(providers) and providers[run] == providers[0]:
        run += 1
    return frozenset(providers[:1]) - frozenset(providers[run:])
