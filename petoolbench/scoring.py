"""One answer × one reference → a ``Score``. Averages are taken elsewhere.

Two modes. ``official`` gives the published scorer's numbers: it finds its call as that scorer's expression does, and
compares names and arguments by plain equality. ``strict``, the default, understands every form of ``parsing``
and compares what the call would do: see ``docs/scoring.md`` for each difference with an example.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from .parsing import ParseError, parse_calls, render_call
from .published_rule import find_published_call
from .schema import ErrorType, Prediction, Reference, Score, ScoringMode, ToolCall

SCORING_VERSION = "1"
"""Scores of different versions are not comparable; ``CHANGELOG.md`` says what changed."""

_ABSENT = object()
_LONGEST_NORMALISED = 4_096
_PLAIN = frozenset({str, int, float, bool})


def score(prediction: Prediction, reference: Reference, mode: ScoringMode = "strict") -> Score:
    """Judge one answer (paper, section 3.4 and Table 2).

    An answer with several calls is judged by its first. A prediction with ``error``, or with neither text nor
    calls, is unscored.

    Args:
        prediction: The answer; ``calls`` is used where given, else ``text`` is parsed.
        reference: What it should have been.
        mode: ``strict`` or ``official``.
    """
    if prediction.error is not None or (prediction.text is None and prediction.calls is None):
        return Score(id=prediction.id, scored=False, problem=prediction.error or "no answer")
    try:
        calls = _official_calls(prediction) if mode == "official" else _strict_calls(prediction)
    except ParseError as error:
        return Score(id=prediction.id, scored=True, error="invalid_format", problem=str(error))
    called = calls[0]
    if mode == "official":
        tool, fault = called.name == reference.name, _official_fault(called, reference)
    else:
        called = _with_known_name(called, reference)
        tool = called.name == reference.name or called.name in reference.twins
        fault = _strict_fault(called.arguments, reference)
    return Score(
        id=prediction.id,
        scored=True,
        tool=tool,
        arguments=fault is None,
        error=fault if tool else _tool_error(called.name, reference),
        called=called,
        calls=len(calls),
    )


def gold_prediction(identity: str, reference: Reference) -> Prediction:
    """Return the reference's own call as an answer in text, which scores as fully correct in both modes."""
    return Prediction(id=identity, text=render_call(ToolCall(name=reference.name, arguments=reference.arguments)))


def _strict_calls(prediction: Prediction) -> tuple[ToolCall, ...]:
    if prediction.calls is not None:
        if not prediction.calls:
            raise ParseError("no-call", "the answer holds no tool call")
        return prediction.calls
    return parse_calls(prediction.text or "")


def _official_calls(prediction: Prediction) -> tuple[ToolCall, ...]:
    text = render_call(prediction.calls[0]) if prediction.calls else prediction.text or ""
    found = find_published_call(text)
    if found is None:
        raise ParseError("no-call", "the published scorer finds no call")
    try:
        answer = json.loads(found)
        return (ToolCall(name=answer["tool_name"], arguments=answer["parameters"]),)
    except (ValueError, KeyError, RecursionError):
        raise ParseError("bad-json", "what the published scorer finds is no valid call") from None


def _official_fault(called: ToolCall, reference: Reference) -> ErrorType | None:
    if called.arguments == reference.arguments:
        return None
    same_names = called.arguments.keys() == reference.arguments.keys()
    return "parameter_value_mismatch" if same_names else "parameter_name_mismatch"


def _tool_error(name: str, reference: Reference) -> ErrorType:
    if reference.candidates and name not in reference.candidates:
        return "tool_hallucination"
    return "preference_mismatch" if name in reference.group else "functionality_mismatch"


def _with_known_name(called: ToolCall, reference: Reference) -> ToolCall:
    """Spell the tool's name as the candidates do where it differs only in width, case or outer space."""
    known = reference.candidates or (reference.name,)
    if called.name in known:
        return called
    folded = _fold_text(called.name)
    matches = [name for name in known if _fold_text(name) == folded]
    return called.model_copy(update={"name": matches[0]}) if len(matches) == 1 else called


def _strict_fault(arguments: Mapping[str, Any], reference: Reference) -> ErrorType | None:
    """Return what is wrong with the arguments: a missing or foreign name comes before a wrong value."""
    if _identical(arguments, reference.arguments):
        return None
    faults = {argument_fault(arguments, name, reference) for name in arguments.keys() | reference.arguments.keys()}
    if "parameter_name_mismatch" in faults:
        return "parameter_name_mismatch"
    return "parameter_value_mismatch" if "parameter_value_mismatch" in faults else None


def argument_fault(arguments: Mapping[str, Any], name: str, reference: Reference) -> ErrorType | None:
    """Return what the strict mode finds wrong with one argument, which the call or the reference may leave out."""
    required = name in _schema_part(reference.parameters, "required", list)
    if required and name not in arguments:
        return "parameter_name_mismatch"
    schema = _schema_part(_schema_part(reference.parameters, "properties", dict), name, dict)
    wanted = _effective(reference.arguments, name, schema, required)
    given = _effective(arguments, name, schema, required)
    if wanted is _ABSENT and given is _ABSENT:
        return None
    if wanted is _ABSENT or given is _ABSENT:
        return "parameter_name_mismatch"
    same = _same(given, wanted, schema) or _accepts(reference, name, given, schema)
    return None if same else "parameter_value_mismatch"


def _identical(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether two sets of plain arguments are the same to the letter, which most right answers are."""
    return given.keys() == wanted.keys() and all(
        type(value) in _PLAIN and type(value) is type(wanted[name]) and value == wanted[name]
        for name, value in given.items()
    )


def _schema_part(schema: Mapping[str, Any], key: str, kind: type) -> Any:
    part = schema.get(key)
    return part if isinstance(part, kind) else kind()


def _effective(arguments: Mapping[str, Any], name: str, schema: Mapping[str, Any], required: bool) -> Any:
    """Return the value that a call gives a parameter: its own, or the documented default where it leaves it out.

    Null and empty text leave an optional parameter out.
    """
    value = arguments.get(name, _ABSENT)
    left_out = value is _ABSENT or (not required and (value is None or value == ""))
    return schema.get("default", _ABSENT) if left_out else value


def _accepts(reference: Reference, name: str, given: Any, schema: Mapping[str, Any]) -> bool:
    return any(accepted.argument == name and _same(given, accepted.value, schema) for accepted in reference.accepted)


def _same(given: Any, wanted: Any, schema: Mapping[str, Any]) -> bool:
    """Compare two values in the type that the documentation gives the parameter."""
    if type(given) is type(wanted) and isinstance(given, str | bool) and given == wanted:
        return True
    kind = schema.get("type")
    return bool(_canonical(given, kind) == _canonical(wanted, kind))


def _canonical(value: Any, kind: Any = None) -> Any:
    """Return a form in which equal values are equal: pairs of a kind and a value, so that 1, "1" and true differ."""
    if isinstance(value, list):
        return ("list", [_canonical(item) for item in value])
    if isinstance(value, dict):
        return ("dict", {name: _canonical(item) for name, item in value.items()})
    if isinstance(value, str):
        return _canonical_text(value, kind)
    if isinstance(value, bool):
        return ("text", "true" if value else "false") if kind == "string" else ("bool", value)
    if isinstance(value, int | float):
        return ("text", json.dumps(value)) if kind == "string" else ("number", value)
    return ("null", None)


def _canonical_text(text: str, kind: Any) -> Any:
    folded = _fold_text(text)
    if kind in ("number", "integer") and (number := _number(folded)) is not None:
        return ("number", number)
    if kind == "boolean" and folded in ("true", "false"):
        return ("bool", folded == "true")
    return ("text", folded)


def _number(text: str) -> int | float | None:
    """Return the number that a text writes in JSON's way, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fold_text(text: str) -> str:
    """Return a text without differences of width, case and outer space.

    Normalising takes quadratic time on runs of combining marks, so what is longer than any sensible value is not.
    """
    if len(text) <= _LONGEST_NORMALISED:
        text = unicodedata.normalize("NFKC", text)
    return text.strip().casefold()
