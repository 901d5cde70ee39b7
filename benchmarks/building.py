"""How a build grows with its users: ``python -m benchmarks.building [--users 1000] [--factor 10] [--config FILE]``.

Builds twice in one run, in processes of their own, from nothing (embeddings included): once with the number of users,
once with so many times more, shared out over the configs as the configuration does. Prints seconds, peak memory and the
ratio.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from builders.config import BuildConfig, read_config

CONFIG = Path(__file__).parents[1] / "builders" / "configs" / "petoolbench.yaml"


def main() -> None:
    """Measure both sizes and print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, default=1000, help="users of the smaller build")
    parser.add_argument("--factor", type=int, default=10, help="how many times more the larger one has")
    parser.add_argument("--config", type=Path, default=CONFIG)
    options = parser.parse_args()
    config = read_config(options.config)
    seconds = []
    for users in (options.users, options.users * options.factor):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(json.dumps(_scaled(config, users).model_dump(mode="json")), encoding="utf-8")
            seconds.append(_build(path, Path(folder)))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{users} users: {seconds[-1]:.0f} s, at most {peak:.0f} MiB in one process so far", flush=True)
    print(f"{options.factor} times the users: {seconds[1] / seconds[0]:.1f} times the seconds")


def _scaled(config: BuildConfig, users: int) -> BuildConfig:
    total = sum(sample.train + sample.test for sample in config.samples.values())
    samples = {
        name: sample.model_copy(
            update={"train": round(sample.train * users / total), "test": round(sample.test * users / total)}
        )
        for name, sample in config.samples.items()
    }
    return config.model_copy(update={"samples": samples})


def _build(config: Path, folder: Path) -> float:
    started = time.monotonic()
    command = [sys.executable, "-m", "builders", "--config", str(config), "--quiet"]
    subprocess.run([*command, "--work", str(folder / "work"), "--out", str(folder / "out")], check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
