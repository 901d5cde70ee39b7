"""Reading what users give and writing what must never be found half-written."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .errors import InputError, OutputError


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, unpacked if its name ends in ``.gz`` or ``.zip`` (an archive of one file).

    Raises:
        InputError: The file is missing, unreadable, empty or a damaged archive.
    """
    try:
        data = _unpack(path, path.read_bytes())
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except IsADirectoryError:
        raise InputError("is a folder; name a file", file=path) from None
    except (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"damaged archive ({error}); fetch it again", file=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=path) from None
    if not data.strip():
        raise InputError("the file is empty", file=path)
    return data


def _unpack(path: Path, data: bytes) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__")]
            if len(names) != 1:
                raise InputError(f"holds {len(names)} files; an archive of exactly one is needed", file=path)
            return archive.read(names[0])
    return data


def read_json(path: Path) -> Any:
    """Return the JSON value in a file (``.gz`` and ``.zip`` too).

    Raises:
        InputError: Missing, empty, not UTF-8, not JSON, or cut off.
    """
    data = read_bytes(path)
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text; a JSON file is needed", file=path) from None
    except json.JSONDecodeError as error:
        cut = " (the file seems cut off)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        problem = f"is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}{cut}"
        raise InputError(problem, file=path) from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"is not usable JSON: {error}", file=path) from None


def json_text(value: Any) -> str:
    """Return ``value`` as one line of JSON, non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False)


def content_hash(value: Any, length: int = 16) -> str:
    """Return ``length`` hexadecimal digits that depend on a JSON-like value only."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the whole new one.

    Raises:
        OutputError: The place cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes so that a reader finds the old file or the whole new one.

    Raises:
        OutputError: The place cannot be written.
    """
    with replaced(path) as file:
        file.write(data)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file beside ``path`` that takes its place when the block ends without an error.

    Raises:
        OutputError: The place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes ``path`` when the block ends without an error.

    Args:
        path: The folder to make. An empty folder there is replaced; a filled one only with ``overwrite``.
        overwrite: Replace a filled folder.

    Raises:
        OutputError: ``path`` is a file, is filled, or its parent cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file; name a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise OutputError(f"{path}: is not empty; choose another folder or pass --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        yield work
        _swap(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _swap(work: Path, path: Path) -> None:
    work.chmod(0o755)
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    try:
        if path.exists():
            path.rename(old / "old")
        work.rename(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(old, ignore_errors=True)
