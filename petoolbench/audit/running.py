"""A subject, sections and thresholds → one folder: ``audit.json``, ``audit.md``, ``audit.html`` and PNG figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..files import new_folder
from ..version import VERSION
from .ceilings import measure_ceilings
from .composition import measure_composition
from .drawing import draw_figures
from .leaks import measure_leaks
from .page import audit_page, load_template
from .records import Audit, Line, Section, Subject, Threshold
from .rules import measure_rules
from .verdicts import judge
from .writing import audit_json, audit_markdown

AUDIT_JSON = "audit.json"
AUDIT_MARKDOWN = "audit.md"
AUDIT_HTML = "audit.html"

SECTIONS: tuple[Section, ...] = (
    ("composition", measure_composition),
    ("rules", measure_rules),
    ("ceilings", measure_ceilings),
    ("leaks", measure_leaks),
)
"""The sections that need no trained model."""

Progress = Callable[[Iterable[Section], int], Iterable[Section]]


def run_audit(
    subject: Subject,
    sections: Sequence[Section],
    thresholds: Sequence[Threshold],
    out: Path,
    progress: Progress = lambda sections, total: sections,
) -> Audit:
    """Measure a subject, hold it against thresholds, and write what was found.

    The same subject, sections and thresholds give the same ``audit.json`` but for its field ``created``.

    Args:
        subject: What is audited.
        sections: What is measured, in this order.
        thresholds: What it is held against.
        out: The folder to make; an older audit there is replaced.
        progress: Wraps the sections to show progress.

    Returns:
        The audit; ``failed`` tells whether a threshold was missed.

    Raises:
        MissingExtraError: A package of the extra ``audit`` is not installed.
        OutputError: The folder holds something else than an audit, or cannot be written.
    """
    template = load_template()
    with new_folder(out, overwrite=(out / AUDIT_JSON).is_file()) as work:
        lines = [line for _, measure in progress(sections, len(sections)) for line in measure(subject)]
        audit = _audit(subject, lines, thresholds)
        figures = draw_figures(subject, audit.lines)
        for name, png in figures.items():
            (work / name).write_bytes(png)
        (work / AUDIT_JSON).write_text(audit_json(audit), encoding="utf-8")
        (work / AUDIT_MARKDOWN).write_text(audit_markdown(audit), encoding="utf-8")
        (work / AUDIT_HTML).write_text(audit_page(template, audit, figures), encoding="utf-8")
    return audit


def _audit(subject: Subject, lines: Sequence[Line], thresholds: Sequence[Threshold]) -> Audit:
    return Audit(
        name=subject.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        version=VERSION,
        fingerprints=dict(subject.fingerprints),
        thresholds=tuple(thresholds),
        lines=tuple(lines),
        verdicts=judge(thresholds, lines, subject),
    )
