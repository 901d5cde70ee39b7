"""Supervised fine-tuning: faults before any weights, order and batching, and whole runs on tiny random models."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("peft")
pytest.importorskip("trl")

import pyarrow.parquet as pq

from tests.tiny import tiny_model
from training.config import SFTSettings, read_config
from training.sft import main

ROOT = Path(__file__).parents[2]
CONFIGS = [path for path in sorted((ROOT / "training" / "configs").glob("*_sft*.yaml")) if "_dpo" not in path.stem]
COMPACT = {"max_tokens": 12_000, "max_interactions": 2, "description_characters": 40, "parameters": "typed"}
TRAINER = {
    "learning_rate": 1e-3,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 2,
    "logging_steps": 1,
    "eval_steps": 4,
    "save_steps": 4,
    "bf16": False,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny random Llama with its weights."""
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def weightless(tiny, tmp_path_factory):
    """The same without its weights: whoever loads them fails otherwise than the tests expect."""
    folder = tmp_path_factory.mktemp("weightless")
    shutil.copytree(tiny, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


@pytest.fixture
def configured(tmp_path, small_data):
    """Writes a configuration; returns its file."""

    def write(**changes):
        content = {
            "output": str(tmp_path / "out"),
            "device": "cpu",
            "data": {"source": str(small_data)},
            "prompts": COMPACT,
            "lora": {"r": 4, "dropout": 0.1},
            "trainer": TRAINER,
            "batching": "padded",
            "evaluation": {"instances": 3, "max_new_tokens": 8},
        }
        for key, value in changes.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) else value
        content = {key: value for key, value in content.items() if value is not None}
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run(tmp_path, configured):
    """Writes a configuration and runs it; returns its exit code and its output folder."""

    def start(*options, **changes):
        return main([str(configured(**changes)), *options]), tmp_path / "out"

    return start


def adapter_hash(folder):
    return hashlib.sha256((folder / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "./nowhere"}, "no such folder"),
        ({"data": {"source": "./nowhere"}}, "no such dataset folder"),
        ({"data": {"split": "dev"}}, "has no split 'dev'"),
        ({"adapter": "./nowhere", "lora": None}, "adapter: no such folder: ./nowhere"),
        (
            {"lora": {"targets": ["q_proj", "wq"]}},
            "has no 'wq' that can carry an adapter; there are: down_proj, gate_proj",
        ),
        ({"lora": {"targets": ["lm_head"]}}, "has no 'lm_head' that can carry an adapter"),
        ({"attention": "telepathy"}, "cannot be trained"),
        ({"trainer": {"per_device_train_batch_size": 500_000_000}}, "training needs at least"),
        ({"prompts": {"max_tokens": 99_999}}, "reads 16384 tokens at most"),
        ({"prompts": {"max_tokens": 20}}, "no prompt can be trained on, such as: instance"),
        ({"batching": "packed", "pack_tokens": 64}, "pack_tokens: 64 cuts examples"),
        ({"evaluation": {"instances": 1000}}, "lower evaluation.instances"),
        ({}, "its weights cannot be loaded"),
    ],
)
def test_faults_are_told_in_one_line_before_weights_are_loaded(run, weightless, capsys, changes, told):
    code, folder = run("--quiet", **{"model": str(weightless), **changes})
    line = capsys.readouterr().err.strip()
    assert code == 2
    assert "\n" not in line
    assert line.startswith("petoolbench: ")
    assert told in line
    assert not folder.exists()


def test_data_without_a_needed_column(run, weightless, small_data, tmp_path, capsys):
    shutil.copytree(small_data, tmp_path / "data")
    path = next((tmp_path / "data" / "data" / "chronological").glob("train-*.parquet"))
    pq.write_table(pq.read_table(path).drop_columns(["instruction"]), path)
    code, _ = run("--quiet", model=str(weightless), data={"source": str(tmp_path / "data")})
    line = capsys.readouterr().err.strip()
    assert code == 2
    assert f"{path}, field 'instruction': the column is missing" in line


def test_a_checkpoint_that_was_being_written_is_passed_over(tmp_path):
    from training.running import last_checkpoint

    config = SFTSettings(model="m", output=str(tmp_path), trainer={"learning_rate": 1})
    assert last_checkpoint(config) is None
    for step, state in ((8, "{}"), (16, "{}"), (24, '{"epoch": 1'), (32, None)):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(config).name == "checkpoint-16"


def test_the_order_is_of_the_seed_and_the_epoch():
    from training.batching import SeededOrder

    lengths = [5, 90, 7, 80, 6, 70, 8, 60] * 16
    epoch = 0
    grouped = SeededOrder(lengths, 8, 1, lambda: epoch)
    first = list(grouped)
    assert sorted(first) == list(range(len(lengths)))
    assert first == list(grouped)
    assert first != list(SeededOrder(lengths, 8, 2, lambda: 0))
    batches = [[lengths[index] for index in first[start : start + 8]] for start in range(0, len(first), 8)]
    assert sum(max(batch) - min(batch) > 40 for batch in batches) <= 2
    epoch = 1
    assert first != list(grouped)
    assert list(SeededOrder(lengths, None, 1, lambda: 0)) != sorted(first)


def test_models_that_let_examples_see_each_other_are_found_out(tiny, monkeypatch):
    from transformers import AutoModelForCausalLM, MambaConfig, MambaForCausalLM

    from petoolbench.errors import PEToolBenchError
    from training.batching import choose_batching, keeps_apart

    llama = AutoModelForCausalLM.from_pretrained(tiny)
    assert keeps_apart(llama)
    assert choose_batching("auto", llama, "cpu") == "padded"
    assert choose_batching("packed", llama, "cpu") == "packed"
    leaking = MambaForCausalLM(MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, state_size=4))
    assert not keeps_apart(leaking)
    with pytest.raises(PEToolBenchError, match="lets examples in one row see each other; set batching: padded"):
        choose_batching("padding_free", leaking, "cpu")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert choose_batching("auto", llama, "cpu") == "padded"
    with pytest.raises(PEToolBenchError, match="sharded weights train on padded rows"):
        choose_batching("packed", llama, "cpu")


def test_curves_without_a_service(tmp_path):
    pytest.importorskip("matplotlib")
    from training.curves import ACCURACIES, LOSSES, write_curves

    log = [
        {"step": 1, "epoch": 0.5, "loss": 2.0},
        {"step": 2, "epoch": 1.0, "loss": 1.0},
        {"step": 2, "epoch": 1.0, "eval_tool_accuracy": 0.25, "note": "text is no number"},
        {"step": 2, "epoch": 1.0, "loss": 0.9},
    ]
    write_curves(log, tmp_path, {**LOSSES, **ACCURACIES})
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert rows == [
        {"step": "1", "epoch": "0.5", "eval_tool_accuracy": "", "loss": "2.0"},
        {"step": "2", "epoch": "1.0", "eval_tool_accuracy": "0.25", "loss": "0.9"},
    ]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_answers_are_judged_by_the_scorer(small_instances):
    from petoolbench.schema import Prediction
    from petoolbench.scoring import gold_prediction
    from training.evaluation import judge

    right, wrong, failed, *_ = small_instances
    answers = [
        gold_prediction(right.id, right.reference),
        Prediction(id=wrong.id, text="I cannot help"),
        Prediction(id=failed.id, error="no room"),
    ]
    numbers = judge(answers, small_instances)
    assert (numbers["tool_accuracy"], numbers["joint_accuracy"], numbers["share_invalid_format"]) == (0.5, 0.5, 0.5)
    assert (numbers["answers"], numbers["unscored"]) == (2, 1)


def test_a_split_is_answered_as_the_run_asks(configured, tiny, small_data, tmp_path, capsys):
    from petoolbench.results import score_run
    from training.evaluate import main as evaluate

    path, out = configured(model=str(tiny)), tmp_path / "answers"
    command = [str(path), "--out", str(out), "--data", str(small_data), "--limit", "4", "--quiet"]
    assert evaluate(command) == 0
    judged = score_run(out).judged
    assert len(judged) == 4
    assert all(entry.score.scored for entry in judged)
    assert all(entry.interactions <= COMPACT["max_interactions"] for entry in judged)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["spec"]["agent"].endswith("descriptions of 40 characters, parameters typed")
    lines = (out / "predictions.jsonl").read_text().splitlines()
    tokens = [json.loads(line)["prompt_tokens"] for line in lines]
    assert max(tokens) < 3_000
    assert evaluate(command) == 0
    path = configured(model=str(tiny), prompts={"description_characters": 20})
    assert evaluate(command) == 2
    assert "another agent" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_runs(path, tiny, small_data, tmp_path):
    config = read_config(path, SFTSettings)
    content = config.model_dump(mode="json") | {"model": str(tiny), "device": "cpu", "output": str(tmp_path / "out")}
    content["data"] |= {"source": str(small_data), "limit": 8}
    # The tiny tokenizer makes a token of almost every letter: whole prompts would take it minutes.
    content["prompts"] |= COMPACT
    content["trainer"] |= {"max_steps": 2, "gradient_accumulation_steps": 2, "eval_steps": 1, "bf16": None}
    content["evaluation"] |= {"instances": 2, "max_new_tokens": 4}
    (tmp_path / path.name).write_text(yaml.safe_dump(content), encoding="utf-8")
    assert main([str(tmp_path / path.name)]) == 0
    report = json.loads((tmp_path / "out" / "training_report.json").read_text())
    assert report["steps"] == 2
    assert report["curves"]["eval_tool_accuracy"]["last_step"] == 2
    assert report["tokens"] == report["session"]["tokens"] > 0
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"adapter", "config.yaml", "data_report.json", "curves.csv", "curves.png"} <= names
    assert "training_args.bin" not in {file.name for file in (tmp_path / "out" / "adapter").iterdir()}


@pytest.mark.slow
def test_training_lowers_the_loss_and_the_adapter_answers(run, tiny):
    from petoolbench.models.local import load_local
    from petoolbench.models.protocol import Generation

    code, folder = run(model=str(tiny), trainer={"learning_rate": 3e-2})
    assert code == 0
    report = json.loads((folder / "training_report.json").read_text())
    assert report["curves"]["eval_loss"]["last"] < 0.8 * report["curves"]["eval_loss"]["first"]
    assert report["adapter"]["adapter_model.safetensors"] == adapter_hash(folder)
    load_local(str(tiny), Generation(), adapter=str(folder / "adapter"), device="cpu")
    code, again = run("--resume", model=str(tiny), trainer={"learning_rate": 3e-2})
    assert (code, adapter_hash(again)) == (0, report["adapter"]["adapter_model.safetensors"])


@pytest.mark.slow
def test_the_ways_of_batching_learn_the_same(run, tiny):
    """Without dropout, rows that share a step must have the gradients of rows that do not."""
    losses = {}
    for batching in ("padded", "padding_free"):
        code, folder = run(
            model=str(tiny),
            batching=batching,
            data={"limit": 4},
            lora={"r": 4, "dropout": 0.0},
            trainer={"per_device_train_batch_size": 4, "num_train_epochs": 3, "warmup_steps": 0},
        )
        assert code == 0
        rows = list(csv.DictReader((folder / "curves.csv").open()))
        losses[batching] = [float(row["loss"]) for row in rows if row["loss"]]
        report = json.loads((folder / "training_report.json").read_text())
        assert report["batching"] == batching
        assert report["tokens"] == 3 * sum(report["data"]["tokens"][part]["all"] for part in ("prompt", "completion"))
        shutil.rmtree(folder)
    assert losses["padded"] == pytest.approx(losses["padding_free"], rel=1e-4)
    assert losses["padded"][-1] < losses["padded"][0]


@pytest.mark.slow
def test_packs_lose_no_label(run, tiny):
    code, folder = run(model=str(tiny), batching="packed", pack_tokens=5000, trainer={"num_train_epochs": 1})
    assert code == 0
    report = json.loads((folder / "training_report.json").read_text())
    assert report["tokens"] == sum(report["data"]["tokens"][part]["all"] for part in ("prompt", "completion"))
    assert report["steps"] < 6


KILLED = """
import os, signal, sys
from pathlib import Path
from transformers import TrainerCallback
from petoolbench.console import Console
from training.config import SFTSettings, read_config
from training.sft import train

class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 11:
            os.kill(os.getpid(), signal.SIGKILL)

train(read_config(Path(sys.argv[1]), SFTSettings), Console(), callbacks=[Kill()])
"""


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(run, tiny, tmp_path):
    """Six steps an epoch, a checkpoint every four: killed in the second epoch, after its first checkpoint."""
    code, whole = run(model=str(tiny))
    assert code == 0
    uninterrupted, log = adapter_hash(whole), (whole / "curves.csv").read_text()
    shutil.rmtree(whole)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run.yaml")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=900).returncode == -9
    assert not (whole / "adapter").exists()
    assert (whole / "checkpoints" / "checkpoint-8").is_dir()
    code, resumed = run("--resume", model=str(tiny))
    assert code == 0
    assert adapter_hash(resumed) == uninterrupted
    report = json.loads((resumed / "training_report.json").read_text())
    assert (report["steps"], report["session"]["steps"]) == (12, 4)
    columns = ("step", "loss", "eval_loss")
    tables = [csv.DictReader(text.splitlines()) for text in (log, (resumed / "curves.csv").read_text())]
    assert len({str([[row[name] for name in columns] for row in table]) for table in tables}) == 1
