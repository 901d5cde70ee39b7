"""Training instances → right calls to learn from, some with other documentation than the data has.

Documentation in the wild often names an example as the default of a parameter that must be given, and a request may not
say a value at all, so that only default or example is left. Our own data has neither, so some calls are made so.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from ..schema import Arguments, Instance, Reference
from .slots import Slot, read_slots

_DOCUMENTED_SHARE = 0.5
_OWN_DEFAULT_SHARE = 0.5
_UNSAID_SHARE = 0.25


@dataclass(frozen=True)
class GoldCall:
    """An instance's right call: what is asked, the tool's parameters, and the reference with their schema."""

    instance: Instance
    instruction: str
    slots: tuple[Slot, ...]
    reference: Reference


def gold_calls(instances: Sequence[Instance], seed: int) -> list[GoldCall]:
    """Return the right calls; instances whose candidates lack the gold tool have none.

    Half of the calls keep their documentation. In the others, required texts and numbers get a default: the right
    value, or that of another call; of the latter, some requests no longer say the value, and the default is right.
    """
    generator = random.Random(seed)
    drawn = _values_by_name(instances)
    calls = []
    for instance in instances:
        tool = next((one for one in instance.candidates if one.name == instance.reference.name), None)
        if tool is None:
            continue
        reference = instance.reference.model_copy(update={"parameters": tool.parameters})
        call = GoldCall(instance, instance.instruction, read_slots(tool.parameters), reference)
        if generator.random() >= _DOCUMENTED_SHARE:
            call = _with_defaults(call, drawn, generator)
        calls.append(call)
    return calls


def _values_by_name(instances: Sequence[Instance]) -> dict[str, list[JsonValue]]:
    values: dict[str, list[JsonValue]] = {}
    for instance in instances:
        for name, value in instance.reference.arguments.items():
            values.setdefault(name, []).append(value)
    return values


def _with_defaults(call: GoldCall, drawn: Mapping[str, Sequence[JsonValue]], generator: random.Random) -> GoldCall:
    instruction, arguments = call.instruction, dict(call.reference.arguments)
    schema = call.reference.parameters
    known = schema.get("properties")
    properties: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
    for slot in call.slots:
        if not slot.must_be_given or slot.kind not in ("text", "number", "integer") or slot.name not in arguments:
            continue
        own = arguments[slot.name]
        default = own if generator.random() < _OWN_DEFAULT_SHARE else generator.choice(drawn[slot.name])
        if default != own and generator.random() < _UNSAID_SHARE:
            instruction, arguments, default = _unsaid(instruction, arguments, slot, default)
        if default is not None:
            properties[slot.name] = {**properties[slot.name], "default": default}
    same = arguments == call.reference.arguments
    update = {"parameters": {**schema, "properties": properties}, "arguments": arguments}
    reference = call.reference.model_copy(update=update if same else {**update, "accepted": ()})
    return GoldCall(call.instance, instruction, read_slots(reference.parameters), reference)


def _unsaid(
    instruction: str, arguments: Arguments, slot: Slot, default: JsonValue
) -> tuple[str, Arguments, JsonValue | None]:
    """Take a value out of a request: right is then the documented example, or the default where there is none."""
    text = str(arguments[slot.name])
    before, found, after = instruction.partition(text)
    if not found:
        return instruction, arguments, default
    shortened = " ".join((before + after).split())
    if slot.examples and slot.kind == "text":
        return shortened, {**arguments, slot.name: slot.examples[0]}, None
    return shortened, {**arguments, slot.name: default}, default
