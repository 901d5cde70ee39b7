"""Calls to siblings of the gold tool, for preference pairs where a model's samples hold none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, TypeAlias

from petoolbench.errors import MissingExtraError
from petoolbench.filling import fill_arguments, parameters_of
from petoolbench.schema import Arguments, Instance, Prediction, Tool, ToolCall
from petoolbench.scoring import score

Made = Literal["made_sibling", "filled_sibling"]
"""A sibling's call with the gold arguments; one whose arguments were at least partly read from the instruction."""

NoSibling = Literal["group_unknown", "no_sibling", "no_arguments"]
"""The data does not say which tools are interchangeable; no candidate is a sibling; no sibling's required parameters
could be filled."""

_Arguments: TypeAlias = Callable[[Instance, Tool], Arguments]


def sibling_call(instance: Instance, seed: int) -> tuple[ToolCall, Made] | NoSibling:
    """Return a call to a candidate of the gold tool's group, drawn by seed and instance, or why there is none.

    Siblings whose schema takes the gold arguments as they are come first. Else those arguments are kept that a schema
    takes, and the others are read from the instruction.

    Raises:
        MissingExtraError: jsonschema is not installed.
    """
    if not instance.reference.group:
        return "group_unknown"
    siblings = [tool for tool in instance.candidates if _is_sibling(tool, instance)]
    if not siblings:
        return "no_sibling"
    random.Random(f"{seed}:{instance.id}").shuffle(siblings)
    makers: tuple[tuple[Made, _Arguments], ...] = (("made_sibling", _gold), ("filled_sibling", _filled))
    for made, arguments_for in makers:
        for tool in siblings:
            arguments = arguments_for(instance, tool)
            if _takes(tool, arguments):
                return ToolCall(name=tool.name, arguments=arguments), made
    return "no_arguments"


def _is_sibling(tool: Tool, instance: Instance) -> bool:
    """Tell whether the scorer takes calling a tool for a matter of taste; a twin of the gold tool is no sibling."""
    called = Prediction(id=instance.id, calls=(ToolCall(name=tool.name),))
    return score(called, instance.reference).error == "preference_mismatch"


def _gold(instance: Instance, tool: Tool) -> Arguments:
    return instance.reference.arguments


def _filled(instance: Instance, tool: Tool) -> Arguments:
    known = {name for name, _, _ in parameters_of(tool)}
    kept = {
        name: value
        for name, value in instance.reference.arguments.items()
        if name in known and _takes(tool, {name: value}, partly=True)
    }
    return {**fill_arguments(tool, instance.instruction), **kept}


def _takes(tool: Tool, arguments: Arguments, *, partly: bool = False) -> bool:
    """Tell whether a tool's schema takes these arguments; ``partly`` forgives missing ones."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise MissingExtraError("making calls for preference pairs", "jsonschema", "train") from None
    schema = {**tool.parameters, "additionalProperties": False}
    if partly:
        schema.pop("required", None)
    return bool(Draft202012Validator(schema).is_valid(arguments))
