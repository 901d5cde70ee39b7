"""Plan → the user's past, in the three settings (paper, section 3.2.3).

``preferred_only``: liked calls. ``rating_integrated``: liked and disliked ones in any order. ``chronological``: in each
category the user first works with providers that are later left behind, and turns to another one at a moment of
its own; the moments of different categories have nothing to do with one another.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from petoolbench.files import json_text
from petoolbench.llm import ChatRequest
from petoolbench.schema import Arguments, Message, Record, Tool, ToolCall

from .market import Market
from .records import History, PastCall, Plan, ToolExample
from .replies import ReplyError, read_reply
from .understanding import check_arguments


class PlannedCall(Record):
    """One interaction to be written: the tool, an example of its use, and whether the user was happy with it."""

    tool: Tool
    example: ToolExample
    liked: bool


class HistoryPayload(Record):
    """All interactions of a user to be written, oldest first."""

    user_id: str
    calls: tuple[PlannedCall, ...]


class HistoryReply(Record):
    """The interactions as written, in the same order."""

    interactions: tuple[ToolExample, ...]


def schedule_calls(plan: Plan, market: Market) -> list[tuple[str, bool]]:
    """Return (tool, liked) of each interaction, oldest first: every planned tool once, then some again."""
    rng = random.Random(f"{plan.user_id}/schedule")
    liked, disliked = list(plan.preference.preferred), list(plan.preference.non_preferred)
    liked, disliked = _within(liked, disliked, plan.length, market, rng)
    calls = [(name, True) for name in liked] + [(name, False) for name in disliked]
    calls += rng.choices(calls, k=max(0, plan.length - len(calls)))
    if plan.setting != "chronological":
        rng.shuffle(calls)
        return calls
    return _in_time(calls, market, rng)


def _within(
    liked: list[str], disliked: list[str], length: int, market: Market, rng: random.Random
) -> tuple[list[str], list[str]]:
    """Drop tools until the history is short enough, but keep one tool of each provider."""
    surplus = len(liked) + len(disliked) - length
    for name in rng.sample([*liked, *disliked], len(liked) + len(disliked)):
        tools = liked if name in liked else disliked
        others = [other for other in tools if market.provider[other] == market.provider[name]]
        if surplus > 0 and len(others) > 1:
            tools.remove(name)
            surplus -= 1
    return liked, disliked


def _in_time(calls: Sequence[tuple[str, bool]], market: Market, rng: random.Random) -> list[tuple[str, bool]]:
    """Put calls in order so that a provider left behind never comes after its category's turn."""
    turns: dict[str, float] = {}
    timed = []
    for name, liked in calls:
        turn = turns.setdefault(market.category[market.provider[name]], rng.uniform(0.25, 0.85))
        moment = rng.uniform(turn, 1.0) if liked else rng.uniform(0.0, turn)
        timed.append((moment, name, liked))
    left_behind = {market.category[market.provider[name]] for _, name, liked in timed if not liked}
    spread = [
        (moment if market.category[market.provider[name]] in left_behind else rng.random(), name, liked)
        for moment, name, liked in timed
    ]
    return [(name, liked) for _, name, liked in sorted(spread)]


def history_request(plan: Plan, market: Market) -> ChatRequest:
    """Ask for a user's interactions."""
    calls = tuple(
        PlannedCall(tool=market.tools[name].tool, example=market.tools[name].example, liked=liked)
        for name, liked in schedule_calls(plan, market)
    )
    payload = HistoryPayload(user_id=plan.user_id, calls=calls)
    return ChatRequest("history", plan.user_id, payload, lambda: (Message(role="user", content=_prompt(calls)),))


def _prompt(calls: Sequence[PlannedCall]) -> str:
    listing = "\n".join(
        f"{number}. {json_text({'tool': call.tool.name, 'description': call.tool.description})}\n"
        f"   parameters: {json_text(call.tool.parameters)}\n   an example: {json_text(call.example.model_dump())}"
        for number, call in enumerate(calls, start=1)
    )
    return (
        "Write the past requests of one person to an assistant, and the calls that answered them. Below are the tools "
        "that were called, in order. For each write one request in that person's words, with every value that the call "
        "needs and without the tool's or the provider's name, and the arguments of the call. The values differ from "
        "those of the example. Answer with JSON only: "
        '{"interactions": [{"instruction": "...", "arguments": {...}}, ...]}\n\n' + listing
    )


def read_history(payload: HistoryPayload, text: str) -> History:
    """Read the reply to ``history_request``.

    Raises:
        ReplyError: It is no JSON of the wanted form, too short or too long, or a call breaks its tool's schema.
    """
    reply = read_reply(HistoryReply, text)
    if len(reply.interactions) != len(payload.calls):
        raise ReplyError(f"{len(reply.interactions)} interactions instead of {len(payload.calls)}")
    for planned, written in zip(payload.calls, reply.interactions, strict=True):
        check_arguments(planned.tool, written.arguments)
    return History(
        user_id=payload.user_id,
        calls=tuple(
            _past_call(planned, written.instruction, written.arguments)
            for planned, written in zip(payload.calls, reply.interactions, strict=True)
        ),
    )


def _past_call(planned: PlannedCall, instruction: str, arguments: Arguments) -> PastCall:
    return PastCall(
        instruction=instruction, call=ToolCall(name=planned.tool.name, arguments=arguments), liked=planned.liked
    )
