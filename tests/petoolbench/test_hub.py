"""Data from the Hub, fetched over HTTP from a small server on this machine that speaks the Hub's endpoints."""

import json
import os
import subprocess
import sys

import pytest

from petoolbench.convert import convert
from tests.conftest import ROOT
from tests.hub_server import Hub, Repository, serve_hub


@pytest.fixture
def hub(published_file, tmp_path):
    """The environment of a process for which the Hub is a server here, with two repositories."""
    convert([published_file], tmp_path / "converted")
    folder = tmp_path / "converted"
    converted = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    published = {"user_entries_test_c.json": published_file.read_bytes()}
    served = Hub(
        {
            ("datasets", "travisxu/PEToolBench"): Repository(published),
            ("datasets", "someone/converted"): Repository(converted),
        }
    )
    with serve_hub(served):
        yield {**served.environment(tmp_path / "hf", os.environ), "PYTHONPATH": str(ROOT)}


def _run(hub, folder, *command):
    return subprocess.run([sys.executable, *command], cwd=folder, env=hub, capture_output=True, text=True)


def test_the_published_test_file(hub, tmp_path):
    script = (
        "import petoolbench; from datasets import load_dataset; "
        "print(len(load_dataset('petoolbench', 'official_chronological', split='test')))"
    )
    shown = _run(hub, tmp_path, "-c", script)
    assert shown.stdout.split()[-1:] == ["3"], shown.stderr[-2_000:]
    offline = _run({**hub, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}, tmp_path, "-c", script)
    assert offline.stdout.split()[-1:] == ["3"], offline.stderr[-2_000:]


def test_a_dataset_repository_on_the_command_line(hub, tmp_path):
    command = ("-m", "petoolbench", "predict", "--data", "someone/converted", "--agent", "lexical", "--out", "run")
    shown = _run(hub, tmp_path, *command)
    assert shown.returncode == 0, shown.stderr[-2_000:]
    assert len((tmp_path / "run" / "predictions.jsonl").read_text().splitlines()) == 9
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["source"] == "someone/converted"


def test_a_repository_that_is_not_there(hub, tmp_path):
    shown = _run(hub, tmp_path, "-m", "petoolbench", "info", "--data", "someone/else")
    assert (shown.returncode, shown.stderr.strip().count("\n")) == (2, 0)
    assert "someone/else" in shown.stderr
