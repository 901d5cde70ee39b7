"""What the ranker reads of a prompt before it compares anything: tools taken apart, past calls weighed.

Nothing here looks at a reference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..filling import parameters_of, words_of
from ..names import split_tool_name
from ..schema import Instance, Tool
from .slots import Slot, read_slots

_REMEMBERED = 50_000
_READ_OF_DESCRIPTION = 160
_SHORTEST_STEM = 4


@dataclass(frozen=True)
class Rarity:
    """How rare words are among requests: ``counts`` says in how many of ``requests`` each stem occurs."""

    requests: int
    counts: dict[str, int]

    def of(self, stem: str) -> float:
        """Return the inverse document frequency of a stem, 0 or more."""
        return self._weights.get(stem, self._unknown)

    def squared(self, stems: Iterable[str]) -> float:
        """Return the squared length of a set of stems as a vector of rarities, to the bit whatever their order."""
        known, unknown = self._weights, self._unknown
        return math.fsum([known.get(stem, unknown) ** 2 for stem in stems])

    @cached_property
    def _weights(self) -> dict[str, float]:
        return {stem: math.log((self.requests + 1) / (count + 1)) for stem, count in self.counts.items()}

    @cached_property
    def _unknown(self) -> float:
        return math.log(self.requests + 1)


def rarity_of(requests: Iterable[str]) -> Rarity:
    """Count the stems of requests; stems that occur in one request only are as rare as unknown ones and left out."""
    counts: Counter[str] = Counter()
    number = 0
    for request in requests:
        number += 1
        counts.update(set(map(stem, words_of(request))))
    return Rarity(number, {word: count for word, count in sorted(counts.items()) if count > 1})


@dataclass(frozen=True)
class ToolReading:
    """A candidate taken apart.

    ``name_text`` and ``full_text`` are what the encoder reads: endpoint and parameter names as plain words, and those
    with the beginning of the description between them. ``name_stems`` and ``stems`` are the words, without endings, of
    the first and of all the documentation, ``name_weight`` and ``weight`` their squared lengths as vectors of rarities;
    ``detail_stems`` has the parameters' descriptions too. ``signature`` is the sorted parameters' names, ``slots``
    the parameters taken apart; ``sentences`` are those of the description.
    """

    tool: Tool
    name_text: str
    full_text: str
    name_stems: frozenset[str]
    stems: frozenset[str]
    detail_stems: frozenset[str]
    name_weight: float
    weight: float
    signature: tuple[str, ...]
    slots: tuple[Slot, ...]
    sentences: frozenset[str]
    vendor: str

    @cached_property
    def twin_key(self) -> tuple[str, tuple[str, ...]]:
        """Equal for tools whose name and parameters read the same."""
        return (self.name_text, self.signature)


@dataclass(frozen=True)
class PastCall:
    """A past call taken apart; ``place`` is its position from 0, the oldest, to 1, the latest."""

    name: str
    category: str
    provider: str
    vendor: str
    liked: bool
    place: float
    stems: frozenset[str]
    sentences: frozenset[str]


class Reader:
    """Takes tools and past calls apart and remembers those that it has seen."""

    def __init__(self, rarity: Rarity) -> None:
        self.rarity = rarity
        self._tools: dict[str, ToolReading] = {}
        self._texts: dict[str, frozenset[str]] = {}

    def tool(self, tool: Tool) -> ToolReading:
        """Return a tool taken apart."""
        known = self._tools.get(tool.name)
        if known is None or known.tool.description != tool.description or known.tool.parameters != tool.parameters:
            if len(self._tools) >= _REMEMBERED:
                self._tools.clear()
            known = self._tools[tool.name] = self._read_tool(tool)
        return known

    def stems(self, text: str) -> frozenset[str]:
        """Return the words of a text without endings."""
        known = self._texts.get(text)
        if known is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            known = self._texts[text] = frozenset(map(stem, words_of(text)))
        return known

    def _read_tool(self, tool: Tool) -> ToolReading:
        names = [name for name, _, _ in parameters_of(tool)]
        endpoint = " ".join(words_of(tool.endpoint))
        spoken = " ".join(" ".join(words_of(name)) for name in names)
        name_text = f"{endpoint} {spoken}".strip() or tool.provider
        stems = frozenset(map(stem, words_of(f"{name_text} {tool.description}")))
        name_stems = frozenset(map(stem, words_of(name_text)))
        details = " ".join(str(schema.get("description") or "") for _, schema, _ in parameters_of(tool))
        return ToolReading(
            tool=tool,
            name_text=name_text,
            full_text=f"{endpoint}. {tool.description.strip()[:_READ_OF_DESCRIPTION]} {spoken}".strip(),
            name_stems=name_stems,
            stems=stems,
            detail_stems=stems | frozenset(map(stem, words_of(details))),
            name_weight=self.rarity.squared(name_stems),
            weight=self.rarity.squared(stems),
            signature=tuple(sorted(names)),
            slots=read_slots(tool.parameters),
            sentences=sentences_of(tool.description),
            vendor=vendor_of(tool.provider),
        )

    def history(self, instance: Instance) -> list[PastCall]:
        """Return the past calls taken apart, the oldest first."""
        last = max(1, len(instance.history) - 1)
        calls = []
        for place, entry in enumerate(instance.history):
            category, provider, _ = split_tool_name(entry.call.name)
            provider = provider or entry.call.name
            calls.append(
                PastCall(
                    name=entry.call.name,
                    category=category,
                    provider=provider,
                    vendor=vendor_of(provider),
                    liked=entry.rating != 0,
                    place=place / last,
                    stems=self.stems(entry.instruction),
                    sentences=sentences_of(entry.documentation) if entry.documentation else frozenset(),
                )
            )
        return calls


def stem(word: str) -> str:
    """Return an English word without its commonest endings; short words stay as they are."""
    for ending in ("ations", "ation", "ings", "ing", "ies", "ers", "er", "es", "ed", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM - 1:
            return word[: -len(ending)]
    return word


def vendor_of(provider: str) -> str:
    """Return the first word of a provider's name, which products of one house share."""
    words = words_of(provider)
    return words[0] if words else provider.lower()


def sentences_of(text: str) -> frozenset[str]:
    """Return the sentences of a description, without outer space."""
    parts = text.replace("\n", ". ").split(". ")
    return frozenset(bare for part in parts if (bare := part.strip(" .")))
