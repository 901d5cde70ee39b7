"""The leaderboard: what it reads, how it ranks, its page in a real browser, and its Space as it runs."""

import copy
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml

from petoolbench.__main__ import main
from petoolbench.answering import find_answerer
from petoolbench.folders import PACKAGE_FOLDER, open_dataset
from petoolbench.leaderboard.building import build_leaderboard
from petoolbench.leaderboard.places import Places
from petoolbench.leaderboard.records import Accuracy
from petoolbench.leaderboard.rows import _rank
from petoolbench.leaderboard.space import GRADIO_VERSION
from petoolbench.predict import predict, run_spec
from petoolbench.report import report_numbers
from petoolbench.results import score_run, summarise, write_scores
from tests.conftest import published_entry

PUBLISHED = json.loads((PACKAGE_FOLDER / "published_results.json").read_text())["table_1"]
MODEL = "hf:meta-llama/Llama-3.1-8B-Instruct + some/adapter"
HOSTILE = "</td><script>document.body.dataset.hacked = 'yes'</script><b>bold & $\\frac{x$"


def _make_run(folder, data, agent, **options):
    opened = open_dataset(str(data))
    spec = run_spec(opened, "all", "test", agent, **options)
    predict(opened, str(data), spec, find_answerer(agent), folder)
    return folder


def _fail_one(run):
    """Put an error in place of the first answer of a run."""
    path = run / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] = {"id": rows[0]["id"], "error": "HTTP 500"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_data):
    """A folder of runs on the hand-written data, in folders of folders."""
    folder = tmp_path_factory.mktemp("board") / "runs"
    _make_run(folder / "rules" / "liked", small_data, "liked-minus-disliked")
    _make_run(folder / "rules" / "lexical", small_data, "lexical")
    _make_run(folder / "rules" / "hidden", small_data, "liked-minus-disliked", history=False)
    _make_run(folder / "other" / "lexical", small_data, "lexical", max_interactions=2)
    _make_run(folder / "other" / "told", small_data, "random-in-group")
    _make_run(folder / "other" / "first-40", small_data, "lexical", limit=40)
    _fail_one(_make_run(folder / "other" / "failed", small_data, "latest-provider"))
    return folder


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A dataset folder converted from published test entries, and a run on it."""
    folder = tmp_path_factory.mktemp("official")
    entries = [published_entry(number, f"What is the weather in Oslo, part {number}?") for number in range(3)]
    (folder / "user_entries_test.json").write_text(json.dumps(entries), encoding="utf-8")
    data = folder / "converted"
    assert main(["convert", str(folder / "user_entries_test.json"), "--out", str(data), "--quiet"]) == 0
    _make_run(folder / "runs" / "lexical", data, "lexical")
    return data, folder / "runs"


@pytest.fixture(scope="module")
def site(runs, official, tmp_path_factory):
    """A leaderboard on both data sets."""
    out = tmp_path_factory.mktemp("site") / "site"
    arguments = ["leaderboard", str(runs), str(official[1]), "--data", str(official[0]), "--out", str(out), "--quiet"]
    assert main(arguments) == 0
    return out


@pytest.fixture(scope="module")
def board(site):
    """What ``leaderboard.json`` says."""
    return json.loads((site / "leaderboard.json").read_text())


def _rows(section, group="all"):
    return {row["name"]: row for row in section["tables"][group]}


def test_files(site):
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == {
        "index.html",
        "leaderboard.json",
        "space/README.md",
        "space/app.py",
        "space/requirements.txt",
        "space/leaderboard.json",
    }
    assert (site / "space" / "leaderboard.json").read_bytes() == (site / "leaderboard.json").read_bytes()
    page = (site / "index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page


def test_figures_are_those_of_the_runs(board, runs):
    summary = summarise(score_run(runs / "rules" / "liked"))
    for group, part in summary["settings"].items():
        row = _rows(board["sections"][0], group)["liked"]
        assert row["agent"] == "liked-minus-disliked"
        for metric in ("tool_accuracy", "param_accuracy", "joint_accuracy"):
            assert row[metric] == {end: part[metric][end] for end in ("value", "low", "high")}
        assert (row["n"], row["unscored"]) == (part["n"], 0)


def test_runs_on_different_data_are_never_ranked_together(board, small_data, official):
    own, published = board["sections"]
    assert [own["fingerprint"], published["fingerprint"]] == [
        open_dataset(str(place)).fingerprint("all", "test") for place in (small_data, official[0])
    ]
    assert {row["name"] for row in own["tables"]["all"]} == {
        "liked", "rules/lexical", "hidden", "other/lexical", "told", "first-40", "failed",
    }  # fmt: skip
    assert not own["official"]
    assert not any(row["published"] for rows in own["tables"].values() for row in rows)
    assert [row["name"] for row in published["tables"]["all"] if not row["published"]] == ["lexical"]


def test_the_published_rows_stand_with_the_published_data(board):
    section = board["sections"][1]
    assert section["title"] == "Official PEToolBench test"
    assert "1,000" in section["note"]
    assert "on 3 of them at most" in section["note"]
    for group in ("all", "chronological"):
        shown = [row for row in section["tables"][group] if row["published"]]
        assert {row["name"] for row in shown} == {row["name"] for row in PUBLISHED}
        assert all(row["rank"] is None and row["tool_accuracy"]["low"] is None for row in shown)
    known = next(row for row in PUBLISHED if row["name"] == "GPT-4o")
    row = _rows(section, "chronological")["GPT-4o"]
    assert 100 * row["tool_accuracy"]["value"] == pytest.approx(known["chronological"][0])
    assert 100 * row["param_accuracy"]["value"] == pytest.approx(known["chronological"][1])


def test_only_complete_honest_runs_are_ranked(board):
    rows = _rows(board["sections"][0])
    assert {name: row["unranked"] for name, row in rows.items() if row["unranked"]} == {
        "told": ["oracle"],
        "first-40": ["partial"],
        "failed": ["unscored"],
    }
    assert all((row["rank"] is None) == bool(row["unranked"]) for row in rows.values())
    order = [row["tool_accuracy"]["value"] for row in board["sections"][0]["tables"]["all"] if row["rank"]]
    assert order == sorted(order, reverse=True)
    assert len(order) == 4


def test_a_setting_that_is_answered_in_full_is_ranked(board):
    """The failed answer is of the first setting; the other two are complete."""
    tables = board["sections"][0]["tables"]
    ranked = {group: _rows({"tables": tables}, group)["failed"]["rank"] is not None for group in tables}
    assert ranked == {"all": False, "preferred_only": False, "rating_integrated": True, "chronological": True}


def test_ranks_say_what_intervals_leave_open():
    shares = [(0.9, 0.85, 0.95), (0.8, 0.7, 0.86), (0.8, 0.75, 0.84), (0.3, 0.2, 0.4)]
    rivals = [Accuracy(value=value, low=low, high=high) for value, low, high in shares]
    ranks = [_rank(own, rivals) for own in rivals]
    assert [(rank.place, rank.best, rank.worst) for rank in ranks] == [(1, 1, 2), (2, 1, 3), (2, 2, 3), (4, 4, 4)]


def test_how_a_run_was_asked_is_shown(board):
    rows = _rows(board["sections"][0])
    assert {name: row["history"] for name, row in rows.items()} == {
        "liked": "all", "rules/lexical": "all", "hidden": "none", "other/lexical": "latest 2", "told": "all",
        "first-40": "all", "failed": "all",
    }  # fmt: skip
    assert rows["first-40"]["spec"]["limit"] == 40


def _copy(runs, folder, name="liked"):
    return shutil.copytree(runs / "rules" / name, folder / name)


def _all(board):
    return {row.name: row for section in board.sections for row in section.tables.get("all", ())}


def test_scores_are_read_where_they_are_of_these_answers(runs, tmp_path):
    run = _copy(runs, tmp_path / "runs")
    write_scores(score_run(run))
    scores = json.loads((run / "scores-strict.json").read_text())
    scores["settings"]["all"]["tool_accuracy"].update(value=0.5, low=0.123, high=0.6)

    def low_end(stamp):
        (run / "scores-strict.json").write_text(json.dumps(scores))
        os.utime(run / "predictions.jsonl", (stamp, stamp))
        return _all(build_leaderboard([run], tmp_path / "site"))["liked"].tool_accuracy.low

    assert low_end(time.time() - 100) == 0.123
    assert low_end(time.time() + 100) != 0.123, "the answers are newer"
    scores["spec"]["seed"] = 1
    assert low_end(time.time() - 100) != 0.123, "the scores are of another run"
    scores["spec"]["seed"], scores["scoring_version"] = 0, "0"
    assert low_end(time.time() - 100) != 0.123, "the scores are of another scoring version"


def test_scored_runs_need_no_data(runs, tmp_path, small_data, capsys):
    run = _copy(runs, tmp_path / "runs")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "source": str(tmp_path / "moved")}))
    arguments = ["leaderboard", str(tmp_path / "runs"), "--quiet", "--out", str(tmp_path / "site")]
    assert main(arguments) == 2
    assert "say where it is with --data" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
    assert main([*arguments, "--data", str(small_data)]) == 0
    write_scores(score_run(run, source=str(small_data)))
    assert main(arguments) == 0
    digits = open_dataset(str(small_data)).fingerprint("all", "test")[:8]
    sections = json.loads((tmp_path / "site" / "leaderboard.json").read_text())["sections"]
    assert sections[0]["title"] == f"moved ({digits}) test"


def test_another_mode_scores_anew(runs, tmp_path):
    run = _copy(runs, tmp_path / "runs")
    write_scores(score_run(run))
    board = build_leaderboard([run], tmp_path / "site", "official")
    assert board.mode == "official"
    expected = summarise(score_run(run, "official"))["settings"]["all"]["param_accuracy"]["value"]
    assert _all(board)["liked"].param_accuracy.value == expected


def _real_report(folders, out):
    """Write what ``petoolbench report`` says of runs, without its figures."""
    out.mkdir()
    numbers = report_numbers([score_run(folder) for folder in folders])
    (out / "report.json").write_text(json.dumps(numbers), encoding="utf-8")
    return out


def test_a_report_stands_for_its_runs(runs, tmp_path):
    liked = runs / "rules" / "liked"
    report = _real_report([liked, runs / "rules" / "hidden"], tmp_path / "report")
    from_report = build_leaderboard([report / "report.json"], tmp_path / "site")
    assert [row.name for row in from_report.sections[0].tables["all"]] == ["liked", "hidden"]
    assert _all(build_leaderboard([report], tmp_path / "site")).keys() == _all(from_report).keys()
    both = build_leaderboard([report, liked], tmp_path / "site")
    assert [row.name for row in both.sections[0].tables["all"]] == ["liked", "hidden"], "a run stands once"
    assert _all(both)["liked"].tool_accuracy == _all(from_report)["liked"].tool_accuracy


def test_the_data_of_a_report_is_named(official, tmp_path):
    data, runs = official
    report = _real_report([runs / "lexical"], tmp_path / "report")
    digits = open_dataset(str(data)).fingerprint("all", "test")

    def sections(**places):
        board = build_leaderboard([report], tmp_path / "site", places=Places(**places))
        return [(section.title, section.official, len(section.tables["all"])) for section in board.sections]

    rows = len(PUBLISHED)
    alone = ("Official PEToolBench test, as published", True, rows)
    assert sections() == [(f"Data {digits[:8]} test", False, 1), alone]
    assert sections(named=(str(data),)) == [("Official PEToolBench test", True, rows + 1)]
    assert sections(official=(digits,)) == [("Official PEToolBench test", True, rows + 1)]


def test_the_shipped_data_is_known_by_its_bytes(runs, tmp_path):
    report = _report(runs, tmp_path, lambda run: run["spec"].update(fingerprint=_shipped("all"), config="all"))
    assert build_leaderboard([report], tmp_path / "site").sections[0].title == "petoolbench test"
    report = _report(
        runs,
        tmp_path,
        lambda run: run["spec"].update(fingerprint=_shipped("attribute_transfer"), config="attribute_transfer"),
    )
    title = build_leaderboard([report], tmp_path / "site").sections[0].title
    assert title == "petoolbench test, attribute_transfer"


def _shipped(config):
    return open_dataset("petoolbench").fingerprint(config, "test")


def _report(runs, folder, *changes):
    """Write a report of one run for each change that is made to it."""
    summary = json.loads(json.dumps(summarise(score_run(runs / "rules" / "liked"))))
    summaries = []
    for number, change in enumerate(changes):
        summaries.append(copy.deepcopy(summary))
        summaries[-1]["name"] = f"run-{number}"
        change(summaries[-1])
    (folder / "report.json").write_text(json.dumps({"runs": summaries}), encoding="utf-8")
    return folder / "report.json"


def test_what_a_language_model_was_asked_with_is_shown(runs, tmp_path):
    model = {"name": MODEL, "style": "native", "guided": True, "temperature": 0.1, "adapter": None}
    report = _report(runs, tmp_path, lambda run: run["spec"].update(model=model, ids=None), lambda run: None)
    rows = _all(build_leaderboard([report], tmp_path / "site"))
    assert (rows["run-0"].style, rows["run-0"].guided) == ("native", True)
    assert rows["run-0"].spec["temperature"] == 0.1
    assert (rows["run-1"].style, rows["run-1"].guided) == (None, None)


def test_chosen_instances_are_part_of_the_data(runs, tmp_path):
    report = _report(runs, tmp_path, lambda run: run["spec"].update(ids="1234"))
    assert _all(build_leaderboard([report], tmp_path / "site"))["run-0"].unranked == ("partial",)


def test_runs_of_one_name_in_two_reports_are_told_apart(runs, tmp_path):
    paths = []
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        paths.append(_report(runs, tmp_path / name, lambda run, seed=seed: run["spec"].update(seed=seed)))
    board = build_leaderboard(paths, tmp_path / "site")
    assert [row.name for row in board.sections[0].tables["all"]] == ["a/report.json/run-0", "b/report.json/run-0"]


def test_a_run_counts_once_however_it_is_found(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    (tmp_path / "runs" / "again").symlink_to(tmp_path / "runs", target_is_directory=True)
    (tmp_path / "runs" / ".cache").mkdir()
    shutil.copy(runs / "rules" / "liked" / "manifest.json", tmp_path / "runs" / ".cache")
    board = build_leaderboard([tmp_path / "runs", tmp_path / "runs" / "rules" / "liked"], tmp_path / "site")
    assert sorted(_all(board).keys() - {row["name"] for row in PUBLISHED}) == sorted(
        ["liked", "rules/lexical", "hidden", "other/lexical", "told", "first-40", "failed"]
    )


def test_a_leaderboard_is_replaced_but_nothing_else_is(runs, tmp_path, capsys):
    run = str(runs / "rules" / "liked")
    for _ in range(2):
        assert main(["leaderboard", run, "--out", str(tmp_path / "site")]) == 0
    assert "1 of 1 rows ranked" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("keep")
    assert main(["leaderboard", run, "--out", str(tmp_path / "mine")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "mine" / "index.html").read_text() == "keep"


def _first(changes):
    return lambda run: run.update(changes)


def _accuracy(**changes):
    return lambda run: run["settings"]["all"]["tool_accuracy"].update(changes)


REPORTS = {
    "another scoring version": (_first({"scoring_version": "0"}), ["'run-0'", "scoring version 0, this is"]),
    "another mode": (_first({"mode": "official"}), ["'run-0'", "pass --mode official"]),
    "no spec": (_first({"spec": None}), ["record 0", "'spec'"]),
    "no hash of the data": (lambda run: run["spec"].pop("fingerprint"), ["record 0", "'spec.fingerprint'"]),
    "no settings": (_first({"settings": {}}), ["'settings'", "at least 1"]),
    "an unknown setting": (lambda run: run["settings"].update(x=run["settings"]["all"]), ["'settings.x.[key]'"]),
    "a share above 1": (_accuracy(value=61.2), ["'settings.all.tool_accuracy.value'", "less than or equal to 1"]),
    "no number": (_accuracy(value=float("nan")), ["'settings.all.tool_accuracy.value'"]),
    "no interval": (_accuracy(low=None), ["'settings.all.tool_accuracy'", "low"]),
    "a turned interval": (_accuracy(low=1.0, high=0.0), ["'settings.all.tool_accuracy'", "low"]),
}


def _fails(capsys, arguments, out, *words):
    assert main(["leaderboard", *map(str, arguments), "--out", str(out)]) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line, line
    assert all(word in line for word in words), line
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))


@pytest.mark.parametrize("name", REPORTS)
def test_a_damaged_report_is_refused(runs, tmp_path, capsys, name):
    change, words = REPORTS[name]
    report = _report(runs, tmp_path, change)
    _fails(capsys, [report], tmp_path / "site", str(report), *words)


def test_two_runs_of_one_name_in_a_report_are_refused(runs, tmp_path, capsys):
    report = _report(runs, tmp_path, lambda run: None, _first({"name": "run-0", "agent": "another"}))
    _fails(capsys, [report], tmp_path / "site", "record 1", "two of its runs are called 'run-0'")


FILES = {
    "no JSON": ("{", ["not valid JSON"]),
    "a list": ("[]", ["no list 'runs'"]),
    "another object": ('{"trained_on": 1}', ["no list 'runs'"]),
    "an empty report": ('{"runs": []}', ["holds no run"]),
    "a run that is none": ('{"runs": [3]}', ["record 0", "no summary of a run"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_report_is_refused(tmp_path, capsys, name):
    text, words = FILES[name]
    (tmp_path / "x.json").write_text(text)
    _fails(capsys, [tmp_path / "x.json"], tmp_path / "site", "x.json", *words)


def test_places_without_runs_are_refused(tmp_path, capsys, small_data, runs):
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    _fails(capsys, [tmp_path / "empty"], tmp_path / "site", "empty", "holds no run folder", "predict")
    _fails(capsys, [tmp_path / "nowhere"], tmp_path / "site", "nowhere", "no such file")
    _fails(capsys, [runs, "--data", tmp_path / "nowhere"], tmp_path / "site", "nowhere", "no such dataset folder")


def _damage(name, text):
    return lambda run: (run / name).write_text(text)


DAMAGES = {
    "a cut manifest": (_damage("manifest.json", '{"spec": {'), ["manifest.json", "not valid JSON"]),
    "another manifest": (_damage("manifest.json", "{}"), ["manifest.json", "no manifest"]),
    "an answer that is none": (_damage("predictions.jsonl", '{"id": 3}\n'), ["predictions.jsonl", "line 1"]),
    "cut scores": (_damage("scores-strict.json", '{"name": '), ["scores-strict.json", "not valid JSON"]),
    "scores of nothing": (_damage("scores-strict.json", "{}"), ["scores-strict.json", "no summary of a run"]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_is_refused(runs, tmp_path, capsys, name):
    run = _copy(runs, tmp_path / "runs")
    damage, words = DAMAGES[name]
    damage(run)
    _fails(capsys, [tmp_path / "runs"], tmp_path / "site", *words)


@pytest.fixture
def page(browser, site):
    """The page, opened."""
    return _open(browser, site)


def _open(browser, site):
    browser.get_log("browser")
    browser.get((site / "index.html").as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "true"
    return browser


def _names(page, number=1, group="all"):
    """Return the names that are shown in a table, from top to bottom."""
    script = """const rows = document.querySelectorAll(
      `#data-${arguments[0]} .table[data-setting="${arguments[1]}"] tbody tr`);
    return [...rows].filter((row) => row.checkVisibility()).map((row) => row.querySelector(".name").textContent)"""
    return page.execute_script(script, number, group)


def _choose(page, select, value):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    Select(page.find_element(By.ID, select)).select_by_visible_text(value)


def _header(page, text):
    from selenium.webdriver.common.by import By

    headers = page.find_elements(By.CSS_SELECTOR, "#data-1 .table[data-setting='all'] th")
    return next(header for header in headers if header.text.split("\n")[0].startswith(text))


def test_the_browser_shows_the_tables(page, board):
    assert _names(page) == [row["name"] for row in board["sections"][0]["tables"]["all"]]
    assert _names(page, 2)[0] == "PEToolLLaMA"
    assert _names(page, 1, "chronological") == []
    tags = "return [...document.querySelectorAll('#data-2 .table[data-widest] .tag')].map((tag) => tag.textContent)"
    assert page.execute_script(tags) == ["published"] * len(PUBLISHED)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_error_bars_stand_where_the_figures_say(page, board):
    row = board["sections"][0]["tables"]["all"][0]
    script = """const cell = document.querySelector("#data-1 .table[data-widest] tbody .figure");
    const place = (name) => { const box = cell.querySelector(name).getBBox(); return [box.x, box.x + box.width]; };
    return [cell.textContent.trim(), place(".bar"), place(".range")]"""
    text, bar, span = page.execute_script(script)
    value, low, high = (100 * row["tool_accuracy"][end] for end in ("value", "low", "high"))
    assert text == f"{value:.1f} {low:.1f}–{high:.1f}"
    assert bar == pytest.approx([0, value], abs=0.01)
    assert span == pytest.approx([low, high], abs=0.01)


@pytest.mark.parametrize(
    ("title", "key", "first"),
    [
        ("Run", lambda row: row["name"], False),
        ("Parameter", lambda row: row["param_accuracy"]["value"], True),
        ("History", lambda row: row["history"], False),
        ("Unscored", lambda row: row["unscored"], False),
    ],
)
def test_columns_sort(page, board, title, key, first):
    rows = board["sections"][0]["tables"]["all"]
    header = _header(page, title)
    for descending in (first, not first):
        header.find_element("tag name", "button").click()
        assert header.get_attribute("aria-sort") == ("descending" if descending else "ascending")
        assert _names(page) == [row["name"] for row in sorted(rows, key=key, reverse=descending)]


def test_what_has_no_rank_sorts_last_both_ways(page):
    from selenium.webdriver.common.keys import Keys

    button = _header(page, "Rank").find_element("tag name", "button")
    without = {"told", "first-40", "failed"}
    page.execute_script("arguments[0].focus()", button)
    for _ in range(2):
        page.switch_to.active_element.send_keys(Keys.ENTER)
        assert set(_names(page)[-3:]) == without
    assert _header(page, "Rank").get_attribute("aria-sort") == "descending"


def test_the_table_is_filtered(page, board):
    from selenium.webdriver.common.by import By

    _choose(page, "setting", "Chronological")
    assert _names(page) == []
    assert _names(page, 1, "chronological") == [row["name"] for row in board["sections"][0]["tables"]["chronological"]]
    page.find_element(By.ID, "unranked").click()
    assert not {"told", "first-40"} & set(_names(page, 1, "chronological"))
    page.find_element(By.ID, "published").click()
    assert _names(page, 2, "chronological") == ["lexical"]
    page.find_element(By.ID, "search").send_keys("LEXICAL latest")
    assert _names(page, 1, "chronological") == ["other/lexical"]
    assert page.find_element(By.ID, "count").text.startswith("1 of ")
    _choose(page, "data", "Official PEToolBench test")
    assert not page.find_element(By.ID, "data-1").is_displayed()
    assert page.find_element(By.ID, "data-2").is_displayed()


def test_everything_is_there_without_scripts(browser, site, board):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((site / "index.html").as_uri())
        tables = browser.find_elements("tag name", "table")
        assert len(tables) == sum(len(section["tables"]) for section in board["sections"])
        assert all(table.is_displayed() for table in tables)
        assert not browser.find_element("id", "filters").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [390, 1300])
def test_long_names_do_not_widen_the_page(browser, runs, tmp_path, width):
    report = _report(runs, tmp_path, _first({"name": "a_name_without_spaces_" * 9, "agent": MODEL}))
    build_leaderboard([report], tmp_path / "site")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        _open(browser, tmp_path / "site")
        assert (
            browser.execute_script(
                "const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth"
            )
            == 0
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_names_are_shown_as_text(browser, runs, tmp_path):
    report = _report(
        runs,
        tmp_path,
        _first({"name": HOSTILE, "agent": f'"{HOSTILE}', "petoolbench": HOSTILE}),
        lambda run: run["spec"].update(fingerprint=HOSTILE, model={"style": HOSTILE, HOSTILE: HOSTILE}),
    )
    build_leaderboard([report], tmp_path / "site")
    page = _open(browser, tmp_path / "site")
    assert page.execute_script("return document.body.dataset.hacked") is None
    assert page.find_elements("css selector", "td b, dl b, p b, h2 b") == []
    assert _names(page) == [HOSTILE]


def test_the_space_is_ready_to_push(site):
    head = yaml.safe_load((site / "space" / "README.md").read_text().split("---\n")[1])
    assert head["sdk"] == "gradio"
    assert head["sdk_version"] == GRADIO_VERSION
    assert (site / "space" / head["app_file"]).is_file()
    assert head["license"] == "apache-2.0"
    assert len(head["short_description"]) <= 60
    assert f"gradio=={GRADIO_VERSION}" in (site / "space" / "README.md").read_text()
    compile((site / "space" / "app.py").read_text(), "app.py", "exec")


@pytest.fixture(scope="module")
def space(runs, official, tmp_path_factory):
    """The address of a Space that really runs, with a hostile name among its rows."""
    pytest.importorskip("gradio")
    folder = tmp_path_factory.mktemp("space")
    report = _report(runs, folder, _first({"name": HOSTILE}))
    places = Places((str(official[0]),))
    build_leaderboard([runs, official[1], report], folder / "site", places=places)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder / "site" / "space", env=environment, stdout=log, stderr=log
        )
        try:
            yield _answering(f"http://127.0.0.1:{port}", process, folder / "log"), folder / "site"
        finally:
            process.terminate()
            process.wait(20)


def _answering(address, process, log):
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return address
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_the_space_answers_through_its_api(space):
    from gradio_client import Client

    address, site = space
    board = json.loads((site / "leaderboard.json").read_text())
    client = Client(address, verbose=False)
    for section in board["sections"]:
        rows = section["tables"]["chronological"]
        table, picture = client.predict(section["title"], "chronological", True, True, api_name="/show")
        names, tools = (table["headers"].index(title) for title in ("Run", "Tool %"))
        assert [row[names] for row in table["data"]] == [row["name"] for row in rows]
        expected = [round(100 * row["tool_accuracy"]["value"], 1) for row in rows]
        assert [row[tools] for row in table["data"]] == pytest.approx(expected)
        assert picture["plot"].startswith("data:image/")
    table, _ = client.predict("Official PEToolBench test", "all", False, False, api_name="/show")
    assert [row[names] for row in table["data"]] == ["lexical"]


@pytest.mark.slow
def test_the_space_shows_itself_in_a_browser(space, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    address, _ = space
    browser.get(address)
    wait = WebDriverWait(browser, 60)
    text = "return document.body.innerText"
    wait.until(lambda page: "other/lexical" in page.execute_script(text))
    wait.until(lambda page: page.execute_script("return [...document.images].some((one) => one.naturalWidth > 500)"))
    assert browser.execute_script("return document.body.dataset.hacked") is None
    assert HOSTILE in browser.execute_script("return document.body.textContent")
    box = next(box for box in browser.find_elements("css selector", "input[aria-label='Data']"))
    box.click()
    option = next(o for o in browser.find_elements("css selector", "[role='option']") if "Official" in o.text)
    option.click()
    wait.until(lambda page: "PEToolLLaMA w/o SFT" in page.execute_script(text))
    assert "other/lexical" not in browser.execute_script(text)
