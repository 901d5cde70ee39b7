"""Time a trained ranker's predictions: ``python -m benchmarks.ranking --ranker FILE [--data FOLDER] [--count 300]``.

``known tools`` is the case of a deployed ranker: the tools were read before, each request is new and comes alone.
``cold`` has never seen the tools either. Milliseconds a prediction, median and mean, on whatever cores there are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from petoolbench.folders import open_dataset
from petoolbench.ranker.model import Ranker, read_ranker
from petoolbench.schema import Instance


def timed(ranker: Ranker, instances: Sequence[Instance]) -> tuple[list[float], list[float]]:
    """Return the milliseconds of choosing and of filling, for each instance alone."""
    choosing, filling = [], []
    for instance in instances:
        started = time.perf_counter()
        ranking = ranker.rankings([instance])[0]
        chosen = time.perf_counter()
        ranker.call(instance, ranking.names[0])
        choosing.append(1e3 * (chosen - started))
        filling.append(1e3 * (time.perf_counter() - chosen))
    return choosing, filling


def main() -> None:
    """Print the times of both cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranker", type=Path, required=True)
    parser.add_argument("--data", default="petoolbench")
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    instances = list(open_dataset(options.data).instances("all", "test"))
    instances = instances[:: max(1, len(instances) // options.count)][: options.count]
    bare = [instance.model_copy(update={"instruction": ""}) for instance in instances]
    for name, known in (("cold", False), ("known tools", True)):
        ranker = read_ranker(options.ranker)
        ranker.rankings(bare if known else bare[:1])
        choosing, filling = timed(ranker, instances)
        both = [one + other for one, other in zip(choosing, filling, strict=True)]
        print(
            f"{name}: {median(both):.1f} ms (mean {fmean(both):.1f}) a prediction, "
            f"of which choosing {median(choosing):.1f} and filling {median(filling):.1f}"
        )
    print(f"{options.ranker.name}: {options.ranker.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
