"""The lists in an instruction: items joined by commas or *and*."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from .boundaries import Edges
from .spans import Reading
from .tokens import Token

_SENTENCE_ENDS = ".?!;:"
_JOINTS = frozenset(("and", "or", "&", "plus"))
_LONGEST_ITEM = 8
_LISTS = 12
_UNEVEN = 0.5


def enumerations(reading: Reading, edges: Edges) -> list[tuple[int, int]]:
    """Return the likeliest ranges of tokens that hold several items joined by commas or *and*."""
    tokens = reading.tokens
    found: list[tuple[float, int, int]] = []
    for run in _joined(reading):
        # Between two items one value ends and another begins.
        joints = [0.0, *accumulate(edges.ends[one[1] - 1] + edges.starts[two[0]] for one, two in pairwise(run))]
        for first in range(len(run)):
            head_from = max(run[first][0], run[first][1] - _LONGEST_ITEM)
            heads = sorted(range(head_from, run[first][1]), key=lambda at: -edges.starts[at])[:3]
            for last in range(first + 1, len(run)):
                tail_to = min(run[last][1], run[last][0] + _LONGEST_ITEM)
                tails = sorted(range(run[last][0], tail_to), key=lambda at: -edges.ends[at])[:3]
                inside = joints[last] - joints[first] + is_closed(tokens, run[first][0], run[last][1])
                for head in heads:
                    for tail in tails:
                        items = [(head, run[first][1]), *run[first + 1 : last], (run[last][0], tail + 1)]
                        score = edges.starts[head] + edges.ends[tail] + inside + _evenness(tokens, items)
                        found.append((score, head, tail + 1))
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return [(start, end) for _, start, end in found[:_LISTS] if end <= len(tokens)]


def is_closed(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Tell whether *and* stands before the last item of a list, as it does in a sentence."""
    joints = [place for place in range(start + 1, end - 1) if tokens[place].low in _JOINTS]
    commas = [place for place in range(start, end - 1) if tokens[place].after[-1:] == ","]
    return bool(joints) and joints[-1] > (commas[-1] if commas else -1)


def _evenness(tokens: Sequence[Token], items: Sequence[tuple[int, int]]) -> float:
    """Return how much the items of a list are alike, in length and in how they begin; 0 is most."""
    lengths = [end - start for start, end in items]
    usual = sorted(lengths[1:-1] or lengths)[0]
    opening = tokens[items[-1][0]].shape[:1]
    first = tokens[items[0][0]].shape[:1]
    return -_UNEVEN * (abs(lengths[0] - usual) + abs(lengths[-1] - usual)) - 2 * _UNEVEN * (first != opening)


def _joined(reading: Reading) -> Iterator[list[tuple[int, int]]]:
    """Yield the parts of each sentence between commas and *and*, where there are several."""
    run: list[tuple[int, int]] = []
    start = 0
    for place, token in enumerate(reading.tokens):
        is_last = place + 1 == len(reading.tokens)
        ends = is_last or (bool(token.after) and token.after[-1] in _SENTENCE_ENDS)
        comma = token.after[-1:] == ","
        if token.low in _JOINTS or comma or ends:
            end = place if token.low in _JOINTS else place + 1
            if end > start:
                run.append((start, end))
            start = place + 1
        if ends:
            if len(run) > 1:
                yield run
            run = []


def list_items(reading: Reading, start: int, end: int) -> list[str]:
    """Return the items of a range of tokens."""
    items: list[str] = []
    first = start
    for place in range(start, end):
        token = reading.tokens[place]
        joint = token.low in _JOINTS
        if joint or token.after[-1:] == "," or place + 1 == end:
            last = place if joint else place + 1
            if last > first:
                items.append(reading.slice(first, last))
            first = place + 1
    return items
