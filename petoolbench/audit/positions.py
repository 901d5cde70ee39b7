"""Whether gold stands at every position among the candidates equally often."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ..schema import Instance
from .sheet import Sheet


def write_positions(sheet: Sheet, instances: Sequence[Instance]) -> None:
    """Write the chi-square p-value that gold may stand anywhere, and how often it has its most frequent position.

    Instances that share gold and the whole order of their candidates are one draw, so the test counts them once.
    """
    places = [_place(entry) for entry in instances]
    draws = {(entry.reference.name, *_order(entry)): place for place, entry in zip(places, instances, strict=True)}
    drawn = [(place, len(key) - 1) for key, place in draws.items() if place is not None]
    if not drawn:
        return
    p = chi_square_p(Counter(place for place, _ in drawn), _expected([size for _, size in drawn]))
    sheet.p_value("gold positions", p, note=f"chi-square test over {len(drawn)} orders that gold may stand anywhere")
    found = Counter(place for place in places if place is not None)
    most = min(found, key=lambda place: (-found[place], place))
    sheet.share(
        "gold at its most frequent position",
        [None if place is None else place == most for place in places],
        [1 / len(entry.candidates) for entry in instances],
        note=f"position {most + 1}",
    )


def _order(instance: Instance) -> list[str]:
    return [tool.name for tool in instance.candidates]


def _place(instance: Instance) -> int | None:
    names = _order(instance)
    return names.index(instance.reference.name) if instance.reference.name in names else None


def _expected(sizes: Sequence[int]) -> dict[int, float]:
    """Return how often each position would hold gold by chance, given the numbers of candidates."""
    return {place: sum(1 / size for size in sizes if place < size) for place in range(max(sizes))}


def chi_square_p(found: Mapping[int, int], expected: Mapping[int, float]) -> float:
    """Return the p-value of Pearson's chi-square test with one degree of freedom less than there are classes.

    The upper tail of the distribution has a closed form for a whole number of degrees, so that scipy is not needed.
    """
    degrees = len(expected) - 1
    if degrees < 1:
        return 1.0
    half = sum((found.get(place, 0) - wanted) ** 2 / wanted for place, wanted in expected.items()) / 2
    if half == 0:
        return 1.0
    odd = degrees % 2
    terms = (math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in _orders(degrees))
    return min(1.0, sum(terms) + (math.erfc(math.sqrt(half)) if odd else 0.0))


def _orders(degrees: int) -> list[float]:
    """Return the powers in the sum: 0, 1, 2 … for an even number of degrees, 1/2, 3/2 … for an odd one."""
    return [index + degrees % 2 / 2 for index in range(degrees // 2)]
