"""``petoolbench import-run``: the log of a harness → a run folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..console import Console
from ..harness.logs import LoggedAnswerer, log_spec, read_log
from ..predict import predict
from .arguments import add_command


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "import-run", "The log of a harness → a run folder.", _run)
    command.add_argument(
        "log", type=Path, metavar="LOG", help="Inspect's .eval or .json, or lm-evaluation-harness's samples_*.jsonl"
    )
    command.add_argument("--out", required=True, type=Path, help="the run folder to make")
    command.add_argument("--data", help="where the data is now, if not where the log was made")
    command.add_argument("--name", help="what the run's agent is called (default: the log's model)")


def _run(options: argparse.Namespace, console: Console) -> None:
    log = read_log(options.log)
    if options.data:
        log = replace(log, questions=replace(log.questions, data=options.data))
    spec = log_spec(log, options.name)
    source = log.questions.data
    outcome = predict(log.questions.open(), source, spec, LoggedAnswerer(log, spec.agent), options.out)
    answered = sum(prediction.error is None for prediction in log.predictions.values())
    console.note(
        f"{options.out}: {outcome.added} instances of {options.log}, {answered} of them answered by {spec.agent}"
    )
