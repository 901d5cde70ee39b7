"""The ``evaluate`` modules: loaded by name in any folder, fed with text and with calls, combined."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import evaluate
import pytest
from datasets import load_dataset

import petoolbench  # noqa: F401
from petoolbench.features import row_to_reference
from petoolbench.metric_modules import metric_scripts, register_metrics
from petoolbench.parsing import render_call
from petoolbench.schema import ERROR_TYPES, ToolCall
from petoolbench.scoring import SCORING_VERSION
from tests.conftest import ROOT

NAMES = ("pt_tool_acc", "pt_param_acc", "pt_joint_acc", "pt_call_errors")


@pytest.fixture(scope="module")
def references(small_data):
    return load_dataset(str(small_data), "chronological", split="test")["reference"]


@pytest.fixture(scope="module")
def answers(references):
    """Right calls, but the first names another tool, the second another argument, and the third is no call."""
    rows = [row_to_reference(row) for row in references]
    calls = [ToolCall(name=row.name, arguments=row.arguments) for row in rows]
    sibling = next(name for name in rows[0].group if name != rows[0].name)
    calls[0] = calls[0].model_copy(update={"name": sibling})
    calls[1] = calls[1].model_copy(update={"arguments": {**calls[1].arguments, "foreign": 1}})
    return [*map(render_call, calls[:2]), "I cannot help.", *map(render_call, calls[3:])]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_metric_has_card_script_and_requirements():
    assert set(metric_scripts()) == set(NAMES)
    for name in NAMES:
        folder = ROOT / "metrics" / name
        assert name in (folder / "README.md").read_text()
        assert "petoolbench" in (folder / "requirements.txt").read_text()
        assert (folder / "app.py").is_file()


@pytest.mark.parametrize(("name", "right"), [("pt_tool_acc", 13), ("pt_param_acc", 13), ("pt_joint_acc", 12)])
def test_shares(name, right, answers, references):
    found = evaluate.load(name).compute(predictions=answers, references=references)
    assert found == {name: right / 15, "scored": 15, "unscored": 0, "scoring_version": SCORING_VERSION}


def test_error_shares(answers, references):
    found = evaluate.load("pt_call_errors").compute(predictions=answers, references=references)
    wanted = {"preference_mismatch": 1, "parameter_name_mismatch": 1, "invalid_format": 1, "correct": 12}
    assert {kind: found[kind] for kind in (*ERROR_TYPES, "correct")} == {
        kind: wanted.get(kind, 0) / 15 for kind in (*ERROR_TYPES, "correct")
    }


def test_calls_in_place_of_text(references):
    gold = [{"name": row["name"], "arguments": json.loads(row["arguments"])} for row in references]
    published = [{"tool_name": call["name"], "parameters": call["arguments"]} for call in gold]
    for predictions in (gold, published, [[call, gold[0]] for call in gold]):
        assert (
            evaluate.load("pt_joint_acc").compute(predictions=predictions, references=references)["pt_joint_acc"] == 1
        )


def test_no_answer_is_unscored(answers, references):
    found = evaluate.load("pt_tool_acc").compute(predictions=[None, *answers[1:]], references=references)
    assert (found["pt_tool_acc"], found["scored"], found["unscored"]) == (13 / 14, 14, 1)
    nothing = evaluate.load("pt_tool_acc").compute(predictions=[None], references=list(references)[:1])
    assert nothing["pt_tool_acc"] is None


def test_one_at_a_time(answers, references):
    metric = evaluate.load("pt_tool_acc")
    for answer, reference in zip(answers, references, strict=True):
        metric.add(prediction=answer, reference=reference)
    assert metric.compute()["pt_tool_acc"] == 13 / 15


def test_combined(answers, references):
    found = evaluate.combine(["pt_tool_acc", "pt_param_acc", "pt_joint_acc"]).compute(
        predictions=answers, references=references
    )
    assert (found["pt_tool_acc"], found["pt_param_acc"], found["pt_joint_acc"]) == (13 / 15, 13 / 15, 12 / 15)


def test_the_official_mode(references):
    spaced = [f'{{"tool_name" : "{row["name"]}", "parameters" : {row["arguments"]}}}' for row in references]
    metric = evaluate.load("pt_tool_acc")
    assert metric.compute(predictions=spaced, references=references)["pt_tool_acc"] == 1
    assert metric.compute(predictions=spaced, references=references, mode="official")["pt_tool_acc"] == 0
    with pytest.raises(ValueError, match="'strict' or 'official'"):
        metric.compute(predictions=spaced, references=references, mode="lenient")


def test_what_is_no_answer_is_refused(references):
    with pytest.raises(ValueError, match="a prediction is text"):
        evaluate.load("pt_tool_acc").compute(predictions=[3.5], references=list(references)[:1])


def test_another_process_in_another_folder(tmp_path):
    script = "import petoolbench, evaluate; print(evaluate.load('pt_tool_acc').name)"
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=_environment(), check=True
    )
    assert "pt_tool_acc" in shown.stdout


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_ours_stays_the_newest(references, answers):
    """A script of another release in the same cache must not win."""
    home = next(path for path in _cache().glob("*pt_tool_acc"))
    other = home / ("0" * 64)
    other.mkdir(exist_ok=True)
    (other / "__init__.py").touch()
    (other / "pt_tool_acc.py").write_text("raise RuntimeError('another release')\n")
    later = time.time() + 1_000
    os.utime(other / "pt_tool_acc.py", (later, later))
    register_metrics()
    assert evaluate.load("pt_tool_acc").compute(predictions=answers, references=references)["scored"] == 15


def _cache():
    return Path(os.environ["HF_HOME"]) / "modules" / "evaluate_modules" / "metrics"
