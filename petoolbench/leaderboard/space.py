"""A leaderboard as the folder of a Gradio Space of the Hugging Face Hub."""

from __future__ import annotations

from typing import Any

import yaml

from .records import Leaderboard

GRADIO_VERSION = "6.31.0"
"""The release that the app was tried on; the Space's card asks for it."""

_CARD = {
    "title": "PEToolBench leaderboard",
    "emoji": "🧰",
    "colorFrom": "blue",
    "colorTo": "gray",
    "sdk": "gradio",
    "sdk_version": GRADIO_VERSION,
    "python_version": "3.11",
    "app_file": "app.py",
    "pinned": False,
    "license": "apache-2.0",
    "short_description": "Personalized tool learning: who calls the tool you like",
    "tags": ["leaderboard", "tool-use", "personalization"],
}
_REQUIREMENTS = "matplotlib>=3.9\npandas>=2.2\n"


def space_files(app: Any, card: Any, board: Leaderboard) -> dict[str, str]:
    """Return the Space's files by name; ``leaderboard.json``, which the app reads, is to stand beside them.

    Args:
        app: The template ``space_app.py.j2``.
        card: The template ``space_card.md.j2``.
        board: What the Space shows.
    """
    head = yaml.safe_dump(_CARD, sort_keys=False, allow_unicode=True)
    return {
        "README.md": f"---\n{head}---\n\n{card.render(board=board, gradio=GRADIO_VERSION)}",
        "app.py": app.render(),
        "requirements.txt": _REQUIREMENTS,
    }
