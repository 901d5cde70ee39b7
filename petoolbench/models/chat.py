"""Prompt → token ids, by the chat template that the tokenizer brings.

What a template can do is found out by rendering a conversation of our own with it, not by the model's name: whether it
takes a system role, and whether it shows tools and past calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import PEToolBenchError
from ..files import content_hash
from ..prompts import Prompt, PromptError, PromptStyle, render_prompt
from ..schema import Instance, Prediction
from .protocol import Generation

THINK: Final = "<think>"
CALL_TAG: Final = "<tool_call>"

_MARK = "qzx7"
_TOOL = {
    "type": "function",
    "function": {
        "name": f"{_MARK}_tool",
        "description": "A probe.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
_CALL = {
    "id": "call_0",
    "type": "function",
    "function": {"name": f"{_MARK}_past", "arguments": f'{{"a": "{_MARK}_v"}}'},
}
_QUESTION = {"role": "user", "content": f"{_MARK}_question"}


@dataclass(frozen=True)
class Asked:
    """An instance as the model sees it.

    ``opening`` is what the template wrote at the beginning of the model's turn: ``<think>`` or nothing. ``tagged`` says
    whether the template asks for calls in ``<tool_call>`` tags.
    """

    instance: Instance
    prompt: Prompt
    ids: list[int]
    opening: str
    tagged: bool


class Chat:
    """A tokenizer's chat template, for one prompt style.

    Args:
        tokenizer: A tokenizer of transformers.
        style: How instances are rendered.
        name: By which errors call the model.

    Raises:
        PEToolBenchError: There is no template, or it cannot render the style.
    """

    def __init__(self, tokenizer: Any, style: PromptStyle, name: str) -> None:
        self.tokenizer = tokenizer
        self.style = style
        self.name = name
        if not tokenizer.chat_template:
            raise PEToolBenchError(
                f"{name}: has no chat template; name an instruction-tuned model, or put a chat_template.jinja beside it"
            )
        self._takes_system = self._shows([{"role": "system", "content": f"{_MARK}_system"}, _QUESTION], "_system")
        if not self._shows([_QUESTION], "_question"):
            raise PEToolBenchError(f"{name}: its chat template cannot render a user's turn; name a chat model")
        if style == "native":
            self._check_native()

    @property
    def template_hash(self) -> str:
        """Sixteen hexadecimal digits of the template's text."""
        return content_hash(self.tokenizer.chat_template)

    def ask(self, instance: Instance, generation: Generation) -> Asked:
        """Render an instance so that it fits the window.

        Raises:
            PromptError: It does not fit even without history.
        """
        seen: dict[int, tuple[str, list[int]]] = {}

        def count(prompt: Prompt) -> int:
            text = self.render(prompt)
            seen[prompt.kept] = text, self._ids(text)
            return len(seen[prompt.kept][1])

        prompt = render_prompt(instance, self.style, max_tokens=generation.window, count_tokens=count)
        text, ids = seen[prompt.kept]
        opening = THINK if text.rstrip().endswith(THINK) and not generation.guided else ""
        return Asked(instance, prompt, ids, opening, tagged=prompt.tools is not None and CALL_TAG in text)

    def ask_all(self, instances: Sequence[Instance], generation: Generation) -> tuple[list[Asked], list[Prediction]]:
        """Render instances; those that do not fit the window are returned as errors."""
        asked: list[Asked] = []
        refused: list[Prediction] = []
        for instance in instances:
            try:
                asked.append(self.ask(instance, generation))
            except PromptError as error:
                refused.append(Prediction(id=instance.id, error=str(error)))
        return asked, refused

    def render(self, prompt: Prompt) -> str:
        """Return the prompt as the text that the model reads, up to where its answer begins.

        Raises:
            PEToolBenchError: The template refuses it.
        """
        from jinja2 import TemplateError

        try:
            return self._apply(prompt.messages, prompt.tools)
        except (TemplateError, TypeError, ValueError) as error:
            raise PEToolBenchError(self._advice(f"its chat template refuses the prompt ({_line(error)})")) from None

    def answered(self, prompt: Prompt, answer: Mapping[str, Any]) -> str:
        """Return what the template writes after the prompt where the model's turn is ``answer``, its end included.

        Args:
            prompt: What was asked.
            answer: A message of the assistant.

        Raises:
            PEToolBenchError: The template refuses it, or writes what was asked otherwise once it is answered.
        """
        from jinja2 import TemplateError

        asked = self.render(prompt)
        try:
            whole = self._apply([*prompt.messages, answer], prompt.tools, ask=False)
        except (TemplateError, TypeError, ValueError) as error:
            raise PEToolBenchError(self._advice(f"its chat template refuses an answer ({_line(error)})")) from None
        if whole.startswith(asked):
            return whole[len(asked) :].rstrip()
        # A template that begins the model's thoughts for it forgets them once the turn is over.
        before, thinking, _ = asked.rpartition(THINK)
        if thinking and asked.endswith(THINK + "\n") and whole.startswith(before):
            return f"\n</think>\n\n{whole[len(before) :].rstrip()}"
        raise PEToolBenchError(
            f"{self.name}: its chat template writes a question otherwise once it is answered; training needs one that "
            "does not"
        )

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _apply(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None, *, ask: bool = True
    ) -> str:
        turns = [_turn(message) for message in messages]
        if turns[0]["role"] == "system" and not self._takes_system:
            turns = _one_user_turn(turns)
        text: str = self.tokenizer.apply_chat_template(turns, tools=tools, tokenize=False, add_generation_prompt=ask)
        return text

    def _shows(self, messages: Sequence[Mapping[str, Any]], mark: str) -> bool:
        """Tell whether the template renders a conversation, and a piece of it appears in the text."""
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError):
            return False
        return _MARK + mark in text

    def _check_native(self) -> None:
        from jinja2 import TemplateError

        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "A probe."},
            _QUESTION,
            {"role": "assistant", "content": "", "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_0", "content": "{}"},
            _QUESTION,
        ]
        try:
            text = self._apply(messages, [_TOOL])
        except (TemplateError, TypeError, ValueError) as error:
            raise PEToolBenchError(self._advice(f"its chat template refuses tools ({_line(error)})")) from None
        if any(_MARK + part not in text for part in ("_tool", "_past", "_v")):
            raise PEToolBenchError(self._advice("its chat template does not show tools and past calls"))

    def _advice(self, problem: str) -> str:
        return f"{self.name}: {problem}; use --style paper" if self.style == "native" else f"{self.name}: {problem}"


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message in the form that templates expect.

    Unlike OpenAI's, theirs has arguments as objects; and some templates take ids of nine letters and digits only.
    """
    turn = dict(message)
    if "tool_calls" in turn:
        turn["tool_calls"] = [_past_call(call) for call in turn["tool_calls"]]
    if "tool_call_id" in turn:
        turn["tool_call_id"] = _call_id(turn["tool_call_id"])
    return turn


def _past_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {
        "id": _call_id(call["id"]),
        "type": "function",
        "function": {"name": function["name"], "arguments": json.loads(function["arguments"])},
    }


def _call_id(own: str) -> str:
    return f"call{own.removeprefix('call_').zfill(5)}"


def _one_user_turn(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the system's text before the first user's."""
    system, first, *rest = turns
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
