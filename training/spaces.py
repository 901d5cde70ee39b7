"""Metric folders and dataset folders → the folders of their repositories on the Hub."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any, Final

import yaml
from huggingface_hub import DatasetCard, SpaceCard

from petoolbench.errors import InputError
from petoolbench.files import read_json
from petoolbench.folders import ALL_CONFIG, CARD, TOOLS_CONFIG, DatasetFolder, open_dataset
from petoolbench.scoring import SCORING_VERSION
from petoolbench.version import VERSION

from .rendering import Markdown, render

BUILD_REPORT: Final = "build_report.json"
FIGURES: Final = "figures"
"""Where a dataset card's pictures lie."""

_NO_SETTINGS: Final = (ALL_CONFIG, TOOLS_CONFIG)
"""Configs that hold no instances of their own."""

GRADIO_VERSION: Final = "6.31.0"
"""The release that the metrics' page was tried on; the Space's card asks for it."""


def write_metric_space(metric: Path, repository: str, package: str, out: Path) -> None:
    """Write a metric's Space: its script, its page, what they need, and its card.

    Args:
        metric: The metric's folder, which has the script's name.
        repository: The Space's name; ``evaluate.load`` finds a script only in a Space of the script's own name.
        package: What pip is told to install petoolbench from, such as ``petoolbench`` or an address.
        out: An empty folder.

    Raises:
        InputError: It is no folder of a metric, a file is damaged, or the repository is called otherwise.
    """
    script = metric / f"{metric.resolve().name}.py"
    for path in (script, metric / "app.py", metric / "requirements.txt", metric / CARD):
        if not path.is_file():
            raise InputError(f"holds no {path.name}; give a folder such as metrics/pt_tool_acc", file=metric)
    if repository.partition("/")[2] != script.stem:
        raise InputError(f"evaluate.load finds it only as ORG/{script.stem}, not as {repository}", file=metric)
    for path in (script, metric / "app.py"):
        _check_python(path)
        shutil.copyfile(path, out / path.name)
    (out / "requirements.txt").write_text(_requirements(metric / "requirements.txt", package), encoding="utf-8")
    head, text = _card(metric / CARD, SpaceCard)
    values = {"body": Markdown(text.strip()), "repository": repository, "scoring_version": SCORING_VERSION}
    body = render("metric.md.j2", {**values, "name": script.stem})
    _write_card(out, {**head, "sdk_version": GRADIO_VERSION}, body)


def write_dataset_repository(source: str, repository: str, out: Path) -> None:
    """Write a data set's repository: its parquet, its card, and the build report and pictures that belong to it.

    Args:
        source: ``petoolbench`` or a dataset folder.
        repository: The repository's name, which the card tells.
        out: An empty folder.

    Raises:
        InputError: There is no such folder, its data is damaged, or its build report speaks of other data.
    """
    data = open_dataset(source)
    rows = _rows(data)
    _check_build(data, rows)
    for path in {path for splits in data.files.values() for files in splits.values() for path in files}:
        _copy(data.path, path, out)
    for path in [data.path / BUILD_REPORT, *sorted((data.path / FIGURES).glob("*.png"))]:
        if path.is_file():
            _copy(data.path, path, out)
    head, text = _card(data.path / CARD, DatasetCard)
    values = {
        "body": Markdown(text.strip()),
        "repository": repository,
        "rows": rows,
        "example": next(row for row in rows if row["config"] not in _NO_SETTINGS),
        "version": VERSION,
        "scoring_version": SCORING_VERSION,
    }
    _write_card(out, head, render("dataset.md.j2", values))


def _rows(data: DatasetFolder) -> list[dict[str, Any]]:
    """Return a row a split, whose data is read to its end once, so that what is damaged is found here."""
    rows = []
    for config, splits in data.files.items():
        for split in splits:
            if config == ALL_CONFIG:
                count = data.count(config, split)
            else:
                items = data.tools() if config == TOOLS_CONFIG else data.instances(config, split)
                count = sum(1 for _ in items)
            fingerprint = data.fingerprint(config, split)
            rows.append({"config": config, "split": split, "count": count, "fingerprint": fingerprint})
    if not any(row["config"] not in _NO_SETTINGS for row in rows):
        raise InputError("holds no instances", file=data.path)
    return rows


def _check_build(data: DatasetFolder, rows: list[dict[str, Any]]) -> None:
    """Refuse data beside the report of another build: the card's numbers come from that report."""
    path = data.path / BUILD_REPORT
    if not path.is_file():
        return
    try:
        told = {name: split["instances"] for name, split in read_json(path)["splits"].items()}
    except (KeyError, TypeError, AttributeError):
        raise InputError("is no report of a build", file=path, field="splits") from None
    found = {f"{row['config']}/{row['split']}": row["count"] for row in rows if row["config"] not in _NO_SETTINGS}
    if told != found:
        name = next(name for name in {**told, **found} if told.get(name) != found.get(name))
        raise InputError(
            f"tells {told.get(name, 'no')} instances of {name}, the data holds {found.get(name, 'none')}; build anew",
            file=path,
        )


def _card(path: Path, kind: type[Any]) -> tuple[dict[str, Any], str]:
    """Return a card's head and text."""
    try:
        card = kind(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"its YAML head cannot be read: {error}", file=path) from None
    return card.data.to_dict(), card.text


def _write_card(folder: Path, head: dict[str, Any], text: str) -> None:
    yaml_text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
    (folder / CARD).write_text(f"---\n{yaml_text}---\n\n{text.strip()}\n", encoding="utf-8")


def _requirements(path: Path, package: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    if "petoolbench" not in lines:
        raise InputError("does not ask for petoolbench, which the metric imports", file=path)
    return "\n".join(package if line == "petoolbench" else line for line in lines) + "\n"


def _check_python(path: Path) -> None:
    try:
        ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise InputError(f"is no Python: {error}", file=path) from None


def _copy(folder: Path, path: Path, out: Path) -> None:
    place = out / path.relative_to(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)
