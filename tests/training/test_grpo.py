"""Rewards are the scorer's flags, and GRPO asks as the benchmark does."""

from __future__ import annotations

import json

import pytest

from petoolbench.models.chat import THINK, Chat
from petoolbench.models.protocol import Generation
from petoolbench.parsing import render_call
from petoolbench.prompts import native_call
from petoolbench.schema import Prediction, ToolCall
from petoolbench.scoring import score
from tests.tiny import PLAIN_TEMPLATE, THINKING_TEMPLATE, TOOL_TEMPLATE, tiny_tokenizer

pytest.importorskip("transformers")

from training.rewards import REWARDS, question


def rewards(completions, questions):
    """Return the three rewards of each completion."""
    return list(zip(*(reward(completions=completions, question=questions) for reward in REWARDS), strict=True))


def asked(instance, style="paper", template=PLAIN_TEMPLATE):
    generation = Generation(style=style, window=20_000)
    return Chat(tiny_tokenizer(template), style, "tiny").ask(instance, generation)


def answers(instance):
    """Return completions of every kind: right, a sibling's, a stranger's, invented, wrong arguments, no call."""
    reference = instance.reference
    right = ToolCall(name=reference.name, arguments=reference.arguments)
    names = [*reference.group, *reference.candidates, "invented"]
    calls = [right.model_copy(update={"name": name}) for name in names]
    calls.append(right.model_copy(update={"arguments": {**reference.arguments, "unheard_of": 1}}))
    return [*map(render_call, calls), "I cannot do that."]


def test_rewards_are_the_scorers_flags(small_instances):
    seen = set()
    for instance in small_instances:
        completions = answers(instance)
        found = rewards(completions, [question(asked(instance))] * len(completions))
        for completion, (call, tool, arguments) in zip(completions, found, strict=True):
            judged = score(Prediction(id=instance.id, text=completion), instance.reference)
            assert (tool, arguments) == (judged.tool, judged.arguments)
            assert call == (judged.called is not None)
            seen.add((call, tool, arguments))
    assert {(1, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0)} <= seen


def test_native_names_count_as_the_tools_own(small_instances):
    instance = small_instances[0]
    reference = instance.reference
    prompt = asked(instance, "native", TOOL_TEMPLATE)
    call = native_call(ToolCall(name=reference.name, arguments=reference.arguments), prompt.prompt.names)["function"]
    assert call["name"] != reference.name
    written = json.dumps({"name": call["name"], "arguments": json.loads(call["arguments"])})
    completion = f"<tool_call>{written}</tool_call>"
    assert rewards([completion], [question(prompt)]) == [(1, 1, 1)]
    assert rewards([completion], [question(asked(instance))]) == [(1, 0, 1)]


def test_thoughts_that_the_template_began_are_no_call(small_instances):
    instance = small_instances[0]
    prompt = asked(instance, template=THINKING_TEMPLATE)
    assert prompt.opening == THINK
    call = render_call(ToolCall(name=instance.reference.name, arguments=instance.reference.arguments))
    completions = [f"so it is {call}", f"well</think>{call}"]
    assert rewards(completions, [question(prompt)] * 2) == [(0, 0, 0), (1, 1, 1)]
