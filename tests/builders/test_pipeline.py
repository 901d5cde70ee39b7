"""The synthesis end to end on three categories, with the real embedder, and its stages one by one."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from builders.__main__ import main
from builders.clustering import group_tools, measure
from builders.compositions import composition_odds
from builders.instructions import final_requests
from builders.records import CatalogueTool, FinalRequest, Group, History, Plan, ToolExample, UnderstoodTool
from builders.repeats import Asked
from builders.stages import StageFile, resumed
from builders.taste import settle
from builders.understanding import filter_tools
from petoolbench.folders import open_dataset
from petoolbench.llm import ChatReply
from petoolbench.schema import Tool

ROOT = Path(__file__).parents[2]
SMALL = {
    "name": "small",
    "seed": 3,
    "catalogue": {"categories": ["Weather", "Maps", "Music", "Energy"]},
    "grouping": {"eps": 0.65, "min_samples": 2},
    "samples": {
        "preferred_only": {
            "setting": "preferred_only",
            "train": 30,
            "test": 20,
            "evidence": {"direct": 1, "vendor": 2},
        },
        "chronological": {
            "setting": "chronological",
            "train": 30,
            "test": 20,
            "evidence": {"direct": 1, "vendor": 1, "elimination": 1},
        },
        "attribute_transfer": {
            "setting": "rating_integrated",
            "train": 20,
            "test": 10,
            "evidence": {"attribute": 1},
            "documentation": True,
        },
    },
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    config = folder / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    arguments = ["--config", str(config), "--work", str(folder / "work"), "--out", str(folder / "out"), "--quiet"]
    assert main(arguments) == 0
    return folder


def test_a_build_gives_a_dataset_folder(built):
    data = open_dataset(str(built / "out"))
    assert data.count("preferred_only", "train") > 20
    assert data.count("attribute_transfer", "test") > 0
    assert data.count("all", "test") == data.count("preferred_only", "test") + data.count("chronological", "test")
    assert (built / "out" / "figures" / "instances.png").read_bytes().startswith(b"\x89PNG")
    documented = list(data.instances("attribute_transfer", "test"))
    assert all(past.documentation for instance in documented for past in instance.history)


def test_the_report_adds_up(built):
    report = json.loads((built / "out" / "build_report.json").read_text(encoding="utf-8"))
    assert list(report["funnel"]) == [
        "understanding",
        "grouping",
        "preferences",
        "histories",
        "instructions",
        "candidates",
    ]
    for counts in report["funnel"].values():
        assert counts["entered"] == counts["left"] + sum(counts["dropped"].values())
    assert report["grouping"]["purity"] == report["grouping"]["completeness"] == 1.0
    assert report["funnel"]["candidates"]["left"] == sum(split["instances"] for split in report["splits"].values())


@pytest.mark.slow
def test_the_same_build_has_the_same_bytes(built, tmp_path):
    config = built / "small.yaml"
    assert main(["--config", str(config), "--work", str(tmp_path / "w"), "--out", str(tmp_path / "o"), "--quiet"]) == 0
    files = sorted(path.relative_to(tmp_path / "o") for path in (tmp_path / "o").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(built / "out") for path in (built / "out").rglob("*") if path.is_file())
    assert all((tmp_path / "o" / name).read_bytes() == (built / "out" / name).read_bytes() for name in files)


def test_a_stopped_build_goes_on(built, tmp_path):
    """Stage files that a killed run left, one of them cut off within a line, are taken up; the result is the same."""
    config, work = built / "small.yaml", tmp_path / "w"
    assert main(["--config", str(config), "--work", str(work), "--stage", "histories", "--quiet"]) == 0
    whole = (work / "5_histories.jsonl").read_bytes()
    (work / "5_histories.jsonl").rename(work / "5_histories.jsonl.part")
    with (work / "5_histories.jsonl.part").open("r+b") as file:
        file.truncate(len(whole) * 2 // 3)
    assert main(["--config", str(config), "--work", str(work), "--out", str(tmp_path / "o"), "--quiet"]) == 0
    assert (work / "5_histories.jsonl").read_bytes() == whole
    name = "data/chronological/train-00000-of-00001.parquet"
    assert (tmp_path / "o" / name).read_bytes() == (built / "out" / name).read_bytes()


def test_stages_of_another_build_are_not_taken_up(built, tmp_path, capsys):
    config = tmp_path / "other.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "seed": 4}), encoding="utf-8")
    assert main(["--config", str(config), "--work", str(built / "work"), "--out", str(tmp_path / "o")]) == 2
    assert "--fresh" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sed": 1}, "field 'sed'"),
        ({"grouping": {"eps": 0, "min_samples": 2}}, "field 'grouping.eps'"),
        ({"catalogue": {"categories": ["Wether"]}}, "no category 'Wether'"),
        ({"samples": {"x": {"setting": "sometimes", "train": 1, "test": 1, "evidence": {}}}}, "samples.x.setting"),
    ],
)
def test_a_wrong_config_is_named(tmp_path, capsys, change, problem):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**SMALL, **change}), encoding="utf-8")
    assert main(["--config", str(path), "--work", str(tmp_path / "w"), "--out", str(tmp_path / "o")]) == 2
    shown = capsys.readouterr().err
    assert problem in shown
    assert len(shown.strip().splitlines()) == 1


def test_a_filled_folder_is_not_built_into(built, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    arguments = ["--config", str(built / "small.yaml"), "--work", str(built / "work"), "--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "not empty" in capsys.readouterr().err
    assert main([*arguments[:2], "--work", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "holds no build" in capsys.readouterr().err


def test_help_works_from_the_command_line():
    shown = subprocess.run(
        [sys.executable, "-m", "builders", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--stage" in shown.stdout


def _tool(name: str, description: str = "Tells the time of day in a city.", **more: object) -> CatalogueTool:
    parameters = {"type": "object", "properties": {"city": {"type": "string", "description": "City."}}, "required": []}
    tool = Tool(
        name=name, category="Time", provider="P", endpoint="now", description=description, parameters=parameters
    )
    return CatalogueTool(tool=tool, **more)


def test_the_three_filters_count_their_reasons():
    dropped: Counter[str] = Counter()
    tools = [
        _tool("a"),
        _tool("a", "Another text about the time."),
        _tool("b"),
        _tool("c", "Too short"),
        _tool("d", "Gives the time, once more.", deprecated=True),
        _tool("e", "Gives the date of today, too."),
    ]
    assert [entry.tool.name for entry in filter_tools(tools, dropped)] == ["a", "e"]
    assert dropped == {"duplicate": 2, "insufficient documentation": 1, "deprecated": 1}


def _understood(name: str, group: str, parameter: str = "city") -> UnderstoodTool:
    parameters = {"type": "object", "properties": {parameter: {"type": "string"}}, "required": [parameter]}
    tool = Tool(
        name=name, category="Time", provider=name, endpoint="now", description="Gives the time.", parameters=parameters
    )
    source = CatalogueTool(tool=tool, group_key=group)
    return UnderstoodTool(source=source, tool=tool, example=ToolExample(instruction="", arguments={}))


def test_grouping_cuts_clusters_by_format_and_is_measured():
    tools = [_understood("a", "x"), _understood("b", "x"), _understood("c", "y", "zone"), _understood("d", "y", "zone")]
    tools += [_understood("e", "z"), _understood("f", "z")]
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.02], [1, 0.03], [0, 1], [0.01, 1]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = group_tools(tools, vectors, eps=0.1, min_samples=2)
    assert sorted(group.tools for group in groups) == [("a", "b"), ("c", "d"), ("e", "f")]
    assert measure(groups, tools).purity == measure(groups, tools).completeness == 1.0
    wide = measure(group_tools(tools, vectors, eps=2.0, min_samples=2), tools)
    assert wide.purity == pytest.approx(4 / 6)
    assert wide.completeness == 1.0
    assert measure(group_tools(tools[:1], vectors[:1], eps=0.1, min_samples=2), tools[:1]).alone == 1


@pytest.mark.parametrize(
    ("standings", "answer"),
    [
        ({"a": 2, "b": 0, "c": -1}, ("a", "direct")),
        ({"a": 1, "b": 0}, ("a", "vendor")),
        ({"a": 0, "b": -1, "c": -1}, ("a", "elimination")),
        ({"a": 0, "b": 0}, None),
        ({"a": 2, "b": 1}, None),
        ({"a": -1, "b": -1}, None),
        ({"a": 0, "b": -1, "c": 0}, None),
    ],
)
def test_what_settles_a_group(standings, answer):
    assert settle(standings) == answer


def test_the_size_of_a_group_does_not_tell_the_target():
    sizes = [2] * 15 + [3] * 35 + [4] * 30 + [5] * 20
    odds = composition_odds(sizes, 10)
    uses: dict[tuple[int, ...], Counter[int]] = {}
    for size, options in odds.items():
        assert sum(odd for _, odd in options) == pytest.approx(1)
        for others, odd in options:
            assert 8 <= size + sum(others) <= 10
            uses.setdefault(tuple(sorted((size, *others))), Counter())[size] += sizes.count(size) / 100 * odd
    best_guess = sum(max(share / use.count(size) for size, share in shares.items()) for use, shares in uses.items())
    assert best_guess < 0.4


def test_a_stage_reads_back_what_it_wrote(tmp_path):
    examples = [ToolExample(instruction=f"wörd {n}\nline", arguments={"n": n}) for n in range(20)]
    keys = [example.instruction for example in examples]
    file = StageFile(tmp_path / "x.jsonl", ToolExample)
    made = []

    def make(wanted):
        for key in wanted:
            made.append(key)
            if len(made) == 7:
                raise KeyboardInterrupt
            yield examples[keys.index(key)]

    with pytest.raises(KeyboardInterrupt):
        resumed(file, keys, lambda one: one.instruction, make)
    assert not file.complete
    assert resumed(file, keys, lambda one: one.instruction, make) == examples
    assert file.read() == examples
    assert len(made) == 21


def test_plans_hold_the_evidence_wanted(built):
    plans = StageFile(built / "work" / "4_plans.jsonl", Plan).read()
    assert {plan.target.evidence for plan in plans} == {"direct", "vendor", "elimination", "attribute"}
    assert not {p.user_id for p in plans if p.split == "test"} & {p.user_id for p in plans if p.split == "train"}


@pytest.fixture(scope="module")
def world(built):
    """The tools and groups of a build, its plans and its histories."""
    work = built / "work"
    tools = {entry.tool.name: entry for entry in StageFile(work / "2_tools.jsonl", UnderstoodTool).read()}
    groups = {group.id: group for group in StageFile(work / "3_groups.jsonl", Group).read()}
    plans = {plan.user_id: plan for plan in StageFile(work / "4_plans.jsonl", Plan).read()}
    histories = StageFile(work / "5_histories.jsonl", History).read()
    return SimpleNamespace(tools=tools, groups=groups), plans, histories


def test_no_test_request_repeats_a_training_request(built, world):
    market, plans, _ = world
    files = [StageFile(built / "work" / f"6_requests_{split}.jsonl", FinalRequest) for split in ("train", "test")]
    training, test = (file.read() for file in files)
    asked = Asked(training, plans, market)
    assert all(asked.repeats(plans[request.user_id], request) for request in training)
    assert not any(asked.repeats(plans[request.user_id], request) for request in test)
    assert all(request.tries == 1 for request in training)
    report = json.loads((built / "out" / "build_report.json").read_text(encoding="utf-8"))
    assert report["tries"] == {str(n): count for n, count in sorted(Counter(r.tries for r in training + test).items())}


class _Scripted:
    """A chat model that says its replies one after the other, and keeps what it was told."""

    name, copies = "scripted", False

    def __init__(self, replies):
        self.left = list(replies)
        self.told = []

    def replies(self, requests):
        for request in requests:
            self.told.append((request.key, request.render()[0].content))
            yield ChatReply(text=self.left.pop(0))


def _answer(request, instruction):
    accepted = [entry.model_dump() for entry in request.accepted]
    return json.dumps({"instruction": instruction, "arguments": request.arguments, "accepted": accepted})


def test_a_request_that_repeats_training_is_written_anew(built, world):
    """Nearly the same words are refused, and so is the same call in other words; the model is told what was refused."""
    market, plans, histories = world
    training = StageFile(built / "work" / "6_requests_train.jsonl", FinalRequest).read()
    known = max(training, key=lambda request: len(request.instruction))
    plan = plans[known.user_id]
    pairs = [(plan, next(one for one in histories if one.user_id == known.user_id))]
    words = "Now for something that nobody has asked for in these words."
    nearly, same_call = _answer(known, f"{known.instruction}!"), _answer(known, words)
    bare = known.model_copy(update={"arguments": {}})
    assert Asked([known], plans, market).repeats(plan, known.model_copy(update={"instruction": words}))
    model = _Scripted([nearly, same_call])
    [found] = final_requests(pairs, market, model, Asked([bare], plans, market))
    assert (found.instruction, found.tries) == (words, 2)
    assert [key for key, _ in model.told] == [plan.user_id, f"{plan.user_id}/2"]
    assert [known.instruction in prompt for _, prompt in model.told] == [False, True]


def test_a_request_that_goes_on_repeating_is_dropped_with_a_reason(built, world):
    market, plans, histories = world
    known = StageFile(built / "work" / "6_requests_train.jsonl", FinalRequest).read()[0]
    pairs = [(plans[known.user_id], next(one for one in histories if one.user_id == known.user_id))]
    model = _Scripted([_answer(known, known.instruction)] * 100)
    assert list(final_requests(pairs, market, model, Asked([known], plans, market))) == [
        "the instruction repeats one of training"
    ]
    assert 10 <= len(model.told) <= 50
