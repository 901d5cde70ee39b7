"""The records of a category file, as README.md in this folder describes them, free of logic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from petoolbench.schema import Record

Style = Literal["camelCase", "PascalCase", "snake_case", "kebab-case", "path", "dotted", "title", "sentence"]
Register = Literal["command", "question", "indirect", "terse", "context"]
ValueType = Literal["string", "integer", "number", "boolean", "array"]
Scalar = str | int | float | bool


class Attribute(Record):
    """A provider's value in one dimension of the vocabulary, and how its documentation says so."""

    value: str = Field(alias="is")
    says: str


class Provider(Record):
    """Who offers tools: ``attributes`` by dimension."""

    name: str
    vendor: str | None = None
    style: Style
    attributes: dict[str, Attribute]


class Vendor(Record):
    """A company that runs a provider in each of its categories; all of them share its ``attributes``."""

    name: str
    about: str
    attributes: dict[str, str]
    categories: tuple[str, ...]


class Pool(Record):
    """Rows of values that belong together; ``again`` are noun phrases for the row of an earlier request."""

    again: tuple[str, ...] = ()
    rows: tuple[dict[str, Scalar], ...]


class Parameter(Record):
    """A parameter and the source of its values: exactly one of ``source``, ``enum``, ``values``, ``range``.

    ``enum`` maps each value to the words for it. ``count`` is the least and the greatest number of items of an array.
    """

    type: ValueType
    description: str
    source: str | None = Field(default=None, alias="from")
    enum: dict[str, str] | tuple[str, ...] | None = None
    values: tuple[Scalar, ...] | None = None
    range: tuple[float, float, float] | None = None
    count: tuple[int, int] | None = None
    default: JsonValue = None


class Variant(Record):
    """One way to ask for a functionality; a group of interchangeable tools, one of each of ``offered_by``."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    says: tuple[str, ...]
    names: tuple[str, ...]
    offered_by: tuple[str, ...]
    phrasings: dict[Register, str | tuple[str, ...]]


class Functionality(Record):
    """What can be asked for; ``response`` maps each field of the answer to its JSON type."""

    about: str
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    response: dict[str, ValueType]
    variants: dict[str, Variant]


class Category(Record):
    """One category file."""

    category: str
    pools: dict[str, Pool] = Field(default_factory=dict)
    providers: dict[str, Provider]
    functionalities: dict[str, Functionality]
