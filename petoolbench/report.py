"""Scored runs → one folder: ``report.html`` (self-contained), ``report.json`` and PNG figures."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

from .analyses.breakdowns import FEWEST
from .analyses.comparison import GROUPS, compare
from .analyses.history import history_effects
from .analyses.records import ScoredRun
from .analyses.usage import Prices
from .charts.drawing import draw_figures
from .charts.panels import Picture
from .errors import MissingExtraError
from .files import json_text, new_folder
from .results import Progress, percent, run_instances, score_runs, summarise
from .schema import ERROR_TYPES, Instance, Prediction, Score, ScoringMode
from .scoring import SCORING_VERSION
from .version import VERSION

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
_SURE_LEVELS = (50, 80, 100)
_INCH = 82
"""How many pixels of the page an inch of a figure takes, so that letters are as large in all of them."""


def build_report(
    folders: Sequence[Path],
    out: Path,
    mode: ScoringMode = "strict",
    source: str | None = None,
    progress: Progress = lambda instances, total: instances,
    prices: Prices | None = None,
) -> Path:
    """Score runs and write their report.

    Args:
        folders: The run folders.
        out: The report's folder; an older report there is replaced.
        mode: The scoring mode of all tables.
        source: Where the data is now, if not where the manifests say.
        progress: Wraps the instances to show progress.
        prices: What tokens cost, the same for every run.

    Returns:
        The path of the HTML file.

    Raises:
        PEToolBenchError: Two runs have the same name, a run cannot be scored, or the folder cannot be written.
    """
    template = _template()
    with new_folder(out, overwrite=(out / REPORT_JSON).is_file()) as work:
        runs = score_runs(folders, mode, source, progress)
        numbers = report_numbers(runs, prices)
        figures = draw_figures(numbers)
        (work / REPORT_JSON).write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for name, picture in figures.items():
            (work / name).write_bytes(picture.png)
        page = template.render(**_page_values(numbers, figures, _packed(browsable(runs, source))))
        (work / REPORT_HTML).write_text(page, encoding="utf-8")
    return out / REPORT_HTML


def report_numbers(runs: Sequence[ScoredRun], prices: Prices | None = None) -> dict[str, Any]:
    """Return all that ``report.json`` says: the runs' summaries, what stands between them, and the published rows."""
    published = json.loads(files("petoolbench").joinpath("published_results.json").read_text(encoding="utf-8"))
    return {
        "petoolbench": VERSION,
        "scoring_version": SCORING_VERSION,
        "mode": runs[0].mode,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "runs": [summarise(run, prices) for run in runs],
        "history_effects": history_effects(runs),
        "comparisons": compare(runs),
        "published": published,
    }


def browsable(runs: Sequence[ScoredRun], source: str | None = None) -> dict[str, Any]:
    """Return every instance with the runs' answers; each tool's documentation is held once.

    The instances of several data sets stand one after another; those that runs share stand once.
    """
    tools: dict[str, dict[str, Any]] = {}
    instances: dict[str, dict[str, Any]] = {}
    for number, scored in enumerate(runs):
        if any(entry.id not in instances for entry in scored.judged):
            for instance in run_instances(scored.run, source):
                if instance.id not in instances:
                    instances[instance.id] = _browsable_instance(instance, tools)
        for entry in scored.judged:
            answer = scored.run.predictions.get(entry.id)
            instances[entry.id]["answers"].append({"run": number, **_verdict(entry.score, answer)})
    return {"runs": [run.run.name for run in runs], "tools": tools, "instances": list(instances.values())}


def _browsable_instance(instance: Instance, tools: dict[str, dict[str, Any]]) -> dict[str, Any]:
    for tool in instance.candidates:
        tools.setdefault(tool.name, {"description": tool.description, "parameters": tool.parameters})
    reference = instance.reference
    return {
        "id": instance.id,
        "setting": instance.setting,
        "instruction": instance.instruction,
        "evidence": instance.evidence,
        "functionality": instance.functionality,
        "history": [
            {
                "instruction": past.instruction,
                "name": past.call.name,
                "arguments": json_text(past.call.arguments),
                "rating": past.rating,
            }
            for past in instance.history
        ],
        "candidates": [tool.name for tool in instance.candidates],
        "gold": {"name": reference.name, "arguments": json_text(reference.arguments)},
        "group": list(reference.group),
        "answers": [],
    }


def _verdict(score: Score, answer: Prediction | None) -> dict[str, Any]:
    return {
        "text": answer.text if answer else None,
        "dropped": answer.dropped if answer else None,
        "name": score.called.name if score.called else None,
        "arguments": json_text(score.called.arguments) if score.called else None,
        "verdict": (score.error or "correct") if score.scored else "unscored",
        "problem": score.problem,
    }


def _packed(value: Any) -> str:
    """Return a JSON value gzipped and in base64, as the page unpacks it."""
    return base64.b64encode(gzip.compress(json_text(value).encode("utf-8"), 9, mtime=0)).decode("ascii")


def _template() -> Any:
    try:
        from jinja2 import Environment, PackageLoader
    except ImportError:
        raise MissingExtraError("a report", "jinja2", "eval") from None
    loader = PackageLoader("petoolbench")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2")


def _page_values(numbers: dict[str, Any], figures: dict[str, Picture], packed: str) -> dict[str, Any]:
    runs = numbers["runs"]
    widest = {run["name"]: run["settings"][_widest(run)] for run in runs}
    return {
        "numbers": numbers,
        "columns": [column for column in GROUPS if any(column in run["settings"] for run in runs)],
        "verdicts": (*ERROR_TYPES, "correct"),
        "percent": percent,
        "fewest": FEWEST,
        "figures": {
            name: {
                "caption": picture.caption,
                "width": round(_INCH * picture.width),
                "data": base64.b64encode(picture.png).decode("ascii"),
            }
            for name, picture in figures.items()
        },
        "several_calls": sum(part["several_calls"] for part in widest.values()),
        "unscored": {name: part["unscored"] for name, part in widest.items() if part["unscored"]},
        "evidence_kinds": _kinds(runs, "by_evidence"),
        "seen_kinds": _kinds(runs, "by_seen"),
        "categories": _categories(runs),
        "usage": [{"name": run["name"], "usage": run["usage"][_widest(run)]} for run in runs if "usage" in run],
        "sure": [_sureness(run) for run in runs if "calibration" in run],
        "sure_levels": _SURE_LEVELS,
        "packed": packed,
    }


def _widest(run: dict[str, Any]) -> str:
    """Return the name of a run's widest group: ``all``, or its only setting."""
    names: list[str] = list(run["settings"])
    return names[-1]


def _kinds(runs: Sequence[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(kind for run in runs for part in run[key].values() for kind in part))


def _categories(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a row a category, with a cell a run: None where the run has too few instances of it."""
    parts = [run["by_category"][_widest(run)] for run in runs]
    known = [{row["category"]: row["tool_accuracy"] for row in part["rows"]} for part in parts]
    rows = []
    for category in {name: None for part in known for name in part}:
        judged = [part.get(category) for part in known]
        cells = [entry if entry and entry["n"] >= FEWEST else None for entry in judged]
        counts = sorted({entry["n"] for entry in judged if entry})
        span = f"{counts[0]}–{counts[-1]}" if len(counts) > 1 else str(counts[0])
        if any(cells):
            rows.append({"category": category, "n": span, "cells": cells})
    return {"rows": rows, "small": [part["small"] for part in parts]}


def _sureness(run: dict[str, Any]) -> dict[str, Any]:
    """Return what the page says of a run's confidence: for each level, the first point that covers as much."""
    numbers = run["calibration"][_widest(run)]
    levels = [
        next(row["tool_accuracy"] for row in numbers["coverage"] if 100 * row["coverage"] >= level)
        for level in _SURE_LEVELS
    ]
    return {"name": run["name"], "n": numbers["n"], "ece": numbers["ece"], "levels": levels}
