"""A chat model that needs no network: it works from the payload of a request and knows our own catalogue.

It answers in the form that is asked of a language model, so that every stage reads both the same way. The same request
always gets the same answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from petoolbench.files import json_text
from petoolbench.llm import ChatReply, ChatRequest
from petoolbench.schema import ToolCall

from .catalogue.own import OwnCatalogue, Realised
from .histories import HistoryPayload
from .instructions import InstructionPayload, leaked_name
from .understanding import ToolPayload

_REGISTERS = ("command", "question", "indirect", "terse", "context")
_TRIES = 20


class OfflineModel:
    """Answers the requests of the builders' stages about tools of a catalogue.

    Args:
        catalogue: Writes the requests for its tools.
        seed: Part of the seed of every answer.
        again_share: How often an instruction tries to point back at a value of an earlier request.
    """

    name = "offline"
    copies = True

    def __init__(self, catalogue: OwnCatalogue, seed: int, again_share: float) -> None:
        self._catalogue = catalogue
        self._seed = seed
        self._again_share = again_share

    def replies(self, requests: Iterable[ChatRequest]) -> Iterator[ChatReply]:
        """Yield the answers; a task or tool that the model does not know is an error reply."""
        for request in requests:
            rng = random.Random(f"{self._seed}/{request.task}/{request.key}")
            payload = request.payload
            if isinstance(payload, ToolPayload) and payload.tool.name not in self._catalogue.offers:
                yield ChatReply(error=f"the offline model does not know the tool {payload.tool.name}")
            elif isinstance(payload, ToolPayload):
                yield ChatReply(text=self._about_tool(payload, rng))
            elif isinstance(payload, HistoryPayload):
                yield ChatReply(text=self._history(payload, rng))
            elif isinstance(payload, InstructionPayload):
                yield ChatReply(text=self._instruction(payload, rng))
            else:
                yield ChatReply(error=f"the offline model does not know the task {request.task!r}")

    def _about_tool(self, payload: ToolPayload, rng: random.Random) -> str:
        if payload.example is None:
            written = self._catalogue.request(payload.tool.name, rng)
            return json_text({"instruction": written.instruction, "arguments": written.arguments})
        offer = self._catalogue.offers[payload.tool.name]
        return json_text({"functionality": offer.functionality_text, "non_functional": offer.non_functional_text})

    def _history(self, payload: HistoryPayload, rng: random.Random) -> str:
        habits = _habits(payload.user_id)
        written: list[Realised] = []
        for planned in payload.calls:
            used = {one.phrasing for one in written}
            written.append(self._catalogue.request(planned.tool.name, rng, habits, used=used))
        entries = [{"instruction": one.instruction, "arguments": one.arguments} for one in written]
        return json_text({"interactions": entries})

    def _instruction(self, payload: InstructionPayload, rng: random.Random) -> str:
        earlier: Sequence[ToolCall] = payload.earlier if rng.random() < self._again_share else ()
        habits = _habits(payload.user_id)
        names = (payload.tool, *payload.siblings)
        one = self._catalogue.request(payload.tool.name, rng, habits, earlier)
        for _ in range(_TRIES):
            if leaked_name(one.instruction, names) is None:
                break
            one = self._catalogue.request(payload.tool.name, rng, habits, earlier)
        accepted = [entry.model_dump() for entry in one.accepted]
        return json_text(
            {
                "instruction": one.instruction,
                "arguments": one.arguments,
                "accepted": accepted,
                "speech": one.register,
            }
        )


def _habits(user_id: str) -> dict[str, float]:
    """Return how a user likes to speak: two registers more than the others."""
    rng = random.Random(f"{user_id}/registers")
    favourites = rng.sample(_REGISTERS, 2)
    return {register: 3.0 if register in favourites else 1.0 for register in _REGISTERS}
