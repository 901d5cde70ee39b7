"""Runs of seconds: few tools, short prompts, and what a run's YAML holds."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from petoolbench.folders import open_dataset, write_dataset
from petoolbench.schema import Instance

CONFIG = "chronological"
CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def write_few_tools(source: Path, folder: Path, count: int) -> Path:
    """Write instances of a data set with no more candidates than the gold tool's group and one other."""
    found = islice(open_dataset(str(source)).instances(CONFIG, "test"), count)
    write_instances(folder, [_few_tools(entry) for entry in found])
    return folder


def write_instances(folder: Path, members: list[Instance]) -> None:
    """Write a data set of training instances."""
    tools = {tool.name: tool for entry in members for tool in entry.candidates}
    folder.mkdir()
    write_dataset(folder, {CONFIG: {"train": members}}, tools.values(), "# Few tools\n", {"license": "apache-2.0"})


def _few_tools(instance: Instance) -> Instance:
    group = [tool for tool in instance.candidates if tool.name in instance.reference.group]
    other = next(tool for tool in instance.candidates if tool.name not in instance.reference.group)
    shown = (*group, other)
    reference = instance.reference.model_copy(update={"candidates": tuple(tool.name for tool in shown)})
    return instance.model_copy(update={"candidates": shown, "reference": reference})


def shortened(config: Path, model: Path, data: Path, output: Path) -> dict[str, Any]:
    """Return a configuration of ``training/configs`` with a tiny model, few tools, two steps and short answers."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content |= {"model": str(model), "output": str(output), "device": "cpu"}
    content["data"] |= {"source": str(data), "config": CONFIG}
    content["trainer"] |= {"max_steps": 2, "save_steps": 1, "gradient_accumulation_steps": 1, "bf16": False}
    content["evaluation"] |= {"instances": 1, "max_new_tokens": 4}
    return content


def settings(model: Path, data: Path, output: Path) -> dict[str, Any]:
    """Return what the YAML of a run of any method holds."""
    return {
        "model": str(model),
        "output": str(output),
        "seed": 3,
        "device": "cpu",
        "data": {"source": str(data), "config": CONFIG},
        "prompts": {"max_tokens": 4_000, "history": False, "description_characters": 5, "parameters": "typed"},
        "trainer": {
            "learning_rate": 1e-3,
            "max_steps": 2,
            "per_device_train_batch_size": 2,
            "gradient_checkpointing": False,
            "bf16": False,
            "logging_steps": 1,
            "save_steps": 1,
            "warmup_steps": 0,
        },
        "evaluation": {"instances": 0},
    }
