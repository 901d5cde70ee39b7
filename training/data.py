"""Instances → tokens to train on: what a model is asked at evaluation, to the token, and the call it should answer."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from petoolbench.errors import PEToolBenchError
from petoolbench.files import content_hash
from petoolbench.folders import DatasetFolder, open_dataset
from petoolbench.models.chat import Asked, Chat
from petoolbench.models.protocol import Generation
from petoolbench.parsing import render_call
from petoolbench.prompts import Prompt, PromptError, name_map, native_call
from petoolbench.schema import Instance, ToolCall

from .config import DataSettings, PromptSettings
from .shortening import shorten

if TYPE_CHECKING:
    from datasets import Dataset

IGNORED = -100
"""The label of a token that is not trained on."""


@dataclass(frozen=True)
class Completion:
    """A call as the model should write it, the end of its turn included."""

    text: str
    ids: list[int]


@dataclass(frozen=True)
class Example:
    """An instance's prompt, and the call that answers it; ``asked.instance`` is shown as the settings say."""

    asked: Asked
    gold: Completion

    @property
    def length(self) -> int:
        """Tokens of prompt and completion together."""
        return len(self.asked.ids) + len(self.gold.ids)


@dataclass
class DataReport:
    """What became of instances on their way to examples; nothing is left out that is not counted here."""

    source: dict[str, Any]
    instances: int = 0
    held_out: int = 0
    examples: int = 0
    left_out: int = 0
    left_out_example: str | None = None
    interactions: Counter[str] = field(default_factory=Counter)
    descriptions_cut: int = 0
    rewritten: int = 0
    prompt_tokens: list[int] = field(default_factory=list)
    completion_tokens: list[int] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the counts as lines for a terminal."""
        past = self.interactions
        told = [
            f"examples: {self.examples} of {self.instances} instances; {self.left_out} left out"
            + (f", such as: {self.left_out_example}" if self.left_out_example else "")
            + (f"; {self.held_out} more held out" if self.held_out else ""),
            f"past calls: {past['shown']} of {past['all']} shown; {past['limit']} left out by the settings, "
            f"{past['room']} to fit the window",
        ]
        if self.descriptions_cut or self.rewritten:
            told.append(f"descriptions cut: {self.descriptions_cut}; published prompts in our words: {self.rewritten}")
        lengths = self.summary()["tokens"]
        told += [f"tokens of {name}s: {_spread(lengths[name])}" for name in lengths if lengths[name]]
        return told

    def summary(self) -> dict[str, Any]:
        """Return what ``data_report.json`` holds."""
        return {
            "source": self.source,
            "instances": self.instances,
            "held_out": self.held_out,
            "examples": self.examples,
            "left_out": self.left_out,
            "left_out_example": self.left_out_example,
            "past_calls": {key: self.interactions[key] for key in ("all", "shown", "limit", "room")},
            "descriptions_cut": self.descriptions_cut,
            "rewritten": self.rewritten,
            "tokens": {"prompt": _lengths(self.prompt_tokens), "completion": _lengths(self.completion_tokens)},
        }


@dataclass(frozen=True)
class Slices:
    """Instances to train on, and instances of other users to evaluate on."""

    training: list[Instance]
    held_out: list[Instance]


def open_data(settings: DataSettings) -> DatasetFolder:
    """Open the data and check that it has the config and split.

    Raises:
        InputError: There is no such data set, config or split.
    """
    data = open_dataset(settings.source)
    data.parquet(settings.config, settings.split)
    return data


def split_off(data: DatasetFolder, settings: DataSettings, held_out: int, seed: int) -> Slices:
    """Return what to train on, and at least ``held_out`` instances of users who are not trained on.

    Users, and where there is a limit instances, are drawn by the seed.

    Raises:
        InputError: The data is damaged or lacks a column.
        PEToolBenchError: Nothing is left to train on.
    """
    instances = list(data.instances(settings.config, settings.split))
    users = Counter(entry.user_id for entry in instances)
    chosen: set[str] = set()
    found = 0
    for user in sorted(users, key=lambda user: content_hash([seed, "held out", user])):
        if found >= held_out:
            break
        chosen.add(user)
        found += users[user]
    drawn = sorted(instances, key=lambda entry: content_hash([seed, "drawn", entry.id]))
    training = [entry for entry in drawn if entry.user_id not in chosen][: settings.limit]
    if not training:
        raise PEToolBenchError(
            f"{settings.source}, {settings.config}/{settings.split}: {len(instances)} instances of {len(users)} users "
            f"leave none to train on where {held_out} are held out; lower evaluation.instances"
        )
    return Slices(training, [entry for entry in drawn if entry.user_id in chosen])


class Teller:
    """Instances → prompts and completions, by a tokenizer's chat template.

    Args:
        tokenizer: A tokenizer of transformers.
        prompts: How instances are told.
        name: By which errors call the model.

    Raises:
        PEToolBenchError: The tokenizer has no chat template, or it cannot render the style.
    """

    def __init__(self, tokenizer: Any, prompts: PromptSettings, name: str) -> None:
        self.chat = Chat(tokenizer, prompts.style, name)
        self.prompts = prompts
        self._generation = Generation(style=prompts.style, window=prompts.max_tokens)

    def ask(self, instance: Instance, report: DataReport | None = None) -> Asked:
        """Return an instance as the model is asked it, in training and at evaluation.

        Raises:
            PromptError: It does not fit the window even without history, or cannot be shortened.
        """
        short = shorten(instance, self.prompts)
        asked = self.chat.ask(short.instance, self._generation)
        if report is not None:
            report.descriptions_cut += short.descriptions
            report.rewritten += short.rewritten
            report.prompt_tokens.append(len(asked.ids))
            report.interactions.update(
                all=len(instance.history), shown=asked.prompt.kept, limit=short.interactions, room=asked.prompt.dropped
            )
        return asked

    def complete(self, asked: Asked, call: ToolCall) -> Completion:
        """Return a call as the model should write it after the prompt.

        Raises:
            PEToolBenchError: The template does not end the model's turn, and the tokenizer has no token that does.
        """
        tokenizer = self.chat.tokenizer
        text = self.chat.answered(asked.prompt, _answer(asked.prompt, call))
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if ids[-1] not in tokenizer.all_special_ids:
            if tokenizer.eos_token_id is None:
                raise PEToolBenchError(f"{self.chat.name}: neither template nor tokenizer say how a turn ends")
            ids, text = [*ids, tokenizer.eos_token_id], text + tokenizer.eos_token
        return Completion(text, ids)


def _answer(prompt: Prompt, call: ToolCall) -> dict[str, Any]:
    """Return a call as a message of the assistant, in the prompt's style."""
    if prompt.tools is None:
        return {"role": "assistant", "content": render_call(call)}
    names = prompt.names if call.name in prompt.names.to_native else name_map([*prompt.names.to_native, call.name])
    return {"role": "assistant", "content": "", "tool_calls": [native_call(call, names)]}


def gold_call(instance: Instance) -> ToolCall:
    """Return the reference's own call."""
    return ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)


def examples(instances: Iterable[Instance], teller: Teller, report: DataReport) -> Iterator[Example]:
    """Yield an example an instance; one whose prompt cannot be made to fit the window is counted as left out."""
    for instance in instances:
        report.instances += 1
        try:
            asked = teller.ask(instance, report)
        except PromptError as error:
            report.left_out += 1
            report.left_out_example = report.left_out_example or str(error)
            continue
        gold = teller.complete(asked, gold_call(instance))
        report.completion_tokens.append(len(gold.ids))
        report.examples += 1
        yield Example(asked, gold)


def prompt_completion(members: Iterable[Example]) -> Dataset:
    """Return examples in TRL's form for supervised training, with tokens and labels in place of texts.

    So no second tokenizing can cut a prompt or begin it twice. Prompts are labelled ``IGNORED``; the columns ``id`` and
    ``completion`` are for readers. Examples are taken one by one, so that only their tokens are held.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("id", "completion", "input_ids", "labels", "length")}
    for entry in members:
        prompt, completion = np.array(entry.asked.ids, np.int32), np.array(entry.gold.ids, np.int32)
        columns["id"].append(entry.asked.instance.id)
        columns["completion"].append(entry.gold.text)
        columns["input_ids"].append(np.concatenate([prompt, completion]))
        columns["labels"].append(np.concatenate([np.full_like(prompt, IGNORED), completion]))
        columns["length"].append(entry.length)
    return _dataset(columns)


@dataclass(frozen=True)
class Pair:
    """A prompt with a better and a worse completion."""

    asked: Asked
    chosen: Completion
    rejected: Completion


def preference_pairs(pairs: Iterable[Pair], teller: Teller) -> Dataset:
    """Return pairs in TRL's columns ``prompt``, ``chosen`` and ``rejected``, with the tokens of each beside them."""
    names = ("id", "prompt", "chosen", "rejected", "prompt_ids", "chosen_ids", "rejected_ids", "length")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for pair in pairs:
        longest = max(len(pair.chosen.ids), len(pair.rejected.ids))
        columns["length"].append(len(pair.asked.ids) + longest)
        columns["id"].append(pair.asked.instance.id)
        columns["prompt"].append(teller.chat.render(pair.asked.prompt))
        columns["prompt_ids"].append(np.array(pair.asked.ids, np.int32))
        for name, completion in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            columns[name].append(completion.text)
            columns[f"{name}_ids"].append(np.array(completion.ids, np.int32))
    return _dataset(columns)


def _dataset(columns: Mapping[str, Sequence[Any]]) -> Dataset:
    import pyarrow as pa
    from datasets import Dataset

    types = {"id": pa.string(), "completion": pa.string(), "length": pa.int32()}
    types |= {name: pa.string() for name in ("prompt", "chosen", "rejected")}
    integers = pa.list_(pa.int32())
    return Dataset(
        pa.table({name: pa.array(values, type=types.get(name, integers)) for name, values in columns.items()})
    )


def source_of(data: DatasetFolder, settings: DataSettings) -> dict[str, Any]:
    """Return what reports say of the data: where it is from, and the fingerprint of its files."""
    return {**settings.model_dump(), "fingerprint": data.fingerprint(settings.config, settings.split)}


def _lengths(tokens: Sequence[int]) -> dict[str, int]:
    if not tokens:
        return {}
    return {
        "least": min(tokens),
        "median": round(statistics.median(tokens)),
        "most": max(tokens),
        "all": sum(tokens),
    }


def _spread(lengths: dict[str, int]) -> str:
    return f"{lengths['least']} to {lengths['most']}, median {lengths['median']}, {lengths['all']} together"
