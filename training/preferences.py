"""Instances → preference pairs in a run's folder; ``python -m training.preferences CONFIG.yaml`` does this alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError
from petoolbench.files import content_hash, file_hash, json_text, write_text
from petoolbench.folders import DatasetFolder
from petoolbench.models.local import LocalModel, load_local
from petoolbench.models.settings import ModelSettings
from petoolbench.prompts import render_prompt
from petoolbench.runs import RunSpec
from petoolbench.schema import Instance, Prediction

from .config import DPOSettings
from .loading import Blueprint
from .pairs import Pair, Preferences, make_pairs, report
from .running import command_line, is_main_process, write_json
from .sampling import LazyModel, sample
from .shortening import shorten
from .stages import Looked, begin

SAMPLES: Final = "samples"
PAIRS: Final = "pairs.jsonl"
REPORT: Final = "dpo_report.json"

_ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
_HASHED_PROMPTS: Final = 4
_ROWS_A_PAIR: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: sample and make pairs, and leave training to ``training.dpo CONFIG.yaml --resume``."""

    def run(config: DPOSettings, console: Console, resume: bool) -> None:
        looked = look(config, console, resume=resume)
        if looked is not None:
            collect_pairs(config, looked, console)

    about = "Calls sampled, and preference pairs of them."
    return command_line("training.preferences", about, DPOSettings, run, arguments)


def look(config: DPOSettings, console: Console, *, resume: bool) -> Looked | None:
    """Look at data and model, as ``stages.begin`` does; a pair is two rows."""
    rows = _ROWS_A_PAIR * config.trainer.per_device_train_batch_size
    return begin(config, console, rows, "sampling.max_new_tokens", resume=resume)


def collect_pairs(config: DPOSettings, looked: Looked, console: Console) -> Preferences:
    """Sample what is not sampled yet, make pairs, and write ``pairs.jsonl`` and ``dpo_report.json``.

    Instances that bring calls of their own to reject (published preference data) are not sampled.

    Raises:
        OutputError: The folder holds samples of another model, of other data or prompts.
        PEToolBenchError: The model cannot be loaded or does not fit, or no pair can be made.
    """
    preferences = make_pairs(
        looked.instances,
        _samples(config, looked, console),
        other_share=config.other_share,
        sampled_chosen=config.chosen == "sampled",
        seed=config.seed,
    )
    counts = report(preferences)
    for name in ("samples", "chosen", "rejected", "faults", "dropped"):
        console.note(f"{name}: {_told(counts[name])}")
    if not preferences.pairs:
        raise PEToolBenchError(
            f"{config.data.source}: no preference pair can be made of {counts['instances']} instances (dropped: "
            f"{_told(counts['dropped'])}); raise other_share, or take data that tells which tools are interchangeable"
        )
    if is_main_process():
        lines = [json_text(pair.model_dump(mode="json")) for pair in preferences.pairs]
        write_text(config.folder / PAIRS, "\n".join(lines) + "\n")
        write_json(config.folder / REPORT, counts)
    return preferences


def held_out_pairs(config: DPOSettings, looked: Looked) -> tuple[Pair, ...]:
    """Return pairs of gold calls and made calls to siblings, for the loss on held-out users; nothing is sampled."""
    return make_pairs(looked.held_out, {}, seed=config.seed).pairs


def _samples(config: DPOSettings, looked: Looked, console: Console) -> dict[str, tuple[Prediction, ...]]:
    shown = [shorten(entry, config.prompts).instance for entry in looked.instances if not entry.rejected]
    if not shown:
        return {}
    settings = _settings(config, looked.blueprint)
    spec = _spec(config, settings, looked.data, shown)
    model = LazyModel(spec.agent, lambda: _load(config, settings, looked.blueprint.device))
    return sample(
        shown,
        spec,
        config.data.source,
        model,
        config.folder / SAMPLES,
        config.sampling.n,
        lambda drawn, total: console.track(drawn, "Sampling", total),
    )


def _settings(config: DPOSettings, blueprint: Blueprint) -> ModelSettings:
    return ModelSettings(
        name=f"hf:{config.model}",
        style=config.prompts.style,
        window=config.prompts.max_tokens,
        max_new_tokens=config.sampling.max_new_tokens,
        temperature=config.sampling.temperature,
        adapter=config.adapter,
        dtype="bfloat16" if blueprint.bf16 else "float32",
    )


def _spec(config: DPOSettings, settings: ModelSettings, data: DatasetFolder, shown: Sequence[Instance]) -> RunSpec:
    """Return what the first draw asks of whom; ``agent`` tells adapters of one place apart by their weights."""
    first = [render_prompt(entry, config.prompts.style) for entry in islice(shown, _HASHED_PROMPTS)]
    told = [config.prompts.model_dump(mode="json"), [[prompt.messages, prompt.tools] for prompt in first]]
    return RunSpec(
        config=config.data.config,
        split=config.data.split,
        fingerprint=data.fingerprint(config.data.config, config.data.split),
        instances=len(shown),
        agent=_name(config),
        seed=config.seed,
        history=config.prompts.history,
        max_interactions=config.prompts.max_interactions,
        ids=content_hash(sorted(entry.id for entry in shown)),
        prompts=content_hash(told),
        model=settings,
    )


def _name(config: DPOSettings) -> str:
    if config.adapter is None:
        return f"hf:{config.model}"
    weights = Path(config.adapter).expanduser() / _ADAPTER_WEIGHTS
    known = f" ({file_hash(weights)[:16]})" if weights.is_file() else ""
    return f"hf:{config.model}+{config.adapter}{known}"


def _load(config: DPOSettings, settings: ModelSettings, device: str) -> LocalModel:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise PEToolBenchError(
            "several processes cannot sample into one folder; first run in one: python -m training.preferences CONFIG"
        )
    return load_local(
        config.model,
        settings.generation(config.seed),
        adapter=config.adapter,
        dtype=settings.dtype or "auto",
        device=device,
        batch_tokens=config.sampling.batch_tokens,
    )


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


if __name__ == "__main__":
    sys.exit(main())
