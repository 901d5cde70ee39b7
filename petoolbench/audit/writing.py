"""An audit as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from .records import Audit
from .summary import Summary, summarise
from .tables import CheckRow, Mark, Table, check_groups, check_rows, section_tables

_SIGNS: dict[Mark, str] = {"passed": "✅", "failed": "❌", "skipped": "➖"}


def audit_json(audit: Audit) -> str:
    """Return an audit as JSON text; the same audit gives the same text."""
    verdicts = [
        {
            "line": verdict.threshold.line,
            "group": verdict.line.group,
            "value": verdict.line.value,
            "chance": verdict.line.chance,
            "threshold": audit.thresholds.index(verdict.threshold),
            "passed": verdict.passed,
            "note": verdict.note,
        }
        for verdict in audit.verdicts
    ]
    values = {
        "petoolbench": audit.version,
        "created": audit.created,
        "data": audit.name,
        "fingerprints": audit.fingerprints,
        "failed": audit.failed,
        "thresholds": [asdict(threshold) for threshold in audit.thresholds],
        "verdicts": verdicts,
        "lines": [asdict(line) for line in audit.lines],
    }
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def audit_markdown(audit: Audit) -> str:
    """Return an audit as Markdown: what was found, the verdicts, and a table a section."""
    prints = ", ".join(f"{name} `{digits}`" for name, digits in audit.fingerprints.items())
    head = [
        f"# Audit of {audit.name}",
        f"petoolbench {audit.version}, {audit.created}" + (f"; data: {prints}" if prints else ""),
    ]
    parts = [*head, *_summary(summarise(audit)), *_checks(audit)]
    for table in section_tables(audit.lines):
        parts += [f"## {table.title}", _lines(table), *_notes(table)]
    return "\n\n".join(parts) + "\n"


def _summary(summary: Summary) -> list[str]:
    parts = [summary.measures] if summary.measures else []
    if summary.gives_away:
        parts.append("What misses its bound:")
        parts.append("\n".join(f"- {finding}" for finding in summary.gives_away))
    if summary.keeps:
        parts.append(f"What keeps it: {'; '.join(summary.keeps)}.")
    if summary.skipped:
        parts.append("\n".join(f"- {skipped}" for skipped in summary.skipped))
    return parts


def _checks(audit: Audit) -> list[str]:
    if not audit.verdicts:
        return []
    groups = check_groups(audit.verdicts)
    rows = [_check(row) for row in check_rows(audit.verdicts)]
    return ["## Verdicts", _table(["", "line", "bound", *groups, "why"], rows)]


def _check(row: CheckRow) -> list[str]:
    cells = [f"**{text}**" if mark == "failed" else text for mark, text in row.cells]
    return [_SIGNS[row.mark], row.name, row.limit, *cells, row.why]


def _lines(table: Table) -> str:
    rows = []
    for row in table.rows:
        cells = [f"{cell} · {chance}" if chance else cell for cell, chance in zip(row.cells, row.chances, strict=True)]
        rows.append([row.name, *cells])
    return _table(["line", *table.groups], rows)


def _notes(table: Table) -> list[str]:
    """Return the notes of a section's lines, and how to read its cells."""
    reading = "In brackets the 95 % interval from a bootstrap over functionalities"
    chance = "; behind the dot what a blind guess reaches" if any(any(row.chances) for row in table.rows) else ""
    notes = [f"- {row.name}: {'; '.join(row.notes)}" for row in table.rows if row.notes]
    return [f"{reading}{chance}.", *(["\n".join(notes)] if notes else [])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
