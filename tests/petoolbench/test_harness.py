"""The benchmark in Inspect AI and lm-evaluation-harness: the real harnesses, and what they say against our scorer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from petoolbench.__main__ import main
from petoolbench.errors import InputError
from petoolbench.folders import open_dataset
from petoolbench.harness.__main__ import LM_EVAL_FOLDER
from petoolbench.harness.questions import Questions
from petoolbench.parsing import render_call
from petoolbench.prompts import name_map, render_prompt
from petoolbench.results import score_run
from petoolbench.runs import read_run
from petoolbench.schema import SETTINGS, Prediction, ToolCall
from petoolbench.scoring import score
from tests.conftest import ROOT

ACCURACIES = ("tool_accuracy", "param_accuracy", "joint_accuracy")
TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] | trim }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE


def _answer(index, instance):
    """Return one of seven kinds of answers; None is a call that fails."""
    gold = ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)
    other = next(tool.name for tool in instance.candidates if tool.name != gold.name)
    return [
        render_call(gold),
        f"Here it is:\n```json\n{render_call(gold)}\n```",
        render_call(gold.model_copy(update={"name": other})),
        render_call(gold.model_copy(update={"arguments": {}})),
        "I would rather not.",
        "",
        None,
    ][index % 7]


@pytest.fixture(scope="module")
def answers(small_data):
    """An answer to each test instance, by its id."""
    instances = open_dataset(str(small_data)).instances("all", "test")
    return {instance.id: _answer(index, instance) for index, instance in enumerate(instances)}


@pytest.fixture(scope="module")
def judge(small_data):
    """A function that judges a text as the answer to an instance, named by its id."""
    references = {entry.id: entry.reference for entry in open_dataset(str(small_data)).instances("all", "test")}

    def judged(identity, text, mode="strict"):
        error = "failed" if text is None else None
        return score(Prediction(id=identity, text=text, error=error), references[identity], mode)

    return judged


def _values(judged):
    verdicts = (judged.tool, judged.arguments, judged.tool and judged.arguments)
    return dict(zip(ACCURACIES, map(float, verdicts), strict=True))


def _scored_again(log, out, *options):
    """Import a log into a run folder and score it; return the judgements by id."""
    assert main(["import-run", str(log), "--out", str(out), "--quiet", *options]) == 0
    return {entry.id: entry.score for entry in score_run(out).judged}


# What is asked


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"style": "native "}, "style"),
        ({"history": "no"}, "history"),
        ({"max_interactions": 0}, "max_interactions"),
        ({"max_interactions": True}, "max_interactions"),
        ({"data": 3}, "data"),
    ],
)
def test_what_a_harness_passes_on_is_checked(changes, field):
    with pytest.raises(InputError, match=f"field '{field}'"):
        Questions("all", **changes)


def test_a_record_tells_where_the_data_is(small_data, monkeypatch):
    monkeypatch.chdir(small_data.parent)
    record = Questions("chronological", small_data.name).record()
    assert record["data"] == str(small_data.resolve())
    assert record["fingerprint"] == open_dataset(str(small_data)).fingerprint("chronological", "test")
    assert Questions("chronological").record()["data"] == "petoolbench"


# Inspect


@pytest.fixture(scope="module")
def tasks():
    """The module of the Inspect tasks."""
    pytest.importorskip("inspect_ai")
    from petoolbench.harness import inspect_tasks

    return inspect_tasks


@pytest.mark.parametrize("name", [*SETTINGS, "all_settings"])
def test_inspect_asks_our_prompts(tasks, small_data, name):
    task = getattr(tasks, name)(data=str(small_data))
    instances = list(open_dataset(str(small_data)).instances(name.removesuffix("_settings"), "test"))
    assert [sample.id for sample in task.dataset] == [instance.id for instance in instances]
    for sample, instance in zip(task.dataset, instances, strict=True):
        asked = [{"role": message.role, "content": message.text} for message in sample.input]
        assert asked == render_prompt(instance).messages
    assert (task.config.temperature, task.config.max_tokens) == (0.1, 256)


def test_inspect_asks_natively(tasks, small_data):
    task = tasks.make_task("rating_integrated", data=str(small_data), style="native", max_interactions=2)
    instances = list(open_dataset(str(small_data)).instances("rating_integrated", "test"))
    for sample, instance in zip(task.dataset, instances, strict=True):
        prompt = render_prompt(instance, "native", max_interactions=2)
        assert [message.role for message in sample.input] == [message["role"] for message in prompt.messages]
        calls = [call for message in sample.input for call in getattr(message, "tool_calls", None) or ()]
        wanted = [call["function"] for message in prompt.messages for call in message.get("tool_calls", ())]
        assert [(call.function, json.dumps(call.arguments, ensure_ascii=False)) for call in calls] == [
            (function["name"], function["arguments"]) for function in wanted
        ]
        assert sample.metadata["tools"] == [tool["function"] for tool in prompt.tools]


def test_inspect_asks_in_one_turn(tasks, small_data):
    sample = tasks.make_task("chronological", data=str(small_data), system=False, history=False).dataset[0]
    instance = next(open_dataset(str(small_data)).instances("chronological", "test"))
    system, user = render_prompt(instance, history=False).messages
    assert [(m.role, m.text) for m in sample.input] == [("user", f"{system['content']}\n\n{user['content']}")]
    with pytest.raises(InputError, match="field 'system'"):
        tasks.make_task("chronological", data=str(small_data), system=False, style="native")


def test_inspect_takes_no_unknown_mode(tasks, small_data):
    with pytest.raises(InputError, match="field 'mode'"):
        tasks.make_task("chronological", data=str(small_data), mode="lenient")


@pytest.fixture
def ask_inspect(tmp_path):
    """A function that runs a task on scripted replies, given by what the sample's last messages say."""
    from inspect_ai import eval as run
    from inspect_ai.model import ModelUsage, get_model

    def ask(task, reply):
        samples = {(sample.input[0].text, sample.input[-1].text): sample for sample in task.dataset}
        assert len(samples) == len(task.dataset)

        def output(messages, tools, choice, config):
            made = reply(samples[messages[0].text, messages[-1].text], tools)
            return made.model_copy(update={"usage": ModelUsage(input_tokens=7, output_tokens=5)})

        model = get_model("mockllm/model", custom_outputs=output, memoize=False)
        return run(task, model=model, log_dir=str(tmp_path / "logs"), display="none")[0]

    return ask


@pytest.mark.slow
def test_inspect_agrees_with_us(tasks, small_data, answers, judge, ask_inspect, tmp_path):
    from inspect_ai.model import ModelOutput

    def reply(sample, tools):
        if answers[sample.id] is None:
            raise RuntimeError("the server is down")
        return ModelOutput.from_content("mock", answers[sample.id])

    log = ask_inspect(tasks.all_settings(data=str(small_data)), reply)
    assert (log.status, len(log.samples)) == ("error", 45)
    wanted = {identity: judge(identity, text) for identity, text in answers.items()}
    for sample in log.samples:
        judged = wanted[sample.id]
        assert (sample.error is None) == judged.scored
        if judged.scored:
            found = sample.scores["first_call"]
            assert (found.value, found.metadata["error"]) == (_values(judged), judged.error)
    assert {judged.error for judged in wanted.values()} > {"invalid_format", None}
    scored = [judged for judged in wanted.values() if judged.scored]
    assert len(scored) == 39
    for part in log.results.scores:
        values = [_values(judged)[part.name] for judged in scored]
        assert part.metrics["mean"].value == pytest.approx(sum(values) / len(values))
        settings = {key.rsplit("by_setting_")[-1] for key in part.metrics if "by_setting_" in key}
        assert settings == {*SETTINGS, *(f"{name}_stderr" for name in SETTINGS)}
    again = _scored_again(log.location, tmp_path / "run")
    assert all(again[key] == judged for key, judged in wanted.items() if judged.scored)
    assert {key for key, judged in again.items() if not judged.scored} == {k for k, a in answers.items() if a is None}
    some = next(iter(read_run(tmp_path / "run").predictions.values()))
    assert (some.prompt_tokens, some.completion_tokens, some.finish) == (7, 5, "stop")


@pytest.mark.slow
def test_inspect_agrees_with_us_on_native_calls(tasks, small_data, ask_inspect, tmp_path):
    from inspect_ai.model import ModelOutput

    instances = {entry.id: entry for entry in open_dataset(str(small_data)).instances("chronological", "test")}
    kinds = {identity: index % 5 for index, identity in enumerate(instances)}

    def reply(sample, tools):
        instance, kind = instances[sample.id], kinds[sample.id]
        shown = [tool.name for tool in instance.candidates] + [past.call.name for past in instance.history]
        native = name_map(shown).to_native[instance.reference.name]
        assert native in {tool.name for tool in tools}
        call = {"name": native, "arguments": instance.reference.arguments}
        if kind == 0:
            return ModelOutput.for_tool_call("mock", native, instance.reference.arguments)
        if kind == 1:
            return ModelOutput.from_content("mock", json.dumps(call))
        if kind == 2:
            return ModelOutput.for_tool_call("mock", "invented", {})
        if kind == 3:
            return ModelOutput.from_content("mock", "I would rather not.")
        broken = ModelOutput.for_tool_call("mock", native, {})
        broken.message.tool_calls[0].parse_error = "no JSON"
        return broken

    log = ask_inspect(tasks.chronological(data=str(small_data), style="native"), reply)
    assert log.status == "success"
    errors = [None, None, "tool_hallucination", "invalid_format", "invalid_format"]
    found = {sample.id: sample.scores["first_call"] for sample in log.samples}
    assert {key: value.metadata["error"] for key, value in found.items()} == {k: errors[v] for k, v in kinds.items()}
    again = _scored_again(log.location, tmp_path / "run", "--name", "scripted")
    assert {key: _values(judged) for key, judged in again.items()} == {k: v.value for k, v in found.items()}
    assert read_run(tmp_path / "run").spec.agent == "scripted"


# lm-evaluation-harness


@pytest.fixture(scope="module")
def load_lm_eval():
    """A function that loads a task, or group, of our folder with metadata."""
    pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    def load(name, **metadata):
        manager = TaskManager(include_path=str(LM_EVAL_FOLDER), include_defaults=False, metadata=metadata)
        return manager.load([name])

    return load


def test_lm_eval_asks_our_prompts(load_lm_eval, small_data):
    task = load_lm_eval("petoolbench_chronological", data=str(small_data), pretrained="x")["tasks"][
        "petoolbench_chronological"
    ]
    assert task.config.generation_kwargs == {"until": [], "max_gen_toks": 256, "do_sample": True, "temperature": 0.1}
    task.set_config("num_fewshot", 0)
    instances = list(open_dataset(str(small_data)).instances("chronological", "test"))
    asked = []

    def with_system(messages, add_generation_prompt):
        asked.append(messages)
        return json.dumps(messages)

    def without_system(messages, add_generation_prompt):
        return json.dumps([message for message in messages if message["role"] != "system"])

    for doc, instance in zip(task.eval_docs, instances, strict=True):
        messages = render_prompt(instance).messages
        joined = "\n\n".join(message["content"] for message in messages)
        shown = {"num_fewshot": 0, "apply_chat_template": True}
        assert json.loads(task.fewshot_context(doc, chat_template=with_system, **shown)) == messages
        refused = json.loads(task.fewshot_context(doc, chat_template=without_system, **shown))
        assert refused == [{"role": "user", "content": joined}]
        assert task.fewshot_context(doc, num_fewshot=0) == joined
        extra = json.loads(
            task.fewshot_context(doc, chat_template=with_system, system_instruction="Be brief.", **shown)
        )
        assert extra[0]["content"] == f"Be brief.\n\n{messages[0]['content']}"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "official"])
def test_lm_eval_agrees_with_us(load_lm_eval, small_data, answers, judge, tmp_path, mode):
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        def generate_until(self, requests):
            return [answers[request.doc["id"]] for request in requests]

        def loglikelihood(self, requests):
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    metadata = {"data": str(small_data), "mode": mode}
    manager = TaskManager(include_path=str(LM_EVAL_FOLDER), include_defaults=False, metadata=metadata)
    found = simple_evaluate(Scripted(), tasks=["petoolbench"], task_manager=manager, bootstrap_iters=0)
    wanted = {identity: judge(identity, text, mode) for identity, text in answers.items()}
    rows = [row for samples in found["samples"].values() for row in samples]
    assert len(rows) == 45
    for row in rows:
        judged = wanted[row["doc"]["id"]]
        assert {name: row[name] for name in ACCURACIES if name in row} == (_values(judged) if judged.scored else {})
    for setting in SETTINGS:
        name = f"petoolbench_{setting}"
        scored = [wanted[row["doc"]["id"]] for row in found["samples"][name] if row["metrics"]]
        assert found["results"][name]["tool_accuracy,none"] == pytest.approx(sum(s.tool for s in scored) / len(scored))
        assert found["results"][name]["empty,none"] > 0
    tracker = EvaluationTracker(output_path=str(tmp_path))
    tracker.date_id = "now"
    for name, samples in found["samples"].items():
        tracker.save_results_samples(task_name=name, samples=samples)
        (log,) = tmp_path.rglob(f"samples_{name}_now.jsonl")
        if mode == "strict":
            again = _scored_again(log, tmp_path / name)
            assert {k: s.model_copy(update={"problem": None}) for k, s in again.items()} == {
                row["doc"]["id"]: wanted[row["doc"]["id"]].model_copy(update={"problem": None}) for row in samples
            }


# Both, as users run them: on the command line, in another folder, with a small local model


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The environment of commands with our package installed, and no other way to find it."""
    site = tmp_path_factory.mktemp("installed") / "site-packages"
    known = site / "petoolbench-0.dist-info"
    known.mkdir(parents=True)
    (site / "petoolbench").symlink_to(ROOT / "petoolbench")
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: petoolbench\nVersion: 0\n")
    (known / "entry_points.txt").write_text("[inspect_ai]\npetoolbench = petoolbench.harness.inspect_tasks\n")
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="module", params=["system", "no system role"])
def small_model(request, small_data, tmp_path_factory):
    """A folder with a random Llama of two layers, its tokenizer, and a chat template that may refuse system texts."""
    torch, tokenizers, transformers = map(pytest.importorskip, ("torch", "tokenizers", "transformers"))
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = byte_level(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    instances = open_dataset(str(small_data)).instances("all", "train")
    texts = [message["content"] for instance in instances for message in render_prompt(instance).messages]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=byte_level.alphabet()
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    fast.chat_template = TEMPLATE if request.param == "system" else NO_SYSTEM
    config = transformers.LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16_384, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model") / request.param.replace(" ", "-")
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _run(command, folder, environment):
    shown = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout[-2_000:] + shown.stderr[-2_000:]
    return shown.stdout


@pytest.mark.slow
def test_inspect_on_the_command_line(tasks, elsewhere, small_model, small_data, judge, tmp_path):
    from inspect_ai.log import read_eval_log

    command = [sys.executable, "-m", "inspect_ai", "eval", "petoolbench/chronological", "--model", "hf/small"]
    command += [
        "-M",
        f"model_path={small_model}",
        "-M",
        "device=cpu",
        "-T",
        f"data={os.path.relpath(small_data, tmp_path)}",
    ]
    command += ["-T", f"system={'false' if small_model.name.startswith('no') else 'true'}"]
    _run([*command, "--max-tokens", "12", "--display", "plain", "--log-dir", "logs"], tmp_path, elsewhere)
    (file,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(file))
    assert (log.status, len(log.samples)) == ("success", 15)
    wanted = {sample.id: judge(sample.id, sample.output.completion) for sample in log.samples}
    assert len({sample.output.completion for sample in log.samples}) > 1
    assert all(sample.scores["first_call"].value == _values(wanted[sample.id]) for sample in log.samples)
    assert _scored_again(file, tmp_path / "run") == wanted


@pytest.mark.slow
def test_lm_eval_on_the_command_line(load_lm_eval, elsewhere, small_model, small_data, judge, tmp_path):
    folder = _run([sys.executable, "-m", "petoolbench.harness"], tmp_path, elsewhere).strip()
    command = [sys.executable, "-m", "lm_eval", "run", "--include_path", folder, "--tasks", "petoolbench_chronological"]
    command += ["--model", "hf", "--model_args", f"pretrained={small_model}", "--device", "cpu", "--batch_size", "8"]
    command += ["--metadata", json.dumps({"data": str(small_data)}), "--gen_kwargs", "max_gen_toks=12"]
    _run([*command, "--apply_chat_template", "--log_samples", "--output_path", "out"], tmp_path, elsewhere)
    (file,) = (tmp_path / "out").rglob("samples_petoolbench_chronological_*.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    wanted = {row["doc"]["id"]: judge(row["doc"]["id"], row["filtered_resps"][0]) for row in rows}
    assert len(wanted) == 15
    assert len({row["filtered_resps"][0] for row in rows}) > 1
    assert all({name: row[name] for name in ACCURACIES} == _values(wanted[row["doc"]["id"]]) for row in rows)
    assert all("The tools:" in row["arguments"]["gen_args_0"]["arg_0"] for row in rows)
    assert _scored_again(file, tmp_path / "run") == wanted


# Logs


def _sample_line(small_data, **changes):
    questions = Questions("chronological", str(small_data)).record()
    instance = next(open_dataset(str(small_data)).instances("chronological", "test"))
    doc = {"id": instance.id, "questions": json.dumps({**questions, **changes})}
    return json.dumps(
        {"doc": doc, "metrics": ["tool_accuracy"], "filtered_resps": ["line\u2028feed"]}, ensure_ascii=False
    )


def test_a_log_of_the_first_instances_gives_a_run_of_those(small_data, tmp_path):
    log = tmp_path / "model" / "samples_x.jsonl"
    log.parent.mkdir()
    log.write_text(_sample_line(small_data) + "\n", encoding="utf-8")
    assert main(["import-run", str(log), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    run = read_run(tmp_path / "run")
    assert (run.spec.limit, run.spec.agent, run.spec.instances) == (1, "model", 1)
    assert [entry.text for entry in run.predictions.values()] == ["line\u2028feed"]


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("x.eval", "", "is no readable log of Inspect's"),
        ("x.json", "{}", "is no readable log of Inspect's"),
        ("x.jsonl", '{"doc": {"id": "1"}}', "holds no samples of a petoolbench task"),
        ("x.jsonl", "[", "holds no samples of a petoolbench task"),
        ("x.jsonl", "", "was not made by a task of petoolbench"),
        ("x.txt", "", "is no log of a harness"),
        ("x.jsonl", {"fingerprint": "0"}, "say where it is with --data"),
        ("x.jsonl", {"tone": "warm"}, "another version"),
        ("x.jsonl", 2, "more than once"),
    ],
)
def test_bad_logs_are_one_line(small_data, tmp_path, capsys, name, line, problem):
    if name.endswith((".eval", ".json")):
        pytest.importorskip("inspect_ai")
    if isinstance(line, dict):
        line = _sample_line(small_data, **line)
    elif line == 2:
        line = "\n".join([_sample_line(small_data)] * 2)
    (tmp_path / name).write_text(line, encoding="utf-8")
    assert main(["import-run", str(tmp_path / name), "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert problem in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_no_log_is_one_line(tmp_path, capsys):
    assert main(["import-run", str(tmp_path / "x.eval"), "--out", str(tmp_path / "run")]) == 2
    assert "no such log" in capsys.readouterr().err
    assert Path(LM_EVAL_FOLDER).is_dir()
