"""Publishing an adapter: what would be pushed, that it is what was trained, and what its card tells."""

import json
import shutil

import pytest
import yaml

from petoolbench.folders import open_dataset
from petoolbench.schema import ERROR_TYPES
from training.publish import main
from training.rendering import code, inline, yaml_block

for package in ("peft", "torch", "jinja2", "transformers"):
    pytest.importorskip(package)

from huggingface_hub import ModelCard  # noqa: E402

from tests.training.trained_run import CARD_FILES, TOKEN, cut, model_arguments, one_line, write_report  # noqa: E402


@pytest.fixture
def copied(trained, tmp_path, small_data):
    """A copy of the run that a test may spoil; its report tells of the adapter's copy."""
    folder = tmp_path / "copied"
    shutil.copytree(trained / "sft", folder / "sft")
    report = json.loads((trained / "report.json").read_text())
    report["runs"][0]["spec"]["model"]["adapter"] = str(folder / "sft" / "adapter")
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.fixture(scope="module")
def dry(trained, tmp_path_factory):
    """What would be pushed of the run, with merged weights."""
    out = tmp_path_factory.mktemp("dry") / "out"
    assert main(model_arguments(trained, out, "--merged", "--license", "apache-2.0", "--quiet")) == 0
    return out


def _logits(model):
    import torch

    with torch.no_grad():
        return model(torch.arange(2, 40).unsqueeze(0)).logits


def test_exactly_what_is_needed_is_published(dry, trained):
    assert {path.name for path in dry.iterdir()} == CARD_FILES | {"merged"}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (dry / "merged").iterdir()}
    for name in ("adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert (dry / name).read_bytes() == (trained / "sft" / "adapter" / name).read_bytes()
    told = json.loads((dry / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == "org/base"


def test_adapter_and_merged_weights_answer_as_the_run_does(dry, trained):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def adapted(place):
        return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(trained / "base"), place)

    wanted = _logits(adapted(trained / "sft" / "adapter"))
    assert not torch.allclose(wanted, _logits(AutoModelForCausalLM.from_pretrained(trained / "base")), atol=1e-2)
    assert torch.equal(_logits(adapted(dry)), wanted)
    folder = {"subfolder": "merged"}
    merged = AutoModelForCausalLM.from_pretrained(dry, **folder, adapter_kwargs=folder)
    assert torch.allclose(_logits(merged), wanted, atol=1e-3)
    wanted = AutoTokenizer.from_pretrained(trained / "base").chat_template
    assert AutoTokenizer.from_pretrained(dry).chat_template == wanted


def test_the_index_holds_the_numbers_of_the_report(dry, trained):
    card = ModelCard.load(dry / "README.md")
    run = json.loads((trained / "report.json").read_text())["runs"][0]
    names = {"pt_tool_acc": "tool_accuracy", "pt_param_acc": "param_accuracy", "pt_joint_acc": "joint_accuracy"}
    found = {(entry.dataset_config, names[entry.metric_type]): entry for entry in card.data.eval_results}
    assert set(found) == {(setting, name) for setting in run["settings"] for name in names.values()}
    for (setting, name), entry in found.items():
        told = run["settings"][setting][name]
        assert (entry.metric_value, entry.metric_args["low"], entry.metric_args["high"]) == (
            told["value"],
            told["low"],
            told["high"],
        )
        assert entry.dataset_args["fingerprint"] == run["spec"]["fingerprint"]
        assert entry.metric_args["scoring_version"] == run["scoring_version"]
    assert card.data.base_model == "org/base"
    assert card.data.license == "apache-2.0"


def test_the_card_tells_data_recipe_and_limits(dry, trained, small_data):
    text = (dry / "README.md").read_text()
    data = open_dataset(str(small_data))
    for split in ("train", "test"):
        assert data.fingerprint("all", split) in text
    for told in ("13", "77 steps", "45678 tokens", "6543 of 123456", "peft 0.21.2", "r: 4", "scoring version 1"):
        assert told in text
    for heading in ("## Limits", "## What it must not be used for", "## Recipe", "### tuned"):
        assert heading in text
    assert "| random | random | 45 |" in text
    assert str(trained) not in text
    assert str(small_data) not in text


def _values(part):
    """Set every number of a setting's part to another one, as a marker; return the texts that cards make of them."""
    marks = {}
    for place, name in enumerate(("tool_accuracy", "param_accuracy", "joint_accuracy")):
        part[name].update(value=0.3111 + place / 100, low=0.2222 + place / 100, high=0.4333 + place / 100)
        marks[name] = f"{31.1 + place:.1f} [{22.2 + place:.1f}, {43.3 + place:.1f}]"
    for place, kind in enumerate((*ERROR_TYPES, "correct")):
        part["errors"][kind] = 0.6543 + place / 100
        marks[kind] = f"{65.4 + place:.1f}"
    return marks


def test_numbers_of_the_card_are_those_of_the_report(copied, tmp_path):
    report = json.loads((copied / "report.json").read_text())
    marks = _values(report["runs"][0]["settings"]["chronological"])
    report["runs"][0]["settings"]["chronological"]["n"] = 98_765
    (copied / "report.json").write_text(json.dumps(report))
    assert main(model_arguments(copied, tmp_path / "out", "--quiet")) == 0
    rows = [line for line in (tmp_path / "out" / "README.md").read_text().splitlines() if "| chronological |" in line]
    for name, mark in marks.items():
        assert any(f"| {mark} |" in row for row in rows), name
    assert "| 98765 |" in rows[0]


def test_scores_of_one_run_are_a_report_too(copied, tmp_path):
    report = json.loads((copied / "report.json").read_text())
    (copied / "report.json").write_text(json.dumps(report["runs"][0]))
    assert main(model_arguments(copied, tmp_path / "out", "--quiet")) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert "### tuned" in text
    assert "Others in the same report" not in text


HOSTILE = "a|b\n---\n# <script>alert(1)</script> `x` **y** {{ 7 * 7 }} [z](http://x)"


def test_nothing_in_a_report_can_break_the_card(copied, tmp_path):
    report = json.loads((copied / "report.json").read_text())
    report["runs"][0]["name"] = report["runs"][1]["name"] = HOSTILE
    (copied / "report.json").write_text(json.dumps(report))
    told = json.loads((copied / "sft" / "training_report.json").read_text())
    told["config"]["report_to"] = "```\n# out of the block"
    (copied / "sft" / "training_report.json").write_text(json.dumps(told))
    assert main(model_arguments(copied, tmp_path / "out", "--quiet")) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert {entry.metric_args["run"] for entry in ModelCard(text).data.eval_results} == {HOSTILE}
    body = ModelCard(text).text
    assert "<script>" not in body
    assert "49" not in [word for line in body.splitlines() if "alert" in line for word in line.split()]
    row = next(line for line in body.splitlines() if line.startswith("| **") and "this model" in line)
    assert row.replace("\\|", "").count("|") == 8
    assert "````yaml" in body


@pytest.mark.parametrize("text", ["a|b", "`", "a\nb", "<b>", "$x$", "![a](b)"])
def test_cleaned_text_holds_no_markup(text):
    for cleaned in (inline(text), code(text)):
        assert "\n" not in cleaned
        assert all(cleaned[place - 1] == "\\" for place, letter in enumerate(cleaned) if letter == "|")
    assert all(inline(text)[place - 1] == "\\" for place, letter in enumerate(inline(text)) if letter in "`<$[")


def test_a_block_of_yaml_ends_where_it_should():
    block = yaml_block({"a": "````"})
    assert block.splitlines()[0] == "`````yaml"
    assert block.splitlines()[-1] == "`````"


def _spoiled(name, key, value=None):
    """Return a change of a JSON file: the key, a path with dots, is set, or taken out where there is no value."""

    def change(folder):
        content = json.loads((folder / name).read_text())
        *path, last = key.split(".")
        holder = content
        for step in path:
            holder = holder[int(step) if step.isdigit() else step]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
        (folder / name).write_text(json.dumps(content))

    return change


def _without(name):
    return lambda folder: (folder / name).unlink()


TRAINING = "sft/training_report.json"
TOOL = "runs.0.settings.all.tool_accuracy"
REFUSED = {
    "no adapter": (_without("sft/adapter/adapter_model.safetensors"), ["holds no adapter/adapter_model.safetensors"]),
    "no adapter's config": (_without("sft/adapter/adapter_config.json"), ["adapter_config.json"]),
    "a cut adapter": (cut("sft/adapter/adapter_model.safetensors"), ["no readable safetensors"]),
    "an adapter of another run": (_spoiled(TRAINING, "adapter", {"adapter_model.safetensors": "0"}), ["train anew"]),
    "no tokenizer": (_without("sft/adapter/tokenizer.json"), ["holds no tokenizer"]),
    "no chat template": (_without("sft/adapter/chat_template.jinja"), ["no chat template"]),
    "no report of training": (_without(TRAINING), ["holds no training_report.json"]),
    "a report without steps": (_spoiled(TRAINING, "steps"), ["training_report.json", "'steps'", "field required"]),
    "a report without data": (_spoiled(TRAINING, "data.source.fingerprint"), ["data.source.fingerprint"]),
    "data that changed": (_spoiled(TRAINING, "data.source.fingerprint", "0" * 16), ["trained on data of fingerprint"]),
    "no report": (_without("report.json"), ["report.json", "no such file"]),
    "no number": (_spoiled("report.json", f"{TOOL}.value"), ["report.json", "tool_accuracy", "make the report anew"]),
    "a number of nothing": (
        lambda folder: [
            _spoiled("report.json", f"{TOOL}.{key}", json.loads("null"))(folder) for key in ("value", "low", "high")
        ],
        ["tool_accuracy"],
    ),
    "no share of an error": (
        _spoiled("report.json", "runs.0.settings.all.errors.preference_mismatch"),
        ["has no preference_mismatch"],
    ),
    "NaN": (_spoiled("report.json", f"{TOOL}.value", float("nan")), ["tool_accuracy.value"]),
    "no number of instances": (_spoiled("report.json", "runs.0.settings.all.n"), ["settings.all.n", "field required"]),
    "another scoring version": (_spoiled("report.json", "runs.0.scoring_version", "0"), ["scoring version 0"]),
    "a report of other data": (
        _spoiled("report.json", "runs.0.spec.fingerprint", "f" * 16),
        ["made on other data", "f" * 16, "--data"],
    ),
    "a report of another adapter": (
        _spoiled("report.json", "runs.0.spec.model.adapter", "/elsewhere/sft"),
        ["no report holds a run of this adapter", "--run"],
    ),
    "a report of a checkpoint": (
        lambda folder: _spoiled("report.json", "runs.0.spec.model.adapter", f"{folder}/sft/checkpoints/c")(folder),
        ["no report holds a run of this adapter"],
    ),
    "a report of the base": (_spoiled("report.json", "runs.0.spec.model.adapter"), ["no report holds a run"]),
    "a report that is none": (_spoiled("report.json", "runs"), ["is no report"]),
}


@pytest.mark.parametrize(("spoil", "words"), REFUSED.values(), ids=REFUSED)
def test_one_line_and_nothing_written(spoil, words, copied, tmp_path, capsys):
    spoil(copied)
    assert main(model_arguments(copied, tmp_path / "out")) == 2
    one_line(capsys, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied"]


def test_a_test_on_what_was_trained_on(trained, tmp_path, small_data, capsys):
    write_report(tmp_path / "report.json", small_data, trained / "sft" / "adapter", split="train")
    arguments = model_arguments(trained, tmp_path / "out", "--report", tmp_path / "report.json")
    assert main(arguments) == 2
    one_line(capsys, "was made on the split that was trained on")
    assert not (tmp_path / "out").exists()


WRONG = {
    "no repository": (["--repo", "me"], ["--repo 'me'", "ORG/NAME"]),
    "no name": (["--repo", "me/a b"], ["names no repository"]),
    "two slashes": (["--repo", "me/a/b"], ["names no repository"]),
    "no run of that name": (["--run", "lexical"], ["--run lexical"]),
    "a run of a rule": (["--run", "random"], ["--run random", "language model"]),
    "no base": (["--base", "a b"], ["--base 'a b'"]),
    "no such data": (["--data", "/no/such"], ["/no/such", "no such dataset folder"]),
    "two things": (["--dataset", "petoolbench"], ["one of a run folder, --dataset and --metric"]),
}


@pytest.mark.parametrize(("more", "words"), WRONG.values(), ids=WRONG)
def test_wrongarguments(more, words, trained, tmp_path, capsys):
    assert main([*model_arguments(trained, tmp_path / "out"), *more]) == 2
    one_line(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_what_else_a_run_folder_needs(trained, tmp_path, capsys):
    run, out = str(trained / "sft"), str(tmp_path / "out")
    assert main([run, "--repo", "me/tuned", "--dry-run", out]) == 2
    one_line(capsys, "needs --report")
    assert main([run, "--repo", "me/tuned", "--dry-run", out, "--report", str(trained / "report.json")]) == 2
    one_line(capsys, "trained from files of this machine", "--base")
    assert main([str(trained / "none"), "--repo", "me/tuned", "--dry-run", out]) == 2
    one_line(capsys, "no such run folder")
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_moved_is_named(copied, tmp_path):
    moved = copied.with_name("moved")
    copied.rename(moved)
    assert main(model_arguments(moved, tmp_path / "out", "--quiet")) == 2
    assert main(model_arguments(moved, tmp_path / "out", "--quiet", "--run", "tuned")) == 0


def test_a_filled_folder_is_left_alone(trained, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    assert main(model_arguments(trained, tmp_path / "out")) == 2
    one_line(capsys, "is not empty")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_token_in_a_file_stops_everything(copied, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    told = json.loads((copied / TRAINING).read_text())
    told["config"]["note"] = f"used {TOKEN}"
    (copied / TRAINING).write_text(json.dumps(told))
    assert main(model_arguments(copied, tmp_path / "out")) == 2
    assert TOKEN not in one_line(capsys, "README.md", "holds the token")
    assert not (tmp_path / "out").exists()


def test_a_preference_run_tells_its_pairs(copied, tmp_path):
    told = json.loads((copied / TRAINING).read_text())
    told["method"] = "dpo"
    told["config"]["adapter"] = "/home/somebody/runs/sft/adapter"
    told["pairs"] = {"chosen": {"gold": 8_101}, "rejected": {"made_sibling": 8_202}, "dropped": {"no_sibling": 8_303}}
    (copied / TRAINING).write_text(json.dumps(told))
    assert main(model_arguments(copied, tmp_path / "out", "--quiet")) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "direct preference optimisation",
        "gold 8101",
        "made sibling 8202",
        "no sibling 8303",
        "goes on from",
    ):
        assert words in text
    assert "somebody" not in text


@pytest.mark.slow
def test_a_run_is_trained_tested_and_published(small_data, tmp_path):
    for package in ("trl", "psutil"):
        pytest.importorskip(package)
    from petoolbench.__main__ import main as petoolbench
    from tests.tiny import tiny_model
    from tests.training.small_runs import settings
    from training.evaluate import main as evaluate
    from training.sft import main as train

    told = settings(tiny_model(tmp_path / "base"), small_data, tmp_path / "sft")
    told["prompts"]["max_tokens"] = 12_000
    told["evaluation"]["max_new_tokens"] = 4
    config, tested = str(tmp_path / "sft.yaml"), str(tmp_path / "tested")
    (tmp_path / "sft.yaml").write_text(yaml.safe_dump(told))
    assert train([config, "--quiet"]) == 0
    asked = ["--adapter", str(tmp_path / "sft" / "adapter"), "--data", str(small_data), "--config", "chronological"]
    assert evaluate([config, "--out", tested, "--limit", "2", "--quiet", *asked]) == 0
    assert petoolbench(["report", tested, "--out", str(tmp_path / "report"), "--quiet"]) == 0
    arguments = [
        str(tmp_path / "sft"),
        "--report",
        str(tmp_path / "report"),
        "--base",
        "org/base",
        "--repo",
        "me/tuned",
    ]
    assert main([*arguments, "--dry-run", str(tmp_path / "out"), "--quiet"]) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "2 steps",
        "limit = 2",
        "descriptions of 5 characters",
        "history = False",
        "description_characters: 5",
    ):
        assert words in text
    assert str(tmp_path) not in text
