"""``petoolbench predict``: let an agent answer the instances of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..answering import RANKER, find_answerer
from ..baselines import AGENTS
from ..console import Console
from ..folders import open_dataset
from ..predict import predict, read_shortlist, run_spec
from .arguments import add_command, add_data_arguments, positive, share


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "predict", "Let an agent answer the instances of a data set.", _run)
    add_data_arguments(command, "test")
    command.add_argument("--agent", required=True, help=f"one of: {', '.join((*AGENTS, RANKER))}")
    command.add_argument("--out", required=True, type=Path, help="the run folder; an interrupted run goes on")
    command.add_argument("--seed", type=int, default=0, help="for agents that draw lots (default: 0)")
    command.add_argument("--limit", type=positive, help="only the first N instances")
    command.add_argument("--max-interactions", type=positive, help="show only the latest K interactions")
    command.add_argument("--no-history", action="store_true", help="hide the histories")
    command.add_argument(
        "--shortlist", type=Path, metavar="RUN", help="show only the candidates that a ranker's run kept"
    )
    command.add_argument("--ranker", type=Path, metavar="FILE", help="the trained ranker, for --agent ranker")
    command.add_argument("--top-k", type=positive, help="ranker: keep the K likeliest candidates as a shortlist")
    command.add_argument(
        "--abstain-below", type=share, metavar="P", help="ranker: answer only from this probability on"
    )


def _run(options: argparse.Namespace, console: Console) -> None:
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
