"""Near duplicates: MinHash finds pairs that may be alike, and each is then compared exactly."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from typing import TypeVar

from ..errors import MissingExtraError

Key = TypeVar("Key", bound=Hashable)

NEAR = 0.8
"""Jaccard index from which on two things count as near duplicates."""

_BANDS, _ROWS = 21, 6
"""Bands × rows of the index: a pair at 0.8 is found with a probability of 0.998, one at 0.4 is compared in 8 %."""

_SHINGLE = 5


def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams of a text, in lower case and with single spaces."""
    plain = " ".join(text.lower().split())
    return frozenset(plain[start : start + _SHINGLE] for start in range(max(1, len(plain) - _SHINGLE + 1)))


def near_pairs(sets: Mapping[Key, frozenset[str]]) -> list[tuple[Key, Key]]:
    """Return the pairs of different keys whose sets have a Jaccard index of ``NEAR`` or more, in the given order.

    Empty sets are near to nothing.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise MissingExtraError("an audit", "datasketch", "audit") from None
    keys = [key for key, members in sets.items() if members]
    texts = ([member.encode() for member in sorted(sets[key])] for key in keys)
    hashes = MinHash.bulk(texts, num_perm=_BANDS * _ROWS, hashfunc=zlib.crc32)
    index = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    pairs: list[tuple[Key, Key]] = []
    for number, found in enumerate(hashes):
        alike = sorted(other for other in index.query(found) if jaccard(sets[keys[other]], sets[keys[number]]) >= NEAR)
        pairs += [(keys[other], keys[number]) for other in alike]
        index.insert(number, found)
    return pairs


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the members of two filled sets that both have."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
