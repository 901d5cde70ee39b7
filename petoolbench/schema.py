"""The records of personalized tool learning, free of logic.

Every record is frozen and refuses unknown keys. The names follow the field: a tool has ``name``, ``description``
and ``parameters`` (a JSON Schema object), a tool call has ``name`` and ``arguments``. The task is that of the
PEToolBench paper, section 3.1; the fields for profiles, accepted values and messages leave room for PTBench
(profile-dependent arguments) and TL-Training (multi-turn trajectories).
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Setting = Literal["preferred_only", "rating_integrated", "chronological"]
"""What the history shows (paper, section 3.2.3): liked calls; calls with a 1/0 rating; calls in order of time."""

Evidence = Literal["direct", "vendor", "elimination", "attribute", "none"]
"""How the history tells which tool of the group is wanted: the gold tool's provider was liked; its vendor was;
every sibling's provider was disliked or left behind; only documented attributes tell; nothing does."""

Origin = Literal["instruction", "history", "default", "documentation", "profile"]
"""Where the value of an argument can be found."""

ErrorType = Literal[
    "invalid_format",
    "tool_hallucination",
    "functionality_mismatch",
    "preference_mismatch",
    "parameter_name_mismatch",
    "parameter_value_mismatch",
]
"""The six error types of the paper's Table 2, in the order in which they exclude each other."""

ScoringMode = Literal["strict", "official"]

SETTINGS: tuple[Setting, ...] = get_args(Setting)
ERROR_TYPES: tuple[ErrorType, ...] = get_args(ErrorType)

Arguments = dict[str, JsonValue]


class Record(BaseModel):
    """Base of all records: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Record):
    """One call: the tool's full ``name`` and its ``arguments`` by parameter name."""

    name: str
    arguments: Arguments = Field(default_factory=dict)


class Tool(Record):
    """A tool and its documentation.

    ``category``, ``provider`` and ``endpoint`` are the three parts of its path (in PTBench: scenario, platform,
    API). ``parameters`` and ``response`` are JSON Schema objects. ``functionality`` and ``non_functional`` are the
    two descriptions of the paper's tool understanding (section 3.2.1); they are never shown to a model.
    ``source_text`` is the documentation exactly as its source published it, for prompts that must match to the byte.
    """

    name: str
    category: str
    provider: str
    endpoint: str
    description: str
    parameters: dict[str, JsonValue]
    response: dict[str, JsonValue] = Field(default_factory=dict)
    functionality: str | None = None
    non_functional: str | None = None
    source_text: str | None = None


class Interaction(Record):
    """One past request and the call that answered it; ``position`` counts from 0, the oldest.

    ``documentation`` is the called tool's description, where the prompt is to show it.
    """

    instruction: str
    call: ToolCall
    rating: Literal[0, 1] | None = None
    position: int = Field(ge=0)
    documentation: str | None = None


class UserProfile(Record):
    """What is known of a user besides past calls: free attributes by name, as in PTBench."""

    attributes: dict[str, JsonValue]


class Message(Record):
    """One turn of a conversation, for multi-turn trajectories."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class Preference(Record):
    """A user's taste: the tools preferred and not preferred, by name (paper, section 3.2.2)."""

    user_id: str
    preferred: tuple[str, ...]
    non_preferred: tuple[str, ...] = ()


class AcceptedValue(Record):
    """A value that the reference accepts for an argument, and where a reader finds it."""

    argument: str
    value: JsonValue
    origin: Origin | None = None


class Reference(Record):
    """All that a scorer needs to judge an answer; no other field of the instance is consulted.

    ``accepted`` lists further right values of an argument, or says where the value in ``arguments`` stems from.
    ``group`` names the interchangeable tools, the gold one among them (empty: unknown). ``twins`` names tools that
    count as the gold one because their documentation is identical. ``candidates`` names what the model could
    choose from. ``parameters`` is the gold tool's JSON Schema.
    """

    name: str
    arguments: Arguments
    accepted: tuple[AcceptedValue, ...] = ()
    group: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Provenance(Record):
    """Where an instance comes from: the source's name, its record there, and what else it said, as JSON text."""

    source: str
    record: str
    details: str | None = None


class PublishedPrompt(Record):
    """The text of a published prompt around its history and its tools.

    ``verbatim`` is the whole prompt where the pieces cannot reproduce it to the byte; ``without_history`` is the
    whole prompt of the no-history ablation where the source publishes one.
    """

    before_history: str = ""
    before_tools: str = ""
    after_tools: str = ""
    verbatim: str | None = None
    without_history: str | None = None


class Instance(Record):
    """One task: an instruction, the user's history, candidate tools and the reference.

    ``functionality`` names the group of requests that share a solution; intervals are clustered by it.
    ``functionality_seen`` says whether training instances ask for it too (None: unknown). ``rejected`` holds calls
    that a preference data set marks as worse than the reference.
    """

    id: str
    setting: Setting
    user_id: str
    instruction: str
    history: tuple[Interaction, ...]
    candidates: tuple[Tool, ...]
    reference: Reference
    functionality: str
    provenance: Provenance
    functionality_seen: bool | None = None
    evidence: Evidence | None = None
    rejected: tuple[ToolCall, ...] = ()
    profile: UserProfile | None = None
    messages: tuple[Message, ...] = ()
    published: PublishedPrompt | None = None


class Prediction(Record):
    """What a model or agent answered: ``text``, or ``calls`` where it answers in calls, or ``error``.

    ``error`` says why there is no answer (a server's fault, say); such an instance is unscored, not wrong.
    ``confidence`` is the answerer's own probability, from 0 to 1, that the tool is right; ``shortlist`` names the
    candidates that it finds likeliest, the best first. Of language models: the tokens of the prompt and of the answer,
    how many of the oldest interactions the window left no room for, and why the answer ended (``closed``: after its
    first call; ``stop``: the model ended it; ``length``: it was cut off).
    """

    id: str
    text: str | None = None
    calls: tuple[ToolCall, ...] | None = None
    error: str | None = None
    seconds: float | None = Field(default=None, ge=0)
    confidence: float | None = Field(default=None, ge=0, le=1)
    shortlist: tuple[str, ...] | None = None
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    dropped: int | None = Field(default=None, ge=0)
    finish: str | None = None


class Score(Record):
    """The judgement of one answer.

    ``tool`` and ``arguments`` are the paper's two criteria; ``arguments`` is judged whether or not the tool is
    right. ``error`` is None when both hold. ``calls`` counts the calls in the answer, of which the first is judged.
    An unscored instance has ``scored`` false and counts in no average.
    """

    id: str
    scored: bool
    tool: bool = False
    arguments: bool = False
    error: ErrorType | None = None
    called: ToolCall | None = None
    calls: int = 0
    problem: str | None = None
