"""Time and memory of the whole way on a published file: ``python benchmarks/whole_way.py FILE [--agent NAME]``.

convert, predict, score and report run one after another as four commands, as a user runs them; then ``load_dataset``
reads the file twice in one process. Prints seconds, the largest resident memory of a command, and bytes on disk.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOAD = """
import sys, time
import petoolbench
from datasets import load_dataset
for turn in ("first", "second"):
    started = time.perf_counter()
    dataset = load_dataset("petoolbench", "official_chronological", data_files=sys.argv[1], split="test")
    print(f"load_dataset, {turn} time: {time.perf_counter() - started:.2f} s, {len(dataset)} rows")
"""


def main() -> None:
    """Print one line a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--agent", default="nearest-to-disliked")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, run = folder / "official", folder / "run"
        steps = [
            ["convert", options.file, "--out", data],
            ["predict", "--data", data, "--agent", options.agent, "--out", run],
            ["score", run],
            ["report", run, "--out", folder / "report"],
        ]
        total = 0.0
        for step in steps:
            started = time.perf_counter()
            command = [sys.executable, "-m", "petoolbench", *map(str, step), "--quiet"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - started
            total += seconds
            print(f"{step[0]}: {seconds:.1f} s")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
        print(f"in all {total:.1f} s, at most {memory:.0f} MiB a command; {size / 1e6:.2f} MB on disk")
        subprocess.run([sys.executable, "-c", LOAD, options.file.resolve()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
