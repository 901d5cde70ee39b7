"""What a model wrote → the answer's fields."""

from __future__ import annotations

from typing import Any

from ..parsing import ParseError, parse_calls
from ..prompts import Prompt


def read_answer(text: str, prompt: Prompt) -> dict[str, Any]:
    """Return ``text``, or in style ``native``, where it can be read, ``calls`` under the tools' own names."""
    if prompt.tools is None:
        return {"text": text}
    try:
        calls = parse_calls(text)
    except ParseError:
        return {"text": text}
    return {"calls": tuple(call.model_copy(update={"name": prompt.names.original(call.name)}) for call in calls)}
