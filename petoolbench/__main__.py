"""The command line: ``petoolbench convert | predict | train-ranker | score | report | audit | info``.

Exit codes: 0 done, 1 an audit missed a threshold, 2 the input is wrong (one line says where and what to do), 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .answering import RANKER, find_answerer
from .baselines import AGENTS
from .console import Console
from .convert import convert
from .errors import PEToolBenchError
from .folders import PACKAGE_NAME, open_dataset
from .predict import predict, read_shortlist, run_spec
from .report import build_report
from .results import percent, score_run, write_scores
from .schema import ERROR_TYPES
from .scoring import SCORING_VERSION
from .version import VERSION

_SHORT = {
    "invalid_format": "IF",
    "tool_hallucination": "TH",
    "functionality_mismatch": "TFM",
    "preference_mismatch": "TPM",
    "parameter_name_mismatch": "PNM",
    "parameter_value_mismatch": "PVM",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(quiet=options.quiet)
    try:
        return int(options.run(options, console) or 0)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except KeyboardInterrupt:
        console.error("interrupted; nothing is left half-written, and predict goes on where it stopped")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="petoolbench", description="Personalized tool learning: data, scores, reports."
    )
    parser.add_argument("--version", action="version", version=f"petoolbench {VERSION}, scoring {SCORING_VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_predict(commands)
    _add_train_ranker(commands)
    _add_score(commands)
    _add_report(commands)
    _add_audit(commands)
    _add_info(commands)
    return parser


def _command(
    commands: Any, name: str, summary: str, run: Callable[[argparse.Namespace, Console], int | None]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("--quiet", action="store_true", help="no notes and no progress")
    command.set_defaults(run=run)
    return command


def _add_convert(commands: Any) -> None:
    command = _command(commands, "convert", "Published PEToolBench files → a dataset folder.", _convert)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="test, SFT or DPO file; .gz and .zip too")
    command.add_argument("--out", required=True, type=Path, help="the dataset folder to make")
    command.add_argument("--overwrite", action="store_true", help="replace a filled folder")


def _add_predict(commands: Any) -> None:
    command = _command(commands, "predict", "Let an agent answer the instances of a data set.", _predict)
    _add_data_arguments(command, "test")
    command.add_argument("--agent", required=True, help=f"one of: {', '.join((*AGENTS, RANKER))}")
    command.add_argument("--out", required=True, type=Path, help="the run folder; an interrupted run goes on")
    command.add_argument("--seed", type=int, default=0, help="for agents that draw lots (default: 0)")
    command.add_argument("--limit", type=_positive, help="only the first N instances")
    command.add_argument("--max-interactions", type=_positive, help="show only the latest K interactions")
    command.add_argument("--no-history", action="store_true", help="hide the histories")
    command.add_argument(
        "--shortlist", type=Path, metavar="RUN", help="show only the candidates that a ranker's run kept"
    )
    command.add_argument("--ranker", type=Path, metavar="FILE", help="the trained ranker, for --agent ranker")
    command.add_argument("--top-k", type=_positive, help="ranker: keep the K likeliest candidates as a shortlist")
    command.add_argument(
        "--abstain-below", type=_share, metavar="P", help="ranker: answer only from this probability on"
    )


def _add_train_ranker(commands: Any) -> None:
    command = _command(commands, "train-ranker", "Train the reference ranker on a training split.", _train_ranker)
    _add_data_arguments(command, "train")
    command.add_argument("--out", type=Path, default=Path("ranker.json"), help="its file (default: ranker.json)")
    command.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")


def _add_audit(commands: Any) -> None:
    command = _command(commands, "audit", "Say what a data set measures, and what it gives away.", _audit)
    _add_data_arguments(command, "test")
    command.add_argument("--train", metavar="DATA", help="where the training split is, if not in the data itself")
    command.add_argument("--thresholds", type=Path, metavar="FILE", help="YAML of bounds (default: the shipped ones)")
    command.add_argument("--out", type=Path, default=Path("audit"), help="the audit's folder (default: audit)")


def _add_data_arguments(command: argparse.ArgumentParser, split: str) -> None:
    command.add_argument("--data", default=PACKAGE_NAME, help="'petoolbench' (shipped), a dataset folder, or a Hub id")
    command.add_argument("--config", default="all", help="a setting, or 'all' (default)")
    command.add_argument("--split", default=split, help=f"default: {split}")


def _add_score(commands: Any) -> None:
    command = _command(commands, "score", "Score run folders and print their tables.", _score)
    _add_run_arguments(command)


def _add_report(commands: Any) -> None:
    command = _command(commands, "report", "Runs → one HTML page, report.json and PNG figures.", _report)
    _add_run_arguments(command)
    command.add_argument("--out", type=Path, default=Path("report"), help="the report's folder (default: report)")


def _add_run_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    command.add_argument("--mode", choices=("strict", "official"), default="strict", help="default: strict")
    command.add_argument("--data", help="where the data is now, if not where the run was made")


def _add_info(commands: Any) -> None:
    command = _command(commands, "info", "Show the configs and splits of a data set.", _info)
    command.add_argument("--data", default=PACKAGE_NAME, help="'petoolbench' (shipped), a dataset folder, or a Hub id")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability from 0 to 1")
    return value


def _convert(options: argparse.Namespace, console: Console) -> None:
    conversion = convert(
        options.files,
        options.out,
        overwrite=options.overwrite,
        progress=lambda items, name: console.track(items, f"reading {name}"),
    )
    rows = [(name, str(count)) for name, count in conversion.counts().items()]
    console.table(f"{options.out}: {len(conversion.tools)} tools", ("setting/split", "instances"), rows)
    console.note(f"prompts kept whole, since their structure is another: {conversion.verbatim}")


def _predict(options: argparse.Namespace, console: Console) -> None:
    ranked = {"ranker": options.ranker, "top_k": options.top_k, "abstain_below": options.abstain_below}
    answerer = find_answerer(options.agent, seed=options.seed, **ranked)
    data = open_dataset(options.data)
    shortlist = read_shortlist(options.shortlist) if options.shortlist else None
    spec = run_spec(
        data,
        options.config,
        options.split,
        options.agent,
        seed=options.seed,
        history=not options.no_history,
        max_interactions=options.max_interactions,
        limit=options.limit,
        shortlist=shortlist,
        **ranked,
    )
    added = predict(
        data,
        options.data,
        spec,
        answerer,
        options.out,
        shortlist,
        lambda items, total: console.track(items, options.agent, total),
    )
    before = spec.instances - added
    known = f"; {before} were there before" if before else ""
    console.note(f"{options.out}: {added} answers by {options.agent}{known}")


def _train_ranker(options: argparse.Namespace, console: Console) -> None:
    from .ranker.training import train_ranker

    data = open_dataset(options.data)
    instances = list(data.instances(options.config, options.split))
    trained_on = {
        "data": options.data if options.data.rstrip("/") == PACKAGE_NAME else Path(options.data).name,
        "config": options.config,
        "split": options.split,
        "fingerprint": data.fingerprint(options.config, options.split),
        "instances": len(instances),
        "seed": options.seed,
        "petoolbench": VERSION,
    }
    started = time.monotonic()
    ranker = train_ranker(instances, trained_on, options.seed, console.note)
    ranker.write(options.out)
    spent = time.monotonic() - started
    console.note(f"{options.out}: a ranker of {len(instances)} instances, {spent:.0f} s")


def _audit(options: argparse.Namespace, console: Console) -> int:
    from .audit.reading import read_subject
    from .audit.running import AUDIT_HTML, SECTIONS, run_audit
    from .audit.shortcuts import measure_shortcuts
    from .audit.tables import check_groups, check_rows
    from .audit.verdicts import read_thresholds

    thresholds = read_thresholds(options.thresholds)
    subject = read_subject(options.data, options.config, options.split, options.train)
    audit = run_audit(
        subject,
        (*SECTIONS, ("rankers", measure_shortcuts)),
        thresholds,
        options.out,
        lambda sections, total: console.track(sections, "auditing", total),
    )
    rows = [
        (check.name, check.mark, check.limit, *(shown for _, shown in check.cells))
        for check in check_rows(audit.verdicts)
    ]
    console.table(f"{options.data}: bounds", ("line", "", "bound", *check_groups(audit.verdicts)), rows)
    console.note(f"audit: {options.out / AUDIT_HTML}")
    return int(audit.failed)


def _score(options: argparse.Namespace, console: Console) -> None:
    for folder in options.runs:
        scored = score_run(folder, options.mode, options.data, _scoring(console, folder))
        _show(write_scores(scored), console)


def _scoring(console: Console, folder: Path) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    return lambda items, total: console.track(items, f"scoring {folder.name}", total)


def _show(summary: dict[str, Any], console: Console) -> None:
    title = f"{summary['name']} · {summary['agent']} · {summary['mode']} · scoring version {summary['scoring_version']}"
    columns = ("setting", "n", "unscored", "Tool Acc", "Param Acc", "Joint", "Param | tool")
    metrics = ("tool_accuracy", "param_accuracy", "joint_accuracy", "param_accuracy_given_tool")
    rows = [
        (name, str(part["n"]), str(part["unscored"]), *(percent(part[metric]) for metric in metrics))
        for name, part in summary["settings"].items()
    ]
    console.table(f"{title} (%, 95 % intervals clustered by functionality)", columns, rows)
    errors = [
        (name, *(f"{100 * part['errors'][kind]:.1f}" for kind in (*ERROR_TYPES, "correct")))
        for name, part in summary["settings"].items()
    ]
    console.table("error types (%)", ("setting", *(_SHORT[kind] for kind in ERROR_TYPES), "correct"), errors)
    for name, part in summary["settings"].items():
        if part["unscored"]:
            console.note(f"{name}: {part['unscored']} of {part['n']} instances have no answer and count in no figure")


def _report(options: argparse.Namespace, console: Console) -> None:
    page = build_report(
        options.runs,
        options.out,
        options.mode,
        options.data,
        lambda items, total: console.track(items, "scoring", total),
    )
    console.note(f"report: {page}")


def _info(options: argparse.Namespace, console: Console) -> None:
    data = open_dataset(options.data)
    rows = [
        (config, split, str(data.count(config, split)), data.fingerprint(config, split))
        for config in data.files
        for split in data.splits(config)
    ]
    console.table(f"{options.data} · petoolbench {VERSION}", ("config", "split", "rows", "fingerprint"), rows)


if __name__ == "__main__":
    sys.exit(main())
