"""Answers that can be nothing but one well-formed call of a candidate.

llguidance turns a JSON Schema into masks over the vocabulary. The schema has one alternative a candidate: its name and
arguments that its own schema allows. Where the room for an answer ends before the call does, the call is closed in the
shortest way that the schema allows, without asking the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError, PEToolBenchError
from ..prompts import Prompt
from ..schema import Instance

_FORM: Final[Any] = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""As ``json.dumps`` spaces it, which is how the prompts show calls."""

_CLOSERS: Final = ("}", "]", '"', ",", "0", "n", "t", "{", "[")
"""The shortest ways on outside of strings, the best first; other tokens only where none of these is allowed."""

_IN_STRING: Final = "~"
"""Is allowed nowhere but in strings of free text, which a quote ends."""

_MOST_CLOSING: Final = 2_000
_LARGEST: Final = 10**15
"""Numbers without bounds of their own stay within it: JSON allows more digits and exponents than parsers read."""


class GrammarError(ValueError):
    """No grammar can be made of an instance's tools; the message says why."""


class Guidance:
    """Makes guides for one tokenizer, which takes about a second to prepare.

    Args:
        tokenizer: A fast tokenizer of transformers.
        vocabulary: The width of the model's logits.
        ends: The tokens with which a model ends its turn.
        name: By which errors call the model.

    Raises:
        MissingExtraError: llguidance is not installed.
        PEToolBenchError: The tokenizer is of a kind that llguidance cannot read.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Iterable[int], name: str) -> None:
        try:
            from llguidance.hf import from_tokenizer
        except ImportError:
            raise MissingExtraError("--guided", "llguidance", "llm") from None
        try:
            self._tokenizer = from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=sorted(ends) or None)
        except ValueError as error:
            raise PEToolBenchError(
                f"{name}: --guided cannot use its tokenizer: {' '.join(str(error).split())}"
            ) from None
        self._closers = {
            text: ids[0] for text in (*_CLOSERS, _IN_STRING) if len(ids := self._tokenizer.tokenize_str(text)) == 1
        }

    def guide(self, instance: Instance, prompt: Prompt) -> Guide:
        """Return what the answer to an instance may be.

        Raises:
            GrammarError: llguidance cannot express the schema of a candidate.
        """
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_json_schema(call_schema(instance, prompt), overrides=_FORM)
        matcher = LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            raise GrammarError(_first_line(matcher.get_error()))
        return Guide(matcher, self._tokenizer, self._closers)


class Guide:
    """What one answer may go on with."""

    def __init__(self, matcher: Any, tokenizer: Any, closers: Mapping[str, int]) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._closers = closers
        self._taken: list[int] = []

    @property
    def complete(self) -> bool:
        """Whether the call is closed."""
        return bool(self._matcher.is_stopped() or self._matcher.is_accepting())

    def allowed(self) -> NDArray[np.bool_]:
        """Return which tokens may come next, one truth value a token of the vocabulary."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._tokenizer.vocab_size].astype(np.bool_)

    def take(self, token: int) -> None:
        """Go on with a token that is allowed."""
        self._taken.append(token)
        if not self._matcher.consume_token(token):
            raise GrammarError(_first_line(self._matcher.get_error()))

    def whole_text(self) -> str:
        """Return the call as JSON text, closed in the shortest way if it is not.

        Raises:
            GrammarError: There is no way to close it that is short enough.
        """
        for _ in range(_MOST_CLOSING):
            if self.complete:
                return str(self._tokenizer.decode_str(self._taken))
            self.take(self._shortest())
        raise GrammarError("the call cannot be closed")

    def _shortest(self) -> int:
        allowed = self.allowed()
        can = {text: token for text, token in self._closers.items() if allowed[token]}
        if _IN_STRING in can and '"' in can:
            return can['"']
        return next((can[text] for text in _CLOSERS if text in can), int(allowed.argmax()))


def call_schema(instance: Instance, prompt: Prompt) -> dict[str, Any]:
    """Return the JSON Schema of the calls that an instance's candidates allow, in the form of the prompt's style."""
    name_key, arguments_key = ("name", "arguments") if prompt.tools is not None else ("tool_name", "parameters")
    native = prompt.tools is not None
    names = {tool.name: prompt.names.to_native[tool.name] if native else tool.name for tool in instance.candidates}
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {name_key: {"const": names[tool.name]}, arguments_key: _closed(tool.parameters)},
                "required": [name_key, arguments_key],
                "additionalProperties": False,
            }
            for tool in instance.candidates
        ]
    }


def _closed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's schema closed to arguments that it does not name; one required but not described may be any."""
    described = parameters.get("properties", {})
    properties: dict[str, Any] = {name: {} for name in parameters.get("required", [])}
    properties |= {name: _bounded(schema) for name, schema in described.items()}
    return {**parameters, "type": "object", "properties": properties, "additionalProperties": False}


def _bounded(schema: Any) -> Any:
    """Return a schema of a value whose numbers have bounds."""
    if not isinstance(schema, Mapping):
        return schema
    types = schema.get("type")
    if {"number", "integer"}.isdisjoint(types if isinstance(types, list) else [types]):
        return {**schema, "items": _bounded(schema["items"])} if "items" in schema else dict(schema)
    return {"minimum": -_LARGEST, "maximum": _LARGEST, **schema}


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:300]
