"""The hand-written data set of the tests: two YAML files → a dataset folder, with every rule checked on the way.

It is small, every word of it was written by hand, and it changes only by hand, so tests may count on what it holds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError

from petoolbench.errors import InputError
from petoolbench.files import content_hash, read_bytes
from petoolbench.folders import write_dataset
from petoolbench.names import join_tool_name
from petoolbench.schema import (
    SETTINGS,
    AcceptedValue,
    Instance,
    Interaction,
    Provenance,
    Reference,
    Tool,
    ToolCall,
)

FOLDER = Path(__file__).parent / "assets" / "handwritten"
CANDIDATES = 10
_SOURCE = "handwritten"
_CARD = """# The hand-written data of petoolbench's tests

All names of tools, providers and people are invented. Too small to rank models.
"""
_CARD_DATA = {"pretty_name": "petoolbench (hand-written)", "license": "apache-2.0", "language": ["en"]}


@dataclass(frozen=True)
class Catalogue:
    """The tools by name, and for each the id of its functionality."""

    tools: Mapping[str, Tool]
    functionality: Mapping[str, str]

    def group(self, name: str) -> tuple[str, ...]:
        """Return the names of the tools that do what ``name`` does, it among them."""
        return tuple(other for other, kind in self.functionality.items() if kind == self.functionality[name])


def write_handwritten(folder: Path) -> None:
    """Write the data set into an empty folder; it must exist.

    Raises:
        InputError: The catalogue or an instance breaks a rule.
    """
    catalogue = read_catalogue()
    write_dataset(folder, read_instances(catalogue), catalogue.tools.values(), _CARD, _CARD_DATA)


def read_catalogue(path: Path = FOLDER / "tools.yaml") -> Catalogue:
    """Read functionalities and providers into tools.

    Raises:
        InputError: The file is damaged, names an unknown functionality, or gives two tools one name.
    """
    content = _read_yaml(path)
    kinds = {entry["id"]: entry for entry in content["functionalities"]}
    tools: dict[str, Tool] = {}
    functionality: dict[str, str] = {}
    for provider in content["providers"]:
        for offer in provider["tools"]:
            if offer["functionality"] not in kinds:
                raise InputError(
                    f"unknown functionality {offer['functionality']!r}", file=path, record=provider["name"]
                )
            tool = _tool(provider, offer, kinds[offer["functionality"]])
            if tool.name in tools:
                raise InputError(f"two tools are called {tool.name}", file=path, record=provider["name"])
            tools[tool.name] = tool
            functionality[tool.name] = offer["functionality"]
    return Catalogue(tools, functionality)


def read_instances(
    catalogue: Catalogue, path: Path = FOLDER / "instances.yaml"
) -> dict[str, dict[str, list[Instance]]]:
    """Read the instances, by setting and split.

    Raises:
        InputError: An entry names an unknown tool, breaks a schema, or has its gold tool in its own history.
    """
    found: dict[str, dict[str, list[Instance]]] = {setting: {} for setting in SETTINGS}
    for index, entry in enumerate(_read_yaml(path)):
        for problem in _problems(entry, catalogue):
            raise InputError(problem, file=path, record=index)
        instance = _instance(entry, index, catalogue)
        found[instance.setting].setdefault(entry["split"], []).append(instance)
    return found


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"is not valid YAML: {error}", file=path) from None


def _tool(provider: Mapping[str, Any], offer: Mapping[str, Any], kind: Mapping[str, Any]) -> Tool:
    return Tool(
        name=join_tool_name(kind["category"], provider["name"], offer["endpoint"]),
        category=kind["category"],
        provider=provider["name"],
        endpoint=offer["endpoint"],
        description=offer["description"].strip(),
        parameters=kind["parameters"],
        response=kind["response"],
        functionality=kind["functionality"].strip(),
        non_functional=provider["non_functional"].strip(),
    )


def _problems(entry: Mapping[str, Any], catalogue: Catalogue) -> Iterator[str]:
    calls = [(past["tool"], past["arguments"]) for past in entry["history"]]
    for name, arguments in [*calls, (entry["gold"], entry["arguments"])]:
        if name not in catalogue.tools:
            yield f"unknown tool {name}"
        else:
            yield from _schema_problems(catalogue.tools[name], arguments)
    if entry["gold"] in {name for name, _ in calls}:
        yield f"the gold tool {entry['gold']} is in the history"
    if entry["origins"].keys() != entry["arguments"].keys():
        yield "'origins' does not speak of exactly the arguments"


def _schema_problems(tool: Tool, arguments: Any) -> Iterator[str]:
    schema = {**tool.parameters, "additionalProperties": False}
    try:
        Draft202012Validator(schema).validate(arguments)
    except SchemaError as error:
        yield f"arguments of {tool.name}: {error.message}"


def _instance(entry: Mapping[str, Any], index: int, catalogue: Catalogue) -> Instance:
    history = tuple(
        Interaction(
            instruction=past["instruction"],
            call=ToolCall(name=past["tool"], arguments=past["arguments"]),
            rating=past.get("rating"),
            position=position,
        )
        for position, past in enumerate(entry["history"])
    )
    identity = content_hash([entry["setting"], entry["user"], entry["instruction"], entry["history"], entry["gold"]])
    names = _candidates(entry["gold"], catalogue, random.Random(identity))
    return Instance(
        id=identity,
        setting=entry["setting"],
        user_id=entry["user"],
        instruction=entry["instruction"],
        history=history,
        candidates=tuple(_shown(catalogue.tools[name]) for name in names),
        reference=_reference(entry, names, catalogue),
        functionality=catalogue.functionality[entry["gold"]],
        evidence=entry["evidence"],
        provenance=Provenance(source=_SOURCE, record=str(index)),
    )


def _shown(tool: Tool) -> Tool:
    """Return what a model may see of a tool."""
    return tool.model_copy(update={"response": {}, "functionality": None, "non_functional": None})


def _reference(entry: Mapping[str, Any], candidates: Sequence[str], catalogue: Catalogue) -> Reference:
    return Reference(
        name=entry["gold"],
        arguments=entry["arguments"],
        accepted=tuple(
            AcceptedValue(argument=name, value=entry["arguments"][name], origin=origin)
            for name, origin in entry["origins"].items()
        ),
        group=catalogue.group(entry["gold"]),
        candidates=tuple(candidates),
        parameters=catalogue.tools[entry["gold"]].parameters,
    )


def _candidates(gold: str, catalogue: Catalogue, generator: random.Random) -> list[str]:
    """Return the gold group, a whole group of another functionality, near-twins of the category, and others."""
    group = list(catalogue.group(gold))
    category = catalogue.tools[gold].category
    others = [name for name in catalogue.tools if name not in group]
    generator.shuffle(others)
    near = [name for name in others if catalogue.tools[name].category == category]
    whole = list(catalogue.group((near or others)[0]))
    names = list(dict.fromkeys([*group, *whole, *near, *others]))[:CANDIDATES]
    generator.shuffle(names)
    return names
