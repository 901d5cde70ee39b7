"""One value out of text that only resembles JSON: in one pass, without recursion, and ignorant of tool calls.

Accepted beyond JSON: single-quoted strings, Python's literals and tuples, trailing commas, line breaks
inside strings, and escapes that JSON does not have. Everything else that JSON forbids is a syntax error,
and so are numbers that JSON cannot carry (``NaN``, ``1e999``, integers of more than ``MAX_DIGITS`` digits)
and nesting beyond ``MAX_DEPTH``.

There are no regular expressions here, and ``json`` is asked once a text, for the first value, and never at several
places: its errors count the lines before them, which would make that quadratic.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from pydantic import JsonValue

Container = dict[str, JsonValue] | list[JsonValue]

MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 4300
QUOTES: Final = frozenset("\"'")

_STEP = 256
_MAX_KEYWORD = 128
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_HEX = frozenset("0123456789abcdefABCDEF")
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_BARE = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_+-.")
_NUMBER = frozenset("0123456789+-.eE")
_WORDS: dict[str, JsonValue] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_KEY, _ITEM, _VALUE, _NEXT = range(4)
"""What may come: a key or the end, a value or the end, a value, a comma or the end."""


class Frame:
    """An open container: what it holds so far, what closes it, and the key whose value is being read."""

    __slots__ = ("closer", "container", "key")

    def __init__(self, container: Container, closer: str) -> None:
        self.container = container
        self.closer = closer
        self.key = ""

    def put(self, value: JsonValue) -> None:
        if isinstance(self.container, dict):
            self.container[self.key] = value
        else:
            self.container.append(value)


def children(container: Container) -> Iterable[JsonValue]:
    """Return what a container holds, in order."""
    return container.values() if isinstance(container, dict) else container


def containers(values: Iterable[JsonValue]) -> list[Container]:
    """Return those of the values that hold others; an empty one holds none."""
    return [value for value in values if value and isinstance(value, (dict, list))]


class Value(NamedTuple):
    """A complete value and the position after it."""

    value: JsonValue
    end: int


class Broken(NamedTuple):
    """A value that is not complete.

    ``at`` is where it went wrong (the text's length: where it was cut off), ``resume`` where a search goes
    on, ``frames`` the open containers, outermost first. ``only_end_missing`` is true where a container's
    end could have stood at ``at``.
    """

    at: int
    resume: int
    frames: list[Frame]
    only_end_missing: bool = False


def replace_surrogates(text: str) -> str:
    """Return the text fit for UTF-8, with U+FFFD in place of what is not."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_SURROGATES)
    return text


def skip_space(text: str, at: int) -> int:
    """Return the first position from ``at`` on that holds no whitespace."""
    while text[at : at + 1].isspace():
        chunk = text[at : at + _STEP]
        at += len(chunk) - len(chunk.lstrip())
    return at


def skip_space_back(text: str, at: int) -> int:
    """Return the position after the last character before ``at`` that is no whitespace, or 0."""
    while at and text[at - 1].isspace():
        chunk = text[max(0, at - _STEP) : at]
        at -= len(chunk) - len(chunk.rstrip())
    return at


def decode_strict(text: str) -> JsonValue:
    """Read a text that is JSON from its first to its last character, at C speed.

    Raises:
        ValueError: It is not, or it holds what the module's head excludes.
    """
    got = _strict_value(text, 0)
    if got.end != len(text):
        raise ValueError("text after the value")
    return got.value


def _strict_value(text: str, at: int) -> Value:
    """Read the JSON value at ``at`` at C speed.

    Raises:
        ValueError: There is none, or it holds what the module's head excludes.
    """
    try:
        value: JsonValue
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    text = text[at:end]
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
        raise ValueError("nested too deeply")
    if "\\ud" in text or "\\uD" in text:
        # Well-formed pairs are joined by now.
        value = json.loads(replace_surrogates(json.dumps(value, ensure_ascii=False)))
    return Value(value, end)


def decode(text: str) -> JsonValue:
    """Read a text that holds one value, strict or tolerated, and nothing else but outer whitespace.

    Raises:
        ValueError: It does not.
    """
    try:
        return decode_strict(text.strip())
    except ValueError:
        got = Reader(text, text).read(0)
    if isinstance(got, Broken) or skip_space(text, got.end) != len(text):
        raise ValueError("not one value")
    return got.value


class Reader:
    """Reads values out of one text.

    Args:
        text: Decides the structure and the keys.
        source: As long as ``text``; string values are cut from it, so that characters of ``text`` can be
            replaced for the structure's sake without changing a value.
    """

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self._frames: list[Frame] = []
        self._string = -1
        self._after_string = -1
        self._may_be_strict = text is source

    def read(self, at: int) -> Value | Broken:
        """Read the value at ``at``.

        ``Broken.resume`` is the place of the error, or the inside of the string just before it: its quotes
        may be mispaired and hide where a value begins. A search that goes on at ``resume`` is linear all
        the same. Outside strings a backslash is an error, so no string opens right after one, while inside
        a string every quote of its kind comes right after one. Hence of the strings read again none opens
        inside an earlier one of its kind, and a character is read at most once in a string of each kind and
        twice outside of strings.
        """
        if self._may_be_strict and self.text[at : at + 1] in ("{", "["):
            self._may_be_strict = False
            with suppress(ValueError):
                return _strict_value(self.text, at)
        text = self.text
        frames = self._frames = []
        self._string = self._after_string = -1
        state = _VALUE
        while True:
            char = text[at : at + 1]
            if char.isspace():
                at = skip_space(text, at)
                char = text[at : at + 1]
            if state == _NEXT and char == ",":
                state = _KEY if frames[-1].closer == "}" else _ITEM
                at += 1
                continue
            if state != _VALUE and char == frames[-1].closer:
                value, at = _closed(frames.pop(), state), at + 1
            elif state == _NEXT:
                return self._broken(at, only_end_missing=True)
            elif state == _KEY:
                at = self._key(char, at)
                if at < 0:
                    return self._broken(~at)
                state = _VALUE
                continue
            elif char in _CLOSERS and len(frames) < MAX_DEPTH:
                frames.append(Frame({} if char == "{" else [], _CLOSERS[char]))
                state = _KEY if char == "{" else _ITEM
                at += 1
                continue
            else:
                scalar = self._quoted(at) if char in QUOTES else self._bare(at)
                if scalar is None:
                    return self._broken(at)
                value, at = scalar
            if not frames:
                return Value(value, at)
            frames[-1].put(value)
            state = _NEXT

    def read_keywords(self, at: int) -> tuple[dict[str, JsonValue] | None, int]:
        """Read ``key=value`` pairs up to a ``)``; return them, or None, and where a search goes on."""
        text = self.text
        found: dict[str, JsonValue] = {}
        while True:
            at = skip_space(text, at)
            if text[at : at + 1] == ")":
                return found, at + 1
            equals = text.find("=", at, at + _MAX_KEYWORD)
            key = text[at:equals].rstrip() if equals != -1 else ""
            if not key.isidentifier():
                return None, at
            start = skip_space(text, equals + 1)
            got = self.read(start)
            if isinstance(got, Broken):
                return None, got.resume
            found[key] = got.value
            at = skip_space(text, got.end)
            if text[at : at + 1] == ",":
                at += 1
            elif text[at : at + 1] != ")":
                return None, start + 1 if text[start] in QUOTES else at

    def has_key(self, at: int) -> bool:
        """Tell whether the string that opens at ``at`` is followed by a colon."""
        end = string_end(self.text, at)
        if end == -1:
            return False
        return self.text.startswith(":", skip_space(self.text, end + 1))

    def _key(self, char: str, at: int) -> int:
        """Read a key and its colon; return the position after them, or the inverted position of an error."""
        if char not in QUOTES:
            return ~at
        end = self._string_end(at)
        if end == -1:
            return ~at
        self._frames[-1].key = unquote(self.text[at + 1 : end])
        colon = skip_space(self.text, end + 1)
        return colon + 1 if self.text[colon : colon + 1] == ":" else ~colon

    def _quoted(self, at: int) -> tuple[JsonValue, int] | None:
        end = self._string_end(at)
        return None if end == -1 else (unquote(self.source[at + 1 : end]), end + 1)

    def _bare(self, at: int) -> tuple[JsonValue, int] | None:
        """Read a number or a literal, to the last character that could belong to one."""
        text, end, stop = self.text, at, len(self.text)
        while end < stop and text[end] in _BARE:
            end += 1
        word = text[at:end]
        if word in _WORDS:
            return _WORDS[word], end
        number = _number(word)
        return None if number is None else (number, end)

    def _string_end(self, at: int) -> int:
        """Return where the string that opens at ``at`` closes, or -1; remember the string for ``_broken``."""
        self._string = at
        end = string_end(self.text, at)
        self._after_string = end + 1
        return end

    def _broken(self, at: int, only_end_missing: bool = False) -> Broken:
        if at == self._string:
            return Broken(len(self.text), at + 1, self._frames)
        resume = at
        if self._string >= 0 and at < len(self.text) and skip_space(self.text, self._after_string) == at:
            resume = self._string + 1
        return Broken(at, resume, self._frames, only_end_missing)


def string_end(text: str, at: int) -> int:
    """Return where the string whose opening quote is at ``at`` has its closing quote, or -1."""
    quote = text[at]
    end = text.find(quote, at + 1)
    while end != -1:
        if text[end - 1] != "\\":
            return end
        back = end
        while text[back - 1] == "\\":
            back -= 1
        if (end - back) % 2 == 0:
            return end
        end = text.find(quote, end + 1)
    return -1


def unquote(raw: str) -> str:
    """Return what ``raw`` means between quotes; an escape that nobody defines means its own character."""
    if "\\" not in raw:
        return raw
    first, *pieces = raw.split("\\")
    out = [first]
    escaped = True
    for piece in pieces:
        if not escaped:
            out.append(piece)
            escaped = True
        elif piece:
            out.append(_unescape(piece))
        else:
            # Nothing between two backslashes: together they are one, and what follows is no escape.
            out.append("\\")
            escaped = False
    text = "".join(out)
    if "\\ud" not in raw and "\\uD" not in raw:
        return text
    # A character beyond U+FFFF is escaped as the two halves that it has in UTF-16.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescape(piece: str) -> str:
    """Resolve the escape that ``piece`` begins with, its backslash removed."""
    head = piece[0]
    if head in _ESCAPES:
        return _ESCAPES[head] + piece[1:]
    end = 1 + _HEX_ESCAPES.get(head, 0)
    digits = piece[1:end]
    if digits and len(digits) == end - 1 and _HEX.issuperset(digits) and int(digits, 16) <= 0x10FFFF:
        return chr(int(digits, 16)) + piece[end:]
    return piece


def _closed(frame: Frame, state: int) -> JsonValue:
    """Return the finished container; one value in parentheses, without a comma, is that value alone."""
    container = frame.container
    if frame.closer == ")" and state == _NEXT and len(container) == 1 and isinstance(container, list):
        return container[0]
    return container


def _number(word: str) -> int | float | None:
    """Return the number that ``word`` spells, or None; a leading zero (a postal code, say) makes it none."""
    digits = word.removeprefix("-")
    if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0" and digits[1] not in ".eE"):
        return None
    if not _NUMBER.issuperset(word) or digits[:1] == "+":
        return None
    try:
        if digits.isdigit():
            return int(word)
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of floats")
    return number


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _is_too_deep(value: JsonValue) -> bool:
    level = containers([value])
    for _ in range(MAX_DEPTH - 1):
        level = [child for item in level for child in containers(children(item))]
    return any(isinstance(child, (dict, list)) for item in level for child in children(item))


_DECODER = json.JSONDecoder(strict=False, parse_float=_finite, parse_constant=_refuse)
