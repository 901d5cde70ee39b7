"""Logs of harnesses → predictions, and a run folder of them for ``petoolbench score``, ``report`` and ``compare``.

A log tells by itself on which data it was made: the tasks keep ``Questions.record`` in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError, MissingExtraError
from ..predict import run_spec
from ..runs import RunSpec
from ..schema import Instance, Prediction
from .inspect_answers import read_output
from .questions import Questions

INSPECT_ENDINGS = (".eval", ".json")
LM_EVAL_ENDING = ".jsonl"

_RECORD = "petoolbench"
_UNREAD_FIELDS = {"messages", "events", "store", "attachments"}
_NO_ANSWER = "the harness got no answer"


@dataclass(frozen=True)
class HarnessLog:
    """What a log says: what was asked of which data, who answered, and the answers by the instances' ids."""

    file: Path
    questions: Questions
    fingerprint: str
    model: str
    predictions: Mapping[str, Prediction]


@dataclass(frozen=True)
class LoggedAnswerer:
    """Who gives the answers that a log holds; an instance that it does not hold has none."""

    log: HarnessLog
    name: str
    oracle: bool = False

    def described(self) -> Mapping[str, str]:
        """Return which log it is."""
        return {"log": self.log.file.name}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the log's answers, in the order of the instances."""
        for instance in instances:
            yield self._answer(instance.id)

    def _answer(self, identity: str) -> Prediction:
        missing = Prediction(id=identity, error="the log holds no answer")
        return self.log.predictions.get(identity, missing)


class _Sample(Protocol):
    """What is read of an Inspect sample."""

    id: int | str
    epoch: int
    output: Any
    error: Any
    metadata: dict[str, Any]


def read_log(file: Path) -> HarnessLog:
    """Read an Inspect log, or the samples that lm-evaluation-harness wrote with ``--log_samples``.

    Raises:
        InputError: The file is missing, damaged, or of another task.
        MissingExtraError: It is a log of Inspect's, which is not installed.
    """
    if not file.is_file():
        raise InputError("no such log", file=file)
    if file.suffix in INSPECT_ENDINGS:
        return _read_inspect(file)
    if file.suffix == LM_EVAL_ENDING:
        return _read_lm_eval(file)
    known = ", ".join((*INSPECT_ENDINGS, LM_EVAL_ENDING))
    raise InputError(f"is no log of a harness; its name has to end in one of: {known}", file=file)


def log_spec(log: HarnessLog, name: str | None = None) -> RunSpec:
    """Return the spec of the run that a log holds; a log of the first instances alone gives a run of those.

    Args:
        log: The log.
        name: What the run's agent is called; else the log's model.

    Raises:
        InputError: The data is missing, or is not what the log was made on.
    """
    questions = log.questions
    data = questions.open()
    found = data.fingerprint(questions.config, questions.split)
    if found != log.fingerprint:
        raise InputError(
            f"{questions.data} holds other data than this log was made on ({found}, not {log.fingerprint}); "
            "say where it is with --data",
            file=log.file,
        )
    answered = len(log.predictions)
    first = {entry.id for entry in islice(questions.instances(), answered)}
    partial = first == set(log.predictions) and answered < data.count(questions.config, questions.split)
    return run_spec(
        data,
        questions.config,
        questions.split,
        name or log.model,
        history=questions.history,
        max_interactions=questions.max_interactions,
        limit=answered if partial else None,
    )


def _read_inspect(file: Path) -> HarnessLog:
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_samples
    except ImportError:
        raise MissingExtraError("reading a log of Inspect's", "inspect-ai", "harness") from None
    try:
        head = read_eval_log(str(file), header_only=True).eval
        samples = read_eval_log_samples(str(file), all_samples_required=False, exclude_fields=_UNREAD_FIELDS)
        predictions = _by_id(((sample.epoch, _inspect_answer(sample)) for sample in samples), file)
    except (ValueError, KeyError, OSError, IndexError) as error:
        raise InputError(f"is no readable log of Inspect's: {error}", file=file) from None
    return _log(file, (head.metadata or {}).get(_RECORD), head.model, predictions)


def _inspect_answer(sample: _Sample) -> Prediction:
    identity = str(sample.id)
    if sample.error is not None:
        return Prediction(id=identity, error=str(sample.error.message))
    return read_output(sample.output, identity, sample.metadata.get("names"))


def _read_lm_eval(file: Path) -> HarnessLog:
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        records = {row["doc"]["questions"] for row in rows}
        predictions = _by_id(((1, _lm_eval_answer(row)) for row in rows), file)
        record = json.loads(records.pop()) if len(records) == 1 else None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"holds no samples of a petoolbench task: {error!r}", file=file) from None
    return _log(file, record, file.resolve().parent.name, predictions)


def _lm_eval_answer(row: Mapping[str, Any]) -> Prediction:
    """Read one line; the harness writes a missing answer as the text ``None``, but scores it in no metric."""
    identity = str(row["doc"]["id"])
    if not row["metrics"]:
        return Prediction(id=identity, error=_NO_ANSWER)
    return Prediction(id=identity, text=row["filtered_resps"][0])


def _by_id(answers: Iterator[tuple[int, Prediction]], file: Path) -> dict[str, Prediction]:
    found: dict[str, Prediction] = {}
    for epoch, prediction in answers:
        if epoch > 1 or prediction.id in found:
            raise InputError("answers an instance more than once; a run holds one answer each", file=file)
        found[prediction.id] = prediction
    return found


def _log(file: Path, record: Any, model: str, predictions: Mapping[str, Prediction]) -> HarnessLog:
    if not isinstance(record, dict) or "fingerprint" not in record:
        raise InputError("was not made by a task of petoolbench", file=file)
    try:
        questions = Questions(**{name: value for name, value in record.items() if name != "fingerprint"})
    except TypeError:
        raise InputError("was made by a task of another version of petoolbench", file=file) from None
    return HarnessLog(file, questions, str(record["fingerprint"]), model, predictions)
