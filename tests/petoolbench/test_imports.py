"""What importing the package loads, and that imports inside it go one way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ORDER = [
    "version", "errors", "schema", "names", "files", "features", "published_prompt", "official", "folders", "dataset",
    "convert", "prompts", "tolerant_json", "parsing", "published_rule", "scoring", "statistics", "metric",
    "metric_modules", "filling", "baselines", "llm", "predict", "results", "figures", "report", "console", "__init__",
    "__main__",
]  # fmt: skip
HEAVY = ("torch", "transformers", "trl", "peft", "openai", "evaluate", "matplotlib", "jinja2", "sklearn", "scipy")
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


def test_every_file_has_its_place_in_the_order():
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(ORDER)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_file_imports_only_files_above_it(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            assert ORDER.index(node.module.split(".")[0]) < ORDER.index(path.stem), node.module


@pytest.mark.parametrize("folder", ["petoolbench", "builders", "metrics", "training"])
def test_the_folders_import_one_way(folder):
    foreign = {"builders", "metrics", "training", "tests"} - {folder}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            assert not {name.split(".")[0] for name in names} & foreign, path


def test_model_text_meets_no_regular_expression_and_no_eval():
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec"}, path
        imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not imports & {"re", "regex", "pickle", "dill", "cloudpickle"}, path
