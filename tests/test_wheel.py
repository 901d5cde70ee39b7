"""The wheel: built from a clean copy, installed alone into an empty environment, used offline from another folder."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

USE = """
import petoolbench, evaluate, sys
from datasets import load_dataset
from petoolbench.folders import open_dataset
assert "site-packages" in petoolbench.__file__, petoolbench.__file__
ds = load_dataset("petoolbench", "chronological", split="test")
acc = evaluate.load("pt_tool_acc")
texts = ['{"tool_name": %s, "parameters": {}}' % __import__("json").dumps(row["name"]) for row in ds["reference"]]
found = acc.compute(predictions=texts, references=ds["reference"])
assert found["pt_tool_acc"] == 1 and found["scored"] == len(ds) >= 10, found
for name, splits in open_dataset("petoolbench").files.items():
    assert set(load_dataset("petoolbench", name)) == set(splits), name
assert "torch" not in sys.modules
print("used")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a clean copy of the tracked and new files."""
    copy = tmp_path_factory.mktemp("copy") / "petoolbench"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    subprocess.run([sys.executable, "-m", "build", "--outdir", copy / "dist", copy], check=True, capture_output=True)
    (path,) = (copy / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an empty environment with nothing but the wheel and what it needs."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    interpreter = home / "bin" / "python"
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    return interpreter


@pytest.fixture
def offline(tmp_path):
    """The environment of a user elsewhere with no network: nothing of ours on the path, empty caches."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HF_", "PIP_"))}
    return {**kept, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path), "NO_COLOR": "1"}


def test_only_the_package_is_shipped(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {Path(name).parts[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"petoolbench"}
    assert "petoolbench/metric_scripts/pt_tool_acc/pt_tool_acc.py" in names
    own = {str(path.relative_to(ROOT)) for path in (ROOT / "petoolbench").rglob("*") if _is_shipped(path)}
    assert own - set(names) == set()
    entries = next(name for name in names if name.endswith("entry_points.txt"))
    assert "petoolbench = petoolbench.harness.inspect_tasks" in zipfile.ZipFile(wheel).read(entries).decode()


def _is_shipped(path):
    """Tell whether a file is part of the package; the figures of the dataset card stand in its repository only."""
    return path.is_file() and "__pycache__" not in path.parts and path.parent.name != "figures"


def test_the_lines_of_the_readme(python, offline, tmp_path):
    for _ in range(2):
        shown = subprocess.run([python, "-c", USE], cwd=tmp_path, env=offline, capture_output=True, text=True)
        assert shown.stdout.split()[-1:] == ["used"], shown.stderr


def test_the_command_line_and_the_missing_extra(python, offline, tmp_path, published_file):
    def run(*arguments):
        command = [python.parent / "petoolbench", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=offline, capture_output=True, text=True)

    assert run("convert", published_file, "--out", "official").returncode == 0
    assert run("predict", "--data", "official", "--agent", "lexical", "--out", "runs/x").returncode == 0
    assert "chronological" in run("score", "runs/x").stdout
    refused = run("report", "runs/x")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "petoolbench[eval]" in refused.stderr
    assert not (tmp_path / "report").exists()
