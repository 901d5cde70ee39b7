"""Publishing data sets and metrics: what would be pushed is loaded from where it was written."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from petoolbench.features import instance_to_row, row_to_reference
from petoolbench.folders import open_dataset
from petoolbench.parsing import render_call
from petoolbench.schema import ToolCall
from tests.conftest import ROOT
from training.publish import main

pytest.importorskip("jinja2")

from tests.training.trained_run import cut, one_line


def test_the_data_set_loads_from_where_it_was_written(small_data, tmp_path):
    from datasets import load_dataset

    out = tmp_path / "out"
    assert main(["--dataset", str(small_data), "--repo", "me/small", "--dry-run", str(out), "--quiet"]) == 0
    for config, split in (("chronological", "test"), ("all", "train"), ("tools", "train")):
        found = load_dataset(str(out), config, split=split, cache_dir=str(tmp_path / "a"))
        wanted = load_dataset(str(small_data), config, split=split, cache_dir=str(tmp_path / "b"))
        assert found.to_list() == wanted.to_list()
    text = (out / "README.md").read_text()
    data = open_dataset(str(small_data))
    assert 'load_dataset("me/small"' in text
    for config, split, count in (("all", "test", 45), ("chronological", "train", 5)):
        row = next(line for line in text.splitlines() if line.startswith(f"| {config} | {split} |"))
        assert row == f"| {config} | {split} | {count} | `{data.fingerprint(config, split)}` |"


def test_the_shipped_data_travels_without_the_package(tmp_path, monkeypatch):
    # Reading all of it takes ten seconds; the numbers of its instances come from the files' footers here.
    read = "petoolbench.folders.DatasetFolder.instances"
    monkeypatch.setattr(read, lambda data, config, split: range(data.count(config, split)))
    out = tmp_path / "out"
    assert main(["--dataset", "petoolbench", "--repo", "me/x", "--dry-run", str(out), "--quiet"]) == 0
    shipped = ROOT / "petoolbench"
    held = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(shipped)) for path in (*shipped.glob("data/*/*"), *shipped.glob("figures/*.png"))}
    assert held == wanted | {"README.md", "build_report.json"}
    assert all((out / name).read_bytes() == (shipped / name).read_bytes() for name in held - {"README.md"})
    body = (shipped / "README.md").read_text().split("---\n", 2)[2].strip()
    assert body in (out / "README.md").read_text()


def test_a_data_set_beside_the_report_of_another_build(small_data, tmp_path, capsys):
    shutil.copytree(small_data, tmp_path / "data")
    told = {"splits": {"chronological/test": {"instances": 14}}}
    (tmp_path / "data" / "build_report.json").write_text(json.dumps(told))
    arguments = ["--dataset", str(tmp_path / "data"), "--repo", "me/x", "--dry-run", str(tmp_path / "out")]
    assert main(arguments) == 2
    one_line(capsys, "build_report.json", "14 instances of chronological/test", "15")
    assert not (tmp_path / "out").exists()
    cut("data/chronological/test-00000-of-00001.parquet")(tmp_path / "data")
    assert main(arguments) == 2
    one_line(capsys, "parquet")


def _answers(references):
    rows = [row_to_reference(row) for row in references]
    calls = [ToolCall(name=row.name, arguments=row.arguments) for row in rows]
    return ["I cannot help.", *map(render_call, calls[1:])]


@pytest.mark.parametrize("name", ["pt_tool_acc", "pt_param_acc", "pt_joint_acc", "pt_call_errors"])
def test_the_metric_loads_from_where_it_was_written(name, small_instances, tmp_path):
    import evaluate
    import yaml

    out = tmp_path / name
    arguments = ["--metric", str(ROOT / "metrics" / name), "--repo", f"me/{name}", "--dry-run", str(out), "--quiet"]
    assert main([*arguments, "--package", "petoolbench @ https://example.org/p.whl"]) == 0
    references = [instance_to_row(instance)["reference"] for instance in small_instances[:5]]
    found = evaluate.load(str(out)).compute(predictions=_answers(references), references=references)
    assert found["scored"] == 5
    assert found["invalid_format" if name == "pt_call_errors" else name] == (0.2 if name == "pt_call_errors" else 0.8)
    head = yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
    assert (head["sdk"], head["app_file"], head["sdk_version"]) == ("gradio", "app.py", "6.31.0")
    assert (out / "requirements.txt").read_text() == "petoolbench @ https://example.org/p.whl\n"
    compile((out / "app.py").read_text(), "app.py", "exec")


def test_a_metric_is_found_by_its_own_name_only(tmp_path, capsys):
    metric = str(ROOT / "metrics" / "pt_tool_acc")
    assert main(["--metric", metric, "--repo", "me/other", "--dry-run", str(tmp_path / "out")]) == 2
    one_line(capsys, "ORG/pt_tool_acc")
    assert main(["--metric", str(tmp_path), "--repo", "me/other", "--dry-run", str(tmp_path / "out")]) == 2
    one_line(capsys, "give a folder such as metrics/pt_tool_acc")
    assert main(["--metric", metric, "--repo", "me/pt_tool_acc", "--merged", "--dry-run", str(tmp_path / "out")]) == 2
    one_line(capsys, "--merged goes with a run folder only")


PAGE = """
import json, sys
from gradio_client import Client

client = Client(sys.argv[1], verbose=False)
answers, references = json.loads(sys.argv[2])
print(json.dumps(client.predict(json.dumps(answers), json.dumps(references), "strict", api_name="/score")))
try:
    client.predict("[1", "[]", "strict", api_name="/score")
except Exception as error:
    print(error)
"""


@pytest.mark.slow
def test_the_page_of_a_published_metric_answers(small_instances, tmp_path):
    pytest.importorskip("gradio")
    out = tmp_path / "space"
    metric = str(ROOT / "metrics" / "pt_tool_acc")
    assert main(["--metric", metric, "--repo", "me/pt_tool_acc", "--dry-run", str(out), "--quiet"]) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT)}
    references = [instance_to_row(instance)["reference"] for instance in small_instances[:5]]
    with (tmp_path / "log").open("w") as log:
        page = subprocess.Popen(
            [sys.executable, "app.py"], cwd=out, env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            address = _answering(f"http://127.0.0.1:{port}", page, tmp_path / "log")
            command = [sys.executable, "-c", PAGE, address, json.dumps([_answers(references), references])]
            shown = subprocess.run(command, capture_output=True, text=True)
        finally:
            page.terminate()
            page.wait(20)
    right, fault = shown.stdout.splitlines()[-2:]
    assert json.loads(right)["pt_tool_acc"] == 0.8, shown.stderr
    assert "cannot be scored" in fault


def _answering(address, process, log):
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return address
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())
