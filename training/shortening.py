"""Instance → the same one with a shorter history and shorter documentation, for small models and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from petoolbench.files import json_text
from petoolbench.prompts import PromptError
from petoolbench.schema import Instance, Interaction, Tool

from .config import PromptSettings


@dataclass(frozen=True)
class Shortened:
    """An instance as prompts show it, and what they leave out of it."""

    instance: Instance
    interactions: int = 0
    descriptions: int = 0
    rewritten: bool = False


def shorten(instance: Instance, prompts: PromptSettings) -> Shortened:
    """Leave out what the settings leave out, except for what only a tokenizer knows to be too long.

    ``interactions`` and ``descriptions`` count what was left out or cut; ``rewritten`` says that a published prompt is
    told in our words.

    Raises:
        PromptError: A published prompt of unknown structure would have to be cut.
    """
    history = instance.history if prompts.history else ()
    if prompts.max_interactions is not None:
        history = history[max(0, len(history) - prompts.max_interactions) :]
    left_out = len(instance.history) - len(history)
    if not prompts.shortens_documentation:
        _check_cut(instance, left_out, prompts)
        return Shortened(instance.model_copy(update={"history": history}), left_out)
    most = prompts.description_characters
    told = {
        "history": tuple(_past(entry, most) for entry in history),
        "candidates": tuple(_tool(tool, prompts) for tool in instance.candidates),
        "published": None,
    }
    texts = [*(tool.description for tool in instance.candidates), *(entry.documentation or "" for entry in history)]
    cut = sum(most is not None and len(text) > most for text in texts)
    return Shortened(instance.model_copy(update=told), left_out, cut, instance.published is not None)


def _check_cut(instance: Instance, left_out: int, prompts: PromptSettings) -> None:
    published = instance.published
    if prompts.style != "paper" or not left_out or published is None or published.verbatim is None:
        return
    if prompts.history or published.without_history is None:
        raise PromptError(
            f"instance {instance.id}: its published prompt is of unknown structure, so its history cannot be cut"
        )


def _past(interaction: Interaction, most: int | None) -> Interaction:
    if interaction.documentation is None:
        return interaction
    return interaction.model_copy(update={"documentation": first_words(interaction.documentation, most)})


def _tool(tool: Tool, prompts: PromptSettings) -> Tool:
    parameters = typed_parameters(tool.parameters) if prompts.parameters == "typed" else tool.parameters
    description = first_words(tool.description, prompts.description_characters)
    return tool.model_copy(update={"description": description, "parameters": parameters, "source_text": None})


def first_words(text: str, most: int | None) -> str:
    """Return a text of at most ``most`` characters: whole sentences, or else whole words and an ellipsis."""
    if most is None or len(text) <= most:
        return text
    sentences, stop, _ = text[: most + 1].rpartition(". ")
    if stop:
        return f"{sentences}."
    head, space, _ = text[: most + 1].rpartition(" ")
    return f"{head.rstrip() if space else text[:most]}…"


def typed_parameters(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a JSON Schema's parameters as text: type or choices, whether they are optional, and with what default."""
    properties: Any = schema.get("properties", {})
    required: Any = schema.get("required", [])
    return {name: _typed(about, name in required) for name, about in properties.items()}


def _typed(about: Mapping[str, Any], required: bool) -> str:
    choices = "|".join(map(str, about.get("enum", ())))
    kind = choices or str(about.get("type", "any"))
    if required:
        return kind
    return f"{kind} = {json_text(about['default'])}" if "default" in about else f"{kind}, optional"
