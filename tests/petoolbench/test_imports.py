"""What importing the package loads, and that imports inside it go one way."""

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ORDER = [
    "version", "errors", "schema", "names", "files", "features", "published_prompt", "official", "folders", "dataset",
    "convert", "prompts", "tolerant_json", "parsing", "published_rule", "scoring", "statistics", "metric",
    "metric_modules", "filling", "baselines", "ranker", "models", "answering", "llm", "predictions", "runs", "predict",
    "analyses", "results", "charts", "report", "audit", "leaderboard", "harness", "console", "commands", "__init__",
    "__main__",
]  # fmt: skip
HEAVY = (
    "torch", "transformers", "trl", "peft", "openai", "evaluate", "matplotlib", "jinja2", "sklearn", "scipy",
    "lightgbm", "onnxruntime", "tokenizers", "datasketch", "llguidance", "xgrammar", "inspect_ai", "lm_eval", "gradio",
)  # fmt: skip
PACKAGE = ROOT / "petoolbench"


def _modules(command):
    script = f"import sys; {command}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(shown.stdout.split())


@pytest.mark.parametrize("command", ["import petoolbench", "import petoolbench.__main__"])
def test_nothing_heavy_is_loaded(command):
    assert _modules(command) & set(HEAVY) == set()


def test_an_unwritable_cache_is_a_warning():
    shown = subprocess.run(
        [sys.executable, "-c", "import petoolbench; print('imported')"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_MODULES_CACHE": "/proc/nowhere"},
    )
    assert shown.stdout.strip() == "imported"
    assert "evaluate.load will not find the petoolbench metrics" in shown.stderr


def _place(path):
    """Return the file, or the folder in the package that holds it."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "metric_scripts" not in path.parts)


def test_every_file_has_its_place_in_the_order():
    assert {_place(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_is_above_it(path: Path):
    own = _place(path)
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
            assert ORDER.index(node.module.split(".")[0]) < ORDER.index(own), node.module


@pytest.mark.parametrize(
    "folder", ["ranker", "models", "analyses", "charts", "audit", "leaderboard", "harness", "commands"]
)
def test_the_files_of_a_folder_import_each_other_one_way(folder):
    graph = {}
    for path in (PACKAGE / folder).glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        graph[path.stem] = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.level == 1 and n.module}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("folder", ["petoolbench", "builders", "metrics", "training"])
def test_the_folders_import_one_way(folder):
    foreign = {"builders", "metrics", "training", "tests"} - {folder}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            assert not {name.split(".")[0] for name in names} & foreign, path


def test_model_text_meets_no_regular_expression_and_no_eval():
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec"}, path
        imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not imports & {"re", "regex", "pickle", "dill", "cloudpickle"}, path
