"""What tests of publishing share: a run folder as ``training.sft`` leaves it, reports of its tests, command lines."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from petoolbench.answering import find_answerer
from petoolbench.files import content_hash, file_hash
from petoolbench.folders import open_dataset
from petoolbench.models.settings import ModelSettings
from petoolbench.predict import predict, run_spec
from petoolbench.report import report_numbers
from petoolbench.results import score_run
from tests.tiny import tiny_model


def write_trained_run(folder: Path, data: Path) -> Path:
    """Write base weights, a random adapter for them, and what a run tells of itself; return the run folder."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, run = tiny_model(folder / "base"), folder / "sft"
    torch.manual_seed(1)
    settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings)
    model.save_pretrained(run / "adapter")
    AutoTokenizer.from_pretrained(base).save_pretrained(run / "adapter")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "optimizer.pt").write_bytes(b"not to be published")
    (run / "training_report.json").write_text(json.dumps(training_report(run, base, data)))
    return run


def training_report(run: Path, base: Path, data: Path) -> dict:
    """Return what ``training_report.json`` says."""
    config = {"model": str(base), "adapter": None, "output": str(run), "lora": {"r": 4}}
    source = {"source": str(data), "config": "all", "split": "train", "limit": None}
    fingerprint = open_dataset(str(data)).fingerprint("all", "train")
    return {
        "method": "sft",
        "config": {**config, "data": source},
        "config_hash": content_hash(config),
        "versions": {"petoolbench": "0.1.0", "peft": "0.21.2"},
        "hardware": {"cpu": "A processor", "cores": "2", "device": "cpu"},
        "model": {
            "name": str(base),
            "weights": {path.name: file_hash(path) for path in base.glob("*.safetensors")},
            "revision": None,
            "parameters": 123_456,
            "trained_parameters": 6_543,
        },
        "adapter": {path.name: file_hash(path) for path in (run / "adapter").glob("*.safetensors")},
        "steps": 77,
        "epochs": 2.0,
        "tokens": 45_678,
        "data": {
            "source": {**source, "fingerprint": fingerprint},
            "instances": 15,
            "held_out": 2,
            "examples": 13,
            "left_out": 0,
        },
    }


def write_report(path: Path, data: Path, adapter: Path, split: str = "test") -> Path:
    """Write a ``report.json`` of two runs, of which one says that the adapter answered; a rule's answers stand in."""
    folder = open_dataset(str(data))
    for name in ("lexical", "random"):
        answerer = find_answerer(name, seed=0)
        predict(folder, str(data), run_spec(folder, "all", split, name), answerer, path.parent / name)
    tuned, other = (score_run(path.parent / name) for name in ("lexical", "random"))
    model = ModelSettings(name=f"hf:{adapter.parent.parent / 'base'}", adapter=str(adapter))
    tuned = replace(tuned, run=replace(tuned.run, spec=replace(tuned.run.spec, agent=model.name, model=model)))
    numbers = report_numbers([tuned, other])
    numbers["runs"][0]["name"] = "tuned"
    assert numbers["runs"][0]["spec"]["model"] == asdict(model)
    path.write_text(json.dumps(numbers))
    return path


TOKEN = "hf_secretsecretsecretsecretsecret"
CARD_FILES = {"README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"}
CARD_FILES |= {"tokenizer.json", "tokenizer_config.json"}


def model_arguments(folder, out, *more):
    """Return the command line that writes into ``out`` what would be pushed of the run in ``folder``."""
    told = ["--repo", "me/tuned", "--base", "org/base", "--report", folder / "report.json", "--dry-run", out]
    return [str(entry) for entry in (folder / "sft", *told, *more)]


def one_line(capsys, *words):
    """Return the one line that was written, on standard error, with all the words in it."""
    shown = capsys.readouterr()
    line = shown.err.strip()
    assert shown.out == ""
    assert "\n" not in line, line
    assert line.startswith("petoolbench: ")
    for word in words:
        assert word in line, line
    return line


def cut(name):
    """Return what cuts a file of a folder off."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:100])
