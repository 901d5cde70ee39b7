"""Instances → predictions, in a run folder that an interrupted run goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from .answering import Answerer
from .errors import InputError, PEToolBenchError
from .files import content_hash, file_hash, read_bytes
from .folders import ALL_CONFIG, DatasetFolder
from .models.settings import ModelSettings
from .predictions import PREDICTIONS, PredictionLog, Tally, put_in_order, read_standing, tally
from .prompts import render_prompt
from .runs import Manifest, RunSpec, close_run, discard_run, open_run, read_run
from .schema import SETTINGS, Instance, Prediction

_HASHED_PROMPTS = 4

Progress = Callable[[Iterable[Prediction], int], Iterable[Prediction]]


@dataclass(frozen=True)
class Outcome:
    """What came of a run: how many answers were added, how many stood there before, and all that it holds now."""

    added: int
    before: int
    tally: Tally


def run_spec(
    data: DatasetFolder,
    config: str,
    split: str,
    agent: str,
    *,
    seed: int = 0,
    history: bool = True,
    max_interactions: int | None = None,
    limit: int | None = None,
    ids: Collection[str] | None = None,
    ranker: Path | None = None,
    top_k: int | None = None,
    abstain_below: float | None = None,
    shortlist: Mapping[str, Sequence[str]] | None = None,
    model: ModelSettings | None = None,
) -> RunSpec:
    """Return the spec of a run over a data set.

    Raises:
        InputError: There is no such config or split, no such ranker file, or ``ids`` names an instance that the data
            does not hold.
        PromptError: A prompt cannot be made as asked.
    """
    count = data.count(config, split)
    if ids is not None:
        _check_ids(data, config, split, ids)
        count = len(set(ids))
    spec = RunSpec(
        config=config,
        split=split,
        fingerprint=data.fingerprint(config, split),
        instances=count if limit is None else min(limit, count),
        agent=agent,
        seed=seed,
        history=history,
        max_interactions=max_interactions,
        limit=limit,
        ids=content_hash(sorted(set(ids))) if ids is not None else None,
        ranker=file_hash(ranker) if ranker is not None else None,
        top_k=top_k,
        abstain_below=abstain_below,
        shortlist=content_hash(sorted(shortlist.items())) if shortlist is not None else None,
        model=model,
    )
    return spec if model is None else replace(spec, prompts=_prompts_hash(data, spec, model))


def predict(
    data: DatasetFolder,
    source: str,
    spec: RunSpec,
    answerer: Answerer,
    folder: Path,
    shortlist: Mapping[str, Sequence[str]] | None = None,
    progress: Progress = lambda predictions, total: predictions,
    *,
    ids: Collection[str] | None = None,
    retry: bool = False,
) -> Outcome:
    """Let somebody answer every instance that the run folder has no answer for yet.

    Each answer is appended as it comes; after the last one the file is brought into the order of the data.

    Args:
        data: The data set that ``spec`` speaks of.
        source: How the user named it; a local folder is kept as an absolute path.
        spec: What to do.
        answerer: Who answers.
        folder: The run folder, new or of an interrupted run of the same spec.
        shortlist: The names of the candidates to show, by the instance's id; all others are hidden.
        progress: Wraps the answers to show progress; it is told how many are to come.
        ids: Of the instances that alone are asked for; None: all.
        retry: Ask again where there is an error in place of an answer.

    Raises:
        InputError: The shortlist speaks of other instances.
        OutputError: The folder holds something else, or a run of another spec; the message says what differs.
        PEToolBenchError: Nothing can be answered; no run folder is left then.
    """
    wanted = _wanted(data, spec, ids)
    if shortlist is not None:
        _check_shortlist(next(chosen(data, spec, ids), None), spec, shortlist)
    existed = folder.exists()
    manifest = Manifest(spec, source, answerer.oracle, None if ids is None else frozenset(ids))
    standing = open_run(folder, manifest, answerer)
    left = {key for key in wanted if key not in standing or (retry and not standing[key])}
    instances = (_shown(entry, spec, shortlist) for entry in chosen(data, spec, ids) if entry.id in left)
    with _no_empty_run(folder, existed):
        added = _write_answers(answerer, instances, left, folder, progress)
        put_in_order(folder / PREDICTIONS, wanted)
        found = tally(folder / PREDICTIONS)
        if spec.model is not None and found.unscored and not found.answered:
            raise PEToolBenchError(f"none of {found.unscored} instances could be answered, such as: {found.example}")
    close_run(folder, answerer, found)
    return Outcome(added, len(wanted) - len(left), found)


def _write_answers(
    answerer: Answerer, instances: Iterator[Instance], left: Collection[str], folder: Path, progress: Progress
) -> int:
    missing = set(left)
    answers = answerer.answers(instances)
    with PredictionLog(folder / PREDICTIONS) as log, _closed(answers):
        for prediction in progress(answers, len(left)):
            log.append(prediction)
            missing.discard(prediction.id)
    if missing:
        raise RuntimeError(f"{answerer.name} left out {len(missing)} instances, such as {min(missing)}")
    return len(left)


@contextmanager
def _closed(answers: Iterator[Prediction]) -> Iterator[None]:
    """End a generator's own work, such as calls under way, as soon as its answers are no longer wanted."""
    try:
        yield
    finally:
        if isinstance(answers, Generator):
            answers.close()


@contextmanager
def _no_empty_run(folder: Path, existed: bool) -> Iterator[None]:
    """Take the run folder away where a fault leaves nothing in it that is worth going on from."""
    try:
        yield
    except PEToolBenchError:
        if not any(read_standing(folder / PREDICTIONS).values()):
            discard_run(folder, existed)
        raise


def chosen(data: DatasetFolder, spec: RunSpec, ids: Collection[str] | None) -> Iterator[Instance]:
    """Yield the instances that a run is about, in the order of the data, as the data holds them."""
    known = None if ids is None else frozenset(ids)
    instances = data.instances(spec.config, spec.split)
    return islice((entry for entry in instances if known is None or entry.id in known), spec.limit)


def _wanted(data: DatasetFolder, spec: RunSpec, ids: Collection[str] | None) -> tuple[str, ...]:
    known = None if ids is None else frozenset(ids)
    found = data.ids(spec.config, spec.split)
    return tuple(islice((key for key in found if known is None or key in known), spec.limit))


def visible(instance: Instance, spec: RunSpec, shortlist: Mapping[str, Sequence[str]] | None = None) -> Instance:
    """Return the instance with the history cut to what the spec shows, and the candidates to the shortlist.

    Raises:
        InputError: The instance is not in the shortlist, or none of its candidates is.
    """
    shown = instance.history if spec.history else ()
    if spec.max_interactions is not None:
        shown = shown[max(0, len(shown) - spec.max_interactions) :]
    candidates = instance.candidates
    if shortlist is not None:
        candidates = tuple(tool for tool in candidates if tool.name in shortlist.get(instance.id, ()))
        if not candidates:
            raise InputError("has no candidate in the shortlist; make it on the same data", record=instance.id)
    if shown == instance.history and candidates == instance.candidates:
        return instance
    return instance.model_copy(update={"history": shown, "candidates": candidates})


def _shown(instance: Instance, spec: RunSpec, shortlist: Mapping[str, Sequence[str]] | None) -> Instance:
    """Return what is visible, unless a language model would see all of it anyway.

    Raises:
        InputError: See ``visible``; or a published prompt is kept whole, so that nothing in it can be hidden.
    """
    shown = visible(instance, spec, shortlist)
    published = instance.published
    if shown is instance or published is None or spec.model is None or spec.model.style != "paper":
        return shown
    without = not spec.history and published.without_history is not None
    if shown.candidates != instance.candidates if without else published.verbatim is not None:
        raise InputError(
            "its published prompt is of unknown structure, so nothing in it can be hidden; take --style native, or "
            "leave it out with --ids",
            record=instance.id,
        )
    return shown


def _prompts_hash(data: DatasetFolder, spec: RunSpec, model: ModelSettings) -> str:
    """Return a hash over uncut prompts of the first instances of each setting; a change of wording changes it."""
    configs = [name for name in SETTINGS if name in data.files] if spec.config == ALL_CONFIG else [spec.config]
    prompts = []
    for config in configs:
        for instance in islice(data.instances(config, spec.split), _HASHED_PROMPTS):
            prompt = render_prompt(visible(instance, spec), model.style, history=spec.history)
            prompts.append([prompt.messages, prompt.tools])
    return content_hash(prompts)


def _check_ids(data: DatasetFolder, config: str, split: str, ids: Collection[str]) -> None:
    unknown = set(ids).difference(data.ids(config, split))
    if unknown:
        raise InputError(f"--ids names {len(unknown)} instances that the data does not hold, such as {min(unknown)}")


def read_ids(path: Path) -> tuple[str, ...]:
    """Return the ids in a file, one id or one JSON object with an ``id`` a line; of a run folder, those answered.

    Raises:
        InputError: There is no such file, or a line holds no id.
    """
    lines = read_bytes(path / PREDICTIONS if path.is_dir() else path).decode("utf-8", "replace").splitlines()
    found = (_id_of(line.strip(), path, number) for number, line in enumerate(lines, start=1) if line.strip())
    return tuple(dict.fromkeys(found))


def _id_of(line: str, path: Path, number: int) -> str:
    if not line.startswith("{"):
        return line
    try:
        return str(json.loads(line)["id"])
    except (ValueError, KeyError, RecursionError):
        problem = "holds no id; write one id a line, or one JSON object with an 'id'"
        raise InputError(problem, file=path, record=f"in line {number}") from None


def read_shortlist(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the shortlists that a ranker's run holds, by the instance's id.

    Raises:
        InputError: The folder is no run folder, or its answers hold no shortlists.
    """
    run = read_run(folder)
    found = {entry.id: entry.shortlist for entry in run.predictions.values() if entry.shortlist}
    if not found:
        raise InputError("holds no shortlists; run predict --agent ranker with --top-k", file=folder)
    return found


def _check_shortlist(first: Instance | None, spec: RunSpec, shortlist: Mapping[str, Sequence[str]]) -> None:
    """Refuse a shortlist of other data or of a shorter run before a run folder is made."""
    if first is not None:
        visible(first, spec, shortlist)
    if len(shortlist) < spec.instances:
        raise InputError(
            f"the shortlist speaks of {len(shortlist)} instances, {spec.instances} are asked for; "
            "finish the ranker's run, or pass its --limit"
        )
