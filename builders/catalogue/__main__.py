"""``python -m builders.catalogue [FILE…]``: check category files and print what is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from petoolbench.console import Console
from petoolbench.errors import InputError

from .checks import problems, problems_between
from .reading import category_files, read_category, read_shared


def main(arguments: list[str] | None = None) -> int:
    """Check files (all of the catalogue by default) and return 0 or 2."""
    parser = argparse.ArgumentParser(prog="python -m builders.catalogue", description="Check the tool catalogue.")
    parser.add_argument("files", nargs="*", type=Path, help="category files (default: all)")
    options = parser.parse_args(arguments)
    console = Console()
    found: list[str] = []
    categories = {}
    try:
        shared = read_shared()
    except InputError as error:
        console.error(str(error))
        return 2
    for path in options.files or category_files():
        try:
            categories[path.name] = read_category(path)
        except InputError as error:
            found.append(str(error))
            continue
        found.extend(f"{path.name}: {problem}" for problem in problems(categories[path.name], shared))
    found.extend(problems_between(categories))
    for line in found:
        print(line)
    console.note(f"{len(categories)} categories read, {len(found)} problems")
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
