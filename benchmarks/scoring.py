"""Score many predictions on one core: ``python benchmarks/scoring.py [--count 1000000] [--data FOLDER]``.

A quarter each of right calls, wrong tools, wrong arguments, and calls inside prose and fences; references are judged
as they come from the data set, and nothing is cached between answers.
"""

from __future__ import annotations

import argparse
import time
from itertools import cycle, islice

from petoolbench.folders import open_dataset
from petoolbench.parsing import render_call
from petoolbench.schema import Instance, Prediction, ToolCall
from petoolbench.scoring import score


def answers(instance: Instance) -> list[str]:
    """Return one answer of each kind."""
    reference = instance.reference
    gold = ToolCall(name=reference.name, arguments=reference.arguments)
    other = gold.model_copy(update={"name": reference.candidates[0]})
    wrong = gold.model_copy(update={"arguments": {**gold.arguments, "page": 2}})
    fenced = f"The user seems to like this one.\n\n```json\n{render_call(gold)}\n```"
    return [render_call(gold), render_call(other), render_call(wrong), fenced]


def main() -> None:
    """Print the seconds of each mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--data", default="petoolbench")
    options = parser.parse_args()
    instances = list(open_dataset(options.data).instances("all", "test"))
    pairs = [
        (Prediction(id=instance.id, text=text), instance.reference)
        for instance in instances
        for text in answers(instance)
    ]
    for mode in ("strict", "official"):
        started = time.process_time()
        right = sum(
            score(prediction, reference, mode).error is None
            for prediction, reference in islice(cycle(pairs), options.count)
        )
        seconds = time.process_time() - started
        each = 1e6 * seconds / options.count
        print(f"{mode}: {options.count} predictions in {seconds:.1f} s ({each:.1f} µs each), {right} fully correct")


if __name__ == "__main__":
    main()
