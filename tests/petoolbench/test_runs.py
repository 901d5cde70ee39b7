"""The command line the whole way, resuming, and what the summaries say."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest

from petoolbench import prompts
from petoolbench.__main__ import main
from petoolbench.answering import find_answerer
from petoolbench.errors import OutputError, PEToolBenchError
from petoolbench.folders import open_dataset
from petoolbench.models.settings import ModelSettings
from petoolbench.predict import predict, run_spec
from petoolbench.results import compare, score_run, summarise
from petoolbench.runs import read_run
from petoolbench.schema import SETTINGS, Prediction
from petoolbench.scoring import SCORING_VERSION, gold_prediction


@pytest.fixture
def make_run(tmp_path, small_data):
    """A function that makes a run on the hand-written data, in a folder of the name given to it."""

    def make(name, agent="lexical", **options):
        data = open_dataset(str(small_data))
        spec = run_spec(data, "all", "test", agent, **options)
        predict(data, str(small_data), spec, find_answerer(agent, seed=spec.seed), tmp_path / name)
        return tmp_path / name

    return make


def _write_predictions(folder, predictions):
    lines = [prediction.model_dump_json(exclude_none=True) for prediction in predictions]
    (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_whole_way_on_published_data(tmp_path, published_file, capsys):
    out, run = str(tmp_path / "official"), str(tmp_path / "runs" / "x")
    assert main(["convert", str(published_file), "--out", out]) == 0
    arguments = ["--data", out, "--config", "rating_integrated", "--agent", "liked-minus-disliked", "--out", run]
    assert main(["predict", *arguments]) == 0
    assert main(["score", run]) == 0
    shown = capsys.readouterr().out
    assert "rating_integrated" in shown
    assert "100.0 [2.5, 100.0]" in shown
    summary = json.loads((tmp_path / "runs" / "x" / "scores-strict.json").read_text())
    assert summary["scoring_version"] == SCORING_VERSION
    assert summary["settings"]["rating_integrated"]["tool_accuracy"]["value"] == 1.0
    lines = (tmp_path / "runs" / "x" / "scores-strict.jsonl").read_text().splitlines()
    assert len(lines) == 3


def test_the_whole_way_on_the_real_file(tmp_path, official_file):
    out, run = str(tmp_path / "official"), str(tmp_path / "x")
    assert main(["convert", str(official_file), "--out", out, "--quiet"]) == 0
    assert main(["predict", "--data", out, "--agent", "nearest-to-disliked", "--out", run, "--quiet"]) == 0
    assert main(["score", run, "--mode", "official", "--quiet"]) == 0
    summary = json.loads((tmp_path / "x" / "scores-official.json").read_text())
    assert summary["settings"]["all"]["n"] == 1_500
    assert summary["settings"]["rating_integrated"]["tool_accuracy"]["value"] > 0.75


def test_quiet_keeps_notes_away(tmp_path, small_data, capsys):
    arguments = ["--data", str(small_data), "--agent", "random", "--out", str(tmp_path / "x")]
    assert main(["predict", *arguments, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def _on_a_terminal(*arguments, **environment):
    """Run Python on a terminal of its own and return all that it shows there."""
    ours, theirs = os.openpty()
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65_536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not block:
            break
        shown += block
    process.wait()
    os.close(ours)
    return shown


def test_errors_are_red_on_a_terminal_unless_colour_is_unwanted():
    assert b"\x1b[31m" in _on_a_terminal("-m", "petoolbench", "info", "--data", "./nothing")
    assert b"\x1b[31m" not in _on_a_terminal("-m", "petoolbench", "info", "--data", "./nothing", NO_COLOR="1")


SLOW_WORK = """
import sys, time
from petoolbench.console import Console

def slowly():
    for turn in range(8):
        time.sleep(float(sys.argv[1]))
        yield turn

for _ in Console(quiet=sys.argv[2] == "quiet").track(slowly(), "working", 8):
    pass
"""


@pytest.mark.parametrize(
    ("pause", "mode", "bar"), [("0.4", "loud", True), ("0.4", "quiet", False), ("0.01", "loud", False)]
)
def test_only_work_of_over_two_seconds_shows_a_bar(pause, mode, bar):
    assert (b"working" in _on_a_terminal("-c", SLOW_WORK, pause, mode)) == bar


def test_nothing_moves_where_nobody_watches(make_run):
    command = [sys.executable, "-m", "petoolbench", "score", str(make_run("x"))]
    shown = subprocess.run(command, capture_output=True, check=True)
    assert b"\x1b[" not in shown.stdout + shown.stderr


def test_an_interrupted_run_goes_on(make_run):
    whole = make_run("whole")
    part = make_run("part")
    lines = (whole / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (part / "predictions.jsonl").write_bytes(b"".join(lines[:10]) + lines[10][:25])
    assert len(read_run(part).predictions) == 10
    make_run("part")
    assert (part / "predictions.jsonl").read_bytes() == b"".join(lines)


def test_a_finished_run_is_left_alone(make_run):
    folder = make_run("x")
    before = (folder / "predictions.jsonl").read_bytes()
    make_run("x")
    assert (folder / "predictions.jsonl").read_bytes() == before


def test_a_killed_run_goes_on_and_answers_each_instance_once(tmp_path, official_file):
    out, run = tmp_path / "official", tmp_path / "run"
    assert main(["convert", str(official_file), "--out", str(out), "--quiet"]) == 0
    command = [
        sys.executable,
        "-m",
        "petoolbench",
        "predict",
        "--data",
        str(out),
        "--agent",
        "lexical",
        "--out",
        str(run),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    predictions = run / "predictions.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (predictions.exists() and predictions.stat().st_size > 10_000):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = predictions.stat().st_size
    subprocess.run(command, check=True, capture_output=True)
    ids = [json.loads(line)["id"] for line in predictions.read_text().splitlines()]
    assert before <= predictions.stat().st_size
    assert ids == [instance.id for instance in open_dataset(str(out)).instances("all", "test")]


def test_instances_without_an_answer_are_unscored(make_run, capsys):
    folder = make_run("x")
    lines = (folder / "predictions.jsonl").read_text().splitlines()
    failed = Prediction(id=json.loads(lines[0])["id"], error="HTTP 500").model_dump_json(exclude_none=True)
    (folder / "predictions.jsonl").write_text("\n".join([failed, *lines[1:30]]) + "\n")
    assert main(["score", str(folder)]) == 0
    assert "16 of 45 instances have no answer" in " ".join(capsys.readouterr().err.split())
    numbers = summarise(score_run(folder))["settings"]["all"]
    assert (numbers["n"], numbers["unscored"], numbers["tool_accuracy"]["n"]) == (45, 16, 29)


def test_gold_answers_score_fully(make_run, small_data):
    folder = make_run("x")
    instances = open_dataset(str(small_data)).instances("all", "test")
    _write_predictions(folder, [gold_prediction(entry.id, entry.reference) for entry in instances])
    for mode in ("strict", "official"):
        summary = summarise(score_run(folder, mode))
        assert set(summary["settings"]) == {*SETTINGS, "all"}
        for numbers in summary["settings"].values():
            assert numbers["tool_accuracy"]["value"] == numbers["joint_accuracy"]["value"] == 1
            assert numbers["errors"]["correct"] == 1


def test_averages_by_length_and_evidence_cover_every_instance(make_run):
    summary = summarise(score_run(make_run("x")))
    for setting, numbers in summary["settings"].items():
        assert sum(row["tool_accuracy"]["n"] for row in summary["by_history_length"][setting]) == numbers["n"]
        assert sum(row["n"] for row in summary["by_evidence"][setting].values()) == numbers["n"]


def test_hiding_the_history_reaches_the_agent_and_the_summary(make_run):
    shown = score_run(make_run("shown", "liked-minus-disliked"))
    hidden = score_run(make_run("hidden", "liked-minus-disliked", history=False))
    short = score_run(make_run("short", "liked-minus-disliked", max_interactions=2))
    lexical = score_run(make_run("lexical"))
    assert {entry.interactions for entry in hidden.judged} == {0}
    assert {entry.interactions for entry in short.judged} == {2}
    assert [entry.score for entry in hidden.judged] == [entry.score for entry in lexical.judged]
    rows = compare([hidden, shown])
    gain = next(row for row in rows if (row["setting"], row["metric"]) == ("rating_integrated", "tool_accuracy"))
    assert gain["difference"]["value"] > 0
    assert gain["n"] == 15
    assert all(row["mcnemar_p_holm"] >= row["mcnemar_p"] for row in rows)


def test_limit_takes_the_first(make_run):
    scored = score_run(make_run("x", limit=4))
    assert len(scored.judged) == 4


def test_the_shipped_data_is_the_default(tmp_path):
    assert main(["predict", "--agent", "lexical", "--limit", "5", "--out", str(tmp_path / "x"), "--quiet"]) == 0
    assert read_run(tmp_path / "x").source == "petoolbench"
    assert len(score_run(tmp_path / "x").judged) == 5


def test_data_may_move(tmp_path, published_file):
    main(["convert", str(published_file), "--out", str(tmp_path / "here"), "--quiet"])
    main(["predict", "--data", str(tmp_path / "here"), "--agent", "random", "--out", str(tmp_path / "x"), "--quiet"])
    (tmp_path / "here").rename(tmp_path / "there")
    assert main(["score", str(tmp_path / "x")]) == 2
    assert main(["score", str(tmp_path / "x"), "--data", str(tmp_path / "there")]) == 0


@pytest.mark.parametrize("name", ["random", "lexical"])
def test_the_manifest_says_how_it_was_made(make_run, small_data, name):
    manifest = json.loads((make_run("x", name, seed=9) / "manifest.json").read_text())
    assert manifest["spec"]["agent"] == name
    assert manifest["spec"]["seed"] == 9
    assert manifest["spec"]["fingerprint"] == open_dataset(str(small_data)).fingerprint("all", "test")
    assert {"petoolbench", "python", "datasets"} <= manifest["versions"].keys()


@pytest.fixture
def rank(tmp_path, small_data, small_ranker):
    """A function that lets the ranker answer the hand-written data by command, into a folder of the given name."""

    def run(name, *options, ranker=small_ranker):
        arguments = ["--data", str(small_data), "--agent", "ranker", "--ranker", str(ranker), *options]
        return main(["predict", *arguments, "--out", str(tmp_path / name), "--quiet"])

    return run


def test_a_ranker_says_how_sure_it_is_and_what_else_it_would_take(rank, tmp_path, small_data):
    assert rank("x", "--top-k", "3") == 0
    assert rank("bare") == 0
    whole = read_run(tmp_path / "x").predictions
    for instance in open_dataset(str(small_data)).instances("all", "test"):
        answer = whole[instance.id]
        assert answer.calls[0].name == answer.shortlist[0]
        assert len(set(answer.shortlist) & {tool.name for tool in instance.candidates}) == len(answer.shortlist) == 3
        assert 1 / len(instance.candidates) <= answer.confidence <= 1
        bare = answer.model_copy(update={"shortlist": None})
        assert read_run(tmp_path / "bare").predictions[instance.id] == bare
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    assert (manifest["spec"]["top_k"], manifest["oracle"]) == (3, False)
    assert main(["score", str(tmp_path / "x"), "--quiet"]) == 0


def test_an_abstaining_ranker_leaves_instances_unscored(rank, tmp_path, capsys):
    assert rank("all") == 0
    sure = sorted(answer.confidence for answer in read_run(tmp_path / "all").predictions.values())
    middle = (sure[14] + sure[15]) / 2
    assert sure[14] < middle < sure[15]
    assert rank("some", "--abstain-below", str(middle), "--top-k", "2") == 0
    silent = [answer for answer in read_run(tmp_path / "some").predictions.values() if answer.calls is None]
    assert len(silent) == 15
    assert all(answer.error.startswith("abstained") for answer in silent)
    assert all(answer.confidence < middle and len(answer.shortlist) == 2 for answer in silent)
    assert main(["score", str(tmp_path / "some")]) == 0
    assert "15 of 45 instances have no answer" in " ".join(capsys.readouterr().err.split())
    numbers = summarise(score_run(tmp_path / "some"))["settings"]["all"]
    assert (numbers["unscored"], numbers["tool_accuracy"]["n"]) == (15, 30)


def test_a_rule_agent_picks_from_a_rankers_shortlist(rank, tmp_path, small_data):
    assert rank("ranked", "--top-k", "2") == 0
    arguments = ["predict", "--data", str(small_data), "--agent", "lexical", "--quiet", "--out", str(tmp_path / "x")]
    assert main([*arguments, "--shortlist", str(tmp_path / "ranked")]) == 0
    shortlists = {key: answer.shortlist for key, answer in read_run(tmp_path / "ranked").predictions.items()}
    picked = {key: answer.calls[0].name for key, answer in read_run(tmp_path / "x").predictions.items()}
    assert len(picked) == 45
    assert all(name in shortlists[key] for key, name in picked.items())
    assert main(["predict", *arguments[1:-1], str(tmp_path / "free")]) == 0
    free = {key: answer.calls[0].name for key, answer in read_run(tmp_path / "free").predictions.items()}
    assert any(name not in shortlists[key] for key, name in free.items())
    assert len(score_run(tmp_path / "x").judged) == 45


def test_a_run_over_another_shortlist_is_refused(rank, tmp_path, small_data, capsys):
    assert rank("two", "--top-k", "2") == rank("three", "--top-k", "3") == 0
    arguments = ["predict", "--data", str(small_data), "--agent", "lexical", "--quiet", "--out", str(tmp_path / "x")]
    assert main([*arguments, "--shortlist", str(tmp_path / "two")]) == 0
    before = (tmp_path / "x" / "predictions.jsonl").read_bytes()
    assert main([*arguments, "--shortlist", str(tmp_path / "three")]) == 2
    assert "another shortlist" in capsys.readouterr().err
    assert (tmp_path / "x" / "predictions.jsonl").read_bytes() == before


@pytest.mark.parametrize("cut", [1, 3_000])
def test_an_interrupted_run_of_a_ranker_goes_on(rank, tmp_path, cut):
    assert rank("whole", "--top-k", "3") == rank("part", "--top-k", "3") == 0
    whole = (tmp_path / "whole" / "predictions.jsonl").read_bytes()
    (tmp_path / "part" / "predictions.jsonl").write_bytes(whole[:-cut])
    assert len(read_run(tmp_path / "part").predictions) < 45
    assert rank("part", "--top-k", "3") == 0
    assert (tmp_path / "part" / "predictions.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("changes", "field"), [({"ranker": True}, "ranker"), ({"top": "4"}, "top_k"), ({"below": "0.9"}, "abstain_below")]
)
def test_another_ranker_does_not_go_on_with_a_run(rank, tmp_path, small_ranker, capsys, changes, field):
    assert rank("x", "--top-k", "3", "--abstain-below", "0.1") == 0
    before = (tmp_path / "x" / "predictions.jsonl").read_bytes()
    other = tmp_path / "other.json"
    data = json.loads(small_ranker.read_text())
    data["weights"]["taste"] += 1
    other.write_text(json.dumps(data))
    options = ["--top-k", changes.get("top", "3"), "--abstain-below", changes.get("below", "0.1")]
    assert rank("x", *options, ranker=other if "ranker" in changes else small_ranker) == 2
    assert f"holds a run of another {field} " in capsys.readouterr().err
    assert (tmp_path / "x" / "predictions.jsonl").read_bytes() == before


def test_a_ranker_is_trained_by_command(tmp_path, small_data, small_ranker, capsys):
    out = tmp_path / "new" / "ranker.json"
    assert main(["train-ranker", "--data", str(small_data), "--split", "test", "--out", str(out)]) == 0
    assert "a ranker of 45 instances" in " ".join(capsys.readouterr().err.split())
    made = json.loads(out.read_text())
    known = open_dataset(str(small_data))
    assert made["trained_on"].items() >= {
        ("data", small_data.name),
        ("split", "test"),
        ("fingerprint", known.fingerprint("all", "test")),
        ("instances", 45),
    }
    assert made["format"] == json.loads(small_ranker.read_text())["format"]
    assert [path.name for path in out.parent.iterdir()] == ["ranker.json"]
    predict_it = ["predict", "--data", str(small_data), "--agent", "ranker", "--ranker", str(out), "--limit", "3"]
    assert main([*predict_it, "--out", str(tmp_path / "x"), "--quiet"]) == 0


class Shuffled:
    """A model that answers in another order than it is asked, and fails where it is told to."""

    name = "hf:shuffled"
    oracle = False

    def __init__(self, failing=(), dies_after=None, fault=None):
        self.failing = set(failing)
        self.dies_after = dies_after
        self.fault = fault
        self.asked = []

    def described(self):
        return {"asked": str(len(self.asked))}

    def answers(self, instances):
        block = []
        for instance in instances:
            self.asked.append(instance.id)
            block.append(instance.id)
            if len(block) == 4:
                yield from self._answered(block)
                block = []
        yield from self._answered(block)

    def _answered(self, block):
        for key in reversed(block):
            if self.dies_after == 0:
                raise self.fault
            self.dies_after = None if self.dies_after is None else self.dies_after - 1
            error = "HTTP 500" if key in self.failing else None
            yield Prediction(id=key, text=None if error else "no call", error=error, prompt_tokens=7)


@pytest.fixture
def model_run(tmp_path, small_data):
    """A function that lets a model of the test answer the hand-written data into the folder ``x``."""

    def run(model, *, retry=False, ids=None, **options):
        data = open_dataset(str(small_data))
        spec = run_spec(data, "all", "test", model.name, model=ModelSettings(model.name, **options), ids=ids)
        return predict(data, str(small_data), spec, model, tmp_path / "x", ids=ids, retry=retry)

    return run


def _written(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_answers_come_in_any_order_and_end_in_that_of_the_data(model_run, tmp_path, small_data):
    seen = []

    class Watched(Shuffled):
        def _answered(self, block):
            for prediction in super()._answered(block):
                yield prediction
                seen.append([row["id"] for row in _written(tmp_path / "x")])

    outcome = model_run(Watched())
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")]
    assert [len(rows) for rows in seen] == list(range(1, 46))
    assert seen[3] == list(reversed(ids[:4]))
    assert [row["id"] for row in _written(tmp_path / "x")] == ids
    assert (outcome.added, outcome.before, outcome.tally.answered) == (45, 0, 45)
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    assert manifest["answers"] == {"answered": 45, "unscored": 0, "prompt_tokens": 315, "completion_tokens": 0}
    assert manifest["answerer"] == {"asked": "45"}


def test_errors_are_asked_again_only_with_retry(model_run, tmp_path, small_data):
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")]
    failing = [ids[3], ids[20], ids[44]]
    assert model_run(Shuffled(failing)).tally.unscored == 3
    idle = Shuffled()
    assert model_run(idle).added == 0
    assert idle.asked == []
    again = Shuffled(failing[:1])
    outcome = model_run(again, retry=True)
    assert again.asked == failing
    assert (outcome.added, outcome.before, outcome.tally.unscored) == (3, 42, 1)
    rows = _written(tmp_path / "x")
    assert [row["id"] for row in rows] == ids
    assert [row["id"] for row in rows if "error" in row] == failing[:1]


def test_a_fault_in_the_middle_keeps_what_is_there(model_run, tmp_path):
    fault = PEToolBenchError("the server is gone")
    with pytest.raises(PEToolBenchError, match="gone"):
        model_run(Shuffled(dies_after=17, fault=fault))
    assert len(_written(tmp_path / "x")) == 17
    rest = Shuffled()
    assert (model_run(rest).before, len(rest.asked)) == (17, 28)


def test_a_fault_at_the_start_leaves_no_folder(model_run, tmp_path, small_data):
    with pytest.raises(PEToolBenchError, match="gone"):
        model_run(Shuffled(dies_after=0, fault=PEToolBenchError("the server is gone")))
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")]
    with pytest.raises(PEToolBenchError, match="none of 45 instances could be answered, such as: HTTP 500"):
        model_run(Shuffled(failing=ids))
    assert not (tmp_path / "x").exists()


def test_a_model_that_leaves_out_instances_is_a_bug_that_shows(model_run):
    class Forgetful(Shuffled):
        def _answered(self, block):
            return super()._answered(block[:-1])

    with pytest.raises(RuntimeError, match="left out 12 instances"):
        model_run(Forgetful())


def test_a_run_that_was_killed_before_it_was_in_order_is_put_in_order(model_run, tmp_path):
    model_run(Shuffled())
    whole = (tmp_path / "x" / "predictions.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    stale = Prediction(id=json.loads(lines[5])["id"], error="HTTP 500").model_dump_json(exclude_none=True)
    (tmp_path / "x" / "predictions.jsonl").write_bytes(b"".join([stale.encode() + b"\n", *reversed(lines)]))
    idle = Shuffled()
    model_run(idle)
    assert idle.asked == []
    assert (tmp_path / "x" / "predictions.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("temperature", 0.7, "another temperature (0.1 there, 0.7 here)"),
        ("window", 900, "another window (4000 there, 900 here)"),
        ("max_new_tokens", 9, "another max_new_tokens (256 there, 9 here)"),
        ("guided", True, "another guided (False there, True here)"),
        ("adapter", "mine", "another adapter (None there, mine here)"),
        ("dtype", "float32", "another dtype (None there, float32 here)"),
        ("base_url", "http://b/v1", "another base_url (None there, http://b/v1 here)"),
        ("style", "native", "another style (paper there, native here)"),
    ],
)
def test_a_model_under_other_settings_does_not_go_on_with_a_run(model_run, option, value, told):
    model_run(Shuffled())
    with pytest.raises(OutputError) as refused:
        model_run(Shuffled(), **{option: value})
    assert told in str(refused.value)


def test_all_that_differs_is_told(model_run, tmp_path, small_data):
    model_run(Shuffled())
    with pytest.raises(OutputError) as refused:
        model_run(Shuffled(), temperature=1.0, window=50)
    assert "another window (4000 there, 50 here), another temperature (0.1 there, 1.0 here)" in str(refused.value)
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("chronological", "test")]
    with pytest.raises(OutputError, match=r"another instances \(45 there, 15 here\), another ids"):
        model_run(Shuffled(), ids=ids)


def test_another_wording_of_the_prompts_does_not_go_on_with_a_run(model_run, monkeypatch):
    model_run(Shuffled())
    leads = {**prompts._HISTORY_LEADS, "chronological": "Calls, the oldest first:"}
    monkeypatch.setattr(prompts, "_HISTORY_LEADS", leads)
    with pytest.raises(OutputError, match="another prompts"):
        model_run(Shuffled())


def test_a_folder_without_answers_is_not_yet_a_run(model_run, tmp_path):
    model_run(Shuffled())
    (tmp_path / "x" / "predictions.jsonl").unlink()
    assert model_run(Shuffled(), temperature=0.9).added == 45


def test_a_run_of_an_older_version_is_read_and_gone_on_with(make_run):
    folder = make_run("x")
    manifest = json.loads((folder / "manifest.json").read_text())
    old = {key: manifest["spec"][key] for key in list(manifest["spec"]) if key not in ("model", "ids", "prompts")}
    kept = {"spec": old, **{key: manifest[key] for key in ("source", "oracle", "created", "versions")}}
    (folder / "manifest.json").write_text(json.dumps(kept))
    lines = (folder / "predictions.jsonl").read_bytes()
    (folder / "predictions.jsonl").write_bytes(lines[: len(lines) // 2])
    make_run("x")
    assert (folder / "predictions.jsonl").read_bytes() == lines
    assert len(score_run(folder).judged) == 45


def test_ids_choose_instances(tmp_path, small_data):
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")]
    arguments = ["predict", "--data", str(small_data), "--agent", "lexical", "--quiet"]
    (tmp_path / "ids.txt").write_text(f"{ids[30]}\n\n {ids[2]} \n{ids[30]}\n")
    (tmp_path / "ids.jsonl").write_text(json.dumps({"id": ids[7], "text": "x"}) + "\n")
    assert main([*arguments, "--ids", str(tmp_path / "ids.txt"), "--out", str(tmp_path / "a")]) == 0
    assert main([*arguments, "--ids", str(tmp_path / "ids.jsonl"), "--out", str(tmp_path / "b")]) == 0
    assert main([*arguments, "--ids", str(tmp_path / "a"), "--limit", "1", "--out", str(tmp_path / "c")]) == 0
    assert [list(read_run(tmp_path / name).predictions) for name in "abc"] == [[ids[2], ids[30]], [ids[7]], [ids[2]]]
    assert [entry.id for entry in score_run(tmp_path / "a").judged] == [ids[2], ids[30]]


def test_an_interrupted_run_over_ids_is_scored_over_these(tmp_path, small_data):
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")][5:15]
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    arguments = ["--data", str(small_data), "--ids", str(tmp_path / "ids.txt"), "--out", str(tmp_path / "x")]
    assert main(["predict", *arguments, "--agent", "lexical", "--quiet"]) == 0
    path = tmp_path / "x" / "predictions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    judged = score_run(tmp_path / "x").judged
    assert [entry.id for entry in judged] == ids
    assert [entry.score.scored for entry in judged] == [True] * 4 + [False] * 6


class Endless:
    """A data set of as many instances as asked for, made as they are taken."""

    def __init__(self, instance, count):
        self.instance = instance
        self.number = count
        self.files = {"chronological": {}}

    def count(self, config, split):
        return self.number

    def fingerprint(self, config, split):
        return f"endless {self.number}"

    def ids(self, config, split):
        return tuple(f"endless-{turn:06}" for turn in range(self.number))

    def instances(self, config, split):
        for key in self.ids(config, split):
            yield self.instance.model_copy(update={"id": key, "instruction": f"{key} " + "word " * 200})


class Verbose(Shuffled):
    """A model that writes a thousand characters an answer."""

    def _answered(self, block):
        for prediction in super()._answered(block):
            yield prediction.model_copy(update={"text": prediction.id * 80})


def _peak_bytes(folder, instance, count, failing=()):
    """Return the most memory that Python held at a time for a run and for asking its errors again."""
    data = Endless(instance, count)
    spec = run_spec(data, "chronological", "test", Verbose.name, model=ModelSettings(Verbose.name))
    tracemalloc.start()
    predict(data, "endless", spec, Verbose(failing), folder)
    predict(data, "endless", spec, Verbose(), folder, retry=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_is_flat_but_for_ids(tmp_path, small_instances):
    failing = [f"endless-{turn:06}" for turn in range(0, 12_000, 50)]
    few = _peak_bytes(tmp_path / "few", small_instances[0], 2_000, failing[:40])
    many = _peak_bytes(tmp_path / "many", small_instances[0], 12_000, failing)
    assert (tmp_path / "many" / "predictions.jsonl").stat().st_size > 12_000_000
    assert (many - few) / 10_000 < 1_000
