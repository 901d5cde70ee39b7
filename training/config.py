"""The configurations of training runs, one YAML a model and method; every key is read, unknown ones are errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from petoolbench.errors import InputError, OutputError
from petoolbench.files import read_bytes, write_text
from petoolbench.models.protocol import Generation
from petoolbench.prompts import PromptStyle
from petoolbench.schema import Record

CONFIG = "config.yaml"
"""The copy of a run's configuration in its output folder."""

Batching = Literal["auto", "packed", "padding_free", "padded"]
"""How examples share a step. ``packed``: many in a row of fixed length, kept apart by their positions;
``padding_free``: those of a batch in one row; ``padded``: rows of equal length, examples of much the same length
together; ``auto``: ``padding_free`` where a flash attention kernel keeps them apart, else ``padded``."""


class DataSettings(Record):
    """Which instances: ``source`` is ``petoolbench``, a dataset folder or a Hub id.

    Published SFT and DPO files become a folder by ``petoolbench convert``, with the splits ``train`` and ``dpo``.
    ``limit`` takes that many instances, drawn by the run's seed.
    """

    source: str = "petoolbench"
    config: str = "all"
    split: str = "train"
    limit: int | None = Field(default=None, ge=1)


class PromptSettings(Record):
    """How instances are told, in training as in evaluation.

    ``max_interactions`` shows so many of the latest interactions. ``max_tokens`` is the window of a prompt; the oldest
    interactions are left out until it fits. ``description_characters`` cuts tools' descriptions, and those of past
    calls, at a word's end; ``parameters: typed`` shows a parameter as its type and default in place of its JSON Schema.
    With either, published prompts are told in our words, since theirs bring the whole documentation.
    """

    style: PromptStyle = "paper"
    history: bool = True
    max_interactions: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=Generation.window, ge=1)
    description_characters: int | None = Field(default=None, ge=1)
    parameters: Literal["schema", "typed"] = "schema"

    @property
    def shortens_documentation(self) -> bool:
        """Whether tools are shown with less than their documentation."""
        return self.description_characters is not None or self.parameters != "schema"


class LoraSettings(Record):
    """An adapter of rank ``r``; ``targets`` are names of modules, or ``all-linear`` for all but the output layer."""

    r: int = Field(default=8, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class TrainerSettings(Record):
    """What goes to the trainer under its own name; see TRL and transformers.

    ``warmup_steps`` below 1 is a share of all steps. ``bf16`` None: where it is quicker. ``max_steps`` ends a run
    early. ``logging_steps``, ``eval_steps`` and ``save_steps`` are numbers of steps.
    """

    learning_rate: float = Field(gt=0)
    num_train_epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    per_device_train_batch_size: int = Field(default=1, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    per_device_eval_batch_size: int = Field(default=1, ge=1)
    warmup_steps: float = Field(default=0.1, ge=0)
    lr_scheduler_type: str = "cosine"
    optim: str = "adamw_torch"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    gradient_checkpointing: bool = True
    bf16: bool | None = None
    logging_steps: int = Field(default=10, ge=1)
    eval_steps: int = Field(default=100, ge=1)
    save_steps: int = Field(default=100, ge=1)
    save_total_limit: int = Field(default=2, ge=1)
    dataloader_num_workers: int = Field(default=0, ge=0)


class EvaluationSettings(Record):
    """What is held out of training, by user, and answered by generation beside the loss; 0 ``instances``: nothing.

    ``batch_tokens`` None: as many as there is room for.
    """

    instances: int = Field(default=60, ge=0)
    max_new_tokens: int = Field(default=Generation.max_new_tokens, ge=1)
    temperature: float = Field(default=Generation.temperature, ge=0)
    batch_tokens: int | None = Field(default=None, ge=1)


class RunConfig(Record):
    """What all methods share.

    ``model`` is a folder, a Hub id or a ``.gguf`` file; ``adapter`` one to go on from; ``output`` the run's folder;
    ``report_to`` names trackers, of which none is needed. ``attention`` is the name of an attention kernel in
    transformers, None: its choice. ``device`` is ``auto``, ``cpu`` or ``cuda``.
    """

    model: str
    adapter: str | None = None
    output: str
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    attention: str | None = None
    report_to: tuple[str, ...] = ()
    data: DataSettings = DataSettings()
    prompts: PromptSettings = PromptSettings()
    lora: LoraSettings = LoraSettings()
    trainer: TrainerSettings
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _lora_is_read(self) -> Self:
        if self.adapter is not None and "lora" in self.model_fields_set:
            raise ValueError("lora says nothing where adapter names one to go on from; leave one out")
        return self

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output).expanduser()


class SFTSettings(RunConfig):
    """Supervised fine-tuning on gold calls (paper, section 4). ``pack_tokens`` is the length of a packed row."""

    batching: Batching = "auto"
    pack_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _pack_tokens_are_read(self) -> Self:
        if self.pack_tokens is not None and self.batching in ("padded", "padding_free"):
            raise ValueError(f"pack_tokens says nothing with batching: {self.batching}; leave one out")
        return self


class SamplingSettings(Record):
    """How calls are sampled for preference pairs: ``n`` an instruction."""

    n: int = Field(default=4, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=Generation.max_new_tokens, ge=1)
    batch_tokens: int | None = Field(default=None, ge=1)


class DPOSettings(RunConfig):
    """Direct preference optimisation (paper, section 4).

    ``chosen`` is the reference's call (``gold``), or a sampled one where a sample is right (``sampled``).
    ``other_share`` is the share of rejected calls that may be wrong in another way than taste.
    """

    beta: float = Field(default=0.1, gt=0)
    sampling: SamplingSettings = SamplingSettings()
    chosen: Literal["gold", "sampled"] = "sampled"
    other_share: float = Field(default=0.0, ge=0, le=1)


class RewardWeights(Record):
    """What a call that can be read, the right tool and right arguments are worth."""

    call: float = Field(default=0.2, ge=0)
    tool: float = Field(default=1.0, ge=0)
    arguments: float = Field(default=0.5, ge=0)


class GRPOSettings(RunConfig):
    """Reinforcement learning with the scorer as reward; ``num_generations`` answers are compared with each other."""

    beta: float = Field(default=0.0, ge=0)
    num_generations: int = Field(default=8, ge=2)
    temperature: float = Field(default=1.0, gt=0)
    max_completion_length: int = Field(default=Generation.max_new_tokens, ge=1)
    rewards: RewardWeights = RewardWeights()

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        together = self.trainer.per_device_train_batch_size * self.trainer.gradient_accumulation_steps
        if together % self.num_generations:
            raise ValueError(
                f"a step takes {together} answers (trainer.per_device_train_batch_size times "
                f"gradient_accumulation_steps), no multiple of num_generations {self.num_generations}"
            )
        return self


Settings = TypeVar("Settings", bound=RunConfig)
_Kind = TypeVar("_Kind", bound=Record)


def read_config(path: Path, kind: type[Settings], instead: Mapping[str, str] | None = None) -> Settings:
    """Read a run's configuration.

    Args:
        path: The YAML file.
        kind: Of which method.
        instead: Values that take the place of the file's.

    Raises:
        InputError: The file is missing, no YAML, or a key is unknown, missing or of the wrong kind.
    """
    return checked({**content_of(path), **(instead or {})}, kind, path)


def read_asking(path: Path, instead: Mapping[str, str]) -> RunConfig:
    """Read from the configuration of any method what says how a model is asked; how it is trained is left out.

    Args:
        path: The YAML file.
        instead: Values that take the place of the file's.

    Raises:
        InputError: See ``read_config``.
    """
    methods: tuple[type[RunConfig], ...] = (SFTSettings, DPOSettings, GRPOSettings)
    trained = {key for kind in methods for key in kind.model_fields} - set(RunConfig.model_fields) | {"lora"}
    content = {key: value for key, value in content_of(path).items() if key not in trained}
    return checked({**content, **instead}, RunConfig, path)


def content_of(path: Path) -> dict[str, Any]:
    """Read a YAML file.

    Raises:
        InputError: It is missing, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"is not valid YAML: {error}", file=path) from None
    if not isinstance(content, dict):
        raise InputError("holds no keys; a configuration is a YAML mapping", file=path)
    return content


def checked(content: Mapping[str, Any], kind: type[_Kind], path: Path) -> _Kind:
    """Return a file's content as what it configures.

    Raises:
        InputError: A key is unknown, missing or of the wrong kind.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(_fault(error, kind), file=path, field=_field(error)) from None


def _field(error: ValidationError) -> str | None:
    return ".".join(str(step) for step in error.errors()[0]["loc"]) or None


def _fault(error: ValidationError, kind: type[Record]) -> str:
    first = error.errors()[0]
    if first["type"] != "extra_forbidden":
        return str(first["msg"])
    holder: Any = kind
    for step in first["loc"][:-1]:
        is_mapping = not hasattr(holder, "model_fields")
        holder = get_args(holder)[-1] if is_mapping else holder.model_fields[str(step)].annotation
    return f"unknown key; there are: {', '.join(holder.model_fields)}"


def write_config(config: RunConfig, path: Path) -> None:
    """Write a configuration as YAML.

    Raises:
        OutputError: The place cannot be written.
    """
    unread = {"lora"} if config.adapter is not None else set()
    text = yaml.safe_dump(config.model_dump(mode="json", exclude=unread), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def check_output(config: RunConfig, *, resume: bool) -> None:
    """Refuse an output folder that holds something else than what the run is to go on with.

    Raises:
        OutputError: It is filled and ``resume`` is not set, or holds no run, or one of another configuration.
    """
    folder, copy = config.folder, config.folder / CONFIG
    if not resume:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: is not empty; choose another output, or pass --resume to go on with it")
        return
    if not copy.is_file():
        raise OutputError(f"{folder}: holds no run to go on with; leave out --resume")
    there, here = read_config(copy, type(config)).model_dump(), config.model_dump()
    differing = [key for key in here if there[key] != here[key]]
    if differing:
        raise OutputError(f"{copy}: is of a run with another {differing[0]!r}; choose another output")
