"""Scored runs → one folder: ``index.html``, ``leaderboard.json``, and the Space's folder ``space``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path

from ..files import new_folder
from ..schema import ScoringMode
from ..scoring import SCORING_VERSION
from ..version import VERSION
from .page import leaderboard_page, load_template
from .places import Places
from .reading import Progress, read_entries
from .records import Leaderboard
from .rows import make_sections
from .space import space_files

LEADERBOARD_JSON = "leaderboard.json"
LEADERBOARD_HTML = "index.html"
SPACE = "space"


def build_leaderboard(
    paths: Sequence[Path],
    out: Path,
    mode: ScoringMode = "strict",
    places: Places | None = None,
    progress: Progress = lambda instances, total: instances,
) -> Leaderboard:
    """Read runs and write their leaderboard.

    Args:
        paths: Run folders, folders of them, reports.
        out: The leaderboard's folder; an older leaderboard there is replaced.
        mode: The scoring mode of all rows.
        places: Where data is now, if not where the runs were made; they also name the data of reports.
        progress: Wraps the instances of runs that are scored here.

    Returns:
        What was written.

    Raises:
        PEToolBenchError: A run cannot be read or scored, or the folder cannot be written.
    """
    page, app, card = (
        load_template("leaderboard.html.j2", html=True),
        load_template("space_app.py.j2", html=False),
        load_template("space_card.md.j2", html=False),
    )
    with new_folder(out, overwrite=(out / LEADERBOARD_JSON).is_file()) as work:
        board = _leaderboard(paths, mode, places or Places(), progress)
        numbers = json.dumps(board.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        (work / SPACE).mkdir()
        written = {f"{SPACE}/{name}": text for name, text in space_files(app, card, board).items()}
        written |= {
            LEADERBOARD_HTML: leaderboard_page(page, board),
            LEADERBOARD_JSON: numbers,
            f"{SPACE}/{LEADERBOARD_JSON}": numbers,
        }
        for name, text in written.items():
            (work / name).write_text(text, encoding="utf-8")
    return board


def _leaderboard(paths: Sequence[Path], mode: ScoringMode, places: Places, progress: Progress) -> Leaderboard:
    published = json.loads(files("petoolbench").joinpath("published_results.json").read_text(encoding="utf-8"))
    return Leaderboard(
        petoolbench=VERSION,
        scoring_version=SCORING_VERSION,
        mode=mode,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        published_source=published["source"],
        sections=make_sections(read_entries(paths, mode, places, progress), places, published),
    )
