"""Repositories of the Hugging Face Hub: their names, the token, and pushing a folder that is ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import httpx
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, OIDCError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # not in its __all__

from petoolbench.errors import InputError, OutputError, PEToolBenchError

RepositoryKind = Literal["model", "dataset", "space"]

_BINARY: Final = (".safetensors", ".parquet", ".png")
_TELLING: Final = (".md", "config.json")
"""Endings of the files into which somebody writes paths; in a vocabulary they are words."""


def is_name(text: str) -> bool:
    """Whether the Hub could call a repository so, with or without an organisation."""
    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True


def check_name(name: str) -> None:
    """Refuse a name that no repository of an organisation or user can have.

    Raises:
        PEToolBenchError: It is not an organisation or user, a slash and a name that the Hub allows.
    """
    if not is_name(name) or "/" not in name:
        raise PEToolBenchError(
            f"--repo {name!r} names no repository; write ORG/NAME of letters, digits, '-', '_' and '.'"
        )


def check_token() -> None:
    """Refuse to go on where a push could only fail in the end.

    Raises:
        PEToolBenchError: ``huggingface_hub`` finds no token.
    """
    with _one_line("the Hub"):
        token = get_token()
    if token is None:
        raise PEToolBenchError(
            "pushing needs a token: set HF_TOKEN to one that may write there, or pass --dry-run FOLDER"
        )


def check_no_secret(folder: Path, hidden: Sequence[str]) -> None:
    """Refuse a folder that would tell a token, or where something lies on this machine.

    Args:
        folder: What is to be pushed.
        hidden: Folders of this machine, which cards and configurations must not tell.

    Raises:
        InputError: A file holds one of them; the message does not repeat a token.
    """
    token = get_token()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _BINARY):
        data = path.read_bytes()
        if token is not None and token.encode() in data:
            raise InputError("holds the token of the Hub; take it out", file=path.relative_to(folder))
        for text in hidden:
            if path.name.endswith(_TELLING) and text.encode() in data:
                raise InputError(f"tells a folder of this machine, {text}; take it out", file=path.relative_to(folder))


def push(folder: Path, name: str, kind: RepositoryKind, private: bool, replaced: Sequence[str]) -> str:
    """Make a repository where there is none, and commit a folder to it, all files at once.

    Args:
        folder: What is pushed.
        name: ``ORG/NAME``.
        kind: What kind of repository it is.
        private: Whether a new one is private.
        replaced: Patterns of files that go if the folder does not hold them, such as those of an older release.

    Returns:
        The repository's address.

    Raises:
        OutputError: The Hub cannot be reached or refuses.
    """
    api = HfApi()
    with _one_line(name):
        place = api.create_repo(
            name, repo_type=kind, private=private, exist_ok=True, space_sdk="gradio" if kind == "space" else None
        )
        api.upload_folder(
            repo_id=name,
            repo_type=kind,
            folder_path=folder,
            commit_message="Publish with petoolbench",
            delete_patterns=list(replaced),
        )
    return str(place)


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Tell a fault of the Hub in one line that holds no token; its cause, which might, is not kept."""
    try:
        yield
    except (
        httpx.HTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        OIDCError,
        OSError,
        ValueError,
        RuntimeError,
    ) as e:
        reason = _reason(e)
    else:
        return
    raise OutputError(f"{what}: cannot be pushed: {reason}; check HF_TOKEN, the name and the network")


def _reason(error: BaseException) -> str:
    causes = [str(error), str(error.__cause__ or "")]
    text = " ".join(" ".join(causes).split())[:300] or type(error).__name__
    token = get_token()
    return (text.replace(token, "***") if token else text).rstrip(".;: ")
