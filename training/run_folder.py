"""Folders of training runs, as publishing reads them: adapter, tokenizer, configuration and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petoolbench.errors import InputError, MissingExtraError
from petoolbench.files import read_bytes, read_json

REPORT: Final = "training_report.json"
CONFIG: Final = "config.yaml"
ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
TEMPLATE: Final = "chat_template.jinja"
TOKENIZER: Final = (
    "tokenizer_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    TEMPLATE,
)


class _Told(BaseModel):
    """Part of what a report tells; keys that a card does not show are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Trained(_Told):
    """The data that was trained on: what it was called, and the hash of its files."""

    source: str | tuple[str, ...]
    config: str
    split: str
    fingerprint: str = Field(min_length=1)


class TrainedExamples(_Told):
    """How many instances there were, how many were trained on, held out, and left out as too long."""

    source: Trained
    instances: int = Field(ge=0)
    examples: int = Field(ge=1)
    held_out: int = Field(ge=0)
    too_long: int = Field(ge=0)


class TrainingReport(_Told):
    """What ``training_report.json`` says that a card shows."""

    method: str
    data: TrainedExamples
    steps: int = Field(ge=1)
    seconds: float = Field(ge=0)
    tokens: int = Field(ge=0)
    versions: dict[str, str]
    hardware: dict[str, str]


@dataclass(frozen=True)
class TrainingRun:
    """A folder of a training run that holds all that is published."""

    folder: Path
    config: Mapping[str, Any]
    report: TrainingReport
    adapter: Mapping[str, Any]

    @property
    def base(self) -> str:
        """The base model as the configuration names it: a Hub id, a folder or a file."""
        return str(self.config["model"])

    @property
    def tokenizer(self) -> list[Path]:
        """The tokenizer's files, the chat template among them."""
        return [self.folder / name for name in TOKENIZER if (self.folder / name).is_file()]


def read_training_run(folder: Path) -> TrainingRun:
    """Read a run folder and check that nothing of what is published is missing or damaged.

    Raises:
        InputError: It is no run folder of training, or has no adapter, tokenizer or chat template.
        MissingExtraError: safetensors is not installed.
    """
    if not folder.is_dir():
        raise InputError("no such run folder", file=folder)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, CONFIG, REPORT):
        if not (folder / name).is_file():
            raise InputError(f"holds no {name}; give the output folder of a finished training run", file=folder)
    _check_weights(folder / ADAPTER_WEIGHTS)
    run = TrainingRun(folder, _read_config(folder), _read_report(folder), _mapping(folder / ADAPTER_CONFIG))
    _check_tokenizer(run)
    return run


def _check_weights(path: Path) -> None:
    """Read the names and shapes of the weights, which a cut-off or foreign file does not survive."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError("publishing an adapter", str(error.name), "train") from None
    try:
        with safe_open(path, framework="numpy") as weights:
            names = list(weights.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"is no readable safetensors file ({error})", file=path) from None
    if not any("lora_" in name for name in names):
        raise InputError("holds no LoRA weights", file=path)


def _check_tokenizer(run: TrainingRun) -> None:
    names = {path.name for path in run.tokenizer}
    if "tokenizer_config.json" not in names or not names & {"tokenizer.json", "tokenizer.model", "vocab.json"}:
        raise InputError(
            "holds no tokenizer; an adapter is published with the one it was trained with", file=run.folder
        )
    if TEMPLATE not in names and not _mapping(run.folder / "tokenizer_config.json").get("chat_template"):
        raise InputError(f"its tokenizer has no chat template ({TEMPLATE})", file=run.folder)


def _read_config(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    try:
        config = yaml.safe_load(read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"is not valid YAML: {error}", file=path) from None
    if not isinstance(config, dict) or not isinstance(config.get("model"), str):
        raise InputError("names no base model", file=path, field="model")
    return config


def _read_report(folder: Path) -> TrainingReport:
    path = folder / REPORT
    try:
        return TrainingReport.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or None
        problem = f"{str(first['msg']).lower()}; a card needs it"
        raise InputError(problem, file=path, field=field) from None


def _mapping(path: Path) -> Mapping[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError("is no JSON object", file=path)
    return value
