"""What ``predict`` and ``evaluate`` share: whom to ask, how, and about what."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..answering import RANKER, Answerer, ModelAnswerer, find_answerer
from ..baselines import AGENTS
from ..console import Console
from ..errors import PEToolBenchError
from ..folders import open_dataset
from ..models.batch_api import STATE
from ..models.engines import load_model
from ..models.protocol import Generation
from ..models.settings import ModelSettings, Running, check_options, default_address, public_address, split_model
from ..predict import Outcome, predict, read_ids, read_shortlist, run_spec
from ..prompts import PROMPT_STYLES
from .arguments import add_data_arguments, not_negative, positive, seconds, share

_SETTINGS = ("style", "window", "max_new_tokens", "temperature", "guided", "adapter", "dtype", "base_url", "tokenizer")
_RUNNING = ("device", "batch_tokens", "tensor_parallel", "base_url", "concurrency", "timeout", "batch_api")


def add_asking_arguments(command: argparse.ArgumentParser) -> None:
    """Add everything that ``ask`` reads."""
    add_data_arguments(command, "test")
    who = command.add_mutually_exclusive_group(required=True)
    who.add_argument("--agent", help=f"one of: {', '.join((*AGENTS, RANKER))}")
    who.add_argument("--model", help="hf:NAME (folder, GGUF file or Hub id), openai:NAME (a server's), or vllm:NAME")
    command.add_argument("--out", required=True, type=Path, help="the run folder; an interrupted run goes on")
    command.add_argument("--seed", type=int, default=0, help="of agents that draw lots and of sampling (default: 0)")
    command.add_argument("--limit", type=positive, help="only the first N instances")
    command.add_argument("--ids", type=Path, metavar="FILE", help="only these: one id a line, JSON lines, or a run")
    command.add_argument("--max-interactions", type=positive, help="show only the latest K interactions")
    command.add_argument("--no-history", action="store_true", help="hide the histories")
    command.add_argument("--retry", action="store_true", help="ask again where there is an error in place of an answer")
    command.add_argument(
        "--shortlist", type=Path, metavar="RUN", help="show only the candidates that a ranker's run kept"
    )
    _add_ranker_arguments(command.add_argument_group("--agent ranker"))
    _add_model_arguments(command.add_argument_group("--model"))
    _add_server_arguments(command.add_argument_group("--model openai:NAME"))


def _add_ranker_arguments(group: Any) -> None:
    group.add_argument("--ranker", type=Path, metavar="FILE", help="the trained ranker")
    group.add_argument("--top-k", type=positive, help="keep the K likeliest candidates as a shortlist")
    group.add_argument("--abstain-below", type=share, metavar="P", help="answer only from this probability on")


def _add_model_arguments(group: Any) -> None:
    group.add_argument("--style", choices=PROMPT_STYLES, help=f"of the prompts (default: {Generation.style})")
    group.add_argument("--window", type=positive, help=f"tokens of a prompt at most (default: {Generation.window})")
    group.add_argument("--max-new-tokens", type=positive, help=f"(default: {Generation.max_new_tokens})")
    group.add_argument("--temperature", type=not_negative, help=f"0: greedy (default: {Generation.temperature})")
    group.add_argument("--guided", action="store_true", default=None, help="nothing but calls of candidates")
    group.add_argument("--adapter", metavar="DIR|HUB_ID", help="hf, vllm: a LoRA adapter")
    group.add_argument("--dtype", help="hf, vllm: such as bfloat16 (default: auto)")
    group.add_argument("--device", help="hf: cpu or cuda (default: auto)")
    group.add_argument("--batch-tokens", type=positive, metavar="N", help="hf: tokens in a batch (default: as fit)")
    group.add_argument("--tensor-parallel", type=positive, metavar="N", help="vllm: over N GPUs (default: 1)")


def _add_server_arguments(group: Any) -> None:
    group.add_argument("--base-url", metavar="URL", help="of a server, such as http://127.0.0.1:8000/v1")
    group.add_argument("--tokenizer", metavar="NAME", help="counts tokens; without it no prompt is cut to the window")
    group.add_argument("--concurrency", type=positive, help=f"calls at a time (default: {Running.concurrency})")
    group.add_argument("--timeout", type=seconds, help=f"seconds for a call (default: {Running.timeout:g})")
    group.add_argument("--batch-api", action="store_true", default=None, help="hand all requests in as a batch")


def ask(options: argparse.Namespace, console: Console) -> Outcome:
    """Make or go on with the run that the options speak of, and tell what came of it."""
    answerer, settings = _answerer(options, console)
    data = open_dataset(options.data)
    shortlist = read_shortlist(options.shortlist) if options.shortlist else None
    ids = read_ids(options.ids) if options.ids else None
    spec = run_spec(
        data,
        options.config,
        options.split,
        answerer.name,
        seed=options.seed,
        history=not options.no_history,
        max_interactions=options.max_interactions,
        limit=options.limit,
        ids=ids,
        shortlist=shortlist,
        model=settings,
        **_ranked(options),
    )
    outcome = predict(
        data,
        options.data,
        spec,
        answerer,
        options.out,
        shortlist,
        lambda items, total: console.track(items, answerer.name, total),
        ids=ids,
        retry=options.retry,
    )
    _tell(outcome, answerer.name, options, console)
    return outcome


def _ranked(options: argparse.Namespace) -> dict[str, Any]:
    return {"ranker": options.ranker, "top_k": options.top_k, "abstain_below": options.abstain_below}


def _answerer(options: argparse.Namespace, console: Console) -> tuple[Answerer, ModelSettings | None]:
    names = dict.fromkeys((*_SETTINGS, *_RUNNING))
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.model is None:
        if given:
            raise PEToolBenchError(f"--{next(iter(given)).replace('_', '-')} goes with --model only")
        return find_answerer(options.agent, seed=options.seed, **_ranked(options)), None
    if any(value is not None for value in _ranked(options).values()):
        raise PEToolBenchError("--ranker, --top-k and --abstain-below go with --agent ranker only")
    check_options(options.model, given)
    given = {**default_address(options.model), **given}
    if not options.batch_api and (options.out / STATE).is_file():
        raise PEToolBenchError(f"{options.out}: its batch is under way; go on with --batch-api")
    settings = ModelSettings(options.model, **{name: given[name] for name in _SETTINGS if name in given})
    running = Running(
        folder=options.out, tell=console.note, **{name: given[name] for name in _RUNNING if name in given}
    )
    if settings.base_url is not None:
        settings = replace(settings, base_url=public_address(settings.base_url))
    return ModelAnswerer(load_model(settings, options.seed, running)), settings


def _tell(outcome: Outcome, name: str, options: argparse.Namespace, console: Console) -> None:
    known = f"; {outcome.before} were there before" if outcome.before else ""
    console.note(f"{options.out}: {outcome.added} answers by {name}{known}")
    if options.model is not None and split_model(options.model)[0] == "openai" and not options.tokenizer:
        console.note("no --tokenizer, so no prompt is cut to the window")
    if outcome.tally.unscored:
        advice = "" if options.retry or options.model is None else "; --retry asks for them again"
        console.note(
            f"{outcome.tally.unscored} of them have no answer and stay unscored, such as: "
            f"{outcome.tally.example}{advice}"
        )
