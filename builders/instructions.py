"""History and gold tool → the instruction of the instance and the gold arguments (paper, section 3.2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from petoolbench.files import json_text
from petoolbench.llm import ChatModel, ChatReply, ChatRequest
from petoolbench.names import split_tool_name
from petoolbench.schema import AcceptedValue, Arguments, Message, Record, Tool, ToolCall

from .market import Market
from .records import FinalRequest, History, Plan
from .repeats import Asked
from .replies import ReplyError, asked, read_reply, text_of
from .understanding import check_arguments

_TRIES = 30
"""How often a request is written at most; ``tries`` of the build report counts how often it was needed."""


class InstructionPayload(Record):
    """What is to be asked: the gold tool and its siblings, and the past calls, oldest first.

    ``refused`` are the instructions written so far, each of which repeats one of training.
    """

    user_id: str
    tool: Tool
    siblings: tuple[Tool, ...]
    earlier: tuple[ToolCall, ...]
    refused: tuple[str, ...] = ()


class InstructionReply(Record):
    """An instruction, the arguments of the call that it asks for, and where each can be read."""

    instruction: str
    arguments: Arguments
    accepted: tuple[AcceptedValue, ...] = ()
    speech: str | None = None


def final_requests(
    pairs: Sequence[tuple[Plan, History]], market: Market, model: ChatModel, training: Asked
) -> Iterator[FinalRequest | str]:
    """Yield the final request of each user, or the reason why there is none.

    What repeats a request of ``training`` is written anew, a limited number of times.
    """
    requests = (instruction_request(plan, history, market) for plan, history in pairs)
    for (plan, history), answer in zip(pairs, asked(model, requests), strict=True):
        refused: list[str] = []
        try:
            found = _read(*answer)
            while training.repeats(plan, found):
                refused.append(found.instruction)
                if len(refused) == _TRIES:
                    raise ReplyError("the instruction repeats one of training")
                [answer] = asked(model, [instruction_request(plan, history, market, refused)])
                found = _read(*answer)
        except ReplyError as error:
            yield str(error)
        else:
            yield found


def _read(request: ChatRequest, reply: ChatReply) -> FinalRequest:
    assert isinstance(request.payload, InstructionPayload)
    return read_instruction(request.payload, text_of(reply))


def instruction_request(plan: Plan, history: History, market: Market, refused: Sequence[str] = ()) -> ChatRequest:
    """Ask for the final instruction of a user; ``refused`` are those that were written before and are not wanted."""
    if plan.target.tool is None:
        raise ValueError(f"{plan.user_id}: a plan without a gold tool")
    tool = market.tools[plan.target.tool].tool
    siblings = [market.tools[name].tool for name in market.groups[plan.target.group].tools if name != tool.name]
    payload = InstructionPayload(
        user_id=plan.user_id,
        tool=tool,
        siblings=tuple(siblings),
        earlier=tuple(past_call.call for past_call in history.calls),
        refused=tuple(refused),
    )
    key = f"{plan.user_id}/{len(refused) + 1}" if refused else plan.user_id
    return ChatRequest(
        "instruction", key, payload, lambda: (Message(role="user", content=_prompt(history, tool, payload.refused)),)
    )


def _prompt(history: History, tool: Tool, refused: Sequence[str]) -> str:
    past = "\n".join(json_text({"instruction": p.instruction, "call": p.call.model_dump()}) for p in history.calls)
    return (
        "A person has made these requests to an assistant before:\n"
        f"{past}\n\nNow they need this tool:\n"
        f"{json_text({'name': tool.name, 'description': tool.description, 'parameters': tool.parameters})}\n\n"
        "Write their next request. It says what is wanted and gives every value that the call needs, or points at one "
        "of the earlier requests for it. It never names the tool, its provider or anything that would tell it from "
        f"other tools of the same purpose. {_other_than(refused)}Answer with JSON only: "
        '{"instruction": "...", "arguments": {...}, "accepted": [{"argument": "...", "value": ..., '
        '"origin": "instruction" or "history" or "documentation"}, ...]}'
    )


def _other_than(refused: Sequence[str]) -> str:
    if not refused:
        return ""
    return f"Other people have asked these already; choose other values and other words: {json_text(refused)}. "


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
        tries=len(payload.refused) + 1,
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
