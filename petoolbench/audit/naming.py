"""Instructions that name a tool, a provider or a vendor, and so give the choice away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..filling import words_of
from ..schema import Instance, Tool
from .evidence import vendor_of
from .sheet import Sheet
from .texts import gold_tool, holds


@dataclass(frozen=True)
class NameBook:
    """What a data set's names are made of.

    ``ordinary`` holds words that its instructions or descriptions write in lower case. A name of one such word is no
    name to a reader ("search", "weather"), so meeting it gives nothing away. ``vendors`` are the first words that
    several providers share.
    """

    ordinary: frozenset[str]
    vendors: frozenset[str]

    def telling(self, name: str) -> bool:
        """Return whether a name is more than one ordinary word."""
        words = words_of(name)
        return len(words) > 1 or (len(words) == 1 and words[0] not in self.ordinary)


def name_book(instances: Iterable[Instance]) -> NameBook:
    """Read the ordinary words and the vendors off the instructions and candidates of a data set."""
    members = list(instances)
    tools = {tool.name: tool for entry in members for tool in entry.candidates}
    texts = {entry.instruction for entry in members} | {tool.description for tool in tools.values()}
    ordinary = frozenset(word for text in texts for word in _tokens(text) if word.islower())
    firsts = Counter(vendor_of(provider) for provider in {tool.provider for tool in tools.values()})
    return NameBook(ordinary, frozenset(word for word, count in firsts.items() if count > 1))


def _tokens(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text).split()


def write_given_away(sheet: Sheet, instances: Sequence[Instance], book: NameBook) -> None:
    """Write how often an instruction holds, as whole words, the name of gold, its provider or vendor, or another's."""
    tools = [gold_tool(entry) for entry in instances]
    pairs = [(entry.instruction, tool) if tool else None for entry, tool in zip(instances, tools, strict=True)]
    note = "names of one word that the data writes in lower case elsewhere do not count"
    sheet.share("instruction names the gold tool", [p and _named(p[0], p[1].endpoint, book) for p in pairs], note=note)
    sheet.share("instruction names the gold provider", [p and _named(p[0], p[1].provider, book) for p in pairs])
    sheet.share("instruction names the gold vendor", [p and _vendor_named(*p, book) for p in pairs])
    sheet.share(
        "instruction names a candidate's provider or vendor",
        [_any_named(entry.instruction, entry.candidates, book) for entry in instances],
    )


def _named(instruction: str, name: str, book: NameBook) -> bool:
    if not book.telling(name):
        return False
    spaced = " ".join(words_of(name))
    return holds(instruction, name) or f" {spaced} " in f" {' '.join(words_of(instruction))} "


def _vendor_named(instruction: str, tool: Tool, book: NameBook) -> bool:
    vendor = vendor_of(tool.provider)
    return vendor in book.vendors and _named(instruction, vendor, book)


def _any_named(instruction: str, tools: Iterable[Tool], book: NameBook) -> bool:
    return any(_named(instruction, tool.provider, book) or _vendor_named(instruction, tool, book) for tool in tools)
