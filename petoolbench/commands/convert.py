"""``petoolbench convert``: Published PEToolBench files → a dataset folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..console import Console
from ..convert import convert
from .arguments import add_command


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "convert", "Published PEToolBench files → a dataset folder.", _run)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="test, SFT or DPO file; .gz and .zip too")
    command.add_argument("--out", required=True, type=Path, help="the dataset folder to make")
    command.add_argument("--overwrite", action="store_true", help="replace a filled folder")


def _run(options: argparse.Namespace, console: Console) -> None:
    conversion = convert(
        options.files,
        options.out,
        overwrite=options.overwrite,
        progress=lambda items, name: console.track(items, f"reading {name}"),
    )
    rows = [(name, str(count)) for name, count in conversion.counts().items()]
    console.table(f"{options.out}: {len(conversion.tools)} tools", ("setting/split", "instances"), rows)
    console.note(f"prompts kept whole, since their structure is another: {conversion.verbatim}")
