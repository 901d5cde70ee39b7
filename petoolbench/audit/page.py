"""An audit as one self-contained HTML page; needs jinja2 (extra ``audit``)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..errors import MissingExtraError
from .drawing import CEILINGS_PNG, COMPOSITION_PNG, SHORTCUTS_PNG
from .records import Audit
from .summary import summarise
from .tables import check_groups, check_rows, section_tables

_FIGURES = {"shortcuts": SHORTCUTS_PNG, "ceilings": CEILINGS_PNG, "composition": COMPOSITION_PNG}


def load_template() -> Any:
    """Return the page's template, compiled.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment
    except ImportError:
        raise MissingExtraError("an audit", "jinja2", "audit") from None
    source = files("petoolbench").joinpath("templates").joinpath("audit.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def audit_page(template: Any, audit: Audit, figures: Mapping[str, bytes]) -> str:
    """Return the page: what was found, verdicts, and each section with its figure and its table.

    Args:
        template: What ``load_template`` returns.
        audit: What was found.
        figures: PNG bytes by file name.
    """
    rows = check_rows(audit.verdicts)
    page: str = template.render(
        audit=audit,
        summary=summarise(audit),
        groups=check_groups(audit.verdicts),
        checks=rows,
        failed=sum(row.mark == "failed" for row in rows),
        tables=section_tables(audit.lines),
        figures={
            section: base64.b64encode(figures[name]).decode("ascii")
            for section, name in _FIGURES.items()
            if name in figures
        },
    )
    return page
