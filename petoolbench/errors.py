"""Faults that a person can mend. The command line prints them as one line and exits with code 2."""

from __future__ import annotations


class PEToolBenchError(Exception):
    """Something the user gave is wrong. ``str(error)`` is one line: where, what, and what to do."""


class InputError(PEToolBenchError):
    """An input file, record or field is not what it has to be."""

    def __init__(self, problem: str, *, file: object = None, record: object = None, field: str | None = None) -> None:
        """Join the place and the problem into one line.

        Args:
            problem: What is wrong and what to do about it.
            file: The file or folder, as the user named it.
            record: The record in it: an index, a line number or an id.
            field: The field of that record.
        """
        parts = [str(file)] if file is not None else []
        if record is not None:
            parts.append(f"record {record}")
        if field is not None:
            parts.append(f"field {field!r}")
        line = ": ".join([", ".join(parts), problem]) if parts else problem
        super().__init__(" ".join(line.split()))


class OutputError(PEToolBenchError):
    """An output folder or file cannot be used; nothing was written."""


class MissingExtraError(PEToolBenchError):
    """A feature needs packages of an extra that is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package {package!r}: pip install 'petoolbench[{extra}]'")
