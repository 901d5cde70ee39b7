"""The small language of request phrasings: text with ``{parameter}`` slots and ``[optional parts]``.

``{city}`` stands for a value as people say it; ``{|mode=walking}`` sets a value and prints nothing; ``[ in {units}]``
is an optional part; ``[, live takes too|include_live=true]`` is an optional part that sets a value by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class PhrasingError(ValueError):
    """A phrasing breaks the language; the message says where."""


@dataclass(frozen=True)
class Slot:
    """The place of a parameter's value."""

    parameter: str


@dataclass(frozen=True)
class Fixed:
    """A parameter's value, as text, that the words around imply."""

    parameter: str
    value: str


@dataclass(frozen=True)
class Part:
    """A run of text, slots and fixed values that stands or falls as a whole."""

    pieces: tuple[str | Slot | Fixed, ...]
    optional: bool

    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that this part brings into the call."""
        return tuple(piece.parameter for piece in self.pieces if not isinstance(piece, str))


@dataclass(frozen=True)
class Phrasing:
    """One way to ask: the parts in order, and the text that they were read from."""

    text: str
    register: str
    parts: tuple[Part, ...]

    def required(self) -> tuple[str, ...]:
        """Return the parameters that every reading brings."""
        return tuple(name for part in self.parts if not part.optional for name in part.parameters())

    def optional(self) -> tuple[str, ...]:
        """Return the parameters that some readings bring."""
        return tuple(name for part in self.parts if part.optional for name in part.parameters())

    def fixed(self) -> Iterator[Fixed]:
        """Yield the values that the words imply."""
        for part in self.parts:
            yield from (piece for piece in part.pieces if isinstance(piece, Fixed))


def stands_alone(text: str, parameter: str) -> bool:
    """Return whether a noun phrase of several words, such as "the same city as last time", can stand for a slot.

    It cannot after an article or another determiner, inside quotation marks, or where the value is part of a compound.
    """
    before, slot, after = text.partition(f"{{{parameter}}}")
    last = before.replace("[", " ").split()[-1:]
    if not slot or (before and before[-1] not in " [") or (last and last[0].lower() in _DETERMINERS):
        return False
    if not after or after[0] in ".,;:?!)]":
        return True
    following = after.replace("[", " ").split()[:1]
    return after[0] in " [" and bool(following) and following[0].strip(".,;:?!").lower() in _MAY_FOLLOW


_DETERMINER_WORDS = "a an the my our your his her its their this that these those some any no every each next last @ #"
_FOLLOWING_WORDS = """
and at before between but by for from has in into is on or over please right since so this to today tonight tomorrow
under until was will with within without
"""
_DETERMINERS = frozenset(_DETERMINER_WORDS.split())
_MAY_FOLLOW = frozenset(_FOLLOWING_WORDS.split())


def parse_phrasing(text: str, register: str) -> Phrasing:
    """Read a phrasing.

    Raises:
        PhrasingError: A bracket or brace is not closed or nested, or an optional part sets nothing.
    """
    parts = []
    rest = text
    while rest:
        before, opened, after = rest.partition("[")
        if "]" in before:
            raise PhrasingError(f"']' without '[' in {text!r}")
        if before:
            parts.append(Part(tuple(_pieces(before, text)), optional=False))
        if opened:
            inside, closed, after = after.partition("]")
            if not closed or "[" in inside:
                raise PhrasingError(f"'[' is not closed in {text!r}")
            parts.append(_optional_part(inside, text))
        rest = after
    return Phrasing(text, register, tuple(parts))


def _optional_part(inside: str, text: str) -> Part:
    words, *settings = _split_outside_braces(inside)
    pieces = [*_pieces(words, text), *(_fixed(setting, text) for setting in settings)]
    part = Part(tuple(pieces), optional=True)
    if not part.parameters():
        raise PhrasingError(f"the optional part [{inside}] brings no parameter in {text!r}")
    return part


def _split_outside_braces(inside: str) -> list[str]:
    """Split at the bars that are not within braces."""
    fields, depth = [""], 0
    for character in inside:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "|" and depth == 0:
            fields.append("")
        else:
            fields[-1] += character
    return fields


def _pieces(words: str, text: str) -> Iterator[str | Slot | Fixed]:
    rest = words
    while rest:
        before, opened, after = rest.partition("{")
        if "}" in before:
            raise PhrasingError(f"'}}' without '{{' in {text!r}")
        if before:
            yield before
        if opened:
            inside, closed, after = after.partition("}")
            if not closed or not inside:
                raise PhrasingError(f"'{{' is not closed or empty in {text!r}")
            yield _fixed(inside[1:], text) if inside.startswith("|") else Slot(inside)
        rest = after


def _fixed(setting: str, text: str) -> Fixed:
    name, equals, value = setting.partition("=")
    if not equals or not name or not value:
        raise PhrasingError(f"{setting!r} is not of the form parameter=value in {text!r}")
    return Fixed(name.strip(), value.strip())
