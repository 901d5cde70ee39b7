"""Runs against real servers on 127.0.0.1: faults, dialects, both styles, guidance, batches, and what is never told."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("openai")

from petoolbench.__main__ import main
from petoolbench.folders import open_dataset, write_dataset
from petoolbench.models import batch_api
from petoolbench.models.guided import call_schema
from petoolbench.prompts import render_prompt
from petoolbench.results import score_run, summarise
from petoolbench.runs import read_run
from petoolbench.scoring import score
from tests.petoolbench.chat_server import ChatServer, completion, rule_message
from tests.tiny import PLAIN_TEMPLATE

KEY = "sk-test-4815162342abcdefgh"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    """Start without a key or an address in the environment."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def ask(tmp_path, small_data):
    """A function that lets a server's model answer hand-written data into a folder; it returns the exit code.

    The data has 15 instances, or 45 with all settings.
    """

    def run(url, *options, name="x", model="openai:rule-1", command="predict", config="chronological"):
        arguments = [command, "--data", str(small_data), "--config", config, "--model", model]
        arguments += ["--out", str(tmp_path / name)]
        return main([*arguments, *(["--base-url", url] if url else []), *map(str, options)])

    return run


def _line(capsys):
    """Return the one line of an error."""
    shown = capsys.readouterr().err.strip()
    assert "\n" not in shown
    return shown


def test_a_servers_answers_are_scored(ask, tmp_path, small_data):
    with ChatServer(pause=0.01) as server:
        assert ask(server.url, "--quiet", config="all") == 0
    ids = [entry.id for entry in open_dataset(str(small_data)).instances("all", "test")]
    run = read_run(tmp_path / "x")
    assert list(run.predictions) == ids
    assert all(answer.text and answer.prompt_tokens and answer.seconds for answer in run.predictions.values())
    assert all(answer.finish == "stop" and answer.dropped == 0 for answer in run.predictions.values())
    assert 1 < server.behaviour.most_at_once <= 16
    summary = summarise(score_run(tmp_path / "x"))["settings"]["all"]
    assert summary["unscored"] == 0
    assert summary["tool_accuracy"]["value"] > 0.1
    first = server.behaviour.requests[0]
    assert (first["temperature"], first["max_completion_tokens"], first["seed"]) == (0.1, 256, 0)
    assert "tools" not in first


def test_settings_reach_the_server(ask):
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--limit", 2, "--temperature", 0, "--max-new-tokens", 77, "--seed", 5) == 0
    assert [(r["temperature"], r["max_completion_tokens"], r["seed"]) for r in server.behaviour.requests] == [
        (0, 77, 5)
    ] * 2


def test_the_manifest_of_a_model(ask, tmp_path):
    with ChatServer() as server:
        address = server.url.replace("http://", "http://someone:secret-word@")
        assert ask(address, "--quiet", "--limit", 3) == 0
    text = (tmp_path / "x" / "manifest.json").read_text()
    assert "secret-word" not in text
    assert "someone" not in text
    manifest = json.loads(text)
    wanted = {"name": "openai:rule-1", "style": "paper", "window": 4_000, "max_new_tokens": 256, "temperature": 0.1}
    assert manifest["spec"]["model"].items() >= {**wanted, "guided": False, "base_url": server.url}.items()
    assert manifest["spec"]["agent"] == "openai:rule-1"
    assert manifest["answerer"]["model"] == "rule-1-2026"
    assert manifest["answerer"]["window"].startswith("not kept")
    assert manifest["answers"].items() >= {"answered": 3, "unscored": 0}.items()
    assert manifest["answers"]["prompt_tokens"] > manifest["answers"]["completion_tokens"] > 0


def test_native_calls(ask, tmp_path, small_data):
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--style", "native") == 0
        assert ask(server.url, "--quiet", name="paper") == 0
    assert {request.get("tool_choice") for request in server.behaviour.requests[:15]} == {"auto"}
    native, paper = read_run(tmp_path / "x").predictions, score_run(tmp_path / "paper")
    picked = {entry.id: entry.score.called.name for entry in paper.judged}
    assert {key: answer.calls[0].name for key, answer in native.items()} == picked


def _with_arguments(arguments):
    def answer(request):
        message = rule_message(request)
        message["tool_calls"][0]["function"]["arguments"] = arguments
        return completion(request, message)

    return answer


@pytest.mark.parametrize("arguments", ['{"city": "Oslo', "[1]", '"x"', "nothing", "[" * 100_000])
def test_native_calls_with_broken_arguments_are_the_models_words(ask, tmp_path, small_data, arguments):
    with ChatServer(answer=_with_arguments(arguments)) as server:
        assert ask(server.url, "--quiet", "--style", "native", "--limit", 2) == 0
    for instance in open_dataset(str(small_data)).instances("all", "test"):
        answer = read_run(tmp_path / "x").predictions.get(instance.id)
        if answer is not None:
            assert answer.calls is None
            assert answer.error is None
            assert score(answer, instance.reference).error == "invalid_format"


def test_native_arguments_as_an_object_and_none(ask, tmp_path):
    for name, arguments, wanted in (("object", {"city": "Oslo"}, {"city": "Oslo"}), ("none", None, {})):
        with ChatServer(answer=_with_arguments(arguments)) as server:
            assert ask(server.url, "--quiet", "--style", "native", "--limit", 1, name=name) == 0
        assert next(iter(read_run(tmp_path / name).predictions.values())).calls[0].arguments == wanted


def test_a_server_that_leaves_native_calls_in_the_text(ask, tmp_path):
    def as_text(request):
        function = rule_message(request)["tool_calls"][0]["function"]
        return completion(
            request, {"content": f'<tool_call>{{"name": "{function["name"]}", "arguments": {{}}}}</tool_call>'}
        )

    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--style", "native") == 0
    with ChatServer(answer=as_text) as server:
        assert ask(server.url, "--quiet", "--style", "native", name="text") == 0
    calls = [
        {key: answer.calls for key, answer in read_run(tmp_path / name).predictions.items()} for name in ("x", "text")
    ]
    assert calls[0] == calls[1]


def _many(small_data, tmp_path, count):
    """Write a data set of many instances, no two prompts alike."""
    entries = list(open_dataset(str(small_data)).instances("chronological", "test"))
    copies = [
        entry.model_copy(update={"id": f"{entry.id}-{turn}", "instruction": f"{entry.instruction} ({turn})"})
        for turn in range(count // len(entries) + 1)
        for entry in entries
    ][:count]
    folder = tmp_path / "many"
    folder.mkdir()
    write_dataset(folder, {"chronological": {"test": copies}}, entries[0].candidates, "# Many\n", {})
    return folder


def test_200_instances_against_a_server_that_fails_30_percent(tmp_path, small_data, capsys, monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.05)
    data = _many(small_data, tmp_path, 200)
    run = ["predict", "--data", str(data), "--config", "chronological", "--model", "openai:rule-1"]
    run += ["--out", str(tmp_path / "x"), "--timeout", "0.5", "--concurrency", "32"]
    with ChatServer(faults=0.3) as server:
        assert main([*run, "--base-url", server.url]) == 0
        shown = " ".join(capsys.readouterr().err.split())
        drawn = server.behaviour.drawn
        answers = read_run(tmp_path / "x").predictions
        failed = [key for key, answer in answers.items() if answer.error is not None]
        assert len(answers) == 200
        assert 0.2 < 1 - drawn[None] / drawn.total() < 0.4
        assert min(drawn[kind] for kind in ("429", "500", "time-out", "cut-off", "no JSON")) > 5
        assert 0 < len(failed) < 40
        assert f"{len(failed)} of them have no answer" in shown
        assert "--retry" in shown
        numbers = summarise(score_run(tmp_path / "x"))["settings"]["chronological"]
        assert (numbers["unscored"], numbers["tool_accuracy"]["n"]) == (len(failed), 200 - len(failed))
        asked = len(server.behaviour.requests)
        server.behaviour.faults = 0.0
        assert main([*run, "--base-url", server.url, "--retry"]) == 0
    assert len(server.behaviour.requests) == asked + len(failed)
    lines = (tmp_path / "x" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [
        entry.id for entry in open_dataset(str(data)).instances("chronological", "test")
    ]
    assert all("error" not in json.loads(line) for line in lines)


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_other_refusals_leave_one_instance_unscored_at_once(ask, tmp_path, small_data, status):
    instruction = list(open_dataset(str(small_data)).instances("preferred_only", "test"))[5].instruction
    with ChatServer(fails=(status, "your prompt is not welcome", None), fails_at=instruction) as server:
        assert ask(server.url, "--quiet", config="preferred_only") == 0
    errors = [answer.error for answer in read_run(tmp_path / "x").predictions.values() if answer.error]
    assert errors == [f"HTTP {status}: your prompt is not welcome"]
    assert len(server.behaviour.requests) == 15


def test_an_answer_that_a_filter_kept_back_is_unscored(ask, tmp_path):
    seen = []

    def answer(request):
        seen.append(request)
        return (
            completion(request, {"content": ""}, finish="content_filter")
            if len(seen) == 1
            else completion(request, rule_message(request))
        )

    with ChatServer(answer=answer) as server:
        assert ask(server.url, "--quiet", "--limit", 3) == 0
    errors = [answer.error for answer in read_run(tmp_path / "x").predictions.values()]
    assert errors == ["the server's content filter kept the answer back", None, None]


def test_an_answer_that_was_cut_off_says_so(ask, tmp_path):
    with ChatServer(
        answer=lambda request: completion(request, {"content": '{"tool_name": "'}, finish="length")
    ) as server:
        assert ask(server.url, "--quiet", "--limit", 1) == 0
    (answer,) = read_run(tmp_path / "x").predictions.values()
    assert (answer.finish, answer.text) == ("length", '{"tool_name": "')


@pytest.mark.parametrize(
    ("refused", "limit", "seed"),
    [
        (("max_completion_tokens",), "max_tokens", True),
        (("seed",), "max_completion_tokens", False),
        (("seed", "max_completion_tokens"), "max_tokens", False),
    ],
)
def test_a_servers_dialect_is_found_out_once(ask, tmp_path, refused, limit, seed):
    with ChatServer(refused=refused) as server:
        assert ask(server.url, "--quiet", "--limit", 6) == 0
    requests = server.behaviour.requests
    assert len(requests) == 6 + len(refused)
    assert all(limit in request and ("seed" in request) == seed for request in requests[len(refused) :])
    described = json.loads((tmp_path / "x" / "manifest.json").read_text())["answerer"]
    assert (described["limit"], described["seed"] == "sent") == (limit, seed)


def test_a_server_that_overlooks_the_modern_limit_is_asked_by_the_old_name(ask, tmp_path):
    with ChatServer(limit="max_tokens") as server:
        assert ask(server.url, "--quiet", "--limit", 3, "--max-new-tokens", 2) == 0
    assert ["max_tokens" in request for request in server.behaviour.requests] == [False, True, True, True]
    assert {answer.completion_tokens for answer in read_run(tmp_path / "x").predictions.values()} == {2}


def test_guided_sends_a_schema_of_the_candidates(ask, tmp_path, small_data):
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--guided", "--limit", 2) == 0
        assert ask(server.url, "--quiet", "--guided", "--style", "native", "--limit", 1, name="native") == 0
    first = next(iter(open_dataset(str(small_data)).instances("chronological", "test")))
    sent = server.behaviour.requests[0]["response_format"]
    assert sent["json_schema"]["schema"] == call_schema(first, render_prompt(first))
    names = [entry["properties"]["tool_name"]["const"] for entry in sent["json_schema"]["schema"]["anyOf"]]
    assert names == [tool.name for tool in first.candidates]
    assert server.behaviour.requests[2]["tool_choice"] == "required"
    assert json.loads((tmp_path / "x" / "manifest.json").read_text())["spec"]["model"]["guided"] is True


def _stops(capsys, code, *words):
    line = _line(capsys)
    assert code == 2
    for word in words:
        assert word in line, line


def _prose(request):
    return completion(request, {"content": "Hello"})


STOPS = {
    "another model": ({"model": "rule-2"}, [], ["no model 'rule-1'", "mend --model"]),
    "no page": ({"fails": (404, "no such page", None)}, [], ["--base-url", "/v1"]),
    "a bill": ({"fails": (402, "pay first", None)}, [], ["refuses to answer (402): pay first"]),
    "no right": ({"fails": (403, "not in your country", None)}, [], ["refuses to answer (403): not in your country"]),
    "no quota": ({"fails": (400, "you have used up your quota", "insufficient_quota")}, [], ["used up your quota"]),
    "a temperature": ({"refused": ("temperature",)}, [], ["--temperature 0.1", "try --temperature 1"]),
    "no schemas": ({"refused": ("response_format",)}, ["--guided"], ["--guided", "leave it out"]),
    "no choice": ({"refused": ("tool_choice",)}, ["--guided", "--style", "native"], ["--guided", "leave it out"]),
    "a schema that is overlooked": ({"answer": _prose}, ["--guided"], ["does not hold to the schema"]),
    "a call that is not made": ({"answer": _prose}, ["--guided", "--style", "native"], ["does not hold to the schema"]),
    "refusals of all": ({"fails": (400, "no", None)}, [], ["none of 15 instances", "HTTP 400: no"]),
    "no chat API": ({"answer": lambda request: {}}, [], ["none of 15 instances", "none of the chat API", "choices"]),
}  # fmt: skip


@pytest.mark.parametrize("case", STOPS)
def test_a_fault_of_all_stops_the_run_and_leaves_nothing(ask, tmp_path, capsys, case):
    behaviour, options, words = STOPS[case]
    with ChatServer(**behaviour) as server:
        _stops(capsys, ask(server.url, "--quiet", *options), *words)
    assert list(tmp_path.iterdir()) == []


def test_no_server(ask, tmp_path, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    started = time.monotonic()
    _stops(capsys, ask(url, "--quiet"), url, "no server answers there", "--base-url")
    assert time.monotonic() - started < 6
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_fails_from_then_on_stops_the_run_which_goes_on_later(tmp_path, small_data, capsys):
    data = _many(small_data, tmp_path, 120)
    run = ["predict", "--data", str(data), "--model", "openai:rule-1", "--out", str(tmp_path / "x"), "--quiet"]
    with ChatServer(fails=(400, "gone", None), fails_after=30) as server:
        assert main([*run, "--base-url", server.url]) == 2
        assert "50 calls in a row failed, the last one with: HTTP 400: gone; " in _line(capsys)
        answers = read_run(tmp_path / "x").predictions.values()
        assert sum(answer.error is None for answer in answers) == 30
        assert len(server.behaviour.requests) < 100
        server.behaviour.fails = None
        assert main([*run, "--base-url", server.url, "--retry"]) == 0
    assert all(answer.error is None for answer in read_run(tmp_path / "x").predictions.values())
    assert len(read_run(tmp_path / "x").predictions) == 120


def test_a_wrong_key_stops_the_run_and_is_never_told(ask, tmp_path, capsys, monkeypatch):
    with ChatServer(key="another") as server:
        _stops(capsys, ask(server.url, "--quiet"), "wants a key; set OPENAI_API_KEY")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert ask(server.url, "--quiet") == 2
    shown = capsys.readouterr().err
    assert "refuses the key in OPENAI_API_KEY (401)" in shown
    assert KEY[:6] not in shown
    assert KEY[-4:] not in shown
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_sent_and_kept_out_of_all_that_is_written(ask, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = f"key {KEY} ({KEY[:8]}*****{KEY[-4:]}) may not do that"
    with ChatServer(key=KEY) as server:
        assert ask(server.url, "--limit", 2, name="good") == 0
        server.behaviour.fails, server.behaviour.fails_at = (400, told, None), "Tastes change"
        assert ask(server.url, name="bad", config="all") == 0
    written = capsys.readouterr().err + "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "may not do that" in written
    assert KEY[:8] not in written
    assert KEY[-4:] not in written


def test_without_history_the_prompts_say_nothing_of_it(ask):
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--no-history") == 0
        assert ask(server.url, "--quiet", "--max-interactions", 1, name="one") == 0
    texts = [request["messages"][0]["content"] for request in server.behaviour.requests]
    assert not any("taste shows" in text for text in texts[:15])
    assert all(text.count('"tool_call"') == 1 for text in texts[15:])


def test_openai_itself_needs_a_key(ask, tmp_path, capsys):
    _stops(capsys, ask(None, "--quiet"), "needs a key in OPENAI_API_KEY", "--base-url")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000/v1", "ftp://127.0.0.1/v1", "http://", "http://127.0.0.1:port/v1", "nonsense"]
)
def test_what_is_no_address(ask, tmp_path, capsys, url):
    _stops(capsys, ask(url, "--quiet"), "--base-url", "http://127.0.0.1:8000/v1")
    assert list(tmp_path.iterdir()) == []


def test_the_address_may_stand_in_the_environment(ask, tmp_path, monkeypatch):
    with ChatServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert ask(None, "--quiet", "--limit", 1) == 0
    assert json.loads((tmp_path / "x" / "manifest.json").read_text())["spec"]["model"]["base_url"] == server.url


def test_the_client_is_an_extra(ask, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    _stops(capsys, ask("http://127.0.0.1:1/v1"), "'openai'", "pip install 'petoolbench[openai]'")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_loses_only_what_was_under_way(tmp_path, small_data):
    data = _many(small_data, tmp_path, 60)
    run = [
        "predict",
        "--data",
        str(data),
        "--model",
        "openai:rule-1",
        "--out",
        str(tmp_path / "x"),
        "--concurrency",
        "4",
    ]
    command = [sys.executable, "-m", "petoolbench", *run]
    with ChatServer(pause=0.05) as server:
        process = subprocess.Popen([*command, "--base-url", server.url], stderr=subprocess.DEVNULL)
        path = tmp_path / "x" / "predictions.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and path.read_bytes().count(b"\n") >= 20):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = path.read_bytes().count(b"\n")
        time.sleep(0.2)
        asked = len(server.behaviour.requests)
        assert 20 <= kept < 60
        assert asked - kept <= 4
        server.behaviour.pause = 0.0
        assert main([*run, "--base-url", server.url, "--quiet"]) == 0
    assert len(server.behaviour.requests) == asked + 60 - kept
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert ids == [entry.id for entry in open_dataset(str(data)).instances("all", "test")]


def test_an_interrupt_ends_the_run_cleanly(ask, tmp_path, capsys):
    numbers = itertools.count(1)

    def answer(request):
        if next(numbers) == 6:  # Of several threads, just one.
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return completion(request, rule_message(request))

    with ChatServer(answer=answer) as server:
        assert ask(server.url, "--concurrency", 2) == 130
        assert _line(capsys).startswith("petoolbench: interrupted")
        answered = len(read_run(tmp_path / "x").predictions)
        assert 0 < answered < 15
        assert not [thread for thread in threading.enumerate() if thread.name == "petoolbench-background"]
        assert ask(server.url, "--quiet") == 0
    assert len(read_run(tmp_path / "x").predictions) == 15


@pytest.fixture
def quick_polls(monkeypatch):
    """Poll batches every few milliseconds."""
    monkeypatch.setattr(batch_api, "_POLL_SECONDS", 0.01)


@pytest.mark.parametrize("style", ["paper", "native"])
@pytest.mark.usefixtures("quick_polls")
def test_a_batch_gives_the_same_answers(ask, tmp_path, style):
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--style", style) == 0
        assert ask(server.url, "--quiet", "--style", style, "--batch-api", name="batch") == 0
    direct, batch = (read_run(tmp_path / name).predictions for name in ("x", "batch"))
    assert list(direct) == list(batch)
    assert all(batch[key] == answer.model_copy(update={"seconds": None}) for key, answer in direct.items())
    assert sorted(path.name for path in (tmp_path / "batch").iterdir()) == ["manifest.json", "predictions.jsonl"]
    assert len(server.behaviour.batches) == 1


@pytest.mark.usefixtures("quick_polls")
def test_a_batch_in_parts(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_api, "_MAX_REQUESTS", 6)
    with ChatServer() as server:
        assert ask(server.url, "--quiet", "--batch-api") == 0
    assert len(server.behaviour.batches) == 3
    assert len(read_run(tmp_path / "x").predictions) == 15


def test_an_interrupted_batch_is_found_again(ask, tmp_path, monkeypatch, capsys):
    def interrupt(seconds):
        raise KeyboardInterrupt

    with ChatServer() as server:
        with monkeypatch.context() as patch:
            patch.setattr(batch_api, "time", SimpleNamespace(sleep=interrupt))
            assert ask(server.url, "--batch-api") == 130
        assert "batch batch-0 was handed in" in capsys.readouterr().err
        assert ask(server.url, "--quiet") == 2
        assert "its batch is under way; go on with --batch-api" in capsys.readouterr().err
        assert ask(server.url, "--quiet", "--batch-api") == 0
    assert len(server.behaviour.batches) == 1
    assert len(server.behaviour.requests) == 15
    assert len(read_run(tmp_path / "x").predictions) == 15


@pytest.mark.usefixtures("quick_polls")
def test_what_a_batch_leaves_out_is_unscored_and_asked_again(ask, tmp_path):
    with ChatServer(batch_status="expired") as server:
        assert ask(server.url, "--quiet", "--batch-api") == 0
        errors = {key: answer.error for key, answer in read_run(tmp_path / "x").predictions.items() if answer.error}
        assert len(errors) == 8
        assert set(errors.values()) == {"the batch gave no answer"}
        server.behaviour.batch_status = "completed"
        assert ask(server.url, "--quiet", "--batch-api", "--retry") == 0
    assert all(answer.error is None for answer in read_run(tmp_path / "x").predictions.values())
    assert len(server.behaviour.requests) == 15 + 8


@pytest.mark.usefixtures("quick_polls")
def test_single_faults_in_a_batch(ask, tmp_path):
    with ChatServer(fails=(400, "too hard", None), fails_at="Tastes change") as server:
        assert ask(server.url, "--quiet", "--batch-api", config="all") == 0
    errors = [answer.error for answer in read_run(tmp_path / "x").predictions.values() if answer.error]
    assert errors == ["HTTP 400: too hard"] * 15


@pytest.mark.usefixtures("quick_polls")
def test_a_refused_batch_and_a_wrong_key_leave_nothing(ask, tmp_path, capsys):
    with ChatServer(batch_status="failed") as server:
        _stops(capsys, ask(server.url, "--quiet", "--batch-api"), "was refused: line 1 is no request")
    with ChatServer(key="another") as server:
        _stops(capsys, ask(server.url, "--quiet", "--batch-api"), "wants a key")
    assert list(tmp_path.iterdir()) == []


def test_evaluate_predicts_scores_and_reports(ask, tmp_path, capsys):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    with ChatServer() as server:
        assert ask(server.url, "--limit", 9, command="evaluate") == 0
        assert ask(server.url, "--limit", 9, command="evaluate") == 0
    assert len(server.behaviour.requests) == 9
    assert "Tool Acc" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "x").iterdir()}
    assert names == {"manifest.json", "predictions.jsonl", "scores-strict.json", "scores-strict.jsonl", "report"}
    assert (tmp_path / "x" / "report" / "report.html").stat().st_size > 10_000
    (told,) = json.loads((tmp_path / "x" / "report" / "report.json").read_text())["runs"]
    assert (told["name"], told["agent"], told["settings"]["chronological"]["n"]) == ("x", "openai:rule-1", 9)


@pytest.fixture
def tiny_folder(tmp_path):
    """A tiny random model with a tokenizer and a chat template."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.tiny import tiny_model

    return tiny_model(tmp_path / "tiny")


def _tokenizer(folder, template):
    """Write a tokenizer with a chat template, or without one for None, and return its folder."""
    pytest.importorskip("transformers")
    from tests.tiny import tiny_tokenizer

    tiny_tokenizer(template).save_pretrained(folder)
    return folder


def test_a_tokenizer_keeps_a_servers_prompts_within_the_window(ask, tmp_path, capsys):
    tiny_folder = _tokenizer(tmp_path / "tokenizer", PLAIN_TEMPLATE)
    with ChatServer() as server:
        assert ask(server.url, "--quiet") == 0
        assert ask(server.url, "--quiet", "--tokenizer", tiny_folder, "--window", 6000, name="cut") == 0
        cut = server.behaviour.requests[15:]
        assert ask(server.url, "--quiet", "--tokenizer", tiny_folder, "--window", 100, name="none") == 2
        assert ask(server.url, "--limit", 1, name="told") == 0
    shown = " ".join(capsys.readouterr().err.split())
    assert "none of 15 instances could be answered, such as: " in shown
    assert "more than the 100 allowed" in shown
    assert "no --tokenizer, so no prompt is cut to the window" in shown
    dropped = [answer.dropped for answer in read_run(tmp_path / "cut").predictions.values()]
    assert max(dropped) > 0
    assert len(cut) == 15
    assert sum(len(json.dumps(entry)) for entry in cut) < sum(
        len(json.dumps(entry)) for entry in server.behaviour.requests[:15]
    )
    assert "window" in json.loads((tmp_path / "cut" / "manifest.json").read_text())["answerer"]


def test_what_is_no_tokenizer(ask, tmp_path, capsys):
    bare = _tokenizer(tmp_path / "bare", None)
    (tmp_path / "empty").mkdir()
    _stops(capsys, ask("http://127.0.0.1:1/v1", "--tokenizer", tmp_path / "empty"), "--tokenizer", "cannot be read")
    _stops(capsys, ask("http://127.0.0.1:1/v1", "--tokenizer", bare), "--tokenizer", "has no chat template")
    assert not (tmp_path / "x").exists()


@pytest.fixture
def real_server(tiny_folder):
    """A server of transformers that answers with the tiny model."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", str(tiny_folder), "--device", "cpu", "--port", str(port), "--host", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(process, port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _await_port(process, port):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {process.poll()}")


@pytest.mark.slow
def test_a_real_servers_answers_are_those_of_the_local_path(ask, tmp_path, tiny_folder, real_server):
    options = ["--quiet", "--temperature", 0, "--max-new-tokens", 24, "--window", 6000]
    assert ask(None, *options, name="local", model=f"hf:{tiny_folder}") == 0
    remote = [*options, "--tokenizer", tiny_folder, "--concurrency", 2]
    assert ask(real_server, *remote, name="remote", model=f"openai:{tiny_folder}") == 0
    local, remote = (read_run(tmp_path / name).predictions for name in ("local", "remote"))
    assert list(local) == list(remote)
    assert len({answer.text for answer in local.values()}) > 5
    for key, answer in local.items():
        kept = (answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens, answer.dropped)
        other = remote[key]
        assert kept == (other.text, other.finish, other.prompt_tokens, other.completion_tokens, other.dropped)
