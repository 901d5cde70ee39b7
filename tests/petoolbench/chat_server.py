"""A real server on 127.0.0.1 that speaks enough of OpenAI's API to be asked, and fails as it is told to.

It answers by a rule over the prompt: the candidate whose documentation shares the most words with the instruction.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("429", "500", "time-out", "cut-off", "no JSON")
HANG_SECONDS = 3.0


@dataclass
class Behaviour:
    """How the server behaves, and what it has seen.

    A request is faulty by a draw from the seed, its content and how often it came, whatever the order of requests.
    ``refused`` are parameters that it answers with a 400; ``limit`` is the name by which it knows the limit.
    ``fails`` is what all requests whose text holds ``fails_at`` get, after the first ``fails_after``: a status, a
    message, and a code. ``answer`` makes a reply in place of the rule.
    """

    faults: float = 0.0
    seed: int = 0
    key: str | None = None
    model: str = "rule-1"
    refused: tuple[str, ...] = ()
    limit: str = "max_completion_tokens"
    fails: tuple[int, str, str | None] | None = None
    fails_at: str = ""
    fails_after: int = 0
    answer: object = None
    pause: float = 0.0
    polls: int = 1
    batch_status: str = "completed"
    requests: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    drawn: Counter = field(default_factory=Counter)
    most_at_once: int = 0
    _tries: Counter = field(default_factory=Counter)
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    files: dict = field(default_factory=dict)
    batches: dict = field(default_factory=dict)

    def fault(self, body):
        """Return the fault that a request is to meet, None for none."""
        with self._lock:
            self._tries[body] += 1
            draw = random.Random(f"{self.seed}/{self._tries[body]}/{body}")
            kind = draw.choice(FAULTS) if draw.random() < self.faults else None
            self.drawn[kind] += 1
            return kind

    def numbered(self, request):
        """Keep a request, and return how many came so far."""
        with self._lock:
            self.requests.append(request)
            return len(self.requests)

    def entered(self, change):
        """Count requests that are answered at the same time."""
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)


class ChatServer:
    """The server, running while the block lasts; ``url`` is its base URL."""

    def __init__(self, **options):
        self.behaviour = Behaviour(**options)

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"behaviour": self.behaviour})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *fault):
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up; tell of all else."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behaviour: Behaviour

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        parts = self.path.split("/")
        if self.path.startswith("/v1/batches/"):
            return self._send(200, self._batch(parts[3]))
        if self.path.startswith("/v1/files/"):
            return self._write(200, self.behaviour.files[parts[3]].encode(), "application/octet-stream")
        return self._fail(404, "no such page")

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up while it was asking
            self.close_connection = True
            return None
        if self.behaviour.key is not None and self.headers["Authorization"] != f"Bearer {self.behaviour.key}":
            given = (self.headers["Authorization"] or "").split()[-1]
            return self._fail(401, f"Incorrect API key provided: {given[:8]}*****{given[-4:]}.", "invalid_api_key")
        if self.path == "/v1/chat/completions":
            return self._chat(body.decode())
        if self.path == "/v1/files":
            return self._upload(body)
        if self.path == "/v1/batches":
            return self._make_batch(json.loads(body))
        return self._fail(404, "no such page")

    def _chat(self, text):
        self.behaviour.entered(1)
        time.sleep(self.behaviour.pause)
        try:
            fault = self.behaviour.fault(text)
            if fault is None:
                self._send(*answer_to(json.loads(text), self.behaviour))
            else:
                self._misbehave(fault)
        finally:
            self.behaviour.entered(-1)

    def _misbehave(self, fault):
        if fault == "429":
            self._send(429, {"error": {"message": "too many requests"}}, {"Retry-After": "0.05"})
        elif fault == "500":
            self._send(500, {"error": {"message": "the server stumbled"}}, {"Retry-After": "0.05"})
        elif fault == "time-out":
            time.sleep(HANG_SECONDS)
            self.close_connection = True
        elif fault == "cut-off":
            self._write(200, b'{"choices": [{"message": {"con', headers={"Content-Length": "5000"})
            self.close_connection = True
        else:
            self._write(200, b"<html>Bad gateway</html>", "text/html")

    def _upload(self, body):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in message_from_bytes(head + body).get_payload()
        }
        name = f"file-{len(self.behaviour.files)}"
        self.behaviour.files[name] = parts["file"].get_payload(decode=True).decode()
        self._send(200, {"id": name, "object": "file", "purpose": parts["purpose"].get_payload().strip()})

    def _make_batch(self, request):
        name = f"batch-{len(self.behaviour.batches)}"
        self.behaviour.batches[name] = {"input": request["input_file_id"], "polls": 0}
        self._send(200, self._told(name, "validating"))

    def _batch(self, name):
        batch = self.behaviour.batches[name]
        batch["polls"] += 1
        if batch["polls"] <= self.behaviour.polls:
            return self._told(name, "in_progress")
        if self.behaviour.batch_status == "failed":
            return {**self._told(name, "failed"), "errors": {"data": [{"message": "line 1 is no request"}]}}
        good, bad = [], []
        for line in self.behaviour.files[batch["input"]].splitlines():
            entry = json.loads(line)
            status, body = answer_to(entry["body"], self.behaviour)
            result = {"custom_id": entry["custom_id"], "response": {"status_code": status, "body": body}, "error": None}
            (good if status == 200 else bad).append(json.dumps(result))
        if self.behaviour.batch_status == "expired":
            good = good[: len(good) // 2]
        self.behaviour.files[f"out-{name}"] = "\n".join(reversed(good)) + "\n"
        self.behaviour.files[f"err-{name}"] = "\n".join(bad) + "\n"
        files = {"output_file_id": f"out-{name}", "error_file_id": f"err-{name}" if bad else None}
        return {**self._told(name, self.behaviour.batch_status), **files}

    def _told(self, name, status):
        known = {"object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h", "created_at": 0}
        return {"id": name, "status": status, "input_file_id": self.behaviour.batches[name]["input"], **known}

    def _fail(self, status, message, code=None):
        self._send(status, {"error": {"message": message, "code": code}})

    def _send(self, status, value, headers=None):
        self._write(status, json.dumps(value).encode(), headers=headers)

    def _write(self, status, data, kind="application/json", headers=None):
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def answer_to(request, behaviour):
    """Return status and body of the reply to a request."""
    number = behaviour.numbered(request)
    text = json.dumps(request, ensure_ascii=False)
    if request["model"] != behaviour.model:
        return _error(404, f"The model `{request['model']}` does not exist", "model_not_found")
    for name in behaviour.refused:
        if name in request:
            return _error(400, f"Unsupported parameter: '{name}' is not supported with this model.", None, name)
    if behaviour.fails is not None and behaviour.fails_at in text and number > behaviour.fails_after:
        return _error(*behaviour.fails)
    if callable(behaviour.answer):
        return 200, behaviour.answer(request)
    return 200, completion(request, rule_message(request), behaviour)


def _error(status, message, code=None, parameter=None):
    return status, {"error": {"message": message, "type": "error", "code": code, "param": parameter}}


def completion(request, message, behaviour=None, finish="stop"):
    """Return a chat completion; its usage counts words."""
    written = len(json.dumps(message).split())
    most = request.get(behaviour.limit, 10_000) if behaviour is not None else 10_000
    usage = {"prompt_tokens": len(json.dumps(request["messages"]).split()), "completion_tokens": min(written, most)}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    known = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "rule-1-2026"}
    return {**known, "choices": [choice], "usage": {**usage, "total_tokens": 0}}


def rule_message(request):
    """Return the rule's message: text for a request without tools, a tool call for one with them."""
    words = set(request["messages"][-1]["content"].lower().split())
    if "tools" in request:
        entries = [entry["function"] for entry in request["tools"]]
        best = max(entries, key=lambda entry: len(words & set(entry["description"].lower().split())))
        function = {"name": best["name"], "arguments": "{}"}
        return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    listed = request["messages"][0]["content"].split("The tools:\n")[1].split("\n\n")[0]
    entries = [json.loads(line) for line in listed.splitlines()]
    best = max(entries, key=lambda entry: len(words & set(entry["description"].lower().split())))
    return {"content": json.dumps({"tool_name": best["tool_name"], "parameters": {}})}
