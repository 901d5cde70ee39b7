"""DPO on tiny models: the reference is where training starts, margins rise, runs resume, nothing is cut."""

from __future__ import annotations

import json
import math
import shutil
from contextlib import contextmanager

import pytest

from petoolbench.files import file_hash
from petoolbench.folders import open_dataset
from petoolbench.schema import Prediction, ToolCall
from petoolbench.scoring import score
from tests.tiny import tiny_model
from tests.training import small_runs
from tests.training.small_runs import CONFIGS, write_few_tools, write_instances

for package in ("torch", "transformers", "trl", "peft", "jsonschema", "psutil"):
    pytest.importorskip(package)

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import yaml  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from petoolbench.console import Console  # noqa: E402
from training import dpo, preferences  # noqa: E402
from training.config import DPOSettings  # noqa: E402
from training.pairs import make_pairs  # noqa: E402

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    """An adapter that changes the model, as after fine-tuning."""
    place = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(model, lora).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def data(small_data, tmp_path_factory):
    return write_few_tools(small_data, tmp_path_factory.mktemp("data") / "few", 4)


@pytest.fixture
def settings(folder, data, tmp_path):
    return {**small_runs.settings(folder, data, tmp_path / "run"), "sampling": {"n": 2, "max_new_tokens": 4}}


def config(settings, **changes):
    return DPOSettings.model_validate({**settings, **changes})


def prepared(run):
    """Return what a run is looked at to be, and its pairs without samples, as rows."""
    looked = preferences.look(run, QUIET, resume=False)
    return looked, dpo.pair_rows(make_pairs(looked.instances, {}).pairs, looked.instances, looked.teller)


def log_probability(model, prompt, completion):
    """Return how likely a completion is after a prompt, by nothing but the model's logits."""
    ids = torch.tensor([[*prompt, *completion]])
    with torch.no_grad():
        found = torch.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1].double(), dim=-1)
    return found[range(len(completion)), completion].sum().item()


def margins(model, rows):
    """Return the log-probability of each chosen call less that of the rejected one."""
    model.eval()
    return [
        log_probability(model, row["prompt_ids"], row["chosen_ids"])
        - log_probability(model, row["prompt_ids"], row["rejected_ids"])
        for row in rows
    ]


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_rows_are_what_the_model_is_asked_and_the_calls_it_should_write(settings):
    looked, rows = prepared(config(settings))
    known = {entry.id: entry for entry in looked.instances}
    tokenizer = looked.blueprint.tokenizer
    for row in rows:
        asked = looked.teller.ask(known[row["id"]])
        assert row["prompt_ids"] == asked.ids
        for name, right in (("chosen", True), ("rejected", False)):
            assert tokenizer.decode(row[f"{name}_ids"]) == row[name]
            assert row[f"{name}_ids"][-1] == tokenizer.eos_token_id
            answer = tokenizer.decode(row[f"{name}_ids"], skip_special_tokens=True)
            judged = score(Prediction(id="x", text=answer), known[row["id"]].reference)
            assert judged.called is not None
            assert (judged.error is None) == right


def test_the_trainer_reads_every_token_of_every_pair(settings):
    looked, rows = prepared(config(settings))
    trainer = dpo.make_trainer(config(settings), looked, rows, rows.select([]), resume=False)
    seen = set()
    for batch in trainer.get_train_dataloader():
        for ids, mask, completion in zip(
            batch["input_ids"], batch["attention_mask"], batch["completion_mask"], strict=True
        ):
            seen.add((tuple(ids[mask.bool()].tolist()), int(completion.sum())))
    assert seen == {
        (tuple(row["prompt_ids"] + row[f"{name}_ids"]), len(row[f"{name}_ids"]))
        for row in rows
        for name in ("chosen", "rejected")
    }


@pytest.mark.parametrize("fine_tuned", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_reference_is_where_training_starts_and_margins_rise(settings, adapter, fine_tuned):
    changes = {"adapter": str(adapter)} if fine_tuned else {"lora": {"r": 4, "targets": ["q_proj", "v_proj"]}}
    run = config(settings, **changes, trainer={**settings["trainer"], "max_steps": 5})
    looked, rows = prepared(run)
    trainer = dpo.make_trainer(run, looked, rows, rows.select([]), resume=False)
    trained = [name for name, weight in trainer.model.named_parameters() if weight.requires_grad]
    assert trained
    assert all(".default." in name for name in trained)
    before = margins(trainer.model, rows)
    if fine_tuned:
        base = transformers.AutoModelForCausalLM.from_pretrained(run.model, dtype=torch.float32)
        start = margins(peft.PeftModel.from_pretrained(base, adapter), rows)
        assert before == pytest.approx(start, abs=1e-4)
    trainer.train()
    after = margins(trainer.model, rows)
    assert sum(after) > sum(before) + 1
    assert logged(trainer, "loss")[0] == pytest.approx(math.log(2), abs=1e-4)
    assert logged(trainer, "loss")[-1] < 0.6
    with trainer.model.disable_adapter() if not fine_tuned else frozen(trainer.model):
        assert margins(trainer.model, rows) == pytest.approx(before, abs=1e-4)


@contextmanager
def frozen(model):
    """Let a model answer as its frozen copy does."""
    model.set_adapter("ref")
    yield
    model.set_adapter("default")


def write_yaml(path, settings):
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return str(path)


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_from_its_yaml(settings, adapter, tmp_path):
    """One step after two: what the folder holds, that it loads, and that --resume does nothing more."""
    settings |= {"adapter": str(adapter), "evaluation": {"instances": 2, "max_new_tokens": 2}, "other_share": 0.5}
    path = write_yaml(tmp_path / "run.yaml", settings)
    assert dpo.main([path, "--quiet"]) == 0
    run = tmp_path / "run"
    report = json.loads((run / "dpo_report.json").read_text(encoding="utf-8"))
    pairs = read_lines(run / "pairs.jsonl")
    assert report["pairs"] == len(pairs) == sum(report["rejected"].values())
    assert sum(report["samples"].values()) == 2 * report["instances"]
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["draw-0", "draw-1"]
    told = json.loads((run / "training_report.json").read_text(encoding="utf-8"))
    assert (told["method"], told["steps"], told["pairs"]) == ("dpo", 2, report)
    for name in ("loss", "rewards/margins", "eval_loss", "eval_rewards/margins", "eval_tool_accuracy"):
        assert name in told["curves"]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (run / "adapter" / "ref").exists()
    base = transformers.AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32)
    trained = peft.PeftModel.from_pretrained(base, run / "adapter")
    assert list(trained.peft_config) == ["default"]
    before = file_hash(run / "adapter" / "adapter_model.safetensors")
    assert before != file_hash(adapter / "adapter_model.safetensors")
    assert dpo.main([path, "--quiet", "--resume"]) == 0
    assert file_hash(run / "adapter" / "adapter_model.safetensors") == before


class KilledAt(transformers.TrainerCallback):
    """Ends a run in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("fine_tuned", [True, False])
def test_a_killed_run_goes_on_to_the_same_adapter(settings, adapter, tmp_path, fine_tuned):
    settings["trainer"] |= {"max_steps": 5, "save_steps": 2}
    settings |= {"adapter": str(adapter)} if fine_tuned else {"lora": {"r": 4, "targets": ["q_proj"]}}
    whole = config(settings, output=str(tmp_path / "whole"))
    halves = config(settings, output=str(tmp_path / "halves"))
    dpo.train(whole, QUIET)
    with pytest.raises(KeyboardInterrupt):
        dpo.train(halves, QUIET, callbacks=[KilledAt(3)])
    dpo.train(halves, QUIET, resume=True)
    names = ("adapter/adapter_model.safetensors", "pairs.jsonl")
    for name in names:
        assert file_hash(whole.folder / name) == file_hash(halves.folder / name)


@pytest.mark.slow
def test_pairs_are_made_alone_and_training_goes_on_from_them(settings, tmp_path):
    path = write_yaml(tmp_path / "run.yaml", settings)
    assert preferences.main([path, "--quiet"]) == 0
    run = tmp_path / "run"
    made = file_hash(run / "pairs.jsonl")
    answers = {place: place.read_bytes() for place in run.glob("samples/*/predictions.jsonl")}
    assert len(answers) == 2
    assert not (run / "adapter").exists()
    assert dpo.main([path, "--quiet", "--resume"]) == 0
    assert file_hash(run / "pairs.jsonl") == made
    assert answers == {place: place.read_bytes() for place in answers}
    assert (run / "adapter" / "adapter_model.safetensors").is_file()


def refusal(settings, tmp_path, capsys, *options, run=dpo.main):
    """Return the one line that a run ends with, having loaded no weights and written no folder."""
    assert run([write_yaml(tmp_path / "run.yaml", settings), *options]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("petoolbench: ")
    return line


def test_bad_input_is_one_line(settings, tmp_path, capsys):
    assert "field 'sampling.m': unknown key" in refusal({**settings, "sampling": {"m": 3}}, tmp_path, capsys)
    assert "field 'other_share'" in refusal({**settings, "other_share": 2}, tmp_path, capsys)
    line = refusal({**settings, "sampling": {"max_new_tokens": 15_000}}, tmp_path, capsys)
    assert "prompts.max_tokens 4000 and sampling.max_new_tokens 15000 together" in line
    assert "no such folder" in refusal({**settings, "adapter": "/nowhere/adapter"}, tmp_path, capsys)
    assert not (tmp_path / "run").exists()


def test_several_processes_do_not_sample_into_one_folder(settings, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    line = refusal(settings, tmp_path, capsys, run=preferences.main)
    assert "python -m training.preferences CONFIG" in line


def test_samples_of_an_adapter_that_was_trained_anew_are_refused(settings, adapter, tmp_path, capsys):
    own = tmp_path / "adapter"
    shutil.copytree(adapter, own)
    settings["adapter"] = str(own)
    assert preferences.main([write_yaml(tmp_path / "run.yaml", settings), "--quiet"]) == 0
    weights = own / "adapter_model.safetensors"
    save_file({name: weight + 1 for name, weight in load_file(weights).items()}, weights, {"format": "pt"})
    line = refusal(settings, tmp_path, capsys, "--resume")
    assert "holds a run of another agent" in line


def test_data_without_groups_makes_no_pairs_and_says_so(settings, tmp_path, capsys):
    members = [
        entry.model_copy(update={"reference": entry.reference.model_copy(update={"group": ()})})
        for entry in open_dataset(settings["data"]["source"]).instances(small_runs.CONFIG, "train")
    ]
    folder = tmp_path / "groupless"
    write_instances(folder, members)
    settings["data"]["source"] = str(folder)
    line = refusal(settings, tmp_path, capsys, "--quiet")
    assert "no preference pair can be made of 4 instances (dropped: group_unknown 4)" in line


def test_published_pairs_need_no_samples(settings, tmp_path):
    def with_rejected(entry):
        worse = next(name for name in entry.reference.group if name != entry.reference.name)
        return entry.model_copy(update={"rejected": (ToolCall(name=worse),)})

    folder = tmp_path / "published"
    members = open_dataset(settings["data"]["source"]).instances(small_runs.CONFIG, "train")
    write_instances(folder, [with_rejected(entry) for entry in members])
    settings["data"]["source"] = str(folder)
    assert preferences.main([write_yaml(tmp_path / "run.yaml", settings), "--quiet"]) == 0
    assert not (tmp_path / "run" / "samples").exists()
    assert {pair["rejected_from"] for pair in read_lines(tmp_path / "run" / "pairs.jsonl")} == {"published"}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*_dpo*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_takes_two_steps(path, folder, adapter, data, tmp_path):
    content = small_runs.shortened(path, folder, data, tmp_path / "run")
    content["sampling"] |= {"max_new_tokens": 4}
    if "adapter" in content:
        content["adapter"] = str(adapter)
    assert dpo.main([write_yaml(tmp_path / "run.yaml", content), "--quiet"]) == 0
    told = json.loads((tmp_path / "run" / "training_report.json").read_text(encoding="utf-8"))
    assert told["steps"] == 2
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").is_file()
