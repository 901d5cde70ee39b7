"""History and gold tool → the instruction of the instance and the gold arguments (paper, section 3.2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from petoolbench.files import json_text
from petoolbench.llm import ChatRequest
from petoolbench.names import split_tool_name
from petoolbench.schema import AcceptedValue, Arguments, Message, Record, Tool, ToolCall

from .market import Market
from .records import FinalRequest, History, Plan
from .replies import ReplyError, read_reply
from .understanding import check_arguments


class InstructionPayload(Record):
    """What is to be asked: the gold tool and its siblings, and the past calls, oldest first."""

    user_id: str
    tool: Tool
    siblings: tuple[Tool, ...]
    earlier: tuple[ToolCall, ...]


class InstructionReply(Record):
    """An instruction, the arguments of the call that it asks for, and where each can be read."""

    instruction: str
    arguments: Arguments
    accepted: tuple[AcceptedValue, ...] = ()
    speech: str | None = None


def instruction_request(plan: Plan, history: History, market: Market) -> ChatRequest:
    """Ask for the final instruction of a user."""
    if plan.target.tool is None:
        raise ValueError(f"{plan.user_id}: a plan without a gold tool")
    tool = market.tools[plan.target.tool].tool
    siblings = [market.tools[name].tool for name in market.groups[plan.target.group].tools if name != tool.name]
    payload = InstructionPayload(
        user_id=plan.user_id,
        tool=tool,
        siblings=tuple(siblings),
        earlier=tuple(past_call.call for past_call in history.calls),
    )
    return ChatRequest(
        "instruction", plan.user_id, payload, lambda: (Message(role="user", content=_prompt(history, tool)),)
    )


def _prompt(history: History, tool: Tool) -> str:
    past = "\n".join(json_text({"instruction": p.instruction, "call": p.call.model_dump()}) for p in history.calls)
    return (
        "A person has made these requests to an assistant before:\n"
        f"{past}\n\nNow they need this tool:\n"
        f"{json_text({'name': tool.name, 'description': tool.description, 'parameters': tool.parameters})}\n\n"
        "Write their next request. It says what is wanted and gives every value that the call needs, or points at one "
        "of the earlier requests for it. It never names the tool, its provider or anything that would tell it from "
        "other tools of the same purpose. Answer with JSON only: "
        '{"instruction": "...", "arguments": {...}, "accepted": [{"argument": "...", "value": ..., '
        '"origin": "instruction" or "history" or "documentation"}, ...]}'
    )


def read_instruction(payload: InstructionPayload, text: str) -> FinalRequest:
    """Read the reply to ``instruction_request``.

    Raises:
        ReplyError: It is no JSON of the wanted form, the arguments break the schema, an argument says not where it is
            from, or the instruction names a tool or provider of the group.
    """
    reply = read_reply(InstructionReply, text)
    check_arguments(payload.tool, reply.arguments)
    first = {entry.argument: entry.value for entry in reversed(reply.accepted)}
    if first != reply.arguments:
        raise ReplyError("the origins do not speak of exactly the arguments")
    leak = leaked_name(reply.instruction, (payload.tool, *payload.siblings))
    if leak is not None:
        raise ReplyError("the instruction names a tool or provider")
    return FinalRequest(
        user_id=payload.user_id,
        instruction=reply.instruction,
        arguments=reply.arguments,
        accepted=reply.accepted,
        speech=reply.speech,
    )


def leaked_name(instruction: str, tools: Iterable[Tool]) -> str | None:
    """Return the provider or endpoint of a tool that an instruction names, or the vendor before a provider's name."""
    words = f" {_plain(instruction)} "
    for tool in tools:
        _, provider, endpoint = split_tool_name(tool.name)
        for name in (provider, provider.split()[0], endpoint):
            if len(name) > 3 and f" {_plain(name)} " in words:
                return name
    return None


@lru_cache(maxsize=1 << 15)
def _plain(text: str) -> str:
    """Return the words of a text in lower case, single spaces between them."""
    return " ".join("".join(character if character.isalnum() else " " for character in text.lower()).split())
