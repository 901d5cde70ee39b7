"""Publishing to a Hub on this machine, over HTTP, and loading by name what was pushed, with the real libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hub_server import Hub, Repository, serve_hub
from training.publish import main

pytest.importorskip("jinja2")

from tests.training.trained_run import CARD_FILES, TOKEN, model_arguments, one_line

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def hub(tmp_path):
    """A Hub on this machine, and the environment of a process that uses it."""
    with serve_hub(Hub(token=TOKEN)) as served:
        yield served, {**served.environment(tmp_path / "hf", os.environ), "PYTHONPATH": str(ROOT)}


def _python(environment, script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


PUSHING = "import json, sys; from training.publish import main; sys.exit(max(map(main, json.loads(sys.argv[1]))))"


def _push(hub, *commands):
    served, environment = hub
    shown = _python(
        {**environment, "HF_TOKEN": TOKEN}, PUSHING, json.dumps([list(map(str, each)) for each in commands])
    )
    assert shown.returncode == 0, shown.stderr[-2_000:]
    assert TOKEN not in shown.stdout + shown.stderr
    assert not any(TOKEN in request for request in served.requests)
    every = [data for repository in served.repositories.values() for data in repository.files.values()]
    assert not any(TOKEN.encode() in data for data in every)


def _model(trained, *more):
    """Return the arguments that push the run."""
    told = model_arguments(trained, "unused", *more)
    place = told.index("--dry-run")
    return told[:place] + told[place + 2 :]


LOADING = """
import json
import evaluate
from datasets import load_dataset
from huggingface_hub import snapshot_download

references = load_dataset("me/small", "chronological", split="test")["reference"]
answers = [json.dumps({"tool_name": row["name"], "parameters": json.loads(row["arguments"])}) for row in references]
print(json.dumps({
    "snapshot": snapshot_download("me/tuned"),
    "rows": len(load_dataset("me/small", "all", split="test")),
    "right": evaluate.load("me/pt_joint_acc").compute(predictions=answers, references=references)["pt_joint_acc"],
}))
"""


def test_pushed_and_loaded(hub, trained, small_data):
    served, environment = hub
    served.repositories[("datasets", "me/small")] = Repository({"data/old.parquet": b"old", "NOTES.md": b"mine"})
    metric = ROOT / "metrics" / "pt_joint_acc"
    data = ["--dataset", small_data, "--repo", "me/small"]
    _push(hub, _model(trained, "--private"), data, ["--metric", metric, "--repo", "me/pt_joint_acc"])
    model = served.repositories[("models", "me/tuned")]
    assert (set(model.files), model.private) == (CARD_FILES, True)
    held = served.repositories[("datasets", "me/small")].files
    assert "data/old.parquet" not in held
    assert held["NOTES.md"] == b"mine"
    assert served.repositories[("spaces", "me/pt_joint_acc")].sdk == "gradio"
    assert {repository.commits for repository in served.repositories.values()} == {1}
    loaded = _python({**environment, "HF_TOKEN": TOKEN}, LOADING)
    assert loaded.returncode == 0, loaded.stderr[-3_000:]
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert (found["rows"], found["right"]) == (45, 1.0)
    fetched = Path(found["snapshot"])
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == model.files
    assert (fetched / WEIGHTS).read_bytes() == (trained / "sft" / "adapter" / WEIGHTS).read_bytes()


ADAPTED = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

def logits(model):
    with torch.no_grad():
        return model(torch.arange(2, 40).unsqueeze(0)).logits

def adapted(place):
    return logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(sys.argv[1]), place))

same = torch.equal(adapted("me/tuned"), adapted(sys.argv[2]))
folder = {"subfolder": "merged"}
merged = logits(AutoModelForCausalLM.from_pretrained("me/tuned", **folder, adapter_kwargs=folder))
templates = {AutoTokenizer.from_pretrained(place).chat_template for place in ("me/tuned", sys.argv[1])}
print(json.dumps([same, torch.allclose(merged, adapted(sys.argv[2]), atol=1e-3), len(templates)]))
"""


@pytest.mark.slow
def test_weights_are_loaded_by_name_and_merged_ones_go_with_the_next_push(hub, trained):
    served, environment = hub
    _push(hub, _model(trained, "--merged"))
    loaded = _python(environment, ADAPTED, trained / "base", trained / "sft" / "adapter")
    assert loaded.returncode == 0, loaded.stderr[-3_000:]
    assert json.loads(loaded.stdout.splitlines()[-1]) == [True, True, 1]
    _push(hub, _model(trained))
    assert set(served.repositories[("models", "me/tuned")].files) == CARD_FILES


def test_a_token_that_is_not_right(hub, small_data):
    served, environment = hub
    wrong = "hf_wrongwrongwrongwrong"
    arguments = json.dumps([["--dataset", str(small_data), "--repo", "me/small"]])
    shown = _python({**environment, "HF_TOKEN": wrong}, PUSHING, arguments)
    line = shown.stderr.strip()
    assert shown.returncode == 2
    assert "\n" not in line, line
    assert "me/small: cannot be pushed" in line
    assert "Invalid username or password" in line
    assert wrong not in line
    assert served.repositories == {}


def test_no_token_and_no_hub(small_data, capsys, monkeypatch):
    arguments = ["--dataset", str(small_data), "--repo", "me/small", "--quiet"]
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert main(arguments) == 2
    one_line(capsys, "set HF_TOKEN", "--dry-run")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(arguments) == 2
    assert TOKEN not in one_line(capsys, "me/small: cannot be pushed", "offline")
