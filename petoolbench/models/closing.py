"""Whether the first call of an answer that is still being written is closed.

``petoolbench.parsing`` decides what a call is. A call is closed when its outermost object is complete and a further
call after it would come second. Calls in Python's notation are never closed before the answer ends, for a call in JSON
after them would take their place.
"""

from __future__ import annotations

from typing import Final

from ..parsing import ParseError, parse_calls
from ..tolerant_json import Broken, Reader

_NEXT: Final = "petoolbench.next"
_PLAIN: Final = f'\n{{"tool_name": "{_NEXT}", "parameters": {{}}}}'
# The point keeps the call from being named by a tag before it, as in <function=name>{...}.
_TAGGED: Final = f"<tool_call>.{_PLAIN}</tool_call>"
_FREE, _SHARE = 20_000, 8
"""Characters that may be read again at no account; how often the whole answer may be read beyond them."""


class ClosingWatch:
    """Watches one answer.

    Reading again is paid for by the answer's length, so the time is linear in it. Where an answer holds so many braces
    that the account is empty, a closing may go unnoticed until the answer has grown.

    Args:
        opening: Text before the answer's first character that belongs to it, such as ``<think>``.
        tagged: Whether only calls in ``<tool_call>`` tags are awaited: they take precedence over those outside.
    """

    def __init__(self, opening: str = "", *, tagged: bool = False) -> None:
        self._pieces = [opening]
        self._length = len(opening)
        self._next = _TAGGED if tagged else _PLAIN
        self._spent = 0
        self._start = -1
        self._searched = 0

    @property
    def text(self) -> str:
        """All that was fed, the opening included."""
        return "".join(self._pieces)

    def feed(self, piece: str) -> int | None:
        """Add what was written; return the length of the text up to the closing of its first call, if it is there."""
        before = self._length
        self._pieces.append(piece)
        self._length += len(piece)
        brace = piece.find("}")
        while brace != -1:
            end = before + brace + 1
            if self._spent + end <= _FREE + _SHARE * self._length:
                self._spent += end
                if self._closes(self.text[:end]):
                    return end
            brace = piece.find("}", brace + 1)
        return None

    def _closes(self, text: str) -> bool:
        """Tell whether an outermost object ends with the text and holds a call that comes first."""
        while (start := self._outermost(text)) != -1:
            self._spent += len(text) - start
            got = Reader(text, text).read(start)
            if isinstance(got, Broken):
                if got.at == len(text):
                    return False
                self._start, self._searched = -1, max(got.resume, start + 1)
            else:
                self._start, self._searched = -1, got.end
                if got.end == len(text):
                    return self._is_first(text)
        return False

    def _outermost(self, text: str) -> int:
        """Return where the object begins that may be the outermost one at the text's end, or -1."""
        if self._start == -1:
            self._start = text.find("{", self._searched)
            if self._start == -1:
                self._searched = len(text)
        return self._start

    def _is_first(self, text: str) -> bool:
        self._spent += len(text)
        try:
            return parse_calls(text + self._next)[0].name != _NEXT
        except ParseError:
            return False
