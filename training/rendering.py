"""The templates of ``model_cards``, and what makes any value safe to stand in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from petoolbench.errors import InputError, MissingExtraError
from petoolbench.leaderboard.records import Accuracy
from petoolbench.results import percent

TEMPLATES = Path(__file__).parent.parent / "model_cards"
_SPECIAL = "\\`*_{}[]<>|#~$&"


class Markdown(str):
    """Text that is Markdown already and is not cleaned again."""


def inline(text: str) -> Markdown:
    """Return text as Markdown that shows it as it is, in one line, in a paragraph or in a table."""
    flat = " ".join(text.split())
    return Markdown("".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in flat))


def code(text: str) -> Markdown:
    """Return text as a code span, or, where it holds marks that a span or table cannot, as plain text."""
    flat = " ".join(text.split())
    return Markdown(f"`{flat}`") if flat and not set(flat) & {"`", "|"} else inline(flat)


def yaml_block(value: Any) -> Markdown:
    """Return a value as a block of YAML that nothing in it can end."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    fence = "```"
    while fence in text:
        fence += "`"
    return Markdown(f"{fence}yaml\n{text}{fence}")


def public(value: Any) -> Any:
    """Return a configuration with each folder of this machine told by its last part alone."""
    if isinstance(value, dict):
        return {key: public(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [public(entry) for entry in value]
    if isinstance(value, str) and (value.startswith("~") or Path(value).is_absolute()):
        return Path(value).name
    return value


def render(name: str, values: Mapping[str, Any]) -> str:
    """Return a template's text; every text among the values is cleaned unless it is ``Markdown``.

    Raises:
        InputError: The template asks for a value that is not there.
        MissingExtraError: Jinja is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
    except ImportError:
        raise MissingExtraError("a card", "jinja2", "eval") from None
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": _percent, "code": code, "share": _share, "raw": _raw}
    try:
        return environment.get_template(name).render(**values)
    except UndefinedError as error:
        raise InputError(f"needs what was not given: {error}", file=f"model_cards/{name}") from None


def _cleaned(value: Any) -> Any:
    return inline(value) if isinstance(value, str) and not isinstance(value, Markdown) else value


def _raw(text: str) -> Markdown:
    """Return a name for a block of code as it is.

    Raises:
        InputError: It is none that the Hub knows, so that it could end the block or the quotes around it.
    """
    if not text or not all(letter.isalnum() or letter in "-_./" for letter in text):
        raise InputError(f"{text!r} is no name that can stand in a card")
    return Markdown(text)


def _percent(accuracy: Accuracy) -> Markdown:
    """Return a share with its interval, in per cent."""
    return Markdown(percent(accuracy.model_dump()))


def _share(value: float) -> str:
    return f"{100 * value:.1f}"
