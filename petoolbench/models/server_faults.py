"""Why a call to a server failed: for one instance, or for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import PEToolBenchError
from .endpoint import KEY, Server

if TYPE_CHECKING:
    import openai


def explain(server: Server, error: Exception, *, reached: bool, answered: bool) -> str:
    """Say in a line why a call failed.

    Args:
        server: The server that was called.
        error: Of the SDK, or of a reply that cannot be read.
        reached: Whether the server has ever answered, if with a refusal.
        answered: Whether it has ever answered as asked; a 403 is then one prompt's.

    Raises:
        PEToolBenchError: It would fail for all instances: no server there, no such model, no right to ask.
    """
    import openai

    reason = server.safe(reason_of(error))
    where = server.address
    if isinstance(error, openai.AuthenticationError):
        problem = f"refuses the key in {KEY}" if server.key else f"wants a key; set {KEY}"
        raise PEToolBenchError(f"{where}: the server {problem} (401)")
    if isinstance(error, openai.NotFoundError):
        raise PEToolBenchError(
            f"{where}: there is no model {server.model!r}, or no chat API at this address ({reason}); mend --model, or "
            "--base-url, which mostly ends in /v1"
        )
    if isinstance(error, openai.APIStatusError):
        stopping = error.status_code == 402 or (error.status_code == 403 and not answered)
        if stopping or error.code == "insufficient_quota":
            raise PEToolBenchError(f"{where}: the server refuses to answer ({error.status_code}): {reason}")
        return f"HTTP {error.status_code}: {reason}"
    if isinstance(error, openai.APITimeoutError):
        return f"no answer within {server.timeout:g} s; raise --timeout"
    if isinstance(error, openai.APIConnectionError):
        if not reached:
            raise PEToolBenchError(f"{where}: no server answers there ({reason}); start it, or mend --base-url")
        return f"the connection broke: {reason}"
    return reason


def reason_of(error: Exception) -> str:
    """Return the server's own words where there are any, else what is known of the connection's fault."""
    body = getattr(error, "body", None)
    for key in ("message", "detail", "error"):
        if isinstance(body, dict) and body.get(key):
            return str(body[key])
    return str(body or error.__cause__ or error) or type(error).__name__


def refused_parameter(error: openai.APIStatusError, parameters: Iterable[str]) -> str | None:
    """Return the first of some parameters of which a refusal speaks, None where it speaks of another matter."""
    words = "".join(c if c.isalnum() or c == "_" else " " for c in reason_of(error)).split()
    return next((entry for entry in parameters if entry == error.param or entry in words), None)
