"""An Inspect model output → a prediction; the scorer and the import of a log read answers here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..parsing import ParseError, parse_calls
from ..schema import Prediction, ToolCall

if TYPE_CHECKING:
    from inspect_ai.model import ModelOutput

_FINISHES = {"stop": "stop", "tool_calls": "stop", "max_tokens": "length", "model_length": "length"}


def read_output(output: ModelOutput, identity: str, names: Mapping[str, str] | None) -> Prediction:
    """Return what a model answered.

    Args:
        output: What Inspect got from the model; without any choice there is no answer.
        identity: The instance's id.
        names: The tools' own names by their native ones; None where the prompt showed the tools' own names.
    """
    if output.empty:
        return Prediction(id=identity, error=output.error or "the harness got no answer")
    answer = _native_answer(output, identity, names) if names is not None else _text(output, identity)
    usage = output.usage
    return answer.model_copy(
        update={
            "seconds": output.time,
            "prompt_tokens": usage.input_tokens if usage else None,
            "completion_tokens": usage.output_tokens if usage else None,
            "finish": _FINISHES.get(output.stop_reason),
        }
    )


def _text(output: ModelOutput, identity: str) -> Prediction:
    return Prediction(id=identity, text=output.completion)


def _native_answer(output: ModelOutput, identity: str, names: Mapping[str, str]) -> Prediction:
    """Read calls from ``tool_calls``, or else from the text, under the tools' own names.

    A first call whose arguments Inspect could not read is no call, which is judged as a wrong format.
    """
    made = output.message.tool_calls or []
    if made:
        calls = [ToolCall(name=call.function, arguments=call.arguments) for call in made if not call.parse_error]
        found = () if made[0].parse_error else tuple(calls)
    else:
        try:
            found = parse_calls(output.completion)
        except ParseError:
            return _text(output, identity)
    own = tuple(call.model_copy(update={"name": names.get(call.name, call.name)}) for call in found)
    return Prediction(id=identity, calls=own)
