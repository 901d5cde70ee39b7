"""Inspect AI tasks: ``inspect eval petoolbench/chronological --model …``.

Inspect finds this file by the package's entry point; nothing else imports it. Prompts are ours, models and logs are
Inspect's. A sample whose model call failed is an error of Inspect's: it has no score, all others are still asked and
averaged, and the log ends with status ``error``, so that ``inspect eval-retry`` asks what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    get_model,
)
from inspect_ai.scorer import Metric, SampleScore, Scorer, Target, Value, mean, metric, scorer, stderr
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver
from inspect_ai.tool import ToolCall, ToolInfo

from ..errors import InputError
from ..folders import ALL_CONFIG, ATTRIBUTE_CONFIG, PACKAGE_NAME
from ..models.protocol import Generation
from ..parsing import render_call
from ..prompts import PromptStyle
from ..schema import Instance, Reference, ScoringMode
from ..scoring import SCORING_VERSION, gold_prediction, score
from .inspect_answers import read_output
from .questions import Questions, checked_mode, one_turn

RECORD = "petoolbench"
"""The key of a log's metadata under which ``Questions.record`` stands."""

_CLUSTER = "functionality"
_ACCURACIES = ("tool_accuracy", "param_accuracy", "joint_accuracy")


@task
def preferred_only(**arguments: Any) -> Task:
    """Histories of liked calls; ``make_task`` explains the arguments."""
    return make_task("preferred_only", **arguments)


@task
def rating_integrated(**arguments: Any) -> Task:
    """Histories of rated calls; ``make_task`` explains the arguments."""
    return make_task("rating_integrated", **arguments)


@task
def chronological(**arguments: Any) -> Task:
    """Histories in order of time; ``make_task`` explains the arguments."""
    return make_task("chronological", **arguments)


@task
def attribute_transfer(**arguments: Any) -> Task:
    """Tastes that only documented attributes tell; ``make_task`` explains the arguments."""
    return make_task(ATTRIBUTE_CONFIG, **arguments)


@task(name=ALL_CONFIG)
def all_settings(**arguments: Any) -> Task:
    """The three settings, averaged by setting and together; ``make_task`` explains the arguments."""
    return make_task(ALL_CONFIG, **arguments)


def make_task(
    config: str,
    *,
    data: str = PACKAGE_NAME,
    split: str = "test",
    style: PromptStyle = "paper",
    history: bool = True,
    max_interactions: int | None = None,
    system: bool = True,
    mode: ScoringMode = "strict",
) -> Task:
    """Return the Inspect task of a config, by the paper's protocol (section 5.1) unless Inspect is told otherwise.

    Args:
        config: A setting, or another config of the data.
        data: ``petoolbench`` (the shipped data), a dataset folder, or a Hub id.
        split: Of the data.
        style: ``paper``, or ``native`` for past calls and candidates as the model's own tool calls and tools.
        history: Show the history.
        max_interactions: Show at most this many of the latest interactions.
        system: False puts the system text before the instruction in the user's turn, for models without a system
            role; of style ``paper`` only.
        mode: The scoring mode.

    Raises:
        InputError: An argument is not usable, or there is no such data.
    """
    questions = Questions(config, data, split, style, history, max_interactions)
    if not system and style != "paper":
        raise InputError("is false; only prompts of style 'paper' fit into one turn", field="system")
    samples = [_sample(entry, questions, system) for entry in questions.instances()]
    protocol = Generation()
    return Task(
        dataset=MemoryDataset(samples, config),
        solver=generate() if style == "paper" else ask_with_tools(),
        scorer=first_call(checked_mode(mode)),
        metrics=_metrics(by_setting()) if config == ALL_CONFIG else None,
        config=GenerateConfig(temperature=protocol.temperature, max_tokens=protocol.max_new_tokens),
        continue_on_fail=True,
        version=SCORING_VERSION,
        metadata={RECORD: questions.record()},
    )


@solver
def ask_with_tools() -> Solver:
    """Ask once, with the candidates as the model's tools; what it calls is judged, never run."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        tools = [ToolInfo.model_validate(tool) for tool in state.metadata["tools"]]
        state.output = await get_model().generate(state.messages, tools=tools)
        if not state.output.empty:
            state.messages.append(state.output.message)
        return state

    return solve


@metric
def by_setting() -> Metric:
    """Average within each setting, with its standard error clustered by functionality."""
    average = cast("Callable[[list[SampleScore]], float]", mean())
    spread = cast("Callable[[list[SampleScore]], float]", stderr(cluster=_CLUSTER))

    def measure(scores: list[SampleScore]) -> Value:
        groups: dict[str, list[SampleScore]] = {}
        for entry in scores:
            groups.setdefault((entry.sample_metadata or {})["setting"], []).append(entry)
        means = {name: average(members) for name, members in groups.items()}
        return {**means, **{f"{name}_stderr": spread(members) for name, members in groups.items()}}

    return measure


def _metrics(*more: Metric) -> dict[str, list[Metric]]:
    return {name: [mean(), stderr(cluster=_CLUSTER), *more] for name in _ACCURACIES}


@scorer(metrics=_metrics())
def first_call(mode: ScoringMode = "strict") -> Scorer:
    """Judge the first call of an answer as ``petoolbench score`` does; without an answer there is no score."""

    async def judge(state: TaskState, target: Target) -> InspectScore:
        prediction = read_output(state.output, str(state.sample_id), state.metadata.get("names"))
        judged = score(prediction, Reference.model_validate(state.metadata["reference"]), mode)
        details = {"error": judged.error, "calls": judged.calls, "mode": mode}
        if not judged.scored:
            return InspectScore.unscored(reason="no_response", explanation=judged.problem, metadata=details)
        verdicts = (judged.tool, judged.arguments, judged.tool and judged.arguments)
        return InspectScore(
            value={name: float(verdict) for name, verdict in zip(_ACCURACIES, verdicts, strict=True)},
            answer=render_call(judged.called) if judged.called else None,
            explanation=judged.problem or judged.error or "correct",
            metadata=details,
        )

    return judge


def _sample(instance: Instance, questions: Questions, system: bool) -> Sample:
    prompt = questions.prompt(instance)
    known: dict[str, Any] = {
        "setting": instance.setting,
        _CLUSTER: instance.functionality,
        "evidence": instance.evidence,
        "reference": instance.reference.model_dump(mode="json"),
    }
    if prompt.tools is not None:
        known["tools"] = [tool["function"] for tool in prompt.tools]
        known["names"] = prompt.names.to_original
    return Sample(
        input=_messages(prompt.messages if system else one_turn(prompt.messages)),
        target=gold_prediction(instance.id, instance.reference).text or "",
        id=instance.id,
        metadata=known,
    )


def _messages(messages: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    return [_message(message) for message in messages]


def _message(message: dict[str, Any]) -> ChatMessage:
    content = message["content"]
    if message["role"] == "system":
        return ChatMessageSystem(content=content)
    if message["role"] == "user":
        return ChatMessageUser(content=content)
    if message["role"] == "tool":
        return ChatMessageTool(content=content, tool_call_id=message["tool_call_id"])
    calls = [
        ToolCall(id=call["id"], function=call["function"]["name"], arguments=json.loads(call["function"]["arguments"]))
        for call in message["tool_calls"]
    ]
    return ChatMessageAssistant(content=content, tool_calls=calls)
