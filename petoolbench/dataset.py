"""``load_dataset("petoolbench", CONFIG)`` in any folder, offline: the builder class and its registration.

``datasets`` runs no loading scripts any more; it does serve builder classes of modules that it counts as packaged.
``register`` adds ours. See ``docs/design.md`` for what was measured and why the module factory is taught one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import datasets.load
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import packaged_modules
from datasets.data_files import DataFilesDict
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from .errors import InputError
from .features import INSTANCE_FEATURES, TOOL_FEATURES, instance_to_row
from .files import content_hash, file_hash
from .folders import ALL_CONFIG, ATTRIBUTE_CONFIG, PACKAGE_FOLDER, PACKAGE_NAME, TOOLS_CONFIG, open_dataset
from .official import HUB_ID, PublishedInstance, read_published
from .schema import SETTINGS, Setting
from .version import VERSION

_OFFICIAL_PREFIX = "official_"
_HUB_FILES = {"preferred_only": "p", "rating_integrated": "r", "chronological": "c"}
_ROWS_PER_TABLE = 256
_CODE_HASH = content_hash([VERSION, str(INSTANCE_FEATURES), str(TOOL_FEATURES)], length=64)


@dataclass
class PEToolBenchConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """One config. ``setting`` is set on the ``official_*`` configs, which read published files."""

    setting: Setting | None = None


def _configs() -> list[PEToolBenchConfig]:
    own = [PEToolBenchConfig(name=name) for name in (*SETTINGS, ALL_CONFIG, ATTRIBUTE_CONFIG, TOOLS_CONFIG)]
    official = [PEToolBenchConfig(name=_OFFICIAL_PREFIX + name, setting=name) for name in SETTINGS]
    return own + official


class PEToolBench(datasets.ArrowBasedBuilder):  # type: ignore[misc]
    """The configs ``preferred_only``, ``rating_integrated``, ``chronological``, ``all``, ``attribute_transfer`` and
    ``tools`` give the shipped data; ``official_<setting>`` reads the published files given as ``data_files``, or
    fetches the published test file from the Hub. Published test, SFT and DPO files become the splits ``test``,
    ``train`` and ``dpo``.
    """

    BUILDER_CONFIG_CLASS = PEToolBenchConfig
    BUILDER_CONFIGS = _configs()
    DEFAULT_CONFIG_NAME = ALL_CONFIG

    def _info(self) -> datasets.DatasetInfo:
        features = TOOL_FEATURES if self.config.name == TOOLS_CONFIG else INSTANCE_FEATURES
        return datasets.DatasetInfo(features=features)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        if self.config.setting is not None:
            return self._official_splits(self.config.setting)
        if self.config.data_files:
            raise InputError(f"config {self.config.name!r} is the shipped data; data_files go with an official_ config")
        folder = open_dataset(PACKAGE_NAME)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"files": folder.parquet(self.config.name, split)})
            for split in folder.splits(self.config.name)
        ]

    def _official_splits(self, setting: Setting) -> list[datasets.SplitGenerator]:
        files = [str(file) for group in (self.config.data_files or {}).values() for file in group]
        paths = [Path(file) for file in files] or [_from_hub(f"user_entries_test_{_HUB_FILES[setting]}.json")]
        found: dict[str, list[PublishedInstance]] = {}
        for path in paths:
            for published in read_published(path):
                if published.instance.setting == setting:
                    found.setdefault(published.split, []).append(published)
        if not found:
            raise InputError(f"no record of the setting {setting!r}", file=", ".join(map(str, paths)))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"published": members}) for split, members in found.items()
        ]

    def _generate_tables(
        self, files: tuple[Path, ...] = (), published: list[PublishedInstance] | None = None
    ) -> Iterator[tuple[tuple[int, int], pa.Table]]:
        for number, path in enumerate(files):
            with pq.ParquetFile(path) as file:
                for part, batch in enumerate(file.iter_batches(batch_size=_ROWS_PER_TABLE)):
                    yield (number, part), pa.Table.from_batches([batch])
        rows = [instance_to_row(entry.instance) for entry in published or []]
        for start in range(0, len(rows), _ROWS_PER_TABLE):
            table = pa.Table.from_pylist(rows[start : start + _ROWS_PER_TABLE], self.info.features.arrow_schema)
            yield (len(files), start), table


def _from_hub(name: str) -> Path:
    """Fetch a published file from the authors' repository, or from the local cache of the Hub."""
    try:
        return Path(hf_hub_download(HUB_ID, name, repo_type="dataset"))
    except (OSError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"cannot be fetched ({reason}); pass a local copy as data_files", file=name) from None


class _Factory(datasets.load.PackagedDatasetModuleFactory):  # type: ignore[misc]
    """Finds our builder without looking for data files in the working folder.

    The library's own factory scans the whole working folder for data files when none are given, and fails where it
    finds none. An empty set of data files, other than none at all, is taken as an answer.
    """

    def get_module(self) -> datasets.load.DatasetModule:
        if self.name != PACKAGE_NAME or self.data_files is not None or self.data_dir is not None:
            return super().get_module()
        return datasets.load.DatasetModule(
            __name__, _shipped_hash(), {"dataset_name": PACKAGE_NAME, "data_files": DataFilesDict()}
        )


def _shipped_hash() -> str:
    """Return a hash of the shipped data, so that the library's cache never serves that of another release."""
    files = sorted((PACKAGE_FOLDER / "data").rglob("*.parquet"))
    return content_hash([_CODE_HASH, *map(file_hash, files)], length=64)


def register() -> None:
    """Teach ``datasets`` in this process the name ``petoolbench``; calling it again changes nothing."""
    modules: dict[str, Any] = packaged_modules._PACKAGED_DATASETS_MODULES
    modules[PACKAGE_NAME] = (__name__, _CODE_HASH)
    datasets.load.PackagedDatasetModuleFactory = _Factory
