"""Who is asked for what: users, splits, target groups and gold tools, balanced over the whole data set."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from petoolbench.files import content_hash

from .compositions import composition_odds
from .config import BuildConfig
from .market import Market
from .records import Split


@dataclass(frozen=True)
class Ticket:
    """One user to be made: the config, split, target group, gold tool, sizes of decoy groups, and a seed of its own."""

    user_id: str
    config: str
    split: Split
    group: str
    tool: str
    decoy_sizes: tuple[int, ...]
    functionality_seen: bool
    seed: str


@dataclass(frozen=True)
class Partition:
    """The groups that training may use at all, and those that test requests ask for; ``unseen`` functionalities."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    unseen: frozenset[str]


def partition(market: Market, config: BuildConfig) -> Partition:
    """Set a share of each category's functionalities aside for the test, and add as many that training knows too.

    Half of the functionalities of the test are thus unseen in training; not one of their tools occurs there.
    """
    by_category: dict[str, list[str]] = {}
    for group in market.groups.values():
        kinds = by_category.setdefault(group.category, [])
        if group.functionality not in kinds:
            kinds.append(group.functionality)
    unseen: set[str] = set()
    known: set[str] = set()
    for category, kinds in by_category.items():
        order = random.Random(f"{config.seed}/partition/{category}").sample(kinds, len(kinds))
        share = max(1, round(config.unseen_share * len(kinds)))
        unseen.update(order[:share])
        known.update(order[share : 2 * share])
    groups = market.groups.items()
    return Partition(
        train=tuple(key for key, group in groups if group.functionality not in unseen),
        test=tuple(key for key, group in groups if group.functionality in unseen | known),
        unseen=frozenset(unseen),
    )


def tickets(market: Market, parts: Partition, config: BuildConfig) -> Iterator[Ticket]:
    """Yield one ticket a user; over the users of a split each tool of a group is gold equally often."""
    for name, sample in config.samples.items():
        splits: tuple[tuple[Split, int, Sequence[str]], ...] = (
            ("train", sample.train, parts.train),
            ("test", sample.test, parts.test),
        )
        for split, count, groups in splits:
            yield from _tickets(market, parts, config, name, split, count, groups)


def _tickets(
    market: Market, parts: Partition, config: BuildConfig, name: str, split: Split, count: int, groups: Sequence[str]
) -> Iterator[Ticket]:
    """Go round the groups again and again; each round takes the next tool of each group's shuffled tools."""
    place = f"{config.seed}/{name}/{split}"
    order = random.Random(place).sample(groups, len(groups))
    odds = composition_odds([len(market.groups[group].tools) for group in groups], config.candidates)
    decks: dict[str, list[str]] = {}
    for number in range(count):
        group = order[number % len(order)]
        if not decks.get(group):
            tools = market.groups[group].tools
            decks[group] = random.Random(f"{place}/{group}/{number}").sample(tools, len(tools))
        seed = f"{place}/{number}"
        beside = odds[len(market.groups[group].tools)]
        chosen = random.Random(f"{seed}/sizes").choices([sizes for sizes, _ in beside], [odd for _, odd in beside])
        yield Ticket(
            user_id=f"user-{content_hash(seed, 12)}",
            config=name,
            split=split,
            group=group,
            tool=decks[group].pop(),
            decoy_sizes=chosen[0],
            functionality_seen=market.groups[group].functionality not in parts.unseen,
            seed=seed,
        )
