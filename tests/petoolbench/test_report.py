"""The report: its files, its numbers, and its page in a real browser."""

import json

import pytest

from petoolbench.__main__ import main
from petoolbench.analyses.usage import Prices
from petoolbench.answering import find_answerer
from petoolbench.charts.panels import add_legend, add_panels, draw_line, new_figure, short
from petoolbench.folders import PACKAGE_FOLDER, open_dataset
from petoolbench.predict import predict, run_spec
from petoolbench.report import build_report
from petoolbench.results import score_run, summarise

PRICES = Prices(input=0.15, output=0.6)
LONG = "_hf:Qwen-Qwen2.5-7B-Instruct-guided-$at$-temperature-0.1-and-a-window-of-4000"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_data):
    """Runs on the hand-written data: a rule with and without history, hostile answers, and answers like a model's."""
    folder = tmp_path_factory.mktemp("runs")
    data = open_dataset(str(small_data))
    for name, agent, history in (
        ("liked", "liked-minus-disliked", True),
        ("liked-no-history", "liked-minus-disliked", False),
        ("hostile", "lexical", True),
        (LONG, "random", True),
    ):
        spec = run_spec(data, "all", "test", agent, history=history)
        predict(data, str(small_data), spec, find_answerer(agent), folder / name)
    _make_hostile(folder / "hostile" / "predictions.jsonl")
    _make_like_a_models(folder / LONG / "predictions.jsonl")
    return [folder / "liked", folder / "liked-no-history", folder / "hostile", folder / LONG]


def _make_hostile(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] = {"id": rows[0]["id"], "text": "</script><script>document.body.dataset.hacked = 'yes'</script><b>bold"}
    rows[1] = {"id": rows[1]["id"], "error": "HTTP 500"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _make_like_a_models(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    told = {"prompt_tokens": 3_000, "completion_tokens": 40, "seconds": 0.5, "finish": "closed"}
    more = [{"dropped": place % 2, "confidence": place / 45} for place in range(len(rows))]
    path.write_text("".join(json.dumps({**row, **told, **extra}) + "\n" for row, extra in zip(rows, more, strict=True)))


@pytest.fixture(scope="module")
def report(runs, tmp_path_factory):
    """The folder of a report on the runs."""
    return build_report(runs, tmp_path_factory.mktemp("report") / "out", prices=PRICES).parent


def test_files(report):
    assert {path.name for path in report.iterdir()} == {
        "report.html",
        "report.json",
        "tool_accuracy.png",
        "by_history_length.png",
        "with_and_without_history.png",
        "calibration.png",
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in report.glob("*.png"))


def test_numbers_are_those_of_the_runs(report, runs):
    numbers = json.loads((report / "report.json").read_text())
    assert numbers["runs"] == [json.loads(json.dumps(summarise(score_run(run), PRICES))) for run in runs]
    assert len(numbers["comparisons"]) == 6 * 4 * 3
    assert [effect["name"] for effect in numbers["history_effects"]] == ["liked"]
    assert [name for name in ("usage", "calibration") if name in numbers["runs"][0]] == []
    assert numbers["runs"][3]["usage"]["all"]["cost"]["n"] == 45
    assert numbers["published"]["table_1"][-3]["name"] == "PEToolLLaMA"


def test_published_rows_add_up():
    """The rows were typed by hand: 'all' is the mean of the settings, tool errors and tool accuracy add up to 100."""
    published = json.loads((PACKAGE_FOLDER / "published_results.json").read_text())
    for row in published["table_1"]:
        for column in (0, 1):
            mean = sum(row[s][column] for s in ("preferred_only", "rating_integrated", "chronological")) / 3
            assert row["all"][column] == pytest.approx(mean, abs=0.11), row
    tools = {row["name"]: row for row in published["table_1"]}
    for row in published["table_2"]:
        for setting in ("preferred_only", "chronological"):
            tool_errors = sum(row[setting][:4])
            assert 100 - tool_errors == pytest.approx(tools[row["name"]][setting][0], abs=7), row


def test_the_page_needs_nothing_from_outside(report):
    page = (report / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 4


def test_a_report_is_replaced_but_nothing_else_is(runs, tmp_path, capsys):
    out = tmp_path / "out"
    for _ in range(2):
        assert main(["report", str(runs[0]), "--out", str(out)]) == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    assert main(["report", str(runs[0]), "--out", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    assert "not empty" in capsys.readouterr().err


@pytest.fixture
def page(browser, report):
    """The report, opened and unpacked."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get((report / "report.html").as_uri())
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return document.body.dataset.ready") == "true")
    return browser


def _texts(page, selector):
    script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)"
    return page.execute_script(script, selector)


def _choose(page, select, value):
    page.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))",
        select,
        value,
    )


def test_the_browser_shows_tables_and_pictures(page):
    rows = _texts(page, "#accuracy + p + .scroll tbody tr td:first-child")
    assert rows[:4] == ["liked", "liked-no-historyno history", "hostile", LONG]
    assert "PEToolLLaMApublished" in rows
    loaded = page.execute_script("return [...document.images].map((image) => image.naturalWidth > 300)")
    assert loaded == [True] * 4
    errors = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def test_single_instances_can_be_browsed(page, small_data):
    assert _texts(page, "#count") == ["45 instances"]
    _choose(page, "setting", "rating_integrated")
    assert _texts(page, "#count") == ["15 instances"]
    assert len(_texts(page, "#list button")) == 15
    page.execute_script("document.querySelectorAll('#list button')[3].click()")
    instance = list(open_dataset(str(small_data)).instances("rating_integrated", "test"))[3]
    detail = _texts(page, "#detail")[0]
    assert instance.instruction in detail
    assert instance.id in detail
    assert all(past.instruction in detail and past.call.name in detail for past in instance.history)
    assert _texts(page, "#detail .candidate summary") == [tool.name for tool in instance.candidates]
    assert _texts(page, "#detail .candidate.gold summary") == [instance.reference.name]
    assert len(_texts(page, "#detail .answer")) == 4


def test_the_search_and_the_verdicts_filter(page, small_data):
    from selenium.webdriver.common.by import By

    _choose(page, "run", "2")
    _choose(page, "verdict", "unscored")
    assert _texts(page, "#count") == ["1 instances"]
    _choose(page, "verdict", "")
    instance = next(open_dataset(str(small_data)).instances("chronological", "test"))
    page.find_element(By.ID, "search").send_keys(instance.instruction)
    assert _texts(page, "#list button") == [
        f"{instance.instruction}chronological · " + _texts(page, "#list button")[0].split(" · ")[1]
    ]
    page.find_element(By.ID, "search").send_keys("#nobody says this#")
    assert _texts(page, "#list button") == []


def test_model_text_is_shown_as_text(page):
    _choose(page, "run", "2")
    _choose(page, "verdict", "invalid_format")
    assert "document.body.dataset.hacked" in _texts(page, "#detail")[0]
    assert page.execute_script("return document.body.dataset.hacked") is None
    assert _texts(page, "#detail b") == []


def test_the_analyses_stand_on_the_page(page):
    history = _texts(page, "#history + p + .scroll tbody td")
    assert history[:4] == ["liked", "liked-no-history", "preferred_only", "15"]
    captions = " ".join(_texts(page, "figcaption"))
    assert "liked: 15 preferred_only, 15 rating_integrated, 15 chronological" in captions
    usage = _texts(page, "#usage + p + .scroll tbody td")
    assert usage[:5] == [LONG, "45", "3000", "3000", "3000"]
    assert usage[-2:] == [f"{(3_000 * 0.15 + 40 * 0.6) / 1e6:.3g}", f"{45 * (3_000 * 0.15 + 40 * 0.6) / 1e6:.3g}"]
    assert "closed 45" in _texts(page, "#usage ~ h3 + p + .scroll tbody td")
    assert _texts(page, "#calibration + p + .scroll tbody td")[:2] == [LONG, "45"]
    assert _texts(page, "#seen") == []
    assert all(page.execute_script("return document.querySelector(arguments[0])", link) for link in _links(page))


def _links(page):
    return page.execute_script(
        "return [...document.querySelectorAll('nav a')].map((link) => link.getAttribute('href'))"
    )


def test_an_answer_says_what_the_window_left_out(page):
    _choose(page, "run", "3")
    page.execute_script("document.querySelectorAll('#list button')[1].click()")
    assert "the window left out the oldest 1 of the interactions" in _texts(page, "#detail")[0]
    page.execute_script("document.querySelectorAll('#list button')[2].click()")
    assert "the window left out" not in _texts(page, "#detail")[0]


def test_no_table_is_wider_than_the_page(page):
    page.execute_script("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_names_that_matplotlib_reads_otherwise_stand_in_the_legend():
    figure = new_figure(6, 4)
    panels = add_panels(figure, ["only"])
    point = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    names = [LONG, "$x^", "plain"]
    lines = {name: draw_line(panels["only"], [(0, point)], place) for place, name in enumerate(names)}
    add_legend(figure, lines, 6)
    shown = [text.get_text().lstrip("\u200b") for text in figure.legends[0].get_texts()]
    assert shown == [short(name) for name in names]
    figure.canvas.draw()


def test_a_long_name_keeps_both_ends():
    assert short("a" * 34) == "a" * 34
    assert short(LONG).startswith("_hf:Qwen-")
    assert short(LONG).endswith("window-of-4000")
    assert len(short(LONG)) == 34
