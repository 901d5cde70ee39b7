"""``petoolbench audit``: say what a data set measures, and what it gives away."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..console import Console
from .arguments import add_command, add_data_arguments


def add(commands: Any) -> None:
    """Add the command to the command line."""
    command = add_command(commands, "audit", "Say what a data set measures, and what it gives away.", _run)
    add_data_arguments(command, "test")
    command.add_argument("--train", metavar="DATA", help="where the training split is, if not in the data itself")
    command.add_argument("--thresholds", type=Path, metavar="FILE", help="YAML of bounds (default: the shipped ones)")
    command.add_argument("--out", type=Path, default=Path("audit"), help="the audit's folder (default: audit)")


def _run(options: argparse.Namespace, console: Console) -> int:
    from ..audit.reading import read_subject
    from ..audit.running import AUDIT_HTML, SECTIONS, run_audit
    from ..audit.shortcuts import measure_shortcuts
    from ..audit.tables import check_groups, check_rows
    from ..audit.verdicts import read_thresholds

    thresholds = read_thresholds(options.thresholds)
    subject = read_subject(options.data, options.config, options.split, options.train)
    audit = run_audit(
        subject,
        (*SECTIONS, ("rankers", measure_shortcuts)),
        thresholds,
        options.out,
        lambda sections, total: console.track(sections, "auditing", total),
    )
    rows = [
        (check.name, check.mark, check.limit, *(shown for _, shown in check.cells))
        for check in check_rows(audit.verdicts)
    ]
    console.table(f"{options.data}: bounds", ("line", "", "bound", *check_groups(audit.verdicts)), rows)
    console.note(f"audit: {options.out / AUDIT_HTML}")
    return int(audit.failed)
