"""Reading the replies of chat models, and the reasons for which a record is dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from typing import TypeVar

from pydantic import ValidationError

from petoolbench.llm import ChatModel, ChatReply, ChatRequest
from petoolbench.schema import Record

_R = TypeVar("_R", bound=Record)


class ReplyError(ValueError):
    """A reply cannot be used; the message is the reason by which drops are counted."""


def asked(model: ChatModel, requests: Iterable[ChatRequest]) -> Iterator[tuple[ChatRequest, ChatReply]]:
    """Yield each request with the model's reply."""
    sent, kept = tee(requests)
    return zip(kept, model.replies(sent), strict=True)


def text_of(reply: ChatReply) -> str:
    """Return the words of a reply.

    Raises:
        ReplyError: There are none; the reason is the model's.
    """
    if reply.text is None:
        raise ReplyError(reply.error or "no answer")
    return reply.text


class UnsettledError(ValueError):
    """A record cannot be made as asked; the message is the reason by which drops are counted."""


def read_reply(form: type[_R], text: str) -> _R:
    """Read JSON text into a record.

    Raises:
        ReplyError: It is no JSON, or not of the record's form.
    """
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReplyError(f"reply: {'.'.join(map(str, first['loc']))} {first['msg']}") from None
