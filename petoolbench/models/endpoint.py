"""A model on a server: its address, its key, how its prompts are made, and what of it must never be told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import MissingExtraError, PEToolBenchError
from ..prompts import Prompt, render_prompt
from ..schema import Instance
from .chat import Chat
from .chat_api import Dialect
from .loading import EXTRA
from .protocol import Generation
from .settings import public_address

KEY = "OPENAI_API_KEY"
RETRIES = 5
_OFFICIAL_ADDRESS = "https://api.openai.com/v1"
_MAX_REASON = 300


@dataclass(frozen=True)
class Server:
    """A model on a server, and how it is asked.

    ``chat`` is a tokenizer's, which counts the tokens of prompts; None where nobody can.
    """

    model: str
    generation: Generation
    url: str
    key: str | None
    timeout: float
    tokenizer: str | None = None
    chat: Chat | None = None

    @property
    def name(self) -> str:
        """With its engine."""
        return f"openai:{self.model}"

    @property
    def address(self) -> str:
        """The URL without anything secret."""
        return public_address(self.url)

    def __repr__(self) -> str:
        return f"Server({self.model!r} at {self.address})"

    def client_options(self) -> dict[str, Any]:
        """Return what a client of the SDK is made with; a server of one's own needs no key, but the SDK wants one."""
        options = {"base_url": self.url, "api_key": self.key or "none", "timeout": self.timeout}
        return {**options, "max_retries": RETRIES}

    def prompt(self, instance: Instance) -> Prompt:
        """Render an instance; without a tokenizer nothing is cut.

        Raises:
            PromptError: The instance does not fit the window.
        """
        if self.chat is not None:
            return self.chat.ask(instance, self.generation).prompt
        return render_prompt(instance, self.generation.style)

    def safe(self, text: str) -> str:
        """Return what somebody said of a fault as one short line without secrets."""
        return " ".join(self._safe_word(word) for word in text.split())[:_MAX_REASON]

    def _safe_word(self, word: str) -> str:
        parts = urlsplit(self.url)
        secrets = [self.key, unquote(parts.password or ""), parts.password, parts.query]
        hidden = "**" in word or any(secret and (secret in word or secret[:8] in word) for secret in secrets)
        return "…" if hidden else word


def open_server(name: str, generation: Generation, url: str | None, tokenizer: str | None, timeout: float) -> Server:
    """Return a server; nothing is asked of it yet.

    Raises:
        MissingExtraError: OpenAI's client, or what reads the tokenizer, is not installed.
        PEToolBenchError: The address or tokenizer is none, or there is no key for OpenAI's own server.
    """
    try:
        import openai  # noqa: F401
    except ImportError:
        raise MissingExtraError("a model on a server", "openai", "openai") from None
    key = os.environ.get(KEY)
    if url is None and not key:
        raise PEToolBenchError(f"openai:{name} needs a key in {KEY}, or a server of your own: --base-url URL")
    public_address(url or _OFFICIAL_ADDRESS)
    chat = _read_chat(tokenizer, generation) if tokenizer is not None else None
    return Server(name, generation, url or _OFFICIAL_ADDRESS, key, timeout, tokenizer, chat)


def _read_chat(tokenizer: str, generation: Generation) -> Chat:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("--tokenizer", str(error.name), EXTRA) from None
    try:
        found = transformers.AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
    except Exception as error:
        # Damaged or foreign files raise whatever a reader stumbles on.
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise PEToolBenchError(
            f"--tokenizer {tokenizer}: cannot be read ({reason}); name a folder or Hub id"
        ) from error
    return Chat(found, generation.style, f"--tokenizer {tokenizer}")


def describe_server(server: Server, dialect: Dialect) -> dict[str, str]:
    """Return what a manifest says of a server."""
    return {
        "server": server.address,
        "openai": version("openai"),
        "limit": dialect.limit,
        "seed": "sent" if dialect.seed else "not taken by the server",
        "window": f"kept with the tokenizer {server.tokenizer}" if server.chat else "not kept: no --tokenizer",
    }
