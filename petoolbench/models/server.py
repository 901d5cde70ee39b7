"""Models behind a server that speaks the chat API of OpenAI, asked through OpenAI's own client.

The client itself asks again after 408, 409, 429, 5xx, time-outs and broken connections, later each time and as a
``Retry-After`` says. What still fails then leaves one instance unscored; what would fail for all stops the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import PEToolBenchError
from ..prompts import Prompt, PromptError
from ..schema import Instance, Prediction
from .background import Background
from .chat_api import Completion, Dialect, ReplyError, question, read_completion, read_reply, request_body
from .endpoint import RETRIES, Server, describe_server
from .server_faults import explain, reason_of, refused_parameter

if TYPE_CHECKING:
    import openai

_FIRST_RETRIES = 2
_FAULTS_IN_A_ROW = 50
_GUIDING = ("response_format", "tool_choice")


class ServerModel:
    """A model on a server, with several calls under way at a time. The first one goes alone: it finds out much."""

    def __init__(self, server: Server, concurrency: int) -> None:
        self._server = server
        self._concurrency = concurrency
        self._dialect = Dialect()
        self._reached = self._answered = False
        self._faults_in_a_row = 0
        self._told: str | None = None

    @property
    def name(self) -> str:
        """With its engine."""
        return self._server.name

    def described(self) -> dict[str, str]:
        """Return the address, the client's version, and what was found out of the server so far."""
        return {**describe_server(self._server, self._dialect), **({"model": self._told} if self._told else {})}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield answers as they come; at most as many instances as calls under way are taken ahead."""
        from openai import AsyncOpenAI

        left = iter(instances)
        client = AsyncOpenAI(**self._server.client_options())
        with Background() as background:
            try:
                for instance in islice(left, 1):
                    yield background.run(self._answer(client, instance))
                yield from background.map(lambda entry: self._answer(client, entry), left, self._concurrency)
            finally:
                background.run(client.close())

    async def _answer(self, client: openai.AsyncOpenAI, instance: Instance) -> Prediction:
        import openai

        try:
            prompt = self._server.prompt(instance)
        except PromptError as error:
            return Prediction(id=instance.id, error=str(error))
        started = time.monotonic()
        try:
            completion = await self._complete(client, instance, prompt)
            answer = read_reply(question(instance, prompt), completion)
        except (openai.OpenAIError, ReplyError) as error:
            return Prediction(id=instance.id, error=self._fault(error))
        self._answered = True
        self._faults_in_a_row = 0
        self._check_guided(instance, answer)
        return answer.model_copy(update={"seconds": round(time.monotonic() - started, 3)})

    async def _complete(self, client: openai.AsyncOpenAI, instance: Instance, prompt: Prompt) -> Completion:
        """Ask, again in another dialect where a parameter is refused."""
        import openai

        while True:
            dialect = self._dialect
            body = request_body(self._server.model, instance, prompt, self._server.generation, dialect)
            patient = client.with_options(max_retries=RETRIES if self._reached else _FIRST_RETRIES)
            try:
                reply = await patient.chat.completions.with_raw_response.create(**body)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if dialect is self._dialect:
                    self._learn(error)
                continue
            self._reached = True
            completion = read_completion(reply.http_response.text)
            self._told = self._told or completion.model
            if not self._learn_limit(completion, dialect):
                return completion

    def _learn(self, error: openai.APIStatusError) -> None:
        """Change the dialect after a refusal.

        Raises:
            APIStatusError: Nothing else is left to try; the fault is the instance's.
            PEToolBenchError: The server takes no such run.
        """
        refused = refused_parameter(error, (self._dialect.limit, "seed", "temperature", *_GUIDING))
        other = self._dialect.after(refused)
        if other is None:
            self._refuse(error, refused)
            raise error
        self._dialect = other

    def _refuse(self, error: openai.APIStatusError, refused: str | None) -> None:
        reason = self._server.safe(reason_of(error))
        if refused == "temperature":
            wanted = self._server.generation.temperature
            raise PEToolBenchError(f"the server refuses --temperature {wanted:g}, try --temperature 1: {reason}")
        if refused in _GUIDING and self._server.generation.guided:
            raise PEToolBenchError(f"the server refuses what --guided asks of it, leave it out: {reason}")

    def _learn_limit(self, completion: Completion, dialect: Dialect) -> bool:
        """Whether to ask again, since the answer is longer than the limit, which the server goes by another name."""
        written = completion.usage.completion_tokens if completion.usage else None
        other = dialect.after(dialect.limit)
        if written is None or written <= self._server.generation.max_new_tokens or other is None:
            return False
        self._dialect = other
        return True

    def _check_guided(self, instance: Instance, answer: Prediction) -> None:
        """Refuse a server that does not hold to what ``--guided`` asks of it, without a word."""
        if not self._server.generation.guided or answer.finish == "length":
            return
        called = answer.calls[0].name if answer.calls else _name_in(answer.text or "")
        if called not in {tool.name for tool in instance.candidates}:
            raise PEToolBenchError(
                f"{self._server.address}: the server does not hold to the schema of --guided (instance {instance.id}); "
                "leave it out"
            )

    def _fault(self, error: Exception) -> str:
        """Return one instance's error.

        Raises:
            PEToolBenchError: The fault concerns all instances.
        """
        import openai

        self._reached = self._reached or not isinstance(error, openai.APIConnectionError)
        reason = explain(self._server, error, reached=self._reached, answered=self._answered)
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= _FAULTS_IN_A_ROW:
            raise PEToolBenchError(
                f"{self._server.address}: {_FAULTS_IN_A_ROW} calls in a row failed, the last one with: {reason}; "
                "mend it and go on with --retry"
            )
        return reason


def _name_in(text: str) -> str | None:
    """Return the tool's name in a guided answer, None where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value.get("tool_name") if isinstance(value, dict) else None
