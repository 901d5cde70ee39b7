"""Studies: every stage and every test by one command, gone on with, and told in tables."""

from __future__ import annotations

import json

import pytest
import yaml

pytest.importorskip("trl")

from tests.tiny import tiny_model
from training.config import DPOSettings, SFTSettings
from training.study import main
from training.study_config import read_study, recipes

from .small_runs import CONFIG, CONFIGS, settings, write_few_tools

STUDIES = sorted(CONFIGS.glob("*_study.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_finds_its_recipes(path):
    study = read_study(path, {})
    found = recipes(study, path, dry_run=False)
    assert list(found) == ["sft", "sft_dpo", "dpo"]
    assert isinstance(found["sft"], SFTSettings)
    assert found["sft_dpo"].adapter == f"{study.output}/sft/adapter"
    assert found["dpo"].adapter is None
    assert isinstance(found["dpo"], DPOSettings)
    assert {recipe.output for recipe in found.values()} == {f"{study.output}/{name}" for name in found}


def test_there_are_studies():
    assert STUDIES


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 3}, ("'rounds': unknown key; there are: output, model",)),
        ({"tests": {}}, ("tests", "at least 1")),
        ({"tests": {"own": {"dat": "x"}}}, ("'tests.own.dat': unknown key; there are: data, config, split",)),
        ({"tests": {"../own": {}}}, ("../own", "letters, digits and _")),
        ({"dpo": "nowhere.yaml"}, ("nowhere.yaml",)),
        ({"sft": "dpo.yaml"}, ("dpo.yaml", "unknown key")),
    ],
)
def test_faults_end_in_one_line(tmp_path, capsys, changes, words):
    path = _write_study(tmp_path, tmp_path / "model", tmp_path / "data", changes)
    assert main([str(path)]) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert all(word in line for word in words), line
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_study_from_the_first_step_to_its_tables(small_data, tmp_path, capfd):
    data = write_few_tools(small_data, tmp_path / "data", 12)
    path = _write_study(tmp_path, tiny_model(tmp_path / "tiny"), data)
    assert main([str(path), "--dry-run"]) == 0
    out = tmp_path / "out"
    assert sorted(entry.name for entry in (out / "tests" / "own").iterdir()) == [
        "base", "dpo", "rule_lexical", "sft", "sft_dpo"
    ]  # fmt: skip
    table = (out / "results.md").read_text()
    assert "without histories" in table
    for name in ("base", "sft", "dpo", "sft_dpo", "rule_lexical"):
        assert f"| {name} |" in table
    told = json.loads((out / "study.json").read_text())
    assert [step["name"] for step in told["steps"][:3]] == ["train sft", "train sft_dpo", "train dpo"]
    report = json.loads((out / "sft_dpo" / "training_report.json").read_text())
    assert report["session"]["flops_per_second"] > 0
    assert report["session"]["tokens_per_second"] > 0
    capfd.readouterr()

    answers = {entry: entry.read_bytes() for entry in (out / "tests" / "own").rglob("predictions.jsonl")}
    (out / "tests" / "own" / "dpo" / "predictions.jsonl").write_bytes(b"")
    assert main([str(path), "--dry-run"]) == 0
    shown = capfd.readouterr().err
    assert shown.count("is complete") == 3
    assert shown.count("1 answers added") == 1
    again = {entry: _answer(entry.read_bytes()) for entry in answers}
    assert again == {entry: _answer(data) for entry, data in answers.items()}

    assert main([str(path)]) == 2
    assert "holds a study with other 'recipes'" in capfd.readouterr().err


def _answer(data):
    """Return what was answered, without how long it took."""
    entries = map(json.loads, data.decode().splitlines())
    return [(entry["id"], entry.get("text"), entry.get("calls")) for entry in entries]


def _write_study(folder, model, data, changes=None):
    """Write a study of three recipes over a few instances, and return its path."""
    content = settings(model, data, folder / "unused")
    recipe = {key: value for key, value in content.items() if key != "output"} | {"output": "unused"}
    (folder / "sft.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "dpo.yaml").write_text(yaml.safe_dump({**recipe, "beta": 0.2}))
    study = {
        "output": str(folder / "out"),
        "sft": "sft.yaml",
        "dpo": "dpo.yaml",
        "dpo_without_sft": "dpo.yaml",
        "rules": ["lexical"],
        "tests": {"own": {"data": str(data), "config": CONFIG, "split": "train", "history": False}},
    }
    path = folder / "small_study.yaml"
    path.write_text(yaml.safe_dump({**study, **(changes or {})}))
    return path
