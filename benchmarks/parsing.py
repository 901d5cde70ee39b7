"""Time the parser on a megabyte of each kind of adversarial text: ``python -m benchmarks.parsing`` in the clone's root.

Each unit is repeated to a megabyte, alone, where no shortcut applies and both readings are made, and inside a call. The
best of three runs is taken; the ten slowest are printed, then the time of an ordinary answer beside its JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from petoolbench.parsing import parse_calls, render_call
from petoolbench.published_rule import find_published_call
from petoolbench.schema import ToolCall
from tests.petoolbench.test_parsing import FAMILIES, adversarial, seconds

EXTRA = ["1,", "[],", "\\a", "\\\\", "f(a=1)", "`f()`\n"]
ROUNDS = 20_000


def best(text: str, function: Callable[[str], object]) -> float:
    """Return the best of three runs, in milliseconds."""
    return 1e3 * min(seconds(text, function) for _ in range(3))


def each(function: Callable[[], object]) -> float:
    """Return the microseconds of one call of a function."""
    started = time.perf_counter()
    for _ in range(ROUNDS):
        function()
    return 1e6 * (time.perf_counter() - started) / ROUNDS


def main() -> None:
    """Print the slowest texts and the cost of an ordinary one."""
    rows = [
        (best(text, function), function.__name__, unit, kind)
        for unit in [*FAMILIES, *EXTRA]
        for kind, text in zip(
            ("alone", "both readings", "in a list", "in a name"), adversarial(unit, 10**6), strict=True
        )
        for function in (parse_calls, find_published_call)
    ]
    for milliseconds, name, unit, kind in sorted(rows, reverse=True)[:10]:
        print(f"{milliseconds:6.1f} ms  {name}  {unit!r}, {kind}")
    print(f"{len(rows)} texts of 1 MB, {sum(row[0] >= 200 for row in rows)} of them at 200 ms or more")
    text = render_call(ToolCall(name="<Weather>.<SkyHarbor>.<now>", arguments={"city": "Tromsø", "days": 3}))
    ours, plain = each(lambda: parse_calls(text)), each(lambda: json.loads(text))
    print(f"an ordinary answer: {ours:.1f} µs; json.loads of it: {plain:.1f} µs")


if __name__ == "__main__":
    main()
