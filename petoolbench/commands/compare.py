"""``petoolbench compare``: paired tests between runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ..analyses.comparison import COMPARED, GROUPS, compare
from ..analyses.records import ScoredRun
from ..console import Console
from ..errors import PEToolBenchError
from ..files import write_text
from ..results import percent, score_runs
from .arguments import add_command, add_run_arguments

_COLUMNS = ("A → B", "setting", "metric", "n", "A", "B", "B − A", "only A", "only B", "McNemar p", "Holm p")


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(
        commands, "compare", "Test runs against each other on the instances that both answered.", _run
    )
    add_run_arguments(command)
    command.add_argument("--against", type=Path, metavar="RUN", help="test each run against this one only")
    command.add_argument("--metric", action="append", choices=COMPARED, help="only this one; may be repeated")
    command.add_argument("--setting", action="append", choices=GROUPS, help="only this one; may be repeated")
    command.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here too")


def _run(options: argparse.Namespace, console: Console) -> None:
    folders = _folders(options.runs, options.against)
    runs = score_runs(folders, options.mode, options.data, lambda items, total: console.track(items, "scoring", total))
    against = runs.pop(0) if options.against else None
    groups = tuple(options.setting or GROUPS)
    rows = compare(runs, against=against, groups=groups, metrics=tuple(options.metric or COMPARED))
    _refuse_strangers(runs, against, rows, options.setting)
    if options.json:
        found = {"mode": options.mode, "comparisons": rows}
        write_text(options.json, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    title = "paired tests, %; Holm's adjustment is over all rows"
    console.table(title, _COLUMNS, _shown(rows))


def _folders(runs: Sequence[Path], against: Path | None) -> list[Path]:
    """Return the run folders, the one to test against first.

    Raises:
        PEToolBenchError: There is nothing to test.
    """
    if against is None:
        if len(runs) < 2:
            raise PEToolBenchError("a comparison needs two runs; name another, or --against RUN")
        return list(runs)
    others = [folder for folder in runs if folder.resolve() != against.resolve()]
    if not others:
        raise PEToolBenchError(f"{against}: is the only run; name another to test against it")
    return [against, *others]


def _refuse_strangers(
    runs: Sequence[ScoredRun],
    against: ScoredRun | None,
    rows: Sequence[dict[str, Any]],
    settings: Sequence[str] | None,
) -> None:
    """Refuse runs that have nothing in common, rather than leave them out of the table."""
    tested = {(row["a"], row["b"]) for row in rows if row["n"]}
    pairs = combinations(runs, 2) if against is None else ((against, run) for run in runs)
    for first, second in pairs:
        names = (first.run.name, second.run.name)
        if names not in tested:
            where = f" in {' or '.join(settings)}" if settings else ""
            raise PEToolBenchError(
                f"{names[0]} and {names[1]} share no scored instance{where}; compare runs on the same data"
            )


def _shown(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    shown: list[tuple[str, ...]] = []
    before = None
    for row in rows:
        pair = f"{row['a']} → {row['b']}"
        shown.append(
            (
                pair if pair != before else "",
                row["setting"],
                row["metric"].removesuffix("_accuracy"),
                str(row["n"]),
                _share(row["share_a"]),
                _share(row["share_b"]),
                percent(row["difference"]),
                str(row["only_a"]),
                str(row["only_b"]),
                f"{row['mcnemar_p']:.2g}",
                f"{row['mcnemar_p_holm']:.2g}",
            )
        )
        before = pair
    return shown


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
