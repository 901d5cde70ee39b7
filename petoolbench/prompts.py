"""Instance → chat messages, in two styles.

``paper``: one system text with history and candidates as JSON, then the instruction as the user's turn, as in the
PEToolBench paper; official data keeps its published text to the byte, other data gets our wording. ``native``: past
calls as ``tool_calls`` of the assistant and the candidates as ``tools`` in the form of OpenAI's API.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import PEToolBenchError
from .files import content_hash, json_text
from .names import split_tool_name
from .published_prompt import published_call, render_published
from .schema import Instance, Interaction, Setting, Tool, ToolCall

PromptStyle = Literal["paper", "native"]
PROMPT_STYLES: tuple[PromptStyle, ...] = get_args(PromptStyle)
MAX_NAME_LENGTH = 64

_TASK = """You are an assistant with tools. Answer the user's request with exactly one tool call.
Several of your tools do the same thing. Take the one that serves the request and suits this user's taste."""

_HISTORY_LEADS: dict[Setting, str] = {
    "preferred_only": "The taste shows in calls that this user was happy with:",
    "rating_integrated": (
        "The taste shows in past calls and the user's rating of each, 1 for a call that was liked and 0 for one "
        "that was disliked:"
    ),
    "chronological": (
        "The taste shows in past calls, the oldest first. Tastes change: where calls disagree, the later one counts:"
    ),
}

_NATIVE_LEADS: dict[Setting, str] = {
    "preferred_only": "The taste shows in the calls below, with all of which this user was happy.",
    "rating_integrated": (
        "The taste shows in the calls below; each result carries the user's rating, 1 for liked and 0 for disliked."
    ),
    "chronological": (
        "The taste shows in the calls below, the oldest first. Tastes change: where calls disagree, the later one "
        "counts."
    ),
}

_ANSWER_FORM = """Write the call as one line of JSON and nothing else:
{"tool_name": "name of the tool as listed", "parameters": {"name of a parameter": value, ...}}"""


class PromptError(PEToolBenchError):
    """A prompt cannot be made as asked."""


@dataclass(frozen=True)
class NameMap:
    """A reversible mapping of tool names to names that match ``^[a-zA-Z0-9_-]{1,64}$``."""

    to_native: dict[str, str]
    to_original: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "to_original", {native: name for name, native in self.to_native.items()})

    def original(self, native: str) -> str:
        """Return the tool's own name; a name that nobody gave out stays as it is, to be judged as invented."""
        return self.to_original.get(native, native)


@dataclass(frozen=True)
class Prompt:
    """A rendered instance.

    ``messages`` (and ``tools``, in style ``native``) are in the form of OpenAI's chat API. ``kept`` and ``dropped``
    count the interactions of the history; the dropped ones are the oldest. ``names`` maps native names back.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    names: NameMap
    kept: int
    dropped: int


TokenCounter = Callable[[Prompt], int]


def render_prompt(
    instance: Instance,
    style: PromptStyle = "paper",
    *,
    history: bool = True,
    max_interactions: int | None = None,
    max_tokens: int | None = None,
    count_tokens: TokenCounter | None = None,
) -> Prompt:
    """Render an instance for a chat model.

    Args:
        instance: What to render.
        style: ``paper`` or ``native``.
        history: Show the history; without it, or where there is none, the ablation of the paper's Figure 5.
        max_interactions: Show at most this many of the latest interactions.
        max_tokens: Drop the oldest interactions until ``count_tokens`` says that the prompt fits. The candidates
            and the instruction are never cut (the reference code cuts prompts from the right, through them).
        count_tokens: Counts a prompt's tokens; needed with ``max_tokens``.

    Raises:
        PromptError: The prompt does not fit even without history, or is a published one of unknown structure
            that cannot be changed.
    """
    history = history and bool(instance.history)
    available = len(instance.history) if history else 0
    most = available if max_interactions is None else min(available, max_interactions)
    if max_tokens is None:
        return _render(instance, style, history, most)
    if count_tokens is None:
        raise ValueError("max_tokens needs count_tokens")
    return _render_within(instance, style, history, most, max_tokens, count_tokens)


def _render_within(
    instance: Instance, style: PromptStyle, history: bool, most: int, max_tokens: int, count: TokenCounter
) -> Prompt:
    """Keep as many of the latest interactions as fit, found by bisection."""
    best = _render(instance, style, history, most)
    if count(best) <= max_tokens:
        return best
    best = _render(instance, style, history, 0)
    if (needed := count(best)) > max_tokens:
        raise PromptError(
            f"instance {instance.id}: {needed} tokens without any history, more than the {max_tokens} allowed; "
            "widen the window"
        )
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        prompt = _render(instance, style, history, middle)
        if count(prompt) <= max_tokens:
            best, low = prompt, middle
        else:
            high = middle
    return best


def _render(instance: Instance, style: PromptStyle, history: bool, keep: int) -> Prompt:
    shown = instance.history[len(instance.history) - keep :]
    names = name_map([tool.name for tool in instance.candidates] + [past.call.name for past in shown])
    if style == "paper":
        messages = _system_and_user(_paper_text(instance, history, shown), instance.instruction)
        tools = None
    else:
        messages = _native_messages(instance, history, shown, names)
        tools = [_native_tool(tool, names) for tool in instance.candidates]
    return Prompt(messages, tools, names, kept=keep, dropped=len(instance.history) - keep)


def _system_and_user(system: str, user: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _paper_text(instance: Instance, history: bool, shown: Sequence[Interaction]) -> str:
    published = instance.published
    if published is None:
        return _own_text(instance, history, shown)
    if not history and published.without_history is not None:
        return published.without_history
    if published.verbatim is None:
        return render_published(published, shown, instance.candidates)
    if len(shown) == len(instance.history):
        return published.verbatim
    raise PromptError(
        f"instance {instance.id}: its published prompt is of unknown structure, so its history cannot be cut"
    )


def _own_text(instance: Instance, history: bool, shown: Sequence[Interaction]) -> str:
    parts = [_TASK, *_profile_lines(instance)]
    if history:
        parts.append("\n".join([_HISTORY_LEADS[instance.setting], *map(_history_line, shown)]))
    parts.append("\n".join(["The tools:", *map(_tool_line, instance.candidates)]))
    parts.append(_ANSWER_FORM)
    return "\n\n".join(parts)


def _profile_lines(instance: Instance) -> list[str]:
    if instance.profile is None:
        return []
    return [f"What is known about the user: {json_text(instance.profile.attributes)}"]


def _history_line(interaction: Interaction) -> str:
    entry: dict[str, Any] = {"instruction": interaction.instruction, "tool_call": published_call(interaction.call)}
    if interaction.documentation is not None:
        entry["tool_description"] = interaction.documentation
    if interaction.rating is not None:
        entry["rating"] = interaction.rating
    return json_text(entry)


def _tool_line(tool: Tool) -> str:
    return json_text({"tool_name": tool.name, "description": tool.description, "parameters": tool.parameters})


def _native_messages(
    instance: Instance, history: bool, shown: Sequence[Interaction], names: NameMap
) -> list[dict[str, Any]]:
    parts = [_TASK, *_profile_lines(instance)]
    if history:
        parts.append(_NATIVE_LEADS[instance.setting])
    messages: list[dict[str, Any]] = [{"role": "system", "content": "\n\n".join(parts)}]
    for past in shown:
        call = native_call(past.call, names, call_id=f"call_{past.position}")
        result: dict[str, Any] = {"status": "done"}
        if past.documentation is not None:
            result["tool_description"] = past.documentation
        if past.rating is not None:
            result["user_rating"] = past.rating
        messages.append({"role": "user", "content": past.instruction})
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": json_text(result)})
    messages.append({"role": "user", "content": instance.instruction})
    return messages


def _native_tool(tool: Tool, names: NameMap) -> dict[str, Any]:
    function = {
        "name": names.to_native[tool.name],
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def native_call(call: ToolCall, names: NameMap, call_id: str = "call_0") -> dict[str, Any]:
    """Return a call as an entry of ``tool_calls``: a native name, arguments as JSON text."""
    function = {"name": names.to_native[call.name], "arguments": json_text(call.arguments)}
    return {"id": call_id, "type": "function", "function": function}


def read_native_calls(tool_calls: Iterable[dict[str, Any]], names: NameMap) -> tuple[ToolCall, ...]:
    """Return the calls of a message's ``tool_calls`` under the tools' own names.

    Raises:
        ValueError: The arguments of a call are not a JSON object.
    """
    calls = []
    for entry in tool_calls:
        function = entry["function"]
        arguments = json.loads(function["arguments"] or "{}")
        calls.append(ToolCall(name=names.original(function["name"]), arguments=arguments))
    return tuple(calls)


def name_map(names: Iterable[str]) -> NameMap:
    """Return a mapping for a set of tool names, whatever their order.

    A name that is too long, or that would read like another one, ends in six digits of its hash.
    """
    slugs = {name: _slug(name) for name in names}
    uses = Counter(slug[:MAX_NAME_LENGTH] for slug in slugs.values())
    native = {}
    for name, slug in slugs.items():
        if len(slug) > MAX_NAME_LENGTH or uses[slug] > 1:
            slug = f"{slug[: MAX_NAME_LENGTH - 7]}_{content_hash(name, length=6)}"
        native[name] = slug
    return NameMap(native)


def _slug(name: str) -> str:
    """Spell a name in letters, digits, ``_`` and ``-``; the three parts of a path are joined by ``-``."""
    parts = [part for part in split_tool_name(name) if part]
    return "-".join(_plain(part) for part in parts) or "tool"


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text)
    letters = [c if c.isascii() and (c.isalnum() or c == "-") else " " for c in folded if not unicodedata.combining(c)]
    return "_".join("".join(letters).split())
