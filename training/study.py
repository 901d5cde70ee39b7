"""A whole study: ``python -m training.study STUDY.yaml``: SFT, DPO after it, DPO alone, and the tests of all of them.

Every step is a command that can be run by hand; it is printed and written into ``study.json``. Run again, a study goes
on with the first step that is not complete.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from petoolbench.console import Console
from petoolbench.errors import OutputError, PEToolBenchError
from petoolbench.files import content_hash, read_json, write_text
from petoolbench.folders import open_dataset
from petoolbench.report import build_report

from .config import RunConfig, SFTSettings, write_config
from .running import ADAPTER, REPORT, write_json
from .study_config import BASE, MODELS, SFT, StudySettings, TestSettings, read_study, recipes
from .study_results import results

STUDY = "study.json"
RESULTS = "results.md"
TESTS, REPORTS, RECIPES = "tests", "reports", "recipes"


@dataclass(frozen=True)
class Step:
    """A command, without the interpreter, and how long it took where this call of the study ran it."""

    name: str
    command: tuple[str, ...]
    seconds: float | None = None


class StepError(Exception):
    """A step failed, and has said why; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def run_study(study: StudySettings, file: Path, console: Console, *, dry_run: bool = False) -> None:
    """Run what is not complete, and write reports, ``results.md`` and ``study.json``.

    Args:
        study: The study.
        file: Where it stands; recipes are found from there.
        console: Where notes go.
        dry_run: Two steps of training and one instance a setting, with the same commands.

    Raises:
        PEToolBenchError: A recipe or data set is wrong, or the folder holds another study.
        StepError: A step failed.
    """
    found = recipes(study, file, dry_run=dry_run)
    _open(study, found, dry_run)
    steps = [_run(step, study.folder, console) for step in _training(study, found)]
    for name, test in study.tests.items():
        steps += [_run(step, study.folder, console) for step in _testing(study, found, name, test, dry_run)]
    for name in study.tests:
        runs = [model for model in MODELS if model == BASE or model in found]
        runs += [_rule_run(rule) for rule in study.rules]
        build_report([study.folder / TESTS / name / run for run in runs], study.folder / REPORTS / name)
    told = {name: read_json(study.folder / name / REPORT) for name in found}
    tested = {name: read_json(study.folder / REPORTS / name / "report.json") for name in study.tests}
    write_json(study.folder / STUDY, {**_mark(study, found, dry_run), "steps": [asdict(step) for step in steps]})
    write_text(study.folder / RESULTS, results(told, tested))
    console.note(f"{study.folder / RESULTS}: done")


def _mark(study: StudySettings, found: dict[str, RunConfig], dry_run: bool) -> dict[str, object]:
    return {
        "study": study.model_dump(mode="json"),
        "recipes": {name: recipe.model_dump(mode="json") for name, recipe in found.items()},
        "dry_run": dry_run,
    }


def _open(study: StudySettings, found: dict[str, RunConfig], dry_run: bool) -> None:
    """Make the study's folder, or check that it holds this study."""
    folder, mark = study.folder, _mark(study, found, dry_run)
    if (folder / STUDY).is_file():
        there = read_json(folder / STUDY)
        differing = [key for key in mark if not isinstance(there, dict) or there.get(key) != mark[key]]
        if differing:
            raise OutputError(f"{folder}: holds a study with other {differing[0]!r}; choose another output")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: is not empty and holds no study; choose another output")
    for name, recipe in found.items():
        write_config(recipe, folder / RECIPES / f"{name}.yaml")
    write_json(folder / STUDY, {**mark, "steps": []})


def _training(study: StudySettings, found: dict[str, RunConfig]) -> Iterator[Step]:
    for name, recipe in found.items():
        module = "training.sft" if isinstance(recipe, SFTSettings) else "training.dpo"
        begun = ["--resume"] if (study.folder / name / "config.yaml").is_file() else []
        yield Step(f"train {name}", ("-m", module, str(study.folder / RECIPES / f"{name}.yaml"), *begun))


def _testing(
    study: StudySettings, found: dict[str, RunConfig], name: str, test: TestSettings, dry_run: bool
) -> Iterator[Step]:
    place = study.folder / TESTS / name
    about = ["--data", test.data, "--config", test.config, "--split", test.split]
    count = 1 if dry_run else test.per_setting
    if count is not None:
        about += ["--ids", str(_write_ids(test, count, study.folder / TESTS / f"{name}.txt"))]
    if not test.history:
        about += ["--no-history"]
    recipe = str(study.folder / RECIPES / f"{SFT}.yaml")
    for model in (BASE, *found):
        adapter = [] if model == BASE else ["--adapter", str(study.folder / model / ADAPTER)]
        asked = ("-m", "training.evaluate", recipe, *adapter, *about, "--out", str(place / model))
        yield Step(f"test {model} on {name}", asked)
    for rule in study.rules:
        asked = ("-m", "petoolbench", "predict", "--agent", rule, *about, "--out", str(place / _rule_run(rule)))
        yield Step(f"test {rule} on {name}", asked)


def _rule_run(rule: str) -> str:
    return f"rule_{rule}"


def _write_ids(test: TestSettings, count: int, path: Path) -> Path:
    """Write the ids of so many instances of each setting, those whose hashes come first."""
    by_setting: defaultdict[str, list[str]] = defaultdict(list)
    for instance in open_dataset(test.data).instances(test.config, test.split):
        by_setting[instance.setting].append(instance.id)
    drawn = [sorted(ids, key=lambda one: content_hash(["study", one]))[:count] for ids in by_setting.values()]
    write_text(path, "".join(f"{one}\n" for ids in drawn for one in ids))
    return path


def _run(step: Step, folder: Path, console: Console) -> Step:
    console.note(f"{step.name}: python {shlex.join(step.command)}")
    quiet = ["--quiet"] if console.quiet else []
    started = time.monotonic()
    done = subprocess.run([sys.executable, *step.command, *quiet], check=False)
    if done.returncode:
        console.error(f"{step.name}: failed; the same command goes on with it once that is mended")
        raise StepError(done.returncode)
    return Step(step.name, step.command, round(time.monotonic() - started, 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when all went well, 2 on anything the user can mend, else the code of the step."""
    parser = argparse.ArgumentParser(prog="python -m training.study", description="SFT, DPO and their tests in one.")
    parser.add_argument("file", type=Path, metavar="STUDY", help="a YAML file, such as training/configs/*_study.yaml")
    parser.add_argument("--model", help="weights in place of the recipes'")
    parser.add_argument("--output", help="an output folder in place of the study's")
    parser.add_argument("--dry-run", action="store_true", help="two steps and a few instances, by the same commands")
    parser.add_argument("--quiet", action="store_true", help="no notes, no progress")
    options = parser.parse_args(arguments)
    console = Console(quiet=options.quiet)
    instead = {key: value for key in ("model", "output") if (value := getattr(options, key)) is not None}
    try:
        run_study(read_study(options.file, instead), options.file, console, dry_run=options.dry_run)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except StepError as error:
        return error.code
    except KeyboardInterrupt:
        console.error("interrupted; the same command goes on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
