"""Data from the Hub, fetched over HTTP from a small server on this machine that speaks the Hub's endpoints."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from petoolbench.convert import convert
from tests.conftest import ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """Serves dataset repositories: what they hold, and their files."""

    repositories: dict = {}  # noqa: RUF012 (set by the fixture)

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        path = self.path.split("?")[0]
        for name, files in self.repositories.items():
            if path.startswith(f"/api/datasets/{name}/tree/"):
                return self._send(_tree(files), body)
            if path.startswith(f"/api/datasets/{name}"):
                return self._send(_listing(name, files), body)
            if path.startswith(f"/datasets/{name}/resolve/"):
                wanted = path.split("/resolve/")[1].split("/", 1)[1]
                if wanted in files:
                    return self._send(files[wanted], body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *arguments):
        """Say nothing."""


def _listing(name, files):
    siblings = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
    return json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}).encode()


def _tree(files):
    entries = [
        {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for path, data in files.items()
    ]
    return json.dumps(entries).encode()


@pytest.fixture
def hub(published_file, tmp_path):
    """The environment of a process for which the Hub is a server here, with two repositories."""
    convert([published_file], tmp_path / "converted")
    folder = tmp_path / "converted"
    converted = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    published = {"user_entries_test_c.json": published_file.read_bytes()}
    handler = type(
        "Hub", (_Hub,), {"repositories": {"travisxu/PEToolBench": published, "someone/converted": converted}}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    yield {
        **kept,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_XET": "1",
    }
    server.shutdown()
    server.server_close()


def _run(hub, folder, *command):
    return subprocess.run([sys.executable, *command], cwd=folder, env=hub, capture_output=True, text=True)


def test_the_published_test_file(hub, tmp_path):
    script = (
        "import petoolbench; from datasets import load_dataset; "
        "print(len(load_dataset('petoolbench', 'official_chronological', split='test')))"
    )
    shown = _run(hub, tmp_path, "-c", script)
    assert shown.stdout.split()[-1:] == ["3"], shown.stderr[-2_000:]
    offline = _run({**hub, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}, tmp_path, "-c", script)
    assert offline.stdout.split()[-1:] == ["3"], offline.stderr[-2_000:]


def test_a_dataset_repository_on_the_command_line(hub, tmp_path):
    command = ("-m", "petoolbench", "predict", "--data", "someone/converted", "--agent", "lexical", "--out", "run")
    shown = _run(hub, tmp_path, *command)
    assert shown.returncode == 0, shown.stderr[-2_000:]
    assert len((tmp_path / "run" / "predictions.jsonl").read_text().splitlines()) == 9
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["source"] == "someone/converted"


def test_a_repository_that_is_not_there(hub, tmp_path):
    shown = _run(hub, tmp_path, "-m", "petoolbench", "info", "--data", "someone/else")
    assert (shown.returncode, shown.stderr.strip().count("\n")) == (2, 0)
    assert "someone/else" in shown.stderr
