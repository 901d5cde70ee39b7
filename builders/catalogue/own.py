"""Our own catalogue as a source of tools and of requests for them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from petoolbench.errors import InputError
from petoolbench.schema import AcceptedValue, Origin, ToolCall

from ..records import CatalogueTool
from .checks import phrasings, typed
from .phrasing import Fixed, Part, Phrasing, PhrasingError, stands_alone
from .reading import FOLDER, Offer, Shared, category_files, offers, read_category, read_shared
from .records import Category, Parameter, Pool
from .values import Draws, Row, is_date

_OPTIONAL_SHARE = 0.5
_NAME_FIELDS = ("name", "title")
"""The fields of a pool whose values read as names, so that 'the same one as last time' can stand for them."""


@dataclass(frozen=True)
class Realised:
    """A request in words, the arguments that it asks for, and where each can be read."""

    instruction: str
    arguments: dict[str, JsonValue]
    accepted: tuple[AcceptedValue, ...]
    register: str
    phrasing: str


@dataclass(frozen=True)
class _Group:
    """What requests of one group of tools are made from."""

    parameters: Mapping[str, Parameter]
    required: tuple[str, ...]
    phrasings: tuple[Phrasing, ...]
    pools: Mapping[str, Pool]


@dataclass(frozen=True)
class _Again:
    """A value of an earlier request that a new one can point at."""

    parameter: str
    slot: str
    row: Row
    words: tuple[str, ...]


class OwnCatalogue:
    """The tools of category files, and a writer of requests for them.

    ``offers`` holds every tool by its name.
    """

    def __init__(self, categories: Iterable[Category], shared: Shared) -> None:
        self.offers: dict[str, Offer] = {}
        self.vendors = {key: vendor.name for key, vendor in shared.vendors.items()}
        self._groups: dict[str, _Group] = {}
        for category in categories:
            pools = {**shared.pools, **category.pools}
            for offer in offers(category):
                self.offers[offer.tool.name] = offer
                if offer.group not in self._groups:
                    self._groups[offer.group] = _group(category, offer, pools)

    def request(
        self,
        tool: str,
        rng: random.Random,
        registers: Mapping[str, float] | None = None,
        earlier: Sequence[ToolCall] = (),
        used: Collection[str] = (),
    ) -> Realised:
        """Write a request for a tool.

        Args:
            tool: The tool's name.
            rng: The source of every choice.
            registers: How much the speaker likes each register; all alike by default.
            earlier: Past calls, oldest first. Where given, the request points at a value of the latest of them that
                has one of the kind (``the same city as last time``), if there is one.
            used: Phrasings that the speaker has used already; another one is taken where there is any.
        """
        group = self._groups[self.offers[tool].group]
        fresh = [phrasing for phrasing in group.phrasings if phrasing.text not in used] or group.phrasings
        weights = [(registers or {}).get(phrasing.register, 1.0) for phrasing in fresh]
        phrasing = rng.choices(fresh, weights)[0]
        again = self._again(group, phrasing, earlier) if earlier else None
        return _realise(group, phrasing, rng, again)

    def _again(self, group: _Group, phrasing: Phrasing, earlier: Sequence[ToolCall]) -> _Again | None:
        for name in phrasing.required():
            parameter = group.parameters[name]
            slot, _, field = (parameter.source or "").partition(".")
            pool = group.pools.get(slot) if field in _NAME_FIELDS else None
            alone = _slots(group, phrasing).count(slot) == 1
            if pool is None or not pool.again or not alone or parameter.type == "array":
                continue
            if not stands_alone(phrasing.text, name):
                continue
            row = self._latest_row(slot, field, pool, earlier)
            if row is not None:
                return _Again(name, slot, row, pool.again)
        return None

    def _latest_row(self, slot: str, field: str, pool: Pool, earlier: Sequence[ToolCall]) -> Row | None:
        """Return the row that the latest call with a value of the pool shows.

        None where that call shows more of it than this field, or where a call holds a value that could be meant as
        well but stems from elsewhere.
        """
        names = {str(row[field]) for row in pool.rows}
        for call in reversed(earlier):
            shown = self._shown_fields(slot, pool, call)
            if shown is None:
                if _could_be_meant(call, slot, names):
                    return None
                continue
            if list(shown) != [field]:
                return None
            rows = [row for row in pool.rows if row[field] == shown[field]]
            return rows[0] if len(rows) == 1 else None
        return None

    def _shown_fields(self, slot: str, pool: Pool, call: ToolCall) -> dict[str, JsonValue] | None:
        """Return the values of a call that stem from a pool, by field; None where there is none.

        Values of a second row count under their labelled slot, so that they make the call ambiguous.
        """
        group = self._groups[self.offers[call.name].group] if call.name in self.offers else None
        if group is None or group.pools.get(slot) is not pool:
            return None
        found = {}
        for name, value in call.arguments.items():
            source, _, field = (group.parameters[name].source or "").partition(".")
            if source.partition(":")[0] == slot:
                found[field if source == slot else f"{source}.{field}"] = value
        return found or None


def _could_be_meant(call: ToolCall, slot: str, names: set[str]) -> bool:
    """Return whether a call has an argument called after a pool, or one that holds a value of it."""
    texts = [str(value) for value in call.arguments.values()]
    return any(slot in name for name in call.arguments) or any(name in text for name in names for text in texts)


def _slots(group: _Group, phrasing: Phrasing) -> list[str]:
    """Return the pool rows, by slot, that the parameters of a phrasing are taken from."""
    names = (*phrasing.required(), *phrasing.optional())
    return [(group.parameters[name].source or "").partition(".")[0].partition(":")[0] for name in names]


def catalogue_tools(catalogue: OwnCatalogue) -> Iterator[CatalogueTool]:
    """Yield the tools with what the catalogue knows of them."""
    for offer in catalogue.offers.values():
        yield CatalogueTool(
            tool=offer.tool,
            functionality_key=f"{offer.tool.category}/{offer.functionality}",
            group_key=offer.group,
            vendor=catalogue.vendors.get(offer.vendor or ""),
            attributes=dict(offer.attributes),
        )


def read_own_catalogue(folder: Path = FOLDER, categories: Sequence[str] | None = None) -> OwnCatalogue:
    """Read the category files of a folder; ``categories`` keeps those of these names only.

    Raises:
        InputError: A file is missing or damaged, or a category is not there.
    """
    read = {}
    for path in category_files(folder):
        category = read_category(path)
        read[category.category] = category
    for name in categories or ():
        if name not in read:
            raise InputError(f"no category {name!r}; there are: {', '.join(read)}", file=folder, field="categories")
    return OwnCatalogue([read[name] for name in categories or read], read_shared(folder))


def _group(category: Category, offer: Offer, pools: Mapping[str, Pool]) -> _Group:
    functionality = category.functionalities[offer.functionality]
    variant = functionality.variants[offer.variant]
    try:
        parsed = tuple(phrasings(variant))
    except PhrasingError as error:
        raise InputError(str(error), file=category.category, record=offer.group) from None
    return _Group(functionality.parameters, variant.required, parsed, pools)


def _realise(group: _Group, phrasing: Phrasing, rng: random.Random, again: _Again | None) -> Realised:
    draws = Draws(group.pools, rng)
    if again is not None:
        draws.rows[again.slot] = again.row
    text: list[str] = []
    accepted: dict[str, AcceptedValue] = {}
    for part in phrasing.parts:
        if part.optional and rng.random() >= _OPTIONAL_SHARE:
            continue
        words, entries = _part(part, group, draws, again)
        defaults = [group.parameters[entry.argument].default for entry in entries]
        if part.optional and any(e.value == d for e, d in zip(entries, defaults, strict=True)):
            continue  # what is left out has the default anyway
        text += words
        accepted |= {entry.argument: entry for entry in entries}
    instruction = _sentences(" ".join("".join(text).split()), again)
    found = [_literal(entry, instruction) for entry in accepted.values()]
    arguments = {entry.argument: entry.value for entry in found}
    found += [bare for entry in found for bare in _without_article(entry, group.parameters[entry.argument])]
    return Realised(instruction, arguments, tuple(found), phrasing.register, phrasing.text)


def _sentences(instruction: str, again: _Again | None) -> str:
    """Give words that point back and stand at the beginning a capital letter."""
    if again is not None and instruction.startswith(again.words):
        return instruction[:1].upper() + instruction[1:]
    return instruction


def _without_article(entry: AcceptedValue, parameter: Parameter) -> Iterator[AcceptedValue]:
    """Yield the value without its leading article, which a caller may well leave out."""
    if isinstance(entry.value, str) and parameter.enum is None:
        for article in ("the ", "a ", "an "):
            if entry.value.startswith(article):
                yield entry.model_copy(update={"value": entry.value.removeprefix(article)})


def _part(part: Part, group: _Group, draws: Draws, again: _Again | None) -> tuple[list[str], list[AcceptedValue]]:
    """Return the words of a part and the values that it brings."""
    words: list[str] = []
    entries: list[AcceptedValue] = []
    for piece in part.pieces:
        if isinstance(piece, str):
            words.append(piece)
            continue
        parameter = group.parameters[piece.parameter]
        if isinstance(piece, Fixed):
            entries.append(_accepted(piece.parameter, typed(piece.value, parameter), "documentation"))
            continue
        drawn = draws.draw(parameter)
        if again is not None and piece.parameter == again.parameter:
            words.append(draws.random.choice(again.words))
            entries.append(_accepted(piece.parameter, drawn.value, "history"))
        else:
            words.append(drawn.said)
            entries.append(_accepted(piece.parameter, drawn.value, _origin(parameter)))
    return words, entries


def _origin(parameter: Parameter) -> Origin:
    """Return where a value that is said can be read: the words for an enum value stand in the documentation."""
    return "instruction" if is_date(parameter.source or "") or parameter.enum is None else "documentation"


def _accepted(name: str, value: JsonValue, origin: Origin) -> AcceptedValue:
    return AcceptedValue(argument=name, value=value, origin=origin)


def _literal(entry: AcceptedValue, instruction: str) -> AcceptedValue:
    """Give a value that stands in the instruction word by word the origin ``instruction``."""
    values = entry.value if isinstance(entry.value, list) else [entry.value]
    if entry.origin != "documentation" or any(isinstance(value, bool) for value in values):
        return entry
    if all(str(value) in instruction for value in values):
        return entry.model_copy(update={"origin": "instruction"})
    return entry
