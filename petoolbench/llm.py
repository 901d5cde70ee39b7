"""The protocol of chat models: requests in, replies out, in the same order.

A request carries its task and a typed payload beside the rendered messages, so that a model which works from the
payload (``builders.offline``) is a provider like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .schema import Message, Record


@dataclass(frozen=True)
class ChatRequest:
    """One request: ``task`` names the kind of work, ``key`` what it is about; together they are unique in a run.

    ``render`` makes the messages; a model that works from the payload never calls it.
    """

    task: str
    key: str
    payload: Record
    render: Callable[[], tuple[Message, ...]]


class ChatReply(Record):
    """What the model said, or ``error``: why there is no answer."""

    text: str | None = None
    error: str | None = None


class ChatModel(Protocol):
    """Anything that answers chat requests; ``name`` goes into reports.

    ``copies`` says whether copies of the model in several processes answer as well as one does: true of a model that
    only computes, false of one that keeps a cache, a budget or connections.
    """

    name: str
    copies: bool

    def replies(self, requests: Iterable[ChatRequest]) -> Iterator[ChatReply]:
        """Yield one reply a request, in the order of the requests."""
        ...
