"""What the published scorer takes for the call in an answer, in linear time and without its regular expression."""

from __future__ import annotations

from collections.abc import Iterator

from .tolerant_json import skip_space, skip_space_back

_TOOL_NAME, _PARAMETERS = '"tool_name":', '"parameters":'


def find_published_call(text: str) -> str | None:
    r"""Return what the published scorer takes for the call, or None; it need not be JSON.

    That scorer searches with a regular expression of these parts: ``\{``, ``.*``, ``"tool_name":``,
    ``\s*``, ``".*?"``, ``,``, ``\s*``, ``"parameters":``, ``\s*``, ``\{.*?\}\}``. The result is the same
    for every text, but in linear time: the expression takes minutes for some texts of a few kilobytes.
    """
    brace, searched, line_end, last_end = -1, 0, -1, -1
    for name, end in _published_names(text):
        if name > line_end:
            if brace != -1:
                break
            brace, searched = -1, text.rfind("\n", searched, name) + 1
            line_end = _next(text, "\n", name, line_end)
        if brace == -1:
            brace, searched = text.find("{", searched, name), name
        last_end = end
    return text[brace:last_end] if brace != -1 else None


def _published_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield each place of ``"tool_name":`` from where the rest of the expression matches, and where it ends.

    The lazy ``".*?"`` takes the first parameters that fit; a line break before those bars it from all.
    """
    ends = _published_ends(text)
    index, newline = 0, -1
    at = text.find(_TOOL_NAME)
    while at != -1:
        after = at + len(_TOOL_NAME)
        quote = skip_space(text, after)
        if text[quote : quote + 1] == '"':
            while index < len(ends) and ends[index][0] <= quote:
                index += 1
            if index == len(ends):
                return
            newline = _next(text, "\n", quote + 1, newline)
            if ends[index][0] < newline:
                yield at, ends[index][1]
        at = text.find(_TOOL_NAME, after)


def _published_ends(text: str) -> list[tuple[int, int]]:
    """Return each place of a ``",`` from where the expression's part for parameters matches, and its end."""
    ends: list[tuple[int, int]] = []
    close = newline = -1
    at = text.find(_PARAMETERS)
    while at != -1:
        after = at + len(_PARAMETERS)
        comma = skip_space_back(text, at)
        brace = skip_space(text, after)
        if text.endswith('",', 0, comma) and text[brace : brace + 1] == "{":
            close = _next(text, "}}", brace + 1, close)
            newline = _next(text, "\n", brace + 1, newline)
            if close < newline:
                ends.append((comma - 2, close + 2))
        at = text.find(_PARAMETERS, after)
    return ends


def _next(text: str, mark: str, start: int, known: int) -> int:
    """Return the next ``mark`` at or after ``start``, ``known`` if that is one, or the text's length."""
    if known >= start:
        return known
    found = text.find(mark, start)
    return len(text) if found == -1 else found
