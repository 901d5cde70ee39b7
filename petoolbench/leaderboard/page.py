"""A leaderboard as one self-contained HTML page; needs jinja2 (extra ``eval``)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..errors import MissingExtraError
from .records import GROUPS, Leaderboard, Row, Section

_NOT_SETTINGS = ("config", "split", "instances", "fingerprint")
_TITLES = {
    "all": "All settings",
    "preferred_only": "Preferred-only",
    "rating_integrated": "Rating-integrated",
    "chronological": "Chronological",
}
_METRICS = {
    "tool_accuracy": "Tool accuracy",
    "param_accuracy": "Parameter accuracy",
    "joint_accuracy": "Joint accuracy",
}


def load_template(name: str, *, html: bool) -> Any:
    """Return a template of the package, compiled; of HTML, all values are escaped.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment
    except ImportError:
        raise MissingExtraError("a leaderboard", "jinja2", "eval") from None
    source = files("petoolbench").joinpath("templates").joinpath(name).read_text(encoding="utf-8")
    environment = Environment(autoescape=html, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.from_string(source)


def leaderboard_page(template: Any, board: Leaderboard) -> str:
    """Return the page.

    Args:
        template: ``leaderboard.html.j2``, as ``load_template`` returns it.
        board: What to show.
    """
    page: str = template.render(
        board=board,
        groups=[group for group in GROUPS if any(group in section.tables for section in board.sections)],
        titles=_TITLES,
        metrics=_METRICS,
        columns=_columns,
        details=_details,
    )
    return page


@dataclass(frozen=True)
class _Columns:
    """The columns that say something in a section; ``runs`` is false where only published rows stand."""

    metrics: list[str]
    options: list[str]
    runs: bool


def _columns(section: Section) -> _Columns:
    rows = [row for table in section.tables.values() for row in table]
    told = [name for name in ("style", "guided", "history") if any(getattr(row, name) is not None for row in rows)]
    releases = {row.petoolbench for row in rows if not row.published}
    return _Columns(
        metrics=[name for name in _METRICS if any(getattr(row, name) is not None for row in rows)],
        options=[*told, *(["petoolbench"] if len(releases) > 1 else [])],
        runs=bool(releases),
    )


def _details(row: Row) -> list[tuple[str, str]]:
    """Return all that a run's spec says but where its data is, which stands above the table."""
    return [
        (name.replace("_", " "), _shown(value))
        for name, value in row.spec.items()
        if name not in _NOT_SETTINGS and value not in (row.agent,)
    ]


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
