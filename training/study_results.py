"""What the runs of a study left → its tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from petoolbench.schema import ERROR_TYPES, SETTINGS
from petoolbench.scoring import SCORING_VERSION
from petoolbench.version import VERSION

_ALL = "all"
_ACCURACIES = {"param_accuracy": "parameters", "joint_accuracy": "both"}


def results(trained: Mapping[str, Any], tested: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        trained: ``training_report.json`` of each trained model.
        tested: ``report.json`` of each test.
    """
    lines = [
        "# Results",
        "",
        f"petoolbench {VERSION}, scoring version {SCORING_VERSION}. Accuracies in %, with 95 % intervals clustered by "
        "functionality.",
        *(line for name, report in tested.items() for line in _test(name, report)),
        *_training(trained),
    ]
    return "\n".join(lines) + "\n"


def _test(name: str, report: Mapping[str, Any]) -> Iterator[str]:
    runs = report["runs"]
    spec, counted = runs[0]["spec"], runs[0]["settings"]
    settings = [entry for entry in SETTINGS if entry in counted]
    yield from ("", f"## {name}", "")
    yield (
        f"{spec['config']}/{spec['split']}, fingerprint {spec['fingerprint']}, {spec['instances']} instances, "
        f"{'with' if spec['history'] else 'without'} histories. Tool accuracy in each setting, then over all:"
    )
    yield ""
    heads = ["run", *settings, "all", *_ACCURACIES.values(), "without an answer"]
    yield from _table(heads, ([run["name"], *_accuracies(run, settings)] for run in runs))
    yield from ("", "What went wrong over all settings, in % of the answers:", "")
    widest = _ALL if _ALL in counted else settings[0]
    shares = ([run["name"], *_shares(run["settings"][widest]["errors"])] for run in runs)
    yield from _table(["run", *ERROR_TYPES], shares)


def _accuracies(run: Mapping[str, Any], settings: Sequence[str]) -> Iterator[str]:
    parts = run["settings"]
    widest = parts.get(_ALL) or parts[settings[0]]
    yield from (_percent(parts[entry]["tool_accuracy"]) for entry in settings)
    yield _percent(widest["tool_accuracy"])
    yield from (_percent(widest[entry]) for entry in _ACCURACIES)
    yield str(widest["unscored"])


def _shares(errors: Mapping[str, float]) -> Iterator[str]:
    return (f"{100 * errors[name]:.1f}" for name in ERROR_TYPES)


def _percent(measured: Mapping[str, float | None]) -> str:
    value, low, high = (measured[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "–"
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _training(trained: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Training", "")
    heads = ["model", "examples", "steps", "tokens", "tokens/s", "share of a matrix product's speed", "configuration"]
    yield from _table(heads, ([name, *_trained(report)] for name, report in trained.items()))
    for name, report in trained.items():
        if "pairs" in report:
            told = "; ".join(f"{key}: {_counts(report['pairs'][key])}" for key in ("samples", "chosen", "rejected"))
            yield from ("", f"Pairs of {name}: {told}.")


def _trained(report: Mapping[str, Any]) -> Iterator[str]:
    session = report["session"]
    yield str(report["pairs"]["pairs"] if "pairs" in report else report["data"]["examples"])
    yield str(report["steps"])
    yield str(report["tokens"])
    yield f"{session['tokens_per_second']:.0f}"
    yield f"{session['share']:.0%}"
    yield f"`{report['config_hash']}`"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    yield from (f"| {' | '.join(row)} |" for row in rows)
