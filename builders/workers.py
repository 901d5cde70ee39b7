"""Work on independent records in several processes, where the system can fork; the results come in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")

_CHUNK = 64
_work: dict[str, Callable[[str], Any]] = {}


def each(function: Callable[[str], _T], keys: Sequence[str], chunk: int = _CHUNK) -> Iterator[_T]:
    """Yield ``function(key)`` for each key, in the order of the keys.

    Args:
        function: Depends on nothing but its key and what is in memory now; each process has a copy of that.
        keys: What to work on. What makes no more than one chunk is worked on right here.
        chunk: How many keys a process takes at a time.
    """
    count = os.cpu_count() or 1
    if count == 1 or len(keys) <= chunk or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, keys)
        return
    _work["function"] = function
    try:
        with multiprocessing.get_context("fork").Pool(count) as pool:
            yield from pool.imap(_call, keys, chunksize=chunk)
    finally:
        del _work["function"]


def _call(key: str) -> Any:
    return _work["function"](key)
