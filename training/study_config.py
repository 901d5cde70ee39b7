"""The configuration of a study: which recipes are run one after the other, and on what their models are tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from petoolbench.errors import InputError
from petoolbench.schema import Record

from .config import DPOSettings, RunConfig, Settings, SFTSettings, checked, content_of, read_config

BASE, SFT, DPO, BOTH = MODELS = ("base", "sft", "dpo", "sft_dpo")
"""The models of a study: untrained, the first stage alone, the second stage alone, and both."""


class TestSettings(Record):
    """What models are tested on. ``per_setting`` instances of each setting, drawn by their ids; None: all."""

    __test__ = False  # no test, though its name begins like one

    data: str = "petoolbench"
    config: str = "all"
    split: str = "test"
    per_setting: int | None = Field(default=None, ge=1)
    history: bool = True


class StudySettings(Record):
    """A study. Recipes are files named from the study's own folder; ``model`` stands in for theirs.

    ``rules`` are agents of ``petoolbench predict`` that are asked the same instances.
    """

    output: str
    model: str | None = None
    sft: str
    dpo: str
    dpo_without_sft: str | None = None
    rules: tuple[str, ...] = ()
    tests: dict[str, TestSettings] = Field(min_length=1)

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output).expanduser()


def read_study(path: Path, instead: dict[str, str]) -> StudySettings:
    """Read a study; ``instead`` takes the place of the file's values.

    Raises:
        InputError: The file is missing, no YAML, or a key is unknown, missing or of the wrong kind.
    """
    study = checked({**content_of(path), **instead}, StudySettings, path)
    for name in study.tests:
        if not name.replace("_", "").isalnum():
            raise InputError("a test's name is a folder's: letters, digits and _", file=path, field=f"tests.{name}")
    return study


def recipes(study: StudySettings, beside: Path, *, dry_run: bool) -> dict[str, RunConfig]:
    """Return the recipe of each trained model, in the order in which they are run, as the study runs it.

    Args:
        study: The study.
        beside: Its file.
        dry_run: Two steps on a few instances.

    Raises:
        InputError: A recipe is missing or wrong.
    """
    adapter = {"adapter": str(study.folder / SFT / "adapter")}
    wanted: list[tuple[str, str | None, type[RunConfig], dict[str, str]]] = [
        (SFT, study.sft, SFTSettings, {}),
        (BOTH, study.dpo, DPOSettings, adapter),
        (DPO, study.dpo_without_sft, DPOSettings, {}),
    ]
    found = {name: _recipe(study, beside.parent / file, name, kind, own) for name, file, kind, own in wanted if file}
    return {name: _cut(recipe) for name, recipe in found.items()} if dry_run else found


def _recipe(study: StudySettings, path: Path, name: str, kind: type[Settings], own: dict[str, str]) -> Settings:
    model = {"model": study.model} if study.model is not None else {}
    return read_config(path, kind, {**model, **own, "output": str(study.folder / name)})


_FEW = 4


def _cut(recipe: RunConfig) -> RunConfig:
    """Return a recipe of two steps on a few instances and short answers."""
    trainer = recipe.trainer.model_copy(
        update={"max_steps": 2, "save_steps": 1, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1}
    )
    changes: dict[str, Any] = {
        "trainer": trainer,
        "data": recipe.data.model_copy(update={"limit": _FEW}),
        "evaluation": recipe.evaluation.model_copy(update={"instances": 1, "max_new_tokens": _FEW}),
    }
    if isinstance(recipe, DPOSettings):
        changes["sampling"] = recipe.sampling.model_copy(update={"n": 2, "max_new_tokens": _FEW})
    return recipe.model_copy(update=changes)
