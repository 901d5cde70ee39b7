"""The configuration of a build, read from a YAML file; every key is read by the code, unknown ones are errors."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from petoolbench.errors import InputError
from petoolbench.files import read_bytes
from petoolbench.schema import Evidence, Record, Setting


class CatalogueConfig(Record):
    """Which tools: ``folder`` of category files (None: ours), and the categories to take (all by default)."""

    folder: str | None = None
    categories: tuple[str, ...] | None = None


class GroupingConfig(Record):
    """DBSCAN over the functionality texts: ``eps`` in cosine distance, ``min_samples`` tools."""

    eps: float = Field(gt=0, le=2)
    min_samples: int = Field(ge=1)


class SampleConfig(Record):
    """One config of the data set: a setting, numbers of instances, and how often each kind of evidence is tried."""

    setting: Setting
    train: int = Field(ge=0)
    test: int = Field(ge=0)
    evidence: dict[Evidence, float]
    documentation: bool = False


class BuildConfig(Record):
    """A whole build.

    ``history_length`` gives the least and the greatest number of interactions. ``unseen_share`` is the share of
    functionalities that training never asks for. ``again_share`` is how often an instruction tries to point back at
    a value of the history. ``candidates`` is N of the paper, ``retrieved`` how many of them at least are retrieved.
    """

    name: str
    seed: int
    catalogue: CatalogueConfig = CatalogueConfig()
    grouping: GroupingConfig
    samples: dict[str, SampleConfig]
    history_length: tuple[int, int] = (4, 20)
    unseen_share: float = Field(default=0.2, gt=0, lt=1)
    again_share: float = Field(default=0.25, ge=0, le=1)
    candidates: int = Field(default=10, ge=2)
    retrieved: int = Field(default=5, ge=0)


def read_config(path: Path) -> BuildConfig:
    """Read a build's configuration.

    Raises:
        InputError: The file is missing, no YAML, or a key is unknown, missing or of the wrong kind.
    """
    try:
        content = yaml.safe_load(read_bytes(path))
    except yaml.YAMLError as error:
        raise InputError(f"is not valid YAML: {error}", file=path) from None
    try:
        return BuildConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"])
        raise InputError(f"{first['msg']}", file=path, field=field or None) from None
