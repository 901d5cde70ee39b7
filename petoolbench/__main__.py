"""The command line: ``petoolbench convert | predict | train-ranker | score | report | audit | info``.

Exit codes: 0 done, 1 an audit missed a threshold, 2 the input is wrong (one line says where and what to do), 130
interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import audit, convert, import_run, info, predict, report, score, train_ranker
from .console import Console
from .errors import PEToolBenchError
from .scoring import SCORING_VERSION
from .version import VERSION

_COMMANDS = (convert, predict, import_run, train_ranker, score, report, audit, info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    console = Console(quiet=options.quiet)
    try:
        return int(options.run(options, console) or 0)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except KeyboardInterrupt:
        console.error("interrupted; nothing is left half-written, and predict goes on where it stopped")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="petoolbench", description="Personalized tool learning: data, scores, reports."
    )
    parser.add_argument("--version", action="version", version=f"petoolbench {VERSION}, scoring {SCORING_VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
