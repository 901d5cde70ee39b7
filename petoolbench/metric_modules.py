"""Registration of the metric scripts, so that ``evaluate.load("pt_tool_acc")`` works in any folder, offline.

``evaluate`` looks for a script beside the user, on the Hub, and then among the modules that it keeps in a cache
folder. The scripts of this package are put there when ``petoolbench`` is imported, without importing ``evaluate``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .errors import OutputError
from .files import write_bytes

_SCRIPT_FOLDERS = (Path(__file__).parent / "metric_scripts", Path(__file__).parent.parent / "metrics")


def metric_scripts() -> dict[str, Path]:
    """Return the metric scripts by name: those of the installed package, or of the clone it runs from."""
    for folder in _SCRIPT_FOLDERS:
        scripts = {path.stem: path for path in sorted(folder.glob("*/*.py")) if path.stem == path.parent.name}
        if scripts:
            return scripts
    return {}


def register_metrics() -> None:
    """Put the scripts among the modules that ``evaluate`` keeps; calling it again changes nothing.

    Raises:
        OutputError: The cache folder cannot be written.
    """
    root = _modules_cache() / "evaluate_modules"
    try:
        for name, script in metric_scripts().items():
            _register(name, script, root)
    except OSError as error:
        raise OutputError(f"{root}: cannot be written: {error.strerror or error}") from None


def _register(name: str, script: Path, root: Path) -> None:
    source = script.read_bytes()
    home = root / "metrics" / f"evaluate-metric--{name}"
    module = home / hashlib.sha256(source).hexdigest() / f"{name}.py"
    if not module.is_file() or module.read_bytes() != source:
        write_bytes(module, source)
    for folder in (root, root / "metrics", home, module.parent):
        if not (folder / "__init__.py").exists():
            write_bytes(folder / "__init__.py", b"")
    _make_newest(module, home)


def _modules_cache() -> Path:
    """Return the folder that ``evaluate.config.HF_MODULES_CACHE`` names, by the same rules."""
    cache = Path(os.getenv("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.getenv("HF_HOME", str(cache / "huggingface"))).expanduser()
    return Path(os.getenv("HF_MODULES_CACHE", str(home / "modules")))


def _make_newest(module: Path, home: Path) -> None:
    """Let ``evaluate``, which takes the newest script of a name, take this one and not another release's."""
    scripts = [path for path in home.glob("*/*.py") if path.name == module.name and path != module]
    newest = max((path.stat().st_mtime for path in scripts), default=0.0)
    if newest >= module.stat().st_mtime:
        os.utime(module, (newest + 1, newest + 1))
