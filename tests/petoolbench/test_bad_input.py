"""Bad input ends in one line that names the place, exit code 2, and nothing half-written."""

import gzip
import json
import os
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from petoolbench.__main__ import main
from petoolbench.convert import convert
from petoolbench.folders import write_dataset
from tests.conftest import GOLD, HISTORY, published_entry, published_prompt


def _fails(capsys, arguments, *words):
    """Run a command that must fail with one line holding all the words."""
    assert main([str(argument) for argument in arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    line = shown.err.strip()
    assert "\n" not in line, line
    assert line.startswith("petoolbench: ")
    for word in words:
        assert word in line, line


def _tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _text(value):
    return json.dumps(value, ensure_ascii=False)


def _entry(**changes):
    entry = published_entry()
    for key, value in changes.items():
        if value is None:
            del entry[key]
        else:
            entry[key] = value
    return entry


def _row(**changes):
    row = {"prompt": published_prompt(HISTORY), "query": "Weather?", "response": _text(GOLD), **changes}
    return {key: value for key, value in row.items() if value is not None}


_BROKEN_HISTORY = published_prompt([{"instruction": "x", "tool_call": {"tool_name": "<a>.<b>.<c>"}}])

CONVERT = {
    "an empty file": ("x.json", b"", ["is empty"]),
    "only white space": ("x.json", b" \n ", ["is empty"]),
    "cut-off JSON": ("x.json", _text([_entry()]).encode()[:500], ["not valid JSON", "line 1"]),
    "no JSON at all": ("x.json", b"name,query\n1,2\n", ["not valid JSON"]),
    "another encoding": ("x.json", '["Föhn"]'.encode("latin-1"), ["not UTF-8"]),
    "a binary file": ("x.json", b"PAR1\x00\xff\xfe\x00", ["UTF-8"]),
    "deep nesting": ("x.json", b"[" * 100_000, ["not usable JSON"]),
    "an object, not a list": ("x.json", _text(_entry()).encode(), ["JSON object", "list of records"]),
    "a number": ("x.json", b"3", ["JSON number"]),
    "an empty list": ("x.json", b"[]", ["empty list"]),
    "a list of texts": ("x.json", b'["a"]', ["record 0", "JSON string"]),
    "a later text": ("x.json", _text([_entry(), "a"]).encode(), ["record 1", "JSON string"]),
    "another kind of record": ("x.json", b'[{"question": 1, "answer": 2}]', ["record 0", "no published layout", "answer, question"]),
    "no gzip inside .gz": ("x.json.gz", b"[]", ["damaged archive"]),
    "cut-off gzip": ("x.json.gz", gzip.compress(_text([_entry()]).encode())[:-40], ["damaged archive"]),
    "no zip inside .zip": ("x.zip", b"[]", ["damaged archive"]),
    "no query": ("x.json", _text([_entry(query=None)]).encode(), ["record 0", "'query'", "missing"]),
    "query of a wrong type": ("x.json", _text([_entry(), _entry(query=7)]).encode(), ["record 1", "'query'", "JSON number"]),
    "no gold": ("x.json", _text([_entry(api_call_ground_truth=None)]).encode(), ["'api_call_ground_truth'", "missing"]),
    "gold without parameters": ("x.json", _text([_entry(api_call_ground_truth={"tool_name": "a"})]).encode(), ["'api_call_ground_truth'", "'parameters' is missing"]),
    "gold parameters as a list": ("x.json", _text([_entry(api_call_ground_truth={"tool_name": "a", "parameters": [1]})]).encode(), ["'api_call_ground_truth'", "arguments"]),
    "gold name of a wrong type": ("x.json", _text([_entry(api_call_ground_truth={"tool_name": 1, "parameters": {}})]).encode(), ["'api_call_ground_truth'", "name"]),
    "no candidates": ("x.json", _text([_entry(apis_candidate=None)]).encode(), ["'apis_candidate'", "missing"]),
    "candidates that are no JSON": ("x.json", _text([_entry(apis_candidate="[{")]).encode(), ["'apis_candidate'", "not valid JSON"]),
    "candidates as an object": ("x.json", _text([_entry(apis_candidate={"a": 1})]).encode(), ["'apis_candidate'", "JSON object"]),
    "an empty list of candidates": ("x.json", _text([_entry(apis_candidate="[]")]).encode(), ["'apis_candidate'", "filled list"]),
    "a candidate without a name": ("x.json", _text([_entry(apis_candidate='[{"tool_description": ""}]')]).encode(), ["'apis_candidate'", "tool_name"]),
    "a prompt of a wrong type": ("x.json", _text([_entry(instruction_ratings=["x"])]).encode(), ["'instruction_ratings'", "JSON list"]),
    "a broken interaction": ("x.json", _text([_entry(instruction_preferred=_BROKEN_HISTORY)]).encode(), ["'instruction_preferred'", "interaction 0", "parameters"]),
    "a rating of 5": ("x.json", _text([_entry(instruction_ratings=published_prompt([{**HISTORY[0], "rating": 5}]))]).encode(), ["'instruction_ratings'", "rating"]),
    "a broken group": ("x.json", _text([_entry(apis_same_func=[{"tool_name": "a"}])]).encode(), ["'apis_same_func'", "category_name"]),
    "a group of a wrong type": ("x.json", _text([_entry(apis_same_func="a")]).encode(), ["'apis_same_func'", "JSON string"]),
    "an SFT answer that is no call": ("x.json", _text([_row(response="Hello")]).encode(), ["record 0", "'response'", "no tool call"]),
    "an SFT row without tools": ("x.json", _text([_row(prompt="Hello")]).encode(), ["'prompt'", "available tools"]),
    "an SFT row without a query": ("x.json", _text([_row(), _row(query=None)]).encode(), ["record 1", "'query'", "missing"]),
    "a DPO row whose chosen is no call": ("x.json", _text([_row(response=None, chosen="{}", rejected="{}")]).encode(), ["'chosen'", "no tool call"]),
    "the same record twice": ("x.json", _text([_entry(), _entry()]).encode(), ["x.json, record 1", "stands twice"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CONVERT)
def test_convert(tmp_path, capsys, case):
    name, data, words = CONVERT[case]
    path = tmp_path / name
    path.write_bytes(data)
    before = _tree(tmp_path)
    _fails(capsys, ["convert", path, "--out", tmp_path / "out"], name, *words)
    assert _tree(tmp_path) == before


def test_convert_a_missing_file(tmp_path, capsys):
    _fails(capsys, ["convert", tmp_path / "none.json", "--out", tmp_path / "out"], "none.json", "no such file")
    assert _tree(tmp_path) == []


def test_convert_a_folder(tmp_path, capsys):
    _fails(capsys, ["convert", tmp_path, "--out", tmp_path / "out"], "is a folder")


def test_convert_an_archive_of_two(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    _fails(capsys, ["convert", tmp_path / "x.zip", "--out", tmp_path / "out"], "holds 2 files")


def test_convert_a_file_named_twice(tmp_path, capsys, published_file):
    _fails(capsys, ["convert", published_file, published_file, "--out", tmp_path / "out"], "stands twice", "record 0")
    assert not (tmp_path / "out").exists()


def test_convert_into_a_filled_folder(tmp_path, capsys, published_file):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    _fails(capsys, ["convert", published_file, "--out", tmp_path / "out"], "not empty", "--overwrite")
    assert _tree(tmp_path / "out") == ["mine.txt"]
    assert main(["convert", str(published_file), "--out", str(tmp_path / "out"), "--overwrite"]) == 0
    assert not (tmp_path / "out" / "mine.txt").exists()


def test_convert_onto_a_file(tmp_path, capsys, published_file):
    (tmp_path / "out").write_text("keep")
    _fails(capsys, ["convert", published_file, "--out", tmp_path / "out"], "is a file")
    assert (tmp_path / "out").read_text() == "keep"


def test_convert_below_a_file(tmp_path, capsys, published_file):
    (tmp_path / "file").write_text("keep")
    _fails(capsys, ["convert", published_file, "--out", tmp_path / "file" / "out"], "cannot be written")


def test_an_unwritable_place(tmp_path, capsys, published_file, small_data):
    place = Path("/proc") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid():
        place.mkdir(mode=0o500)
    _fails(capsys, ["convert", published_file, "--out", place / "out"], "cannot be written")
    _fails(capsys, _predict(tmp_path, small_data, out=place / "out"), "cannot be written")


@pytest.fixture
def data(tmp_path, published_file):
    """A converted dataset folder."""
    convert([published_file], tmp_path / "data")
    return tmp_path / "data"


def _predict(tmp_path, data, **options):
    values = {"data": data, "config": "all", "agent": "random", "out": tmp_path / "run", **options}
    return ["predict", *(part for key, value in values.items() for part in (f"--{key}", value))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agent": "gpt-9"}, ["no agent 'gpt-9'", "lexical"]),
        ({"config": "chronologic"}, ["no config 'chronologic'", "chronological"]),
        ({"split": "dev"}, ["no split 'dev'", "test, train"]),
        ({"config": "tools", "split": "train"}, ["tools, not instances"]),
        ({"data": "./nowhere"}, ["nowhere", "no such dataset folder"]),
        ({"data": "nowhere"}, ["nowhere", "no such dataset folder"]),
        ({"data": "someone/nothing-there"}, ["someone/nothing-there", "Hub"]),
    ],
)
def test_predict(tmp_path, capsys, small_data, options, words):
    _fails(capsys, _predict(tmp_path, **{"data": small_data, **options}), *words)
    assert not (tmp_path / "run").exists()


def test_predict_on_an_unconverted_file(tmp_path, capsys, published_file):
    _fails(capsys, _predict(tmp_path, published_file), "is a file", "convert")


def test_predict_on_a_folder_without_a_card(tmp_path, capsys):
    (tmp_path / "bare").mkdir()
    _fails(capsys, _predict(tmp_path, tmp_path / "bare"), "no README.md")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("# No head\n", ["no list 'configs'"]),
        ("---\nconfigs: 3\n---\n", ["no list 'configs'"]),
        ("---\nconfigs: [\n---\n", ["cannot be read"]),
        ("---\nconfigs:\n- config_name: a\n---\n", ["no list 'configs'"]),
    ],
)
def test_predict_on_a_folder_with_a_broken_card(data, tmp_path, capsys, card, words):
    (data / "README.md").write_text(card)
    _fails(capsys, _predict(tmp_path, data), "README.md", *words)


def test_predict_without_a_data_file(data, tmp_path, capsys):
    next(data.rglob("chronological/*.parquet")).unlink()
    _fails(capsys, _predict(tmp_path, data), "data/chronological/test-*.parquet")


def test_predict_on_a_damaged_data_file(data, tmp_path, capsys):
    path = next(data.rglob("chronological/*.parquet"))
    path.write_bytes(path.read_bytes()[:200])
    _fails(capsys, _predict(tmp_path, data), "parquet", path.name)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns("history"), ["'history'", "missing"]),
        (lambda table: table.set_column(0, "id", pa.array([1, 2, 3])), ["'id'", "type int64"]),
        (lambda table: table.set_column(1, "setting", pa.array(["x"] * 3)), ["record 0", "'setting'"]),
        (lambda table: _with_arguments(table, "{broken"), ["record 0", "not JSON"]),
        (lambda table: _with_arguments(table, "[1]"), ["record 0", "'arguments'"]),
    ],
)
def test_predict_on_foreign_or_broken_columns(data, tmp_path, capsys, change, words):
    path = next(data.rglob("chronological/*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)
    _fails(capsys, _predict(tmp_path, data, config="chronological"), path.name, *words)
    assert not (tmp_path / "run").exists()


def _with_arguments(table, text):
    rows = table.to_pylist()
    rows[0]["reference"]["arguments"] = text
    return pa.Table.from_pylist(rows, schema=table.schema)


@pytest.fixture
def run(tmp_path, small_data):
    """A finished run on the hand-written data."""
    assert main([str(part) for part in _predict(tmp_path, small_data, agent="lexical")] + ["--quiet"]) == 0
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agent": "random"}, ["another agent", "lexical there, random here"]),
        ({"config": "chronological"}, ["another config"]),
    ],
)
def test_predict_into_another_run(tmp_path, capsys, small_data, run, options, words):
    before = (run / "predictions.jsonl").read_bytes()
    _fails(capsys, _predict(tmp_path, small_data, **{"agent": "lexical", **options}), *words)
    assert (run / "predictions.jsonl").read_bytes() == before


def test_predict_into_a_foreign_folder(tmp_path, capsys, small_data):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predictions.jsonl").write_text("{}\n")
    _fails(capsys, _predict(tmp_path, small_data), "no manifest.json", "another folder")


def test_predict_onto_a_file(tmp_path, capsys, small_data):
    (tmp_path / "run").write_text("keep")
    _fails(capsys, _predict(tmp_path, small_data), "is a file")


@pytest.mark.parametrize("command", ["score", "report"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "manifest.json").unlink(), ["no run folder", "manifest.json"]),
        (
            lambda run: (run / "manifest.json").write_text('{"spec": {}}'),
            ["manifest.json", "no manifest of this version"],
        ),
        (lambda run: (run / "manifest.json").write_text("{"), ["manifest.json", "not valid JSON"]),
        (lambda run: (run / "predictions.jsonl").write_text("{}\n"), ["predictions.jsonl", "line 1"]),
        (lambda run: (run / "predictions.jsonl").write_text('{"id": "a", "txt": "b"}\n'), ["line 1", "no prediction"]),
        (lambda run: (run / "predictions.jsonl").write_text('{"id": "zzz", "text": "b"}\n'), ["does not hold", "zzz"]),
    ],
)
def test_a_damaged_run(tmp_path, capsys, run, command, damage, words):
    damage(run)
    out = ["--out", tmp_path / "report"] if command == "report" else []
    _fails(capsys, [command, run, "--quiet", *out], *words)
    assert not (tmp_path / "report").exists()
    assert not (run / "scores-strict.json").exists()


def test_score_a_missing_run(tmp_path, capsys):
    _fails(capsys, ["score", tmp_path / "none"], "none", "no such run folder")


def test_score_on_other_data(tmp_path, capsys, run, data):
    _fails(capsys, ["score", run, "--data", data], "other data than this run was made on")


def test_report_two_runs_of_one_name(tmp_path, capsys, run):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run").symlink_to(run)
    _fails(capsys, ["report", run, tmp_path / "b" / "run", "--out", tmp_path / "report"], "two runs are called 'run'")


def test_info_on_nothing(capsys):
    _fails(capsys, ["info", "--data", "./nothing"], "no such dataset folder")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["convert"],
        ["predict", "--agent", "random"],
        ["score", "x", "--mode", "kind"],
        ["predict", "--limit", "0"],
        ["predict", "--agent", "ranker", "--out", "x", "--ranker", "y", "--top-k", "0"],
        ["predict", "--agent", "ranker", "--out", "x", "--ranker", "y", "--abstain-below", "2"],
        ["predict", "--agent", "ranker", "--out", "x", "--ranker", "y", "--abstain-below", "nan"],
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def _damaged(change):
    """Return a function that changes a ranker's file as JSON."""

    def damage(path):
        data = json.loads(path.read_text(encoding="utf-8"))
        change(data)
        path.write_text(json.dumps(data), encoding="utf-8")

    return damage


RANKERS = {
    "no file": (lambda path: path.unlink(), ["no such file"]),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), ["is a folder"]),
    "an empty file": (lambda path: path.write_text(""), ["is empty"]),
    "no JSON": (lambda path: path.write_text("tree\nversion=v4\n"), ["not valid JSON"]),
    "a cut-off file": (lambda path: path.write_text(path.read_text()[:5_000]), ["not valid JSON"]),
    "a list": (lambda path: path.write_text("[]"), ["no ranker of this version", "train-ranker"]),
    "another format": (_damaged(lambda data: data.update(format="petoolbench-ranker-0")), ["no ranker of this version"]),
    "cut trees": (_damaged(lambda data: data["match"].update(model=data["match"]["model"][:-500])), ["'model'", "damaged"]),
    "trees of another kind": (_damaged(lambda data: data.update(taste=[1])), ["no trees of this version"]),
    "feature names that are numbers": (_damaged(lambda data: data["taste"].update(names=[1])), ["no trees of this version"]),
    "too few feature names": (_damaged(lambda data: data["taste"]["names"].pop()), ["'names'", "not the features"]),
    "a huge count": (_damaged(lambda data: data["rarity"].update(requests=float("inf"))), ["damaged ranker"]),
    "no taste": (_damaged(lambda data: data.pop("taste")), ["damaged ranker", "taste"]),
    "no weight of taste": (_damaged(lambda data: data["weights"].pop("taste")), ["damaged ranker", "taste"]),
    "weights as a list": (_damaged(lambda data: data.update(weights=[1, 2, 3])), ["damaged ranker"]),
    "a weight that is a word": (_damaged(lambda data: data["weights"].update(taste="much")), ["damaged ranker", "much"]),
    "counts as a list": (_damaged(lambda data: data["rarity"].update(counts=[])), ["damaged ranker"]),
    "an impossible count": (_damaged(lambda data: data["rarity"]["counts"].update(a=-1)), ["damaged ranker"]),
    "an endless weight": (_damaged(lambda data: data["weights"].update(taste=float("inf"))), ["damaged ranker"]),
    "no word of its data": (_damaged(lambda data: data.update(trained_on=3)), ["damaged ranker"]),
    "a damaged filler": (_damaged(lambda data: data["filler"].update(model="")), ["ranker.json"]),
    "no filler": (_damaged(lambda data: data.update(filler=None)), ["ranker.json"]),
}  # fmt: skip


@pytest.fixture
def ranker(tmp_path, small_ranker):
    """A copy of a trained ranker's file."""
    path = tmp_path / "ranker.json"
    path.write_bytes(small_ranker.read_bytes())
    return path


@pytest.mark.parametrize("case", RANKERS)
def test_predict_with_a_bad_ranker(tmp_path, capsys, small_data, ranker, case):
    damage, words = RANKERS[case]
    damage(ranker)
    before = _tree(tmp_path)
    _fails(capsys, _predict(tmp_path, small_data, agent="ranker", ranker=ranker), "ranker.json", *words)
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("option", [["--ranker", "ranker.json"], ["--top-k", "3"], ["--abstain-below", "0"]])
def test_options_of_the_ranker_go_with_the_ranker(tmp_path, capsys, small_data, option):
    _fails(capsys, [*_predict(tmp_path, small_data, agent="lexical"), *option], "--agent ranker only")
    assert _tree(tmp_path) == []


def test_the_agent_ranker_needs_a_file(tmp_path, capsys, small_data):
    _fails(capsys, _predict(tmp_path, small_data, agent="ranker"), "needs --ranker FILE", "train-ranker")
    assert _tree(tmp_path) == []


@pytest.fixture
def shortlists(tmp_path, small_data, ranker):
    """A function that makes a ranker's run with shortlists on the hand-written data."""

    def make(*options):
        out = tmp_path / "shortlists"
        command = _predict(tmp_path, small_data, agent="ranker", ranker=ranker, out=out)
        assert main([str(part) for part in command] + ["--top-k", "2", "--quiet", *options]) == 0
        return out

    return make


def test_a_shortlist_of_other_data(tmp_path, capsys, shortlists, data):
    run = shortlists()
    _fails(capsys, _predict(tmp_path, data, agent="lexical", shortlist=run), "no candidate in the shortlist")
    assert not (tmp_path / "run").exists()


def test_a_shortlist_of_fewer_instances(tmp_path, capsys, shortlists, small_data):
    run = shortlists("--limit", "3")
    _fails(capsys, _predict(tmp_path, small_data, agent="lexical", shortlist=run), "3 instances", "45")
    assert not (tmp_path / "run").exists()


def test_a_run_without_shortlists_as_shortlist(tmp_path, capsys, small_data, run):
    again = _predict(tmp_path, small_data, agent="lexical", shortlist=run, out=tmp_path / "b")
    _fails(capsys, again, "no shortlists", "--top-k")
    missing = _predict(tmp_path, small_data, agent="lexical", shortlist=tmp_path / "none", out=tmp_path / "b")
    _fails(capsys, missing, "none", "no such run folder")
    assert not (tmp_path / "b").exists()


def test_training_on_too_little(tmp_path, capsys, small_data):
    out = tmp_path / "ranker.json"
    _fails(capsys, ["train-ranker", "--data", small_data, "--out", out], "15 of 15 instances", "20 are needed")
    _fails(capsys, ["train-ranker", "--data", small_data, "--split", "dev", "--out", out], "no split 'dev'")
    assert _tree(tmp_path) == []


def test_training_without_groups(tmp_path, capsys, small_instances):
    bare = [
        entry.model_copy(update={"reference": entry.reference.model_copy(update={"group": ()})})
        for entry in small_instances
        if entry.setting == "preferred_only"
    ]
    (tmp_path / "data").mkdir()
    write_dataset(tmp_path / "data", {"preferred_only": {"train": bare}}, bare[0].candidates, "# Bare\n", {})
    before = _tree(tmp_path)
    command = ["train-ranker", "--data", tmp_path / "data", "--config", "preferred_only"]
    _fails(capsys, [*command, "--out", tmp_path / "ranker.json"], "0 of 20 instances", "siblings in its group")
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--config", "chronologic"], ["no config 'chronologic'", "chronological"]),
        (["--split", "dev"], ["no split 'dev'"]),
        (["--data", "./nowhere"], ["no such dataset folder"]),
        (["--train", "./nowhere"], ["no such dataset folder"]),
        (["--thresholds", "none.yaml"], ["none.yaml", "no such file"]),
    ],
)
def test_audit(tmp_path, capsys, small_data, options, words):
    _fails(capsys, ["audit", "--data", small_data, "--out", tmp_path / "audit", *options], *words)
    assert _tree(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("[", ["YAML"]), ("- line: nothing\n  min: 1\n", ["entry 1", "'line'"]), ("- line: leaks.x\n", ["needs a bound"])],
)
def test_audit_with_broken_thresholds(tmp_path, capsys, small_data, text, words):
    (tmp_path / "bounds.yaml").write_text(text)
    command = ["audit", "--data", small_data, "--thresholds", tmp_path / "bounds.yaml", "--out", tmp_path / "audit"]
    _fails(capsys, command, "bounds.yaml", *words)
    assert _tree(tmp_path) == ["bounds.yaml"]


def test_audit_into_a_foreign_folder(tmp_path, capsys, small_data):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "mine.txt").write_text("keep")
    _fails(capsys, ["audit", "--data", small_data, "--out", tmp_path / "audit"], "not empty", "another folder")
    assert _tree(tmp_path) == ["audit", "audit/mine.txt"]


MODELS = {
    "no engine": (["--model", "gpt-4o-mini"], ["'gpt-4o-mini' names no model", "hf:NAME", "openai:NAME", "vllm:NAME"]),
    "a folder that is not there": (["--model", "hf:./none"], ["hf:./none", "no such folder"]),
    "another engine": (["--model", "ollama:llama3"], ["'ollama:llama3' names no model", "hf:NAME"]),
    "an engine without a name": (["--model", "openai:"], ["'openai:' names no model"]),
    "a server's option for weights": (["--model", "hf:x", "--base-url", "http://127.0.0.1:1/v1"], ["--base-url goes with openai models only, not with hf:x"]),
    "calls at a time for weights": (["--model", "hf:x", "--concurrency", "4"], ["--concurrency goes with openai models only"]),
    "a batch for weights": (["--model", "vllm:x", "--batch-api"], ["--batch-api goes with openai models only"]),
    "an adapter for a server": (["--model", "openai:x", "--adapter", "y"], ["--adapter goes with hf and vllm models only, not with openai:x"]),
    "a dtype for a server": (["--model", "openai:x", "--dtype", "float32"], ["--dtype goes with hf and vllm"]),
    "a device for vllm": (["--model", "vllm:x", "--device", "cpu"], ["--device goes with hf models only"]),
    "GPUs for weights": (["--model", "hf:x", "--tensor-parallel", "2"], ["--tensor-parallel goes with vllm models only"]),
    "a ranker's option for a model": (["--model", "hf:x", "--top-k", "2"], ["--agent ranker only"]),
    "a temperature for an agent": (["--agent", "lexical", "--temperature", "1"], ["--temperature goes with --model only"]),
    "guidance for an agent": (["--agent", "lexical", "--guided"], ["--guided goes with --model only"]),
    "an address for an agent": (["--agent", "lexical", "--base-url", "http://a"], ["--base-url goes with --model only"]),
    "ids that nobody wrote": (["--agent", "lexical", "--ids", "none.txt"], ["none.txt", "no such file"]),
    "ids of other data": (["--agent", "lexical", "--ids", "README.md"], ["--ids names", "does not hold, such as"]),
    "ids without ids": (["--agent", "lexical", "--ids", "ids.jsonl"], ["ids.jsonl, record in line 2", "holds no id"]),
}  # fmt: skip


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("case", MODELS)
def test_models_and_their_options(tmp_path, capsys, small_data, monkeypatch, command, case):
    options, words = MODELS[case]
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# No ids\n")
    Path("ids.jsonl").write_text('{"id": "x"}\n{"name": "y"}\n')
    _fails(capsys, [command, "--data", small_data, "--out", tmp_path / "run", "--quiet", *options], *words)
    assert _tree(tmp_path) == ["README.md", "ids.jsonl"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--model", "hf:x", "--agent", "lexical"],
        ["--model", "hf:x", "--temperature", "-1"],
        ["--model", "hf:x", "--temperature", "nan"],
        ["--model", "hf:x", "--window", "0"],
        ["--model", "hf:x", "--max-new-tokens", "many"],
        ["--model", "hf:x", "--style", "chatty"],
        ["--model", "openai:x", "--timeout", "0"],
        ["--model", "openai:x", "--concurrency", "0"],
    ],
)
def test_wrong_usage_of_models_exits_with_2(options):
    with pytest.raises(SystemExit) as stop:
        main(["predict", "--out", "x", *options])
    assert stop.value.code == 2


@pytest.mark.parametrize("damage", ["{}", "[]", '{"spec": {"model": 3}, "source": "x", "oracle": false}'])
def test_a_damaged_manifest(tmp_path, capsys, small_data, run, damage):
    (run / "manifest.json").write_text(damage)
    _fails(capsys, _predict(tmp_path, small_data, agent="lexical"), "manifest.json", "no manifest of this version")


def test_a_report_without_its_packages_is_refused_before_anything_is_asked(tmp_path, capsys, small_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    command = ["evaluate", "--data", small_data, "--agent", "lexical", "--out", tmp_path / "run"]
    _fails(capsys, command, "'jinja2'", "pip install 'petoolbench[eval]'")
    assert _tree(tmp_path) == []


def test_weights_need_an_extra(tmp_path, capsys, small_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    command = ["predict", "--data", small_data, "--model", "hf:some/model", "--out", tmp_path / "run"]
    _fails(capsys, command, "'torch'", "pip install 'petoolbench[llm]'")
    assert _tree(tmp_path) == []
