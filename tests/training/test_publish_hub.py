"""Publishing to a Hub on this machine, over HTTP, and loading by name what was pushed, with the real libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from petoolbench.folders import open_dataset
from tests.conftest import ROOT
from tests.hub_server import Hub, Repository, serve_hub
from training.publish import main

pytest.importorskip("jinja2")

from tests.training.trained_run import CARD_FILES, TOKEN, model_arguments, one_line

WEIGHTS = "adapter_model.safetensors"
METRIC = "me/pt_joint_acc"


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


_PUSHED_METRIC = ["--metric", ROOT / "metrics" / "pt_joint_acc", "--repo", METRIC]


def _model(trained, *more):
    """Return the arguments that push the run."""
    told = model_arguments(trained, "unused", *more)
    place = told.index("--dry-run")
    return told[:place] + told[place + 2 :]


LOADING = """
import json
from datasets import load_dataset
from huggingface_hub import snapshot_download

kinds = {"me/tuned": "model", "me/pt_joint_acc": "space"}
found = {name: snapshot_download(name, repo_type=kind) for name, kind in kinds.items()}
print(json.dumps({**found, "rows": load_dataset("me/small", "all", split="test")["id"][:]}))
"""


def test_pushed_and_loaded(hub, trained, small_data):
    served, environment = hub
    served.repositories[("datasets", "me/small")] = Repository({"data/old.parquet": b"old", "NOTES.md": b"mine"})
    _push(hub, _model(trained, "--private"), ["--dataset", small_data, "--repo", "me/small"], _PUSHED_METRIC)
    model = served.repositories[("models", "me/tuned")]
    assert (set(model.files), model.private) == (CARD_FILES, True)
    held = served.repositories[("datasets", "me/small")].files
    assert "data/old.parquet" not in held
    assert held["NOTES.md"] == b"mine"
    assert served.repositories[("spaces", METRIC)].sdk == "gradio"
    assert {repository.commits for repository in served.repositories.values()} == {1}
    loaded = _python({**environment, "HF_TOKEN": TOKEN}, LOADING)
    assert loaded.returncode == 0, loaded.stderr[-3_000:]
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert found["rows"] == list(open_dataset(str(small_data)).ids("all", "test"))
    for name, repository in (("me/tuned", model), ("me/pt_joint_acc", served.repositories[("spaces", METRIC)])):
        fetched = {path.name: path.read_bytes() for path in Path(found[name]).iterdir()}
        assert fetched == repository.files
    assert model.files[WEIGHTS] == (trained / "sft" / "adapter" / WEIGHTS).read_bytes()


BY_NAME = """
import json, sys
import evaluate, torch
from datasets import load_dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

def logits(model):
    with torch.no_grad():
        return model(torch.arange(2, 40).unsqueeze(0)).logits

def adapted(place):
    return logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(sys.argv[1]), place))

wanted, folder = adapted(sys.argv[2]), {"subfolder": "merged"}
merged = logits(AutoModelForCausalLM.from_pretrained("me/tuned", **folder, adapter_kwargs=folder))
templates = {AutoTokenizer.from_pretrained(place).chat_template for place in ("me/tuned", sys.argv[1])}
references = load_dataset("me/small", "chronological", split="test")["reference"]
answers = [json.dumps({"tool_name": row["name"], "parameters": json.loads(row["arguments"])}) for row in references]
print(json.dumps({
    "adapter": torch.equal(adapted("me/tuned"), wanted),
    "merged": torch.allclose(merged, wanted, atol=1e-3),
    "templates": len(templates),
    "right": evaluate.load("me/pt_joint_acc").compute(predictions=answers, references=references)["pt_joint_acc"],
}))
"""


@pytest.mark.slow
def test_all_is_loaded_by_name_and_merged_weights_go_with_the_next_push(hub, trained, small_data):
    served, environment = hub
    _push(hub, _model(trained, "--merged"), ["--dataset", small_data, "--repo", "me/small"], _PUSHED_METRIC)
    loaded = _python(environment, BY_NAME, trained / "base", trained / "sft" / "adapter")
    assert loaded.returncode == 0, loaded.stderr[-3_000:]
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert found == {"adapter": True, "merged": True, "templates": 1, "right": 1.0}
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
