"""The Batch API: all requests as files, answers within a day at half the price.

What was handed in stands in the run folder (``batch.json``), so that an interrupted run finds its batches again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import PEToolBenchError
from ..files import json_text, read_json, write_text
from ..prompts import PromptError
from ..schema import Instance, Prediction
from .chat_api import Dialect, Question, ReplyError, question, read_completion, read_reply, request_body
from .endpoint import Server, describe_server
from .server_faults import explain

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

STATE = "batch.json"
_REQUESTS = "batch-requests-{}.jsonl"
_ENDPOINT: Final = "/v1/chat/completions"
_MAX_REQUESTS = 50_000
_MAX_BYTES = 190_000_000
_POLL_SECONDS = 30.0
_AT_WORK = ("validating", "in_progress", "finalizing", "cancelling")


class BatchModel:
    """A model on a server that takes batches; answers come all at once, when a batch is done."""

    def __init__(self, server: Server, folder: Path, tell: Callable[[str], None]) -> None:
        self._server = server
        self._folder = folder
        self._tell = tell

    @property
    def name(self) -> str:
        """With its engine."""
        return self._server.name

    def described(self) -> dict[str, str]:
        """Return the address and the client's version."""
        return {**describe_server(self._server, Dialect()), "requests": "Batch API"}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the answers of the batches that the run folder knows of, or of new ones."""
        import openai

        try:
            with openai.OpenAI(**self._server.client_options()) as client:
                yield from self._answers(client, instances)
        except openai.OpenAIError as error:
            reason = explain(self._server, error, reached=False, answered=False)
            raise PEToolBenchError(f"{self._server.address}: {reason}; run the same command again to go on") from None

    def _answers(self, client: openai.OpenAI, instances: Iterable[Instance]) -> Iterator[Prediction]:
        state = self._folder / STATE
        parts = None if state.exists() else _Parts(self._folder)
        left: dict[str, Question] = {}
        for instance in instances:
            try:
                prompt = self._server.prompt(instance)
            except PromptError as error:
                yield Prediction(id=instance.id, error=str(error))
                continue
            left[instance.id] = question(instance, prompt)
            if parts is not None:
                body = request_body(self._server.model, instance, prompt, self._server.generation, Dialect())
                parts.add(instance.id, body)
        if parts is not None:
            write_text(state, json.dumps(dict.fromkeys(parts.names)) + "\n")
        for batch in self._handed_in(client):
            yield from self._results(client, batch, left)
        state.unlink()
        yield from (Prediction(id=key, error="the batch gave no answer") for key in left)

    def _handed_in(self, client: openai.OpenAI) -> list[str]:
        """Hand in what the run folder holds and was not handed in yet; return the ids of all its batches."""
        import openai

        state = self._folder / STATE
        batches: dict[str, str | None] = read_json(state)
        try:
            for name in [name for name, batch in batches.items() if batch is None]:
                batches[name] = self._hand_in(client, self._folder / name)
                write_text(state, json.dumps(batches) + "\n")
                (self._folder / name).unlink()
        except openai.OpenAIError:
            if not any(batches.values()):
                for name in (*batches, STATE):
                    (self._folder / name).unlink(missing_ok=True)
            raise
        return [batch for batch in batches.values() if batch is not None]

    def _hand_in(self, client: openai.OpenAI, path: Path) -> str:
        with path.open("rb") as file:
            uploaded = client.files.create(file=file, purpose="batch")
        batch = client.batches.create(completion_window="24h", endpoint=_ENDPOINT, input_file_id=uploaded.id)
        self._tell(f"batch {batch.id} was handed in; interrupted, the same command goes on with it")
        return batch.id

    def _results(self, client: openai.OpenAI, batch_id: str, left: dict[str, Question]) -> Iterator[Prediction]:
        """Wait for a batch, and yield what it says of those that are left."""
        batch = self._finished(client, batch_id)
        if batch.status == "failed":
            (self._folder / STATE).unlink()
            faults = "; ".join(fault.message or "" for fault in (batch.errors and batch.errors.data) or [])
            raise PEToolBenchError(f"batch {batch_id} was refused: {self._server.safe(faults)}")
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is not None:
                with client.files.with_streaming_response.content(file_id) as reply:
                    for entry in map(_entry, reply.iter_lines()):
                        known = left.pop(str(entry.get("custom_id")), None)
                        if known is not None:
                            yield self._read(known, entry)

    def _finished(self, client: openai.OpenAI, batch_id: str) -> Batch:
        told = ""
        while (batch := client.batches.retrieve(batch_id)).status in _AT_WORK:
            counts = batch.request_counts
            now = f"batch {batch_id}: {batch.status}" + (f", {counts.completed} of {counts.total}" if counts else "")
            if now != told:
                self._tell(now)
                told = now
            time.sleep(_POLL_SECONDS)
        return batch

    def _read(self, known: Question, entry: dict[str, Any]) -> Prediction:
        response, error = entry.get("response") or {}, entry.get("error") or {}
        body = response.get("body") or {}
        if error or response.get("status_code") != 200:
            fault = (body.get("error") or error).get("message") or "no reason given"
            return Prediction(id=known.id, error=f"HTTP {response.get('status_code')}: {self._server.safe(fault)}")
        try:
            return read_reply(known, read_completion(json_text(body)))
        except ReplyError as fault:
            return Prediction(id=known.id, error=str(fault))


def _entry(line: str) -> dict[str, Any]:
    """Return a line of results; what is no JSON object is nobody's result."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


class _Parts:
    """Files of requests in the run folder, each no larger than a batch may be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = self._bytes = 0
        self.names: list[str] = []

    def add(self, key: str, body: dict[str, Any]) -> None:
        """Append a request; ``key`` is the instance's id."""
        request = {"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}
        line = (json_text(request) + "\n").encode("utf-8")
        if not self.names or self._count == _MAX_REQUESTS or self._bytes + len(line) > _MAX_BYTES:
            self._begin()
        with (self._folder / self.names[-1]).open("ab") as file:
            file.write(line)
        self._count += 1
        self._bytes += len(line)

    def _begin(self) -> None:
        self.names.append(_REQUESTS.format(len(self.names) + 1))
        (self._folder / self.names[-1]).write_bytes(b"")
        self._count = self._bytes = 0
