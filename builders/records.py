"""The records that pass between the stages of a build, free of logic. One stage's file holds one kind of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from petoolbench.schema import AcceptedValue, Arguments, Evidence, Preference, Record, Setting, Tool, ToolCall

Split = Literal["train", "test"]


class CatalogueTool(Record):
    """A tool as a catalogue gives it.

    ``functionality_key``, ``group_key``, ``vendor`` and ``attributes`` (value by dimension) are what the catalogue
    itself knows, where it does; the grouping is measured against them, never made from them.
    """

    tool: Tool
    functionality_key: str | None = None
    group_key: str | None = None
    vendor: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    deprecated: bool = False


class ToolExample(Record):
    """A simulated use of a tool (paper, section 3.2.1)."""

    instruction: str
    arguments: Arguments


class UnderstoodTool(Record):
    """A tool with its example; ``tool.functionality`` and ``tool.non_functional`` are filled in."""

    source: CatalogueTool
    tool: Tool
    example: ToolExample


class Group(Record):
    """Interchangeable tools: the same functionality, input and output format, and category."""

    id: str
    functionality: str
    category: str
    tools: tuple[str, ...]


class Cluster(Record):
    """A group, and the tool of it that a user's taste asks for; ``tool`` is None where the taste says nothing."""

    group: str
    tool: str | None = None
    evidence: Evidence | None = None


class Plan(Record):
    """What is decided about a user before a word is written.

    ``target`` is the group of the final request. ``neighbours`` are groups like it, from which decoys of
    ``decoy_sizes`` come.
    ``preference`` names the tools that the history shows. ``length`` is the number of interactions wanted.
    ``taste`` is the attribute, ``dimension: value``, that an ``attribute`` plan is about.
    """

    user_id: str
    config: str
    setting: Setting
    split: Split
    target: Cluster
    neighbours: tuple[Cluster, ...]
    decoy_sizes: tuple[int, ...]
    preference: Preference
    length: int
    functionality_seen: bool
    taste: str | None = None


class PastCall(Record):
    """One interaction as written: the request, the call, and whether the user was happy with it."""

    instruction: str
    call: ToolCall
    liked: bool


class History(Record):
    """A user's past, oldest first."""

    user_id: str
    calls: tuple[PastCall, ...]


class FinalRequest(Record):
    """The instruction of an instance, the gold arguments and where each can be read; ``speech`` is its register.

    ``tries`` counts how often it was written until it repeated nothing that training asks.
    """

    user_id: str
    instruction: str
    arguments: Arguments
    accepted: tuple[AcceptedValue, ...] = ()
    speech: str | None = None
    tries: int = 1


class CandidateList(Record):
    """The names of the tools that a model can choose from, in the order shown; which were retrieved, which drawn."""

    user_id: str
    names: tuple[str, ...]
    retrieved: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    decoy_groups: tuple[str, ...] = Field(default=())
