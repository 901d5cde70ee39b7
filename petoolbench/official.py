"""The published PEToolBench files, in every layout, read into instances without losing a byte of their prompts.

Three layouts exist: test entries with one prompt column per setting (one file for all settings, or one a setting),
SFT rows and DPO rows in LLaMA-Factory style, whose columns go by the names of the roles (``prompt``, ``query``,
``response``, ``chosen``, ``rejected``) or by LLaMA-Factory's own (``instruction``, ``input``, ``output``). The text
around history and tools is taken from the files; none of it stands in this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from .errors import InputError
from .files import content_hash, json_text, read_json
from .names import join_tool_name, split_tool_name
from .published_prompt import StructureError, TakenApart, published_tool, reason, take_apart
from .schema import (
    Evidence,
    Instance,
    Interaction,
    Provenance,
    Reference,
    Setting,
    Tool,
    ToolCall,
)

HUB_ID = "travisxu/PEToolBench"

PROMPT_COLUMNS: dict[str, Setting] = {
    "instruction_preferred": "preferred_only",
    "instruction_ratings": "rating_integrated",
    "instruction_chronological": "chronological",
}
_NO_HISTORY_COLUMN = "instruction_wo_history"

Split = Literal["test", "train", "dpo"]
_Layout = Literal["test", "sft", "dpo"]
_SPLITS: dict[_Layout, Split] = {"test": "test", "sft": "train", "dpo": "dpo"}
_ROLE_COLUMNS = {"instruction": "prompt", "input": "query", "output": "response"}


@dataclass(frozen=True)
class PublishedInstance:
    """An instance of a published file and the split that its layout stands for."""

    split: Split
    instance: Instance


@dataclass(frozen=True)
class _Place:
    """Where in which file a record stands, for messages."""

    file: str
    record: int

    def error(self, problem: str, field: str | None = None) -> InputError:
        return InputError(problem, file=self.file, record=self.record, field=field)

    @contextmanager
    def naming(self, field: str) -> Iterator[None]:
        """Name this place where a piece of the field is not what it has to be."""
        try:
            yield
        except StructureError as error:
            raise self.error(str(error), field) from None


def read_published(path: Path) -> Iterator[PublishedInstance]:
    """Yield the instances of a published file, those of one record after another.

    Raises:
        InputError: The file, a record or a field is not of any published layout; the message names it.
    """
    records = read_json(path)
    if not isinstance(records, list):
        raise InputError(f"holds a JSON {_kind(records)}; published files hold a list of records", file=path)
    if not records:
        raise InputError("holds an empty list; published files hold records", file=path)
    layout = _layout(records[0], _Place(path.name, 0))
    for index, record in enumerate(records):
        place = _Place(path.name, index)
        if not isinstance(record, dict):
            raise place.error(f"is a JSON {_kind(record)}; a record is an object")
        if layout == "test":
            yield from _test_instances(record, place)
        else:
            yield PublishedInstance(_SPLITS[layout], _training_instance(record, layout, place))


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _layout(record: Any, place: _Place) -> _Layout:
    if not isinstance(record, dict):
        raise place.error(f"is a JSON {_kind(record)}; a record is an object")
    roles = {_ROLE_COLUMNS.get(key, key) for key in record}
    if PROMPT_COLUMNS.keys() & record.keys():
        return "test"
    if {"prompt", "query", "chosen", "rejected"} <= roles:
        return "dpo"
    if {"prompt", "query", "response"} <= roles:
        return "sft"
    found = ", ".join(sorted(map(str, record))[:8]) or "none"
    raise place.error(
        f"is of no published layout (its keys: {found}); needed: one of {', '.join(PROMPT_COLUMNS)}, "
        "or prompt, query and response, or prompt, query, chosen and rejected"
    )


def _test_instances(record: dict[str, Any], place: _Place) -> Iterator[PublishedInstance]:
    query = _text(record, "query", place)
    gold = _call(_needed(record, "api_call_ground_truth", place), place, "api_call_ground_truth")
    candidates = _candidate_documents(record, place)
    group = _group(record, gold, place)
    if not PROMPT_COLUMNS.keys() & record.keys():
        raise place.error(f"no prompt column; needed: one of {', '.join(PROMPT_COLUMNS)}")
    details = _details(record)
    for column, setting in PROMPT_COLUMNS.items():
        if column not in record:
            continue
        with place.naming(column):
            prompt = take_apart(_text(record, column, place), candidates)
        if _NO_HISTORY_COLUMN in record:
            bare = _text(record, _NO_HISTORY_COLUMN, place)
            prompt = replace(prompt, published=prompt.published.model_copy(update={"without_history": bare}))
        instance = _instance(
            setting=setting,
            user_id=_user_id(record.get("tool_comb"), prompt.history),
            instruction=query,
            prompt=prompt,
            reference=_reference(gold, group, prompt.tools),
            functionality=str(record.get("func", gold.name)),
            evidence=_evidence(prompt.history, gold.name, group, record.get("tool_comb")),
            provenance=Provenance(source=place.file, record=str(record.get("entry_id", place.record)), details=details),
        )
        yield PublishedInstance("test", instance)


def _training_instance(record: dict[str, Any], layout: _Layout, place: _Place) -> Instance:
    roles = {_ROLE_COLUMNS.get(key, key): value for key, value in record.items()}
    with place.naming("prompt"):
        prompt = take_apart(_text(roles, "prompt", place))
    answer = "chosen" if layout == "dpo" else "response"
    gold = _call(_needed(roles, answer, place), place, answer)
    worse = _rejected(_needed(roles, "rejected", place)) if layout == "dpo" else ()
    names = {tool.name for tool in prompt.tools}
    group = tuple(dict.fromkeys([gold.name, *(call.name for call in worse if call.name in names)]))
    return _instance(
        setting=_setting_of(prompt),
        user_id=_user_id(None, prompt.history),
        instruction=_text(roles, "query", place),
        prompt=prompt,
        reference=_reference(gold, group if len(group) > 1 else (), prompt.tools),
        functionality=gold.name,
        provenance=Provenance(
            source=place.file,
            record=str(place.record),
            details=json_text({key: value for key, value in roles.items() if key not in ("prompt", "query")}),
        ),
        rejected=worse,
    )


def _instance(*, prompt: TakenApart, provenance: Provenance, **fields: Any) -> Instance:
    draft = Instance(
        id="",
        history=prompt.history,
        candidates=prompt.tools,
        published=prompt.published,
        provenance=provenance,
        **fields,
    )
    content = draft.model_dump(include={"setting", "user_id", "instruction", "history", "reference"})
    identity = content_hash([content, provenance.record, provenance.details])
    return draft.model_copy(update={"id": identity})


def _setting_of(prompt: TakenApart) -> Setting:
    """Tell the setting of a training row, which has no column for it, by what its prompt shows."""
    lead = prompt.lead.lower()
    if "rating" in lead or any(entry.rating is not None for entry in prompt.history):
        return "rating_integrated"
    return "chronological" if "chronological" in lead else "preferred_only"


def _needed(record: Mapping[str, Any], field: str, place: _Place) -> Any:
    if field not in record:
        raise place.error("the key is missing", field)
    return record[field]


def _text(record: Mapping[str, Any], field: str, place: _Place) -> str:
    value = _needed(record, field, place)
    if not isinstance(value, str):
        raise place.error(f"is a JSON {_kind(value)}; text is needed", field)
    return value


def _call(value: Any, place: _Place, field: str) -> ToolCall:
    try:
        return _as_call(value)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        problem = reason(error) if isinstance(error, KeyError | ValidationError) else str(error)
        raise place.error(f"is no tool call: {problem}", field) from None


def _as_call(value: Any) -> ToolCall:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, dict):
        raise TypeError(f"a JSON {_kind(value)}, not an object")
    arguments = value["parameters"]
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    return ToolCall(name=value["tool_name"], arguments=arguments)


def _rejected(value: Any) -> tuple[ToolCall, ...]:
    """Return the rejected answer's call; one that is no call stays in the provenance alone."""
    try:
        return (_as_call(value),)
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()


def _candidate_documents(record: Mapping[str, Any], place: _Place) -> tuple[Tool, ...]:
    value = _needed(record, "apis_candidate", place)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise place.error("is not valid JSON text", "apis_candidate") from None
    if not isinstance(value, list) or not value:
        raise place.error(f"is a JSON {_kind(value)}; a filled list of tools is needed", "apis_candidate")
    with place.naming("apis_candidate"):
        return tuple(map(published_tool, value))


def _group(record: Mapping[str, Any], gold: ToolCall, place: _Place) -> tuple[str, ...]:
    tools = record.get("apis_same_func", [])
    if not isinstance(tools, list):
        raise place.error(f"is a JSON {_kind(tools)}; a list of tools is needed", "apis_same_func")
    try:
        names = [join_tool_name(tool["category_name"], tool["tool_name"], tool["api_name"]) for tool in tools]
    except (KeyError, TypeError) as error:
        raise place.error(f"a tool of the group: {reason(error)}", "apis_same_func") from None
    return tuple(dict.fromkeys([*names, gold.name])) if names else ()


def _reference(gold: ToolCall, group: tuple[str, ...], tools: tuple[Tool, ...]) -> Reference:
    schemas = {tool.name: tool.parameters for tool in tools}
    return Reference(
        name=gold.name,
        arguments=gold.arguments,
        group=group,
        candidates=tuple(tool.name for tool in tools),
        parameters=schemas.get(gold.name, {}),
    )


def _user_id(liked_providers: Any, history: tuple[Interaction, ...]) -> str:
    """Return an id made from the liked providers, which is what the source knows of a user, or from the history."""
    if isinstance(liked_providers, list) and liked_providers:
        return content_hash(liked_providers)
    return content_hash([entry.model_dump() for entry in history])


def _evidence(
    history: tuple[Interaction, ...], gold: str, group: tuple[str, ...], liked_providers: Any
) -> Evidence | None:
    """Say how the history tells gold from its siblings, given the providers that the source calls liked."""
    if not group or not isinstance(liked_providers, list):
        return None
    seen = {split_tool_name(entry.call.name)[1] for entry in history}
    liked = seen & set(map(str, liked_providers))
    siblings = {split_tool_name(name)[1] for name in group if name != gold}
    if split_tool_name(gold)[1] in liked:
        return "direct"
    return "elimination" if siblings and siblings <= seen - liked else "none"


def _details(record: Mapping[str, Any]) -> str:
    kept = {
        "query",
        "apis_candidate",
        "api_call_ground_truth",
        "entry_id",
        _NO_HISTORY_COLUMN,
        *PROMPT_COLUMNS,
    }
    return json_text({key: value for key, value in record.items() if key not in kept})
