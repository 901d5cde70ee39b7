"""``python -m builders``: build the data that ships with the package."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError
from petoolbench.files import new_folder, write_text
from petoolbench.folders import CARD, PACKAGE_FOLDER, PACKAGE_NAME, DatasetFolder, open_dataset, write_dataset
from petoolbench.schema import Instance, Setting

from .stand_in import Catalogue, read_catalogue, read_instances

_CARD = """# petoolbench: personalized tool calls (stand-in data)

Given an instruction, a user's past tool calls and ten candidate tools, several of which do the same thing: which one
does *this* user want, and with which arguments?

```python
import petoolbench
from datasets import load_dataset

ds = load_dataset("petoolbench", "chronological", split="test")
```

This is a small hand-written set of {instances} instances over {tools} invented tools ({groups} groups of
interchangeable tools). It lets every program of petoolbench run and be tested; it is too small to rank models. The
synthesised data set will take its place.

| setting/split | instances | evidence |
|---|---|---|
{rows}

Columns: `history` (oldest first; `rating` only in `rating_integrated`), `candidates` (with JSON Schema parameters as
JSON text), `reference` (the wanted call, the names of the interchangeable tools and of the candidates, the origin of
each argument), `evidence` (`direct`: the wanted tool's provider was liked; `vendor`: its vendor was; `elimination`:
every sibling's provider was disliked or left behind). Train and test have no user in common.

Licence: Apache-2.0. All names of tools, providers and people are invented.
"""

_CARD_DATA = {
    "pretty_name": "petoolbench (stand-in)",
    "license": "apache-2.0",
    "language": ["en"],
    "tags": ["tool-use", "function-calling", "personalization"],
    "size_categories": ["n<1K"],
}


def main(arguments: list[str] | None = None) -> int:
    """Build the data set and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m builders", description="Build the shipped data set.")
    parser.add_argument("--out", type=Path, help="build into this new folder, not into the package")
    parser.add_argument("--quiet", action="store_true", help="no notes")
    options = parser.parse_args(arguments)
    console = Console(quiet=options.quiet)
    try:
        data = build(options.out)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    for config in data.files:
        counts = ", ".join(f"{split} {data.count(config, split)}" for split in data.splits(config))
        console.note(f"{config}: {counts}")
    return 0


def build(out: Path | None = None) -> DatasetFolder:
    """Build the stand-in data set into a new folder, or in place of the shipped data.

    Raises:
        PEToolBenchError: The catalogue or an instance breaks a rule, or the folder cannot be written.
    """
    if out is None:
        with tempfile.TemporaryDirectory() as scratch:
            _replace_shipped(build(Path(scratch) / "built").path)
        return open_dataset(PACKAGE_NAME)
    catalogue = read_catalogue()
    instances = read_instances(catalogue)
    with new_folder(out) as work:
        write_dataset(work, instances, catalogue.tools.values(), _card(instances, catalogue), _CARD_DATA)
    return open_dataset(str(out))


def _replace_shipped(built: Path) -> None:
    """Put a built data set in place of the shipped one; the package never lacks its data."""
    with new_folder(PACKAGE_FOLDER / "data", overwrite=True) as work:
        shutil.copytree(built / "data", work, dirs_exist_ok=True)
    write_text(PACKAGE_FOLDER / CARD, (built / CARD).read_text(encoding="utf-8"))


def _card(instances: dict[Setting, dict[str, list[Instance]]], catalogue: Catalogue) -> str:
    rows = [
        f"| {setting}/{split} | {len(members)} | {_evidence(members)} |"
        for setting, splits in instances.items()
        for split, members in splits.items()
    ]
    return _CARD.format(
        instances=sum(len(members) for splits in instances.values() for members in splits.values()),
        tools=len(catalogue.tools),
        groups=len(set(catalogue.functionality.values())),
        rows="\n".join(rows),
    )


def _evidence(members: list[Instance]) -> str:
    counts = Counter(instance.evidence for instance in members)
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items(), key=str))


if __name__ == "__main__":
    sys.exit(main())
