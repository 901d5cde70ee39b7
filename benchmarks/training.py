"""Time ways of batching against padded training of the same examples: ``python -m benchmarks.training CONFIG.yaml``.

The configuration says which model, data, prompts and batch. Each way trains one epoch over the same ``--examples``,
with a new adapter of the same seed, in one process, ``--repeats`` times in alternating order; evaluation and
checkpoints are not timed. ``padded`` takes examples in a random order, ``sorted`` those of much the same length
together, ``single`` one example a step with gradients gathered over as many as the others have in a batch; the others
as in ``training.config.Batching``. Tokens are counted without padding. ``--tiny`` takes a tiny random Llama.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from petoolbench.console import Console
from tests.tiny import tiny_model
from training.batching import keeps_apart
from training.config import Batching, SFTSettings, read_config
from training.loading import load_model
from training.progress import ProgressBar
from training.sft import Prepared, make_trainer, prepare

WAYS: dict[str, Batching] = {
    "padded": "padded",
    "sorted": "padded",
    "single": "padded",
    "padding_free": "padding_free",
    "packed": "packed",
}


def one_epoch(config: SFTSettings, prepared: Prepared, way: str) -> tuple[float, int]:
    """Train one epoch in a way; return its seconds and its tokens without padding."""
    batch = config.trainer.per_device_train_batch_size
    model = load_model(config, prepared.blueprint)
    if WAYS[way] != "padded" and not keeps_apart(model.to(prepared.blueprint.device)):
        raise SystemExit(f"{way}: this model lets examples in one row see each other")
    trainer = make_trainer(config, prepared, model, WAYS[way], resume=False)
    if way == "padded":
        trainer.args.train_sampling_strategy = "random"
    if way == "single":
        trainer.args.gradient_accumulation_steps *= batch
        trainer.args.per_device_train_batch_size = trainer._train_batch_size = 1
    trainer.args.save_strategy = "no"
    bar = ProgressBar(Console(quiet=True), way)
    trainer.add_callback(bar)
    trainer.train()
    return bar.seconds, bar.tokens


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Print the tokens a second of every way, and their ratio to padded training."""
    config = _configured(options, folder)
    prepared = prepare(config, Console())
    shares: dict[str, list[float]] = {way: [] for way in options.ways}
    for repeat in range(options.repeats):
        for way in options.ways if repeat % 2 == 0 else reversed(options.ways):
            seconds, tokens = one_epoch(config, prepared, way)
            shares[way].append(tokens / seconds)
            print(f"{way}: {tokens} tokens in {seconds:.1f} s, {tokens / seconds:.0f} tokens/s", flush=True)
    batch, blueprint = config.trainer.per_device_train_batch_size, prepared.blueprint
    print(
        f"{len(prepared.rows)} examples of {min(prepared.rows['length'])} to {prepared.longest} tokens, {batch} a batch"
    )
    kind = "bfloat16" if blueprint.bf16 else "float32"
    print(f"{kind} on {blueprint.device}, {torch.get_num_threads()} threads; {options.repeats} repeats, medians")
    for way, speeds in shares.items():
        ratio = median(speeds) / median(shares["padded"])
        print(f"{way}: {median(speeds):.0f} tokens/s, {ratio:.2f} times padded")


def _configured(options: argparse.Namespace, folder: Path) -> SFTSettings:
    config = read_config(options.config, SFTSettings, {"output": str(folder / "out")})
    model = str(tiny_model(folder / "tiny")) if options.tiny else options.model or config.model
    changes: dict[str, Any] = {"num_train_epochs": 1.0, "max_steps": None, "save_steps": 10**9}
    if options.batch is not None:
        changes["per_device_train_batch_size"] = options.batch
    return config.model_copy(
        update={
            "model": model,
            "data": config.data.model_copy(update={"limit": options.examples}),
            "prompts": config.prompts.model_copy(update={"max_tokens": 12_000} if options.tiny else {}),
            "trainer": config.trainer.model_copy(update=changes),
            "evaluation": config.evaluation.model_copy(update={"instances": 0}),
        }
    )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--model", help="weights in place of the configuration's")
    parser.add_argument(
        "--tiny", action="store_true", help="a tiny random Llama in place of the configuration's weights"
    )
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--batch", type=int, help="examples a step in place of the configuration's")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    if "padded" not in options.ways:
        parser.error("--ways needs padded, against which the others are measured")
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


if __name__ == "__main__":
    main()
