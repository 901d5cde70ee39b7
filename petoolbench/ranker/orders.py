"""Rated histories told as an order: more of what order can mean, for training.

In our chronological data a taste changes category by category, and what is left behind lies among what is kept. The
paper's chronological setting (section 3.2.3) is plainer: first come calls that the user turned away from, then those
that the user stayed with. A ranker that is to read both kinds is trained on both, the second made from rated instances.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from ..names import join_tool_name, split_tool_name
from ..schema import Instance, Interaction
from .reading import vendor_of

_FEWEST, _MOST = 2, 5
_SIBLING_SHARE = 0.7


def opened_by_dislikes(instances: Iterable[Instance], seed: int = 0) -> Iterator[Instance]:
    """Yield chronological instances made of the rated ones: two to five calls of one disliked provider come first.

    The provider is mostly a sibling of the gold tool. Instances that more than one sibling's rejection settles are
    passed over, since one provider's calls would not settle them.
    """
    for instance in instances:
        if instance.setting != "rating_integrated":
            continue
        generator = random.Random(f"{seed}:{instance.id}")
        told = _told(instance, generator)
        if told is not None:
            yield told


def _told(instance: Instance, generator: random.Random) -> Instance | None:
    gold = split_tool_name(instance.reference.name)[1]
    siblings = [split_tool_name(name)[1] for name in instance.reference.group if name != instance.reference.name]
    disliked = [entry for entry in instance.history if entry.rating == 0]
    liked = [entry for entry in instance.history if entry.rating != 0]
    is_liked = any(vendor_of(_provider(entry)) == vendor_of(gold) for entry in liked)
    if not disliked or not siblings or (not is_liked and len(siblings) > 1):
        return None
    from_siblings = not is_liked or generator.random() < _SIBLING_SHARE
    provider = generator.choice(siblings if from_siblings else [_provider(entry) for entry in disliked])
    count = generator.randint(_FEWEST, _MOST)
    opening = [_by(provider, disliked[place % len(disliked)]) for place in range(count)]
    told = opening + [entry for entry in liked if _provider(entry) != provider]
    history = tuple(entry.model_copy(update={"rating": None, "position": place}) for place, entry in enumerate(told))
    return instance.model_copy(update={"setting": "chronological", "history": history})


def _provider(entry: Interaction) -> str:
    return split_tool_name(entry.call.name)[1]


def _by(provider: str, entry: Interaction) -> Interaction:
    category, _, endpoint = split_tool_name(entry.call.name)
    call = entry.call.model_copy(update={"name": join_tool_name(category, provider, endpoint)})
    return entry.model_copy(update={"call": call})
