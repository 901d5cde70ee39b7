"""The chat API of OpenAI and of the servers that speak it: what a request holds, and how a reply is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ..files import json_text
from ..prompts import Prompt, read_native_calls
from ..schema import Instance, Prediction
from .guided import call_schema
from .protocol import Generation
from .reading import read_answer

_MODERN_LIMIT, _OLD_LIMIT = "max_completion_tokens", "max_tokens"


@dataclass(frozen=True)
class Dialect:
    """What a server takes, found out by asking it: the name of the limit on an answer, and whether it knows seeds."""

    limit: str = _MODERN_LIMIT
    seed: bool = True

    def after(self, refused: str | None) -> Dialect | None:
        """Return what to try when a parameter was refused; None where there is nothing else to try."""
        if refused == _MODERN_LIMIT == self.limit:
            return replace(self, limit=_OLD_LIMIT)
        if refused == "seed" and self.seed:
            return replace(self, seed=False)
        return None


class ReplyError(Exception):
    """What a server sent is no reply of the chat API; ``str(error)`` says why."""


class _Function(BaseModel):
    name: str
    arguments: str | dict[str, Any] | None = None


class _ToolCall(BaseModel):
    function: _Function | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Completion(BaseModel):
    """The part of a reply that is read."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
    model: str | None = None


@dataclass(frozen=True)
class Question:
    """What must be remembered of a request to read its reply: the instance, and the prompt without its text."""

    id: str
    prompt: Prompt


def question(instance: Instance, prompt: Prompt) -> Question:
    """Return what to remember of a request."""
    return Question(instance.id, replace(prompt, messages=[], tools=None if prompt.tools is None else []))


def request_body(
    model: str, instance: Instance, prompt: Prompt, generation: Generation, dialect: Dialect
) -> dict[str, Any]:
    """Return the body of a request.

    A guided answer is one of a JSON schema over the candidates, or, in style ``native``, a call that must be made.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": prompt.messages,
        "temperature": generation.temperature,
        dialect.limit: generation.max_new_tokens,
    }
    if dialect.seed:
        body["seed"] = generation.seed
    if prompt.tools is not None:
        body["tools"] = prompt.tools
        body["tool_choice"] = "required" if generation.guided else "auto"
    elif generation.guided:
        schema = {"name": "tool_call", "strict": True, "schema": call_schema(instance, prompt)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def read_completion(text: str) -> Completion:
    """Read the body of a reply.

    Raises:
        ReplyError: It is none.
    """
    try:
        return Completion.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise ReplyError(f"the server's reply is none of the chat API ({problem.lower()})") from None


def read_reply(asked: Question, completion: Completion) -> Prediction:
    """Return what the model answered: calls, or text.

    Calls whose arguments are no JSON object become text, to be judged as the model's words.

    Raises:
        ReplyError: The server kept the answer back.
    """
    choice = completion.choices[0]
    if choice.finish_reason == "content_filter":
        raise ReplyError("the server's content filter kept the answer back")
    usage = completion.usage or _Usage()
    known = Prediction(
        id=asked.id,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        dropped=asked.prompt.dropped,
        finish="length" if choice.finish_reason == "length" else "stop",
    )
    return known.model_copy(update=_calls_or_text(choice.message, asked.prompt))


def _calls_or_text(message: _Message, prompt: Prompt) -> dict[str, Any]:
    functions = [call.function for call in message.tool_calls or () if call.function is not None]
    if not functions:
        return read_answer(message.content or message.refusal or "", prompt)
    entries = [{"name": entry.name, "arguments": _as_text(entry.arguments)} for entry in functions]
    try:
        return {"calls": read_native_calls([{"function": entry} for entry in entries], prompt.names)}
    except (ValueError, RecursionError):
        return {"text": json_text([{**entry, "name": prompt.names.original(entry["name"])} for entry in entries])}


def _as_text(arguments: str | dict[str, Any] | None) -> str:
    return json_text(arguments) if isinstance(arguments, dict) else arguments or ""
