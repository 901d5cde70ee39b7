"""What the command line shows: tables on standard output, progress and notes on standard error.

``rich`` respects ``NO_COLOR`` and animates only on a terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

Item = TypeVar("Item")

_QUIET_SECONDS = 2.0
_SPEED_SECONDS = 600.0
"""Over how long the speed is averaged: a batch of a large model on a small machine takes minutes."""
_TABLE_WIDTH = 160


class Console:
    """The terminal. ``quiet`` keeps notes and progress away; tables and errors still show."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._out = RichConsole(highlight=False, width=None if sys.stdout.isatty() else _TABLE_WIDTH)
        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    @property
    def terminal(self) -> RichConsole:
        """Where notes and progress go."""
        return self._err

    def note(self, text: str) -> None:
        """Tell what was done."""
        if not self.quiet:
            self._err.print(text, markup=False)

    def error(self, text: str) -> None:
        """Tell what is wrong, in one line."""
        self._err.print(f"petoolbench: {text}", markup=False, style="red")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table; the first column is text, the others are numbers."""
        self._out.print(title, markup=False, soft_wrap=True)
        table = Table()
        for index, column in enumerate(columns):
            table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index > 0)
        for row in rows:
            table.add_row(*row)
        self._out.print(table)

    def track(self, items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
        """Yield the items; from two seconds on, show a bar with the time left."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        progress = Progress(
            *columns, console=self._err, transient=True, disable=self.quiet, speed_estimate_period=_SPEED_SECONDS
        )
        task = progress.add_task(what, total=total, start=True)
        started = time.monotonic()
        shown = False
        try:
            for item in items:
                yield item
                progress.advance(task)
                if not shown and time.monotonic() - started > _QUIET_SECONDS:
                    progress.start()
                    shown = True
        finally:
            if shown:
                progress.stop()
