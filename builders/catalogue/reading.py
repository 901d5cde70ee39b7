"""Category files → records → tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from petoolbench.errors import InputError
from petoolbench.files import content_hash, read_bytes
from petoolbench.names import join_tool_name
from petoolbench.schema import Tool

from .records import Category, Functionality, Parameter, Pool, Provider, Style, Variant, Vendor

FOLDER = Path(__file__).parent
SHOWN_ATTRIBUTES = 3
"""How many of a provider's attributes the documentation of one tool speaks of."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Shared:
    """What the shared files hold: the vocabulary, the vendors and the pools."""

    attributes: Mapping[str, Mapping[str, str]]
    vendors: Mapping[str, Vendor]
    pools: Mapping[str, Pool]


@dataclass(frozen=True)
class Offer:
    """A tool and where it stands in the catalogue: keys of its functionality, variant and provider."""

    tool: Tool
    functionality: str
    variant: str
    provider: str
    vendor: str | None
    attributes: Mapping[str, str]
    functionality_text: str
    non_functional_text: str

    @property
    def group(self) -> str:
        """The id of the tool's group of interchangeable tools."""
        return group_id(self.tool.category, self.functionality, self.variant)


def group_id(category: str, functionality: str, variant: str) -> str:
    """Return the id of a variant's group."""
    return f"{category}/{functionality}/{variant}"


def read_shared(folder: Path = FOLDER) -> Shared:
    """Read the three shared files.

    Raises:
        InputError: One is missing, damaged or not of the documented form.
    """
    return Shared(
        attributes=_read(folder / "_attributes.yaml", dict[str, dict[str, str]]),
        vendors=_read(folder / "_vendors.yaml", dict[str, Vendor]),
        pools=_read(folder / "_pools.yaml", dict[str, Pool]),
    )


def category_files(folder: Path = FOLDER) -> list[Path]:
    """Return the category files of a folder in order of their names."""
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith("_"))


def read_category(path: Path) -> Category:
    """Read one category file.

    Raises:
        InputError: It is missing, damaged or not of the documented form.
    """
    return _read(path, Category)


def _read(path: Path, form: type[_T]) -> _T:
    try:
        content = yaml.load(read_bytes(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InputError(f"is not valid YAML: {error}", file=path) from None
    try:
        return TypeAdapter(form).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise InputError(f"{first['msg']} ({error.error_count()} problems)", file=path, field=place) from None


def offers(category: Category) -> Iterator[Offer]:
    """Yield every tool of a category."""
    for key, functionality in category.functionalities.items():
        for name, variant in functionality.variants.items():
            for position, provider in enumerate(variant.offered_by):
                yield _offer(category, key, functionality, name, variant, position, provider)


def _offer(
    category: Category,
    key: str,
    functionality: Functionality,
    name: str,
    variant: Variant,
    position: int,
    provider_key: str,
) -> Offer:
    provider = category.providers[provider_key]
    turn = position + _number(category.category, key, name)
    endpoint = render_endpoint(variant.names[turn % len(variant.names)], provider.style)
    says = variant.says[turn % len(variant.says)].strip()
    claims = shown_attributes(provider, _number(provider_key, key, name))
    non_functional = " ".join(attribute.says.strip() for attribute in claims.values())
    tool = Tool(
        name=join_tool_name(category.category, provider.name, endpoint),
        category=category.category,
        provider=provider.name,
        endpoint=endpoint,
        description=f"{says} {non_functional}",
        parameters=json_schema(functionality.parameters, variant),
        response=_response_schema(functionality),
    )
    attributes = {dimension: attribute.value for dimension, attribute in claims.items()}
    return Offer(tool, key, name, provider_key, provider.vendor, attributes, says, non_functional)


def _number(*keys: str) -> int:
    """Return a number that depends on the keys alone, the same on every machine."""
    return int(content_hash(list(keys))[:8], 16)


def shown_attributes(provider: Provider, turn: int) -> dict[str, Any]:
    """Return the attributes, by dimension, that the documentation of one of the provider's tools speaks of."""
    dimensions = list(provider.attributes)
    start = turn % len(dimensions)
    chosen = {dimensions[(start + step) % len(dimensions)] for step in range(min(SHOWN_ATTRIBUTES, len(dimensions)))}
    return {dimension: provider.attributes[dimension] for dimension in dimensions if dimension in chosen}


def render_endpoint(words: str, style: Style) -> str:
    """Return an endpoint's name in a provider's style: ``current weather`` → ``currentWeather`` …"""
    parts = words.split()
    small = [part.lower() for part in parts]
    capital = [part[:1].upper() + part[1:] for part in parts]
    joined = "".join(capital[1:])
    return {
        "camelCase": small[0] + joined,
        "PascalCase": "".join(capital),
        "snake_case": "_".join(small),
        "kebab-case": "-".join(small),
        "path": "/".join([small[0], "-".join(small[1:])]) if small[1:] else small[0],
        "dotted": f"{small[0]}.{small[1]}{''.join(capital[2:])}" if small[1:] else small[0],
        "title": " ".join(capital),
        "sentence": " ".join([capital[0], *parts[1:]]),
    }[style]


def json_schema(parameters: Mapping[str, Parameter], variant: Variant) -> dict[str, JsonValue]:
    """Return the JSON Schema object of a variant's parameters; the words for enum values stand in the description."""
    names = [*variant.required, *variant.optional]
    return {
        "type": "object",
        "properties": {name: _property(parameters[name], name in variant.optional) for name in names},
        "required": list(variant.required),
    }


def _property(parameter: Parameter, optional: bool) -> dict[str, JsonValue]:
    value: dict[str, JsonValue] = {"type": parameter.type}
    described = parameter.description.strip()
    choices = enum_words(parameter)
    if any(key != words for key, words in choices.items()):
        described += " " + ", ".join(k if k == words else f"{k} ({words})" for k, words in choices.items()) + "."
    if parameter.type == "array":
        value["items"] = {"type": "string", "enum": list(choices)} if choices else {"type": "string"}
    elif choices:
        value["enum"] = list(choices)
    value["description"] = described
    if optional and parameter.default is not None:
        value["default"] = parameter.default
    return value


def enum_words(parameter: Parameter) -> dict[str, str]:
    """Return the enum values of a parameter with the words for each; empty where it has none."""
    if parameter.enum is None:
        return {}
    return dict(parameter.enum) if isinstance(parameter.enum, dict) else {value: value for value in parameter.enum}


def _response_schema(functionality: Functionality) -> dict[str, JsonValue]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in functionality.response.items()}}
