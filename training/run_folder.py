"""Folders of training runs, as publishing reads them: adapter, tokenizer, configuration and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petoolbench.errors import InputError, MissingExtraError
from petoolbench.files import file_hash, read_json

from .running import ADAPTER, REPORT

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


class DataReport(_Told):
    """What became of the data's instances on their way to examples; whatever else is counted is kept."""

    model_config = ConfigDict(extra="allow")

    source: Trained
    instances: int = Field(ge=1)

    @property
    def counts(self) -> dict[str, int]:
        """Every count by its name in the report, ``instances`` first."""
        more = (self.model_extra or {}).items()
        known = {name: value for name, value in more if isinstance(value, int) and not isinstance(value, bool)}
        return {"instances": self.instances, **known}


class Pairs(_Told):
    """What preference pairs were made of: the origins of the better and the worse calls, and why some were not made."""

    chosen: dict[str, int]
    rejected: dict[str, int]
    dropped: dict[str, int]


class Base(_Told):
    """The model that was trained: its name, hashes of its local files or its revision on the Hub, and its size."""

    name: str = Field(min_length=1)
    weights: dict[str, str]
    revision: str | None
    parameters: int = Field(ge=1)
    trained_parameters: int = Field(ge=1)


class TrainingReport(_Told):
    """What ``training_report.json`` says that a card shows; ``adapter`` holds the hash of each file of weights."""

    method: str
    config: dict[str, Any]
    config_hash: str
    data: DataReport
    model: Base
    adapter: dict[str, str]
    steps: int = Field(ge=1)
    epochs: float = Field(ge=0)
    tokens: int = Field(ge=1)
    versions: dict[str, str]
    hardware: dict[str, str]
    pairs: Pairs | None = None


@dataclass(frozen=True)
class TrainingRun:
    """A folder of a training run that holds all that is published."""

    folder: Path
    report: TrainingReport
    adapter: Mapping[str, Any]

    @property
    def base(self) -> str:
        """The base model as the run named it: a Hub id, a folder or a file."""
        return self.report.model.name

    @property
    def weights(self) -> Path:
        """The adapter's file of weights."""
        return self.folder / ADAPTER / ADAPTER_WEIGHTS

    @property
    def tokenizer(self) -> list[Path]:
        """The tokenizer's files, the chat template among them."""
        return [path for name in TOKENIZER if (path := self.folder / ADAPTER / name).is_file()]


def read_training_run(folder: Path) -> TrainingRun:
    """Read a run folder and check that nothing of what is published is missing or damaged.

    Raises:
        InputError: It is no run folder of training, or has no adapter, tokenizer or chat template, or another adapter
            than its report tells.
        MissingExtraError: safetensors is not installed.
    """
    if not folder.is_dir():
        raise InputError("no such run folder", file=folder)
    for name in (f"{ADAPTER}/{ADAPTER_CONFIG}", f"{ADAPTER}/{ADAPTER_WEIGHTS}", REPORT):
        if not (folder / name).is_file():
            raise InputError(f"holds no {name}; give the output folder of a finished training run", file=folder)
    report = _read_report(folder / REPORT)
    run = TrainingRun(folder, report, _mapping(folder / ADAPTER / ADAPTER_CONFIG))
    _check_weights(run.weights)
    if report.adapter.get(ADAPTER_WEIGHTS) != file_hash(run.weights):
        raise InputError(f"is not the adapter that {REPORT} tells of; train anew", file=run.weights)
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
    if TEMPLATE not in names and not _mapping(run.folder / ADAPTER / "tokenizer_config.json").get("chat_template"):
        raise InputError(f"its tokenizer has no chat template ({TEMPLATE})", file=run.folder)


def _read_report(path: Path) -> TrainingReport:
    try:
        return TrainingReport.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or None
        raise InputError(f"{str(first['msg']).lower()}; a card needs it", file=path, field=field) from None


def _mapping(path: Path) -> Mapping[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError("is no JSON object", file=path)
    return value
