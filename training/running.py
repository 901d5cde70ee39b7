"""What all methods do around their trainers: options, checkpoints, the adapter, the report, the command line."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from petoolbench.console import Console
from petoolbench.errors import InputError, PEToolBenchError
from petoolbench.files import content_hash, file_hash, read_json, write_text
from petoolbench.models.hardware import git_commit, hardware, package_versions
from petoolbench.version import VERSION

from .config import RunConfig, Settings, read_config
from .loading import Blueprint

ADAPTER: Final = "adapter"
REPORT: Final = "training_report.json"
DATA_REPORT: Final = "data_report.json"
CHECKPOINTS: Final = "checkpoints"

_STATE: Final = "trainer_state.json"
_PACKAGES: Final = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers")


def trainer_options(config: RunConfig, blueprint: Blueprint, *, evaluates: bool, resume: bool) -> dict[str, Any]:
    """Return the options that the trainers of all methods take, under their own names.

    Args:
        config: The run.
        blueprint: Its model.
        evaluates: Whether something is held out. It is evaluated before the first step too, which a resumed run did.
        resume: Whether the run goes on from a checkpoint.
    """
    own = config.trainer.model_dump(exclude={"max_steps", "bf16"})
    return {
        **own,
        "output_dir": str(config.folder / CHECKPOINTS),
        "max_steps": config.trainer.max_steps or -1,
        "bf16": blueprint.bf16,
        "use_cpu": blueprint.device == "cpu",
        "seed": config.seed,
        "eval_strategy": "steps" if evaluates else "no",
        "eval_on_start": evaluates and not resume,
        "save_strategy": "steps",
        "logging_first_step": True,
        "disable_tqdm": True,
        "report_to": list(config.report_to) or "none",
    }


def is_main_process() -> bool:
    """Whether this is the only process of a run, or the one of several that writes its files."""
    return os.environ.get("RANK", "0") == "0"


def last_checkpoint(config: RunConfig) -> Path | None:
    """Return the latest complete checkpoint of a run; one that was being written when the run ended is passed over."""
    found = [path for path in (config.folder / CHECKPOINTS).glob("checkpoint-*") if _complete(path)]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _complete(checkpoint: Path) -> bool:
    """Whether a checkpoint's last file is there in whole."""
    try:
        read_json(checkpoint / _STATE)
    except InputError:
        return False
    return True


def save_adapter(trainer: Any, folder: Path) -> None:
    """Write adapter and tokenizer of a trained model into ``folder/adapter``, in whole or not at all.

    Every process of a run calls it, since each may hold a share of the weights.
    """
    staging, adapter = folder / f".{ADAPTER}", folder / ADAPTER
    trainer.save_model(str(staging))
    if trainer.is_world_process_zero():
        # The trainer's own arguments, pickled: config.yaml says the same in the open.
        (staging / "training_args.bin").unlink(missing_ok=True)
        shutil.rmtree(adapter, ignore_errors=True)
        staging.rename(adapter)


def training_report(
    config: RunConfig, blueprint: Blueprint, method: str, trainer: Any, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what ``training_report.json`` holds of any method.

    Args:
        config: The run.
        blueprint: Its model.
        method: ``sft``, ``dpo`` or ``grpo``.
        trainer: After training.
        parts: What the method adds.
    """
    weights = blueprint.source.files() if blueprint.source.local else []
    trained = sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad)
    folder = config.folder
    return {
        "method": method,
        "config": config.model_dump(mode="json"),
        "config_hash": content_hash(config.model_dump(mode="json")),
        "versions": {"petoolbench": VERSION, **package_versions(_PACKAGES)},
        "git": git_commit(),
        "hardware": hardware() | {"device": blueprint.device},
        "model": {
            "name": config.model,
            "weights": {path.name: file_hash(path) for path in weights},
            "revision": getattr(blueprint.model.config, "_commit_hash", None),
            "chat_template": content_hash(blueprint.tokenizer.chat_template),
            "parameters": blueprint.parameters,
            "trained_parameters": trained,
            "dtype": "bfloat16" if blueprint.bf16 else "float32",
            "attention": blueprint.model.config._attn_implementation,
        },
        "adapter": {path.name: file_hash(path) for path in sorted((folder / ADAPTER).glob("*.safetensors"))},
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch or 0.0, 4),
        "tokens": trainer.state.num_input_tokens_seen,
        **parts,
    }


def series(history: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return the first and last value of a number that was logged, and at which steps; {} if it never was."""
    found = [(entry["step"], entry[name]) for entry in history if name in entry]
    if not found:
        return {}
    return {"first": found[0][1], "first_step": found[0][0], "last": found[-1][1], "last_step": found[-1][0]}


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON.

    Raises:
        OutputError: The place cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def command_line(
    name: str,
    description: str,
    kind: type[Settings],
    run: Callable[[Settings, Console, bool], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Read ``CONFIG`` and its options and run a method; 0 when all went well, 2 on anything the user can mend.

    Args:
        name: The module, such as ``training.sft``.
        description: One line.
        kind: Of the configuration.
        run: Takes the configuration, the terminal, and whether to resume.
        arguments: Those of the process by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file, such as those in training/configs")
    parser.add_argument("--model", help="weights in place of the configuration's")
    parser.add_argument("--adapter", help="an adapter to go on from in place of the configuration's")
    parser.add_argument("--output", help="an output folder in place of the configuration's")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
    parser.add_argument("--quiet", action="store_true", help="no notes, no progress")
    options = parser.parse_args(arguments)
    console = Console(quiet=options.quiet or not is_main_process())
    given = {key: getattr(options, key) for key in ("model", "adapter", "output")}
    try:
        config = read_config(options.config, kind, {key: value for key, value in given.items() if value is not None})
        run(config, console, options.resume)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except KeyboardInterrupt:
        console.error("interrupted; --resume goes on from the last checkpoint")
        return 130
    return 0
