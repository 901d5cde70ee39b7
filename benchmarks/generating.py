"""Time local models against the published way of asking them: ``python -m benchmarks.generating --model FOLDER``.

The published way, in our words: one prompt at a time, at most 256 new tokens whatever they are, and the file of all
results written anew after each. Same weights, instances, dtype and prompts for both, greedy, in one process;
``--ours-first`` changes the order. Answers count as identical if they are so up to the end of ours, which stops after
its first call. ``--memory N`` measures instead how memory grows over N instances of a tiny random model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from petoolbench.folders import open_dataset
from petoolbench.models.chat import Chat
from petoolbench.models.local import load_local
from petoolbench.models.protocol import Generation
from petoolbench.schema import Instance
from tests.tiny import tiny_model


def published_way(
    folder: str, instances: Sequence[Instance], generation: Generation, dtype: str, device: str
) -> Callable[[], dict[str, str]]:
    """Return what answers the instances one by one and keeps all results in one file."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    chat = Chat(tokenizer, generation.style, folder)

    def run() -> dict[str, str]:
        results: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as out:
            for instance in instances:
                ids = torch.tensor([chat.ask(instance, generation).ids], device=device)
                with torch.inference_mode():
                    whole = model.generate(ids, max_new_tokens=generation.max_new_tokens, do_sample=False)
                results[instance.id] = tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
                (Path(out) / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
        return results

    return run


def fitting(instances: Sequence[Instance], folder: str, generation: Generation) -> list[Instance]:
    """Return the instances whose prompts fit the window at least without their histories."""
    chat = Chat(transformers.AutoTokenizer.from_pretrained(folder), generation.style, folder)
    asked, refused = chat.ask_all(instances, generation)
    if refused:
        print(f"{len(refused)} of {len(instances)} prompts do not fit {generation.window} tokens and are left out")
    known = {entry.instance.id for entry in asked}
    return [entry for entry in instances if entry.id in known]


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a result, the seconds that it took, and the seconds that processors worked on it."""
    started, worked = time.perf_counter(), time.process_time()
    result = run()
    return result, time.perf_counter() - started, time.process_time() - worked


def compare(options: argparse.Namespace) -> None:
    """Print the instances a second of both ways."""
    data = open_dataset(options.data)
    split = "test" if "test" in data.splits(options.config) else data.splits(options.config)[0]
    every = max(1, data.count(options.config, split) // options.count)
    drawn = list(data.instances(options.config, split))[::every][: options.count]
    generation = Generation(window=options.window, max_new_tokens=options.new_tokens, temperature=0.0)
    instances = fitting(drawn, options.model, generation)
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    theirs = published_way(options.model, instances, generation, options.dtype, device)
    model = load_local(options.model, generation, dtype=options.dtype, device=device, batch_tokens=options.batch_tokens)

    def ours() -> list[Any]:
        return list(model.answers(instances))

    order = [ours, theirs] if options.ours_first else [theirs, ours]
    measured = {run: timed(run) for run in order}
    (slow, slow_seconds, slow_worked), (found, seconds, worked) = measured[theirs], measured[ours]
    answered = [entry for entry in found if entry.error is None]
    lengths = sorted(entry.prompt_tokens for entry in answered)
    same = sum(slow[entry.id].startswith(entry.text) for entry in answered)
    closed = sum(entry.finish == "closed" for entry in answered)
    written = sum(entry.completion_tokens for entry in answered)
    print(f"{len(answered)} instances; prompts of {lengths[0]} to {lengths[-1]} tokens, median {median(lengths):.0f}")
    print(f"{written / len(answered):.0f} new tokens an answer of ours, {closed} of {len(answered)} closed by a call")
    print(f"{model.described()['dtype']} on {device}, {torch.get_num_threads()} threads")
    print(f"one by one: {len(answered) / slow_seconds:.4f} instances/s")
    print(f"ours: {len(answered) / seconds:.4f} instances/s")
    print(f"ratio {slow_seconds / seconds:.2f}; of processor time {slow_worked / worked:.2f}")
    print(f"identical answers: {same} of {len(answered)}")


def memory(count: int) -> None:
    """Print the resident memory after every tenth of the instances."""
    pool = [entry for _, entry in zip(range(200), open_dataset("petoolbench").instances("all", "test"), strict=False)]

    def many() -> Iterator[Instance]:
        for number in range(count):
            entry = pool[number % len(pool)]
            update = {"id": str(number), "history": (), "candidates": entry.candidates[: 1 + number % 3]}
            yield entry.model_copy(update=update)

    with tempfile.TemporaryDirectory() as folder:
        tiny_model(Path(folder))
        model = load_local(folder, Generation(window=12_000, max_new_tokens=8, temperature=1.0), device="cpu")
        for number, _ in enumerate(model.answers(many()), start=1):
            if number % (count // 10) == 0:
                print(f"{number:6d} instances: {_resident():.1f} MB")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure speed or memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder of weights")
    parser.add_argument("--data", default="petoolbench")
    parser.add_argument("--config", default="all")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--window", type=int, default=4_000)
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--ours-first", action="store_true")
    parser.add_argument("--memory", type=int, metavar="N", help="measure memory over N instances instead")
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    if options.memory:
        memory(options.memory)
    elif options.model:
        compare(options)
    else:
        sys.exit("--model FOLDER or --memory N is needed")


if __name__ == "__main__":
    main()
