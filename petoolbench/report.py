"""Scored runs → one folder: ``report.html`` (self-contained), ``report.json`` and PNG figures."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

from .errors import MissingExtraError, PEToolBenchError
from .figures import FEWEST_IN_BIN, draw_figures, history_pairs
from .files import json_text, new_folder
from .results import ScoredRun, compare, percent, run_instances, score_run, summarise
from .schema import ERROR_TYPES, SETTINGS, Instance, Score, ScoringMode
from .scoring import SCORING_VERSION
from .version import VERSION

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
_COLUMNS = (*SETTINGS, "all")

Progress = Callable[[Iterable[Instance], int], Iterable[Instance]]


def build_report(
    folders: Sequence[Path],
    out: Path,
    mode: ScoringMode = "strict",
    source: str | None = None,
    progress: Progress = lambda instances, total: instances,
) -> Path:
    """Score runs and write their report.

    Args:
        folders: The run folders.
        out: The report's folder; an older report there is replaced.
        mode: The scoring mode of all tables.
        source: Where the data is now, if not where the manifests say.
        progress: Wraps the instances to show progress.

    Returns:
        The path of the HTML file.

    Raises:
        PEToolBenchError: Two runs have the same name, a run cannot be scored, or the folder cannot be written.
    """
    names = [folder.name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise PEToolBenchError(f"two runs are called {name!r}; rename one folder, a report tells them by name")
    template = _template()
    with new_folder(out, overwrite=(out / REPORT_JSON).is_file()) as work:
        runs = [score_run(folder, mode, source, progress) for folder in folders]
        numbers = report_numbers(runs)
        figures = draw_figures(numbers["runs"])
        (work / REPORT_JSON).write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for name, png in figures.items():
            (work / name).write_bytes(png)
        page = template.render(**_page_values(numbers, figures, _packed(browsable(runs, source))))
        (work / REPORT_HTML).write_text(page, encoding="utf-8")
    return out / REPORT_HTML


def report_numbers(runs: Sequence[ScoredRun]) -> dict[str, Any]:
    """Return all that ``report.json`` says: the runs' summaries, comparisons and the published rows."""
    published = json.loads(files("petoolbench").joinpath("published_results.json").read_text(encoding="utf-8"))
    return {
        "petoolbench": VERSION,
        "scoring_version": SCORING_VERSION,
        "mode": runs[0].mode,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "runs": [summarise(run) for run in runs],
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
        judged = {entry.id: entry.score for entry in scored.judged}
        for instance in run_instances(scored.run, source):
            entry = instances.get(instance.id)
            if entry is None:
                entry = instances[instance.id] = _browsable_instance(instance, tools)
            answer = scored.run.predictions.get(instance.id)
            text = answer.text if answer else None
            entry["answers"].append({"run": number, "text": text, **_verdict(judged[instance.id])})
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


def _verdict(score: Score) -> dict[str, Any]:
    return {
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
        from jinja2 import Environment
    except ImportError:
        raise MissingExtraError("a report", "jinja2", "eval") from None
    source = files("petoolbench").joinpath("templates").joinpath("report.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def _page_values(numbers: dict[str, Any], figures: dict[str, bytes], packed: str) -> dict[str, Any]:
    runs = numbers["runs"]
    return {
        "numbers": numbers,
        "columns": [column for column in _COLUMNS if any(column in run["settings"] for run in runs)],
        "error_types": ERROR_TYPES,
        "percent": percent,
        "fewest": FEWEST_IN_BIN,
        "figures": {name: base64.b64encode(png).decode("ascii") for name, png in figures.items()},
        "history_pairs": bool(history_pairs(runs)),
        "several_calls": sum(run["settings"][name]["several_calls"] for run in runs for name in _last(run)),
        "unscored": {run["name"]: run["settings"][name]["unscored"] for run in runs for name in _last(run)},
        "packed": packed,
    }


def _last(run: dict[str, Any]) -> list[str]:
    """Return the name of a run's widest group: ``all``, or its only setting."""
    return list(run["settings"])[-1:]
