"""Published files → a dataset folder, with every prompt checked to the byte on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import InputError
from .files import file_hash, new_folder
from .folders import write_dataset
from .official import PublishedInstance, read_published
from .schema import SETTINGS, Instance, Setting, Tool
from .version import VERSION

Instances = dict[Setting, dict[str, list[Instance]]]


@dataclass
class Conversion:
    """What a conversion read: instances by setting and split, the tools, and how many prompts are kept verbatim."""

    instances: Instances = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    verbatim: int = 0

    def add(self, published: PublishedInstance) -> None:
        """Take an instance in."""
        instance = published.instance
        self.instances.setdefault(instance.setting, {}).setdefault(published.split, []).append(instance)
        self.tools.update((tool.name, tool) for tool in instance.candidates)
        self.verbatim += instance.published is not None and instance.published.verbatim is not None

    def counts(self) -> dict[str, int]:
        """Return the number of instances by ``setting/split``."""
        return {
            f"{setting}/{split}": len(members)
            for setting in SETTINGS
            for split, members in self.instances.get(setting, {}).items()
        }


def convert(
    files: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[Iterable[PublishedInstance], str], Iterable[PublishedInstance]] = lambda items, name: items,
) -> Conversion:
    """Convert published files into one dataset folder.

    Args:
        files: Published files of any layout; ``.gz`` and ``.zip`` too.
        out: The dataset folder to make.
        overwrite: Replace a filled folder.
        progress: Wraps the instances of each file to show progress.

    Raises:
        InputError: A file is of no published layout, or two files hold the same instance.
        OutputError: The folder cannot be made.
    """
    with new_folder(out, overwrite=overwrite) as work:
        conversion = Conversion()
        for path in files:
            for published in progress(read_published(path), path.name):
                conversion.add(published)
        _refuse_repeats(conversion.instances)
        ordered: dict[str, dict[str, list[Instance]]] = {
            setting: conversion.instances[setting] for setting in SETTINGS if setting in conversion.instances
        }
        head = {
            "pretty_name": "PEToolBench, published data",
            "language": ["en"],
            "tags": ["tool-use", "personalization"],
        }
        write_dataset(work, ordered, conversion.tools.values(), _card(files, conversion), head)
    return conversion


def _refuse_repeats(instances: Instances) -> None:
    for setting, splits in instances.items():
        for split, members in splits.items():
            counts = Counter(instance.id for instance in members)
            for instance in members:
                if counts[instance.id] > 1:
                    raise InputError(
                        f"stands twice in {setting}/{split}; was a file named twice?",
                        file=instance.provenance.source,
                        record=instance.provenance.record,
                    )


def _card(files: Sequence[Path], conversion: Conversion) -> str:
    rows = "\n".join(f"| {name} | {count} |" for name, count in conversion.counts().items())
    sources = "\n".join(f"- `{path.name}`, SHA-256 `{file_hash(path)}`" for path in files)
    return f"""# PEToolBench, published data, in petoolbench's columns

Made by `petoolbench convert` {VERSION} from:

{sources}

| setting/split | instances |
|---|---|
{rows}

Every prompt can be put together again to the byte ({conversion.verbatim} are kept whole because their structure is
another). `provenance.details` holds what else the published record said; it is not for a model's eyes. Data and
licence are those of the authors of PEToolBench (Xu et al., Findings of ACL 2025).
"""
