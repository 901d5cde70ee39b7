"""Dataset folders: a card (``README.md``) whose YAML names the configs, and parquet under ``data/``.

Such a folder is what ``convert`` and the builders write, what stands in a Hub dataset repository, and what
``load_dataset`` reads. One reader serves local folders, the shipped data and repositories of the Hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets import Features
from huggingface_hub import metadata_load, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from pydantic import ValidationError

from .errors import InputError
from .features import (
    INSTANCE_FEATURES,
    TOOL_FEATURES,
    instance_to_row,
    row_to_instance,
    row_to_tool,
    tool_to_row,
)
from .files import content_hash, file_hash
from .schema import SETTINGS, Instance, Tool

PACKAGE_NAME = "petoolbench"
PACKAGE_FOLDER = Path(__file__).parent
CARD = "README.md"
TOOLS_CONFIG = "tools"
TOOLS_SPLIT = "train"
ALL_CONFIG = "all"
ATTRIBUTE_CONFIG = "attribute_transfer"

_ROWS_PER_GROUP = 10_000
_ROWS_PER_BATCH = 128
_DICTIONARY_BYTES = 16 << 20
_PAGE_BYTES = 4 << 20


@dataclass(frozen=True)
class DatasetFolder:
    """A dataset folder on disk: ``files[config][split]`` lists its parquet files."""

    path: Path
    files: Mapping[str, Mapping[str, tuple[Path, ...]]]

    def splits(self, config: str) -> tuple[str, ...]:
        """Return the splits of a config.

        Raises:
            InputError: There is no such config.
        """
        if config not in self.files:
            raise InputError(f"no config {config!r}; there are: {', '.join(self.files)}", file=self.path)
        return tuple(self.files[config])

    def parquet(self, config: str, split: str) -> tuple[Path, ...]:
        """Return the parquet files of a split.

        Raises:
            InputError: There is no such config or split.
        """
        splits = self.splits(config)
        if split not in splits:
            raise InputError(
                f"config {config!r} has no split {split!r}; there are: {', '.join(splits)}", file=self.path
            )
        return self.files[config][split]

    def count(self, config: str, split: str) -> int:
        """Return the number of rows of a split, read from the files' footers."""
        return sum(_open(path).metadata.num_rows for path in self.parquet(config, split))

    def fingerprint(self, config: str, split: str) -> str:
        """Return 16 hexadecimal digits made from the bytes of a split's files."""
        return content_hash([file_hash(path) for path in self.parquet(config, split)])

    def ids(self, config: str, split: str) -> tuple[str, ...]:
        """Return the ids of a split's instances in their order, without reading the rest of them.

        Raises:
            InputError: The config holds tools, or a file is damaged.
        """
        if config == TOOLS_CONFIG:
            raise InputError("config 'tools' holds tools, not instances; choose another", file=self.path)
        column = Features({"id": INSTANCE_FEATURES["id"]})
        return tuple(str(row["id"]) for path in self.parquet(config, split) for _, row in _rows(path, column))

    def instances(self, config: str, split: str) -> Iterator[Instance]:
        """Yield the instances of a split in their order.

        Raises:
            InputError: The config holds tools, or a file or row is damaged; the message names file and record.
        """
        if config == TOOLS_CONFIG:
            raise InputError("config 'tools' holds tools, not instances; choose another", file=self.path)
        for path in self.parquet(config, split):
            for index, row in _rows(path, INSTANCE_FEATURES):
                yield _checked(row_to_instance, row, path, index)

    def tools(self) -> Iterator[Tool]:
        """Yield the tools of the config ``tools``."""
        for split in self.splits(TOOLS_CONFIG):
            for path in self.parquet(TOOLS_CONFIG, split):
                for index, row in _rows(path, TOOL_FEATURES):
                    yield _checked(row_to_tool, row, path, index)


def open_dataset(source: str) -> DatasetFolder:
    """Open ``petoolbench`` (the shipped data), a local dataset folder, or a dataset repository of the Hub.

    Raises:
        InputError: There is no such dataset, or its card does not say where its data is.
    """
    if source.rstrip("/") == PACKAGE_NAME:
        return _read_folder(PACKAGE_FOLDER)
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if path.exists():
        raise InputError("is a file; 'petoolbench convert FILE --out FOLDER' makes a dataset folder of it", file=source)
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise InputError("no such dataset folder", file=source)
    return _read_folder(_download(source))


def write_dataset(
    folder: Path,
    instances: Mapping[str, Mapping[str, Sequence[Instance]]],
    tools: Iterable[Tool],
    card_text: str,
    card_data: Mapping[str, Any],
    run: Callable[[Callable[[str], None], Sequence[str]], Iterable[None]] = map,
) -> None:
    """Write parquet and card of a data set into an empty folder.

    Args:
        folder: Where to; it must exist.
        instances: ``instances[config][split]``; a config may be a setting or have a name of its own.
        tools: The rows of the config ``tools``.
        card_text: The card's Markdown, without its YAML head.
        card_data: Keys for the YAML head besides ``configs``, such as ``license``.
        run: Calls a function for each name of a file; another one than ``map`` may use several processes.
    """
    members = {_data_file(name, split): rows for name, splits in instances.items() for split, rows in splits.items()}
    tool_file, all_tools = _data_file(TOOLS_CONFIG, TOOLS_SPLIT), list(tools)

    def write(name: str) -> None:
        if name == tool_file:
            _write_parquet(folder / name, map(tool_to_row, all_tools), TOOL_FEATURES)
        else:
            _write_parquet(folder / name, map(instance_to_row, members[name]), INSTANCE_FEATURES)

    for _ in run(write, [*members, tool_file]):
        pass
    head = {**card_data, "configs": card_configs({name: tuple(splits) for name, splits in instances.items()})}
    yaml_text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)
    (folder / CARD).write_text(f"---\n{yaml_text}---\n\n{card_text}", encoding="utf-8")


def card_configs(splits: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Return the card's ``configs``: the settings and others by name, ``all`` over the settings, and ``tools``."""
    names = [*(name for name in SETTINGS if name in splits), *(name for name in splits if name not in SETTINGS)]
    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [_pattern(split, [name]) for split in splits[name]]} for name in names
    ]
    united = dict.fromkeys(split for name in names if name in SETTINGS for split in splits[name])
    members = {split: [s for s in SETTINGS if split in splits.get(s, ())] for split in united}
    everything = [_pattern(split, members[split]) for split in united]
    configs.append({"config_name": ALL_CONFIG, "default": True, "data_files": everything})
    configs.append({"config_name": TOOLS_CONFIG, "data_files": [_pattern(TOOLS_SPLIT, [TOOLS_CONFIG])]})
    return configs


def _pattern(split: str, names: Sequence[str]) -> dict[str, Any]:
    return {"split": split, "path": [f"data/{name}/{split}-*.parquet" for name in names]}


def _data_file(config: str, split: str) -> str:
    return f"data/{config}/{split}-00000-of-00001.parquet"


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]], features: Features) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=features.arrow_schema)
    pq.write_table(
        table,
        path,
        row_group_size=_ROWS_PER_GROUP,
        compression="zstd",
        compression_level=13,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        data_page_size=_PAGE_BYTES,
        write_statistics=False,
    )


def _read_folder(path: Path) -> DatasetFolder:
    card = path / CARD
    if not card.is_file():
        raise InputError(f"no {CARD}; a dataset folder holds one beside its data", file=path)
    try:
        configs = (metadata_load(card) or {})["configs"]
        files = {
            config["config_name"]: {entry["split"]: _matches(path, entry["path"]) for entry in config["data_files"]}
            for config in configs
        }
    except (yaml.YAMLError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"its YAML head cannot be read: {error}", file=card) from None
    except (KeyError, TypeError, AttributeError):
        problem = "its YAML head has no list 'configs' of config_name and data_files (split, path)"
        raise InputError(problem, file=card) from None
    return DatasetFolder(path, files)


def _matches(folder: Path, patterns: str | list[str]) -> tuple[Path, ...]:
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise InputError(f"no data file matches {pattern!r}, which {CARD} names", file=folder)
        found.extend(paths)
    return tuple(found)


def _download(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, repo_type="dataset", allow_patterns=[CARD, "data/**"]))
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        OSError,
    ) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        problem = f"no such folder here, and the Hub gives no dataset repository of that name ({reason})"
        raise InputError(problem, file=repository) from None


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"is no readable parquet file: {reason}", file=path) from None


def _rows(path: Path, features: Features) -> Iterator[tuple[int, dict[str, Any]]]:
    with _open(path) as file:
        for name, field in zip(features, features.arrow_schema, strict=True):
            if name not in file.schema_arrow.names:
                raise InputError("the column is missing; is this a petoolbench data set?", file=path, field=name)
            found = file.schema_arrow.field(name).type
            if found != field.type:
                raise InputError(f"the column is of type {found}, not {field.type}", file=path, field=name)
        index = 0
        try:
            for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=list(features)):
                for row in batch.to_pylist():
                    yield index, row
                    index += 1
        except (pa.ArrowException, OSError) as error:
            reason = str(error).split("\n")[0]
            raise InputError(f"is a damaged parquet file: {reason}", file=path, record=index) from None


def _checked(convert: Any, row: dict[str, Any], path: Path, index: int) -> Any:
    try:
        return convert(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise InputError(first["msg"].lower(), file=path, record=index, field=field) from None
    except (ValueError, TypeError) as error:
        raise InputError(f"holds text that is not JSON: {error}", file=path, record=index) from None
