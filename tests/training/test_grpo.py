"""Rewards are the scorer's flags, and GRPO asks as the benchmark does."""

from __future__ import annotations

import json
import math

import pytest

from petoolbench.models.chat import THINK, Chat
from petoolbench.models.protocol import Generation
from petoolbench.parsing import render_call
from petoolbench.prompts import native_call
from petoolbench.schema import Prediction, ToolCall
from petoolbench.scoring import score
from tests.tiny import PLAIN_TEMPLATE, THINKING_TEMPLATE, TOOL_TEMPLATE, tiny_model, tiny_tokenizer
from tests.training import small_runs

for package in ("torch", "transformers", "trl", "peft", "psutil"):
    pytest.importorskip(package)

import transformers  # noqa: E402
import yaml  # noqa: E402

from petoolbench.console import Console  # noqa: E402
from training import grpo  # noqa: E402
from training.config import GRPOSettings  # noqa: E402
from training.rewards import REWARDS, question  # noqa: E402
from training.stages import begin  # noqa: E402


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


@pytest.fixture(scope="module")
def settings(small_data, tmp_path_factory):
    """What a run's YAML holds; small enough for seconds."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    place = tmp_path_factory.mktemp("grpo")
    data = small_runs.write_few_tools(small_data, place / "data", 3)
    own = {"num_generations": 2, "max_completion_length": 6, "lora": {"r": 4, "targets": ["q_proj", "v_proj"]}}
    return {**small_runs.settings(tiny_model(place / "model"), data, place / "run"), **own}


def test_prompts_are_those_of_the_benchmark(settings, tmp_path):
    config = GRPOSettings.model_validate({**settings, "output": str(tmp_path / "run")})
    looked = begin(config, Console(quiet=True), 2, "max_completion_length", resume=False)
    trainer = grpo.make_trainer(config, looked, resume=False)
    known = {entry.id: entry for entry in looked.instances}
    assert len(trainer.train_dataset) == len(known)
    for row in trainer.train_dataset:
        ids, *_ = trainer._tokenize_prompts([row["prompt"]])
        assert ids == [looked.teller.ask(known[row["id"]]).ids]


def test_answers_are_drawn_and_rewarded(settings, tmp_path):
    """A run from its YAML: rewards are those of the scorer, weighted, and evaluation asks as the benchmark does."""
    content = {**settings, "output": str(tmp_path / "run"), "evaluation": {"instances": 1, "max_new_tokens": 2}}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert grpo.main([str(path), "--quiet"]) == 0
    told = json.loads((tmp_path / "run" / "training_report.json").read_text(encoding="utf-8"))
    assert (told["method"], told["steps"]) == ("grpo", 2)
    curves = told["curves"]
    assert {"reward", "eval_tool_accuracy", *(f"rewards/{reward.__name__}/mean" for reward in REWARDS)} <= set(curves)
    weighted = sum(
        weight * curves[f"rewards/{reward.__name__}/mean"]["last"]
        for weight, reward in zip((0.2, 1.0, 0.5), REWARDS, strict=True)
    )
    assert math.isclose(curves["reward"]["last"], weighted, abs_tol=1e-6)
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").is_file()


def test_groups_of_answers_are_whole(settings, tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**settings, "num_generations": 3}), encoding="utf-8")
    assert grpo.main([str(path)]) == 2
    assert "no multiple of num_generations 3" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(small_runs.CONFIGS.glob("*_grpo*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_takes_two_steps(path, settings, tmp_path):
    content = small_runs.shortened(path, settings["model"], settings["data"]["source"], tmp_path / "run")
    del content["adapter"]
    content |= {"max_completion_length": 4}
    run = tmp_path / "run.yaml"
    run.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert grpo.main([str(run), "--quiet"]) == 0
    told = json.loads((tmp_path / "run" / "training_report.json").read_text(encoding="utf-8"))
    assert told["steps"] == 2
