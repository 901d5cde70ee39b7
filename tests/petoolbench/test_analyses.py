"""What the summaries say beyond averages: histories, lengths, groups, usage, calibration, and paired comparisons."""

import json
import random

import pytest

from petoolbench import statistics
from petoolbench.__main__ import main
from petoolbench.analyses.breakdowns import FEWEST, by_category
from petoolbench.analyses.calibration import calibration
from petoolbench.analyses.comparison import compare
from petoolbench.analyses.history import history_effects
from petoolbench.analyses.records import Judged
from petoolbench.analyses.usage import Prices, usage
from petoolbench.answering import find_answerer
from petoolbench.folders import open_dataset
from petoolbench.predict import predict, run_spec
from petoolbench.results import score_run, summarise
from petoolbench.schema import SETTINGS, Prediction, Score


@pytest.fixture
def make_run(tmp_path, small_data):
    """A function that makes a run in a folder of the given name, on the hand-written data unless told another."""

    def make(name, agent="liked-minus-disliked", source=small_data, config="all", **options):
        data = open_dataset(str(source))
        spec = run_spec(data, config, "test", agent, **options)
        predict(data, str(source), spec, find_answerer(agent, seed=spec.seed), tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def published(tmp_path, published_file):
    """Three published entries as a dataset folder: each request in all three settings."""
    assert main(["convert", str(published_file), "--out", str(tmp_path / "published"), "--quiet"]) == 0
    return tmp_path / "published"


def _change(folder, changed):
    """Let a function change each prediction of a run; it is told the place and the prediction as a dict."""
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, **changed(place, row)}) for place, row in enumerate(rows)]
    (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n")


def _fail(folder, *places):
    _change(folder, lambda place, row: {"calls": None, "error": "HTTP 500"} if place in places else {})


def _judged(identity, tool=True, functionality="f", category="c", scored=True, **options):
    score = Score(id=identity, scored=scored, tool=tool, arguments=tool)
    known = {"interactions": 3, "evidence": None, "seen": None, "request": identity, "setting": "chronological"}
    return Judged(id=identity, functionality=functionality, category=category, score=score, **{**known, **options})


# History


def test_a_published_request_is_compared_in_all_settings(make_run, published):
    runs = [make_run("with", source=published), make_run("without", source=published, history=False)]
    (effect,) = history_effects([score_run(run) for run in runs])
    assert (effect["name"], effect["with"], effect["without"]) == ("with", ["with"], ["without"])
    assert list(effect["settings"]) == list(SETTINGS)
    assert [part["n"] for part in effect["settings"].values()] == [3, 3, 3]
    same = effect["same_requests"]
    assert same["n"] == 3
    assert {name: part["value"] for name, part in same["with"].items()} == {
        name: part["with"]["value"] for name, part in effect["settings"].items()
    }
    assert same["without"]["value"] == effect["settings"]["chronological"]["without"]["value"]
    assert same["with"]["rating_integrated"]["value"] == 1


def test_one_bare_setting_serves_all_histories_of_the_same_requests(make_run, published):
    shown = score_run(make_run("with", source=published))
    bare = score_run(make_run("bare", source=published, config="preferred_only", history=False))
    whole = score_run(make_run("whole", source=published, history=False))
    assert len(bare.judged) == 3
    (few,), (many,) = history_effects([shown, bare]), history_effects([shown, whole])
    assert {**few, "without": 0} == {**many, "without": 0}


def test_runs_of_one_setting_each_make_one_effect(make_run, published):
    bare = score_run(make_run("bare", source=published, history=False))
    parts = [score_run(make_run(name, source=published, config=name)) for name in SETTINGS]
    (effect,) = history_effects([bare, *parts])
    (whole,) = history_effects([bare, score_run(make_run("whole", source=published))])
    assert effect["with"] == list(SETTINGS)
    assert effect["settings"] == whole["settings"]
    assert effect["same_requests"] == whole["same_requests"]


def test_settings_with_requests_of_their_own_are_compared_by_instance(make_run):
    shown, hidden = make_run("with"), make_run("without", history=False)
    _fail(hidden, 2)
    _fail(shown, 2, 44)
    runs = [score_run(shown), score_run(hidden)]
    (effect,) = history_effects(runs)
    assert "same_requests" not in effect
    assert sum(part["n"] for part in effect["settings"].values()) == 43
    bare = {entry.id: entry.score for entry in runs[1].judged}
    for setting, part in effect["settings"].items():
        pairs = [(e.score, bare[e.id]) for e in runs[0].judged if e.setting == setting]
        both = [(a.tool, b.tool) for a, b in pairs if a.scored and b.scored]
        assert part["n"] == len(both)
        assert part["with"]["value"] == pytest.approx(sum(a for a, _ in both) / len(both))
        assert part["without"]["value"] == pytest.approx(sum(b for _, b in both) / len(both))
        assert part["difference"]["value"] == pytest.approx(part["with"]["value"] - part["without"]["value"])


def test_only_the_same_answerer_is_compared(make_run):
    shown = score_run(make_run("with", "random", seed=1))
    others = [make_run("other-seed", "random", history=False), make_run("other", "lexical", history=False, seed=1)]
    assert history_effects([shown, *map(score_run, others)]) == []
    assert len(history_effects([shown, score_run(make_run("same", "random", history=False, seed=1))])) == 1


def test_cut_histories_are_an_effect_of_their_own(make_run):
    runs = [make_run("whole"), make_run("latest", max_interactions=2), make_run("none", history=False)]
    effects = history_effects([score_run(run) for run in runs])
    assert [(effect["name"], effect["without"]) for effect in effects] == [("whole", ["none"]), ("latest", ["none"])]


def test_runs_on_other_data_stay_apart(make_run, published):
    runs = [make_run("own"), make_run("own-bare", history=False), make_run("pub", source=published)]
    runs.append(make_run("pub-bare", source=published, history=False))
    effects = history_effects([score_run(run) for run in runs])
    assert [(effect["name"], effect["without"]) for effect in effects] == [("own", ["own-bare"]), ("pub", ["pub-bare"])]


# Groups


def test_the_length_is_what_the_window_left(make_run, small_data):
    folder = make_run("x", max_interactions=4)
    _change(folder, lambda place, row: {"dropped": (0, 3, 9)[place % 3]})
    scored = score_run(folder)
    assert [entry.interactions for entry in scored.judged] == [(4, 1, 0)[place % 3] for place in range(45)]
    rows = summarise(scored)["by_history_length"]["all"]
    assert [(row["from"], row["tool_accuracy"]["n"]) for row in rows] == [(0, 15), (1, 30)]


def test_error_counts_add_up_to_the_scored(make_run):
    folder = make_run("x", "random")
    _fail(folder, 0)
    _change(folder, lambda place, row: {"calls": []} if place in (1, 2) else {})
    for part in summarise(score_run(folder))["settings"].values():
        assert sum(part["error_counts"].values()) == part["n"] - part["unscored"]
        for kind, count in part["error_counts"].items():
            assert part["errors"][kind] == pytest.approx(count / (part["n"] - part["unscored"]))
    first = summarise(score_run(folder))["settings"]["preferred_only"]
    assert (first["unscored"], first["error_counts"]["invalid_format"]) == (1, 2)


def test_seen_and_unseen_functionalities_share_the_instances(make_run):
    summary = summarise(score_run(make_run("x", source="petoolbench", config="chronological", limit=40)))
    flags = [
        entry.functionality_seen
        for entry, _ in zip(open_dataset("petoolbench").instances("chronological", "test"), range(40), strict=False)
    ]
    counts = {name: part["n"] for name, part in summary["by_seen"]["chronological"].items()}
    assert counts == {"seen": sum(flags), "unseen": 40 - sum(flags)}
    assert sum(row["tool_accuracy"]["n"] for row in summary["by_category"]["chronological"]["rows"]) == 40


def test_nothing_is_said_of_seen_where_the_data_does_not_say(make_run):
    assert summarise(score_run(make_run("x")))["by_seen"]["all"] == {}


def test_small_categories_are_taken_together():
    large = [_judged(f"l{n}", n % 2 == 0, f"f{n % 4}", "Large") for n in range(20)]
    single = [_judged(f"s{n}", n % 2 == 0, "one", "Single") for n in range(FEWEST)]
    small = [_judged(f"t{n}", n < 3, f"g{n}", f"Tiny {n % 2}") for n in range(6)]
    unscored = [_judged(f"u{n}", False, "u", "Tiny 0", scored=False) for n in range(FEWEST)]
    found = by_category([*small, *single, *large, *unscored])
    assert [row["category"] for row in found["rows"]] == ["Large", "Tiny 0", "Single", "Tiny 1"]
    assert found["small"]["categories"] == ["Tiny 0", "Tiny 1"]
    assert found["small"]["tool_accuracy"]["n"] == 6
    assert found["small"]["tool_accuracy"]["value"] == pytest.approx(0.5)
    bounds = {row["category"]: row["tool_accuracy"]["low"] for row in found["rows"]}
    assert bounds["Large"] < 0.5
    assert bounds["Single"] is None
    assert by_category(large)["small"] is None


# Usage


def _answers(*predictions, interactions=10):
    return [(_judged(f"i{n}", interactions=interactions), entry) for n, entry in enumerate(predictions)]


def test_usage_of_known_answers():
    tokens = [100, 200, 300, 400, 1000]
    answers = _answers(
        *(
            Prediction(id="x", text="", prompt_tokens=count, completion_tokens=10, dropped=dropped, finish=finish)
            for count, dropped, finish in zip(
                tokens, (0, 0, 0, 2, 8), ("closed", "stop", "closed", "closed", "length"), strict=True
            )
        ),
        Prediction(id="x", error="HTTP 500"),
    )
    found = usage(answers, Prices(input=2.0, output=5.0))
    assert found["prompt_tokens"] == {"n": 5, "mean": 400.0, "median": 300, "p90": 1000, "max": 1000, "total": 2000}
    assert found["truncation"] == {
        "n": 5,
        "instances": 2,
        "instances_share": 0.4,
        "interactions": 10,
        "interactions_share": pytest.approx(10 / 60),
    }
    assert found["finish"] == {"n": 5, "counts": {"closed": 3, "stop": 1, "length": 1}}
    total = (2000 * 2 + 50 * 5) / 1e6
    assert found["cost"]["n"] == 5
    assert found["cost"]["total"] == pytest.approx(total)
    assert found["cost"]["per_instance"] == pytest.approx(total / 5)
    assert "seconds" not in found
    assert "cost" not in usage(answers)


def test_what_answers_do_not_tell_is_absent(make_run):
    assert usage(_answers(Prediction(id="x", text="")), Prices(1, 1)) == {}
    only_prompts = usage(_answers(Prediction(id="x", text="", prompt_tokens=7)), Prices(1, 1))
    assert list(only_prompts) == ["prompt_tokens"]
    no_history = usage(_answers(Prediction(id="x", text="", dropped=0), interactions=0))
    assert no_history["truncation"]["interactions_share"] is None
    summary = summarise(score_run(make_run("x")), Prices(1, 1))
    assert "usage" not in summary
    assert "calibration" not in summary


def test_the_cost_is_shown_and_written(make_run, capsys):
    folder = make_run("x")
    _change(folder, lambda place, row: {"prompt_tokens": 1_000, "completion_tokens": 100, "finish": "closed"})
    assert main(["score", str(folder), "--quiet", "--price-input", "10", "--price-output", "100"]) == 0
    shown = capsys.readouterr().out
    assert "cost of one" in shown
    assert "closed 45" in shown
    part = json.loads((folder / "scores-strict.json").read_text())["usage"]["all"]["cost"]
    assert (part["n"], part["prices"]) == (45, {"input": 10.0, "output": 100.0})
    assert part["total"] == pytest.approx(0.9)
    assert part["per_instance"] == pytest.approx(0.02)


def test_prices_need_each_other_and_tokens(make_run, capsys):
    folder = make_run("x")
    assert main(["score", str(folder), "--price-input", "1"]) == 2
    assert "needs both --price-input and --price-output" in capsys.readouterr().err
    assert not (folder / "scores-strict.json").exists()
    assert main(["report", str(folder), "--price-output", "1", "--out", str(folder / "report")]) == 2
    with pytest.raises(SystemExit):
        main(["score", str(folder), "--price-input", "-1", "--price-output", "1"])
    capsys.readouterr()
    assert main(["score", str(folder), "--price-input", "1", "--price-output", "0"]) == 0
    shown = capsys.readouterr()
    assert "no answer tells its tokens" in shown.err
    assert "cost" not in shown.out


# Calibration


def _sure(*pairs):
    return [
        (_judged(f"i{n}", right, f"f{n % 100}"), Prediction(id=f"i{n}", confidence=sure, text=""))
        for n, (sure, right) in enumerate(pairs)
    ]


def test_calibration_of_known_answers():
    found = calibration(_sure((0.95, True), (0.95, False), (0.15, False), (1.0, True)))
    assert found["n"] == 4
    assert [(row["from"], row["n"]) for row in found["bins"]] == [(0.1, 1), (0.9, 3)]
    assert found["ece"] == pytest.approx((0.15 + 3 * abs(2.9 / 3 - 2 / 3)) / 4)
    assert [(row["coverage"], row["tool_accuracy"]["value"]) for row in found["coverage"]] == [
        (0.25, 1.0),
        (0.75, pytest.approx(2 / 3)),
        (1.0, 0.5),
    ]


def test_answers_that_are_as_often_right_as_they_say_are_calibrated():
    draw = random.Random(0)
    pairs = [(sure, draw.random() < sure) for sure in (draw.random() for _ in range(4_000))]
    assert calibration(_sure(*pairs))["ece"] < 0.03
    accuracies = [row["tool_accuracy"]["value"] for row in calibration(_sure(*pairs))["coverage"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert calibration(_sure(*((1 - sure, right) for sure, right in pairs)))["ece"] > 0.4


def test_only_scored_answers_with_a_confidence_are_calibrated():
    unscored = (_judged("u", scored=False), Prediction(id="u", error="abstained", confidence=0.1))
    silent = (_judged("s"), Prediction(id="s", text=""))
    assert calibration([unscored, silent]) is None
    assert calibration([unscored, silent, *_sure((0.5, True))])["n"] == 1


# Comparisons


def test_compare_prints_and_writes_all_pairs(make_run, tmp_path, capsys):
    runs = [make_run("a"), make_run("b", "lexical"), make_run("c", "random")]
    assert main(["compare", *map(str, runs), "--json", str(tmp_path / "found.json"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert all(pair in shown for pair in ("a → b", "a → c", "b → c"))
    rows = json.loads((tmp_path / "found.json").read_text())["comparisons"]
    assert rows == json.loads(json.dumps(compare([score_run(run) for run in runs])))
    assert len(rows) == 3 * 4 * 3
    for row in rows:
        assert row["difference"]["value"] == pytest.approx(row["share_b"] - row["share_a"])
        assert row["n"] * row["difference"]["value"] == pytest.approx(row["only_b"] - row["only_a"])
        assert row["mcnemar_p"] <= row["mcnemar_p_holm"] <= 1
    line = next(line for line in shown.splitlines() if "a → b" in line).split("│")
    first = rows[0]
    assert [cell.strip() for cell in line[2:7]] == [
        "preferred_only",
        "tool",
        "15",
        f"{100 * first['share_a']:.1f}",
        f"{100 * first['share_b']:.1f}",
    ]


def test_compare_against_one_run_with_filters(make_run, tmp_path):
    runs = [make_run("a"), make_run("b", "lexical"), make_run("c", "random")]
    out = tmp_path / "found.json"
    filters = ["--metric", "tool_accuracy", "--metric", "joint_accuracy", "--setting", "chronological"]
    assert main(["compare", *map(str, runs), "--against", str(runs[1]), *filters, "--json", str(out), "--quiet"]) == 0
    rows = json.loads(out.read_text())["comparisons"]
    assert [(row["a"], row["b"], row["setting"], row["metric"]) for row in rows] == [
        ("b", other, "chronological", metric) for other in "ac" for metric in ("tool_accuracy", "joint_accuracy")
    ]
    smallest = min(rows, key=lambda row: row["mcnemar_p"])
    assert smallest["mcnemar_p_holm"] == pytest.approx(min(1, 4 * smallest["mcnemar_p"]))


def test_unscored_instances_are_left_out_of_both(make_run):
    first, second = make_run("a"), make_run("b", "lexical")
    _fail(first, 0, 1)
    _fail(second, 1, 2, 20)
    rows = compare([score_run(first), score_run(second)], metrics=("tool_accuracy",))
    assert {row["setting"]: row["n"] for row in rows} == {
        "preferred_only": 12, "rating_integrated": 14, "chronological": 15, "all": 41,
    }  # fmt: skip


def test_what_cannot_be_compared_is_one_line(make_run, published, tmp_path, capsys):
    own, other = make_run("own"), make_run("other", source=published)
    part = make_run("part", config="chronological")
    (tmp_path / "twin").mkdir()
    own_again = make_run("twin/own")
    out = tmp_path / "found.json"
    for arguments, told in (
        ([own, other], "own and other share no scored instance"),
        ([own, part, "--setting", "preferred_only"], "own and part share no scored instance in preferred_only"),
        ([own], "needs two runs"),
        ([own, "--against", own], "is the only run"),
        ([own, own_again], "two runs are called 'own'"),
        ([own, tmp_path / "nowhere"], "no such run folder"),
    ):
        assert main(["compare", *map(str, arguments), "--json", str(out), "--quiet"]) == 2
        err = " ".join(capsys.readouterr().err.split())
        assert told in err
        assert err.count("petoolbench:") == 1
    assert not out.exists()
    assert main(["compare", str(own), str(part), "--quiet"]) == 0


def test_kept_draws_are_those_drawn_in_blocks(monkeypatch):
    draw = random.Random(1)
    values = [draw.random() < 0.4 for _ in range(500)]
    clusters = [f"f{draw.randrange(60)}" for _ in range(500)]
    kept = statistics.share_estimate(values, clusters)
    monkeypatch.setattr(statistics, "_BLOCK", 7_000)
    assert statistics.share_estimate(values, clusters) == kept
    assert kept.low < kept.value < kept.high
