"""A data set → the subject of an audit."""

from __future__ import annotations

from ..errors import InputError
from ..folders import DatasetFolder, open_dataset
from ..schema import SETTINGS, Instance, Setting
from .records import Subject

TRAIN_SPLIT = "train"


def read_subject(source: str, config: str = "all", split: str = "test", train: str | None = None) -> Subject:
    """Read what is to be audited.

    Args:
        source: ``petoolbench`` (the shipped data), a dataset folder, or a dataset repository of the Hub.
        config: A setting, ``all``, or another config that holds instances.
        split: The split to audit.
        train: Where the training instances are (split ``train``), if not in the data set itself.

    Raises:
        InputError: There is no such data set, config or split, or it is damaged or empty.
    """
    data = open_dataset(source)
    settings = _by_setting(data, config, split)
    if not settings:
        raise InputError(f"split {split!r} of config {config!r} is empty", file=source)
    fingerprints = {f"{config}/{split}": data.fingerprint(config, split)}
    training = open_dataset(train) if train is not None else data
    if train is None and (split == TRAIN_SPLIT or TRAIN_SPLIT not in data.splits(config)):
        return Subject(source, settings, {}, fingerprints)
    fingerprints[f"{config}/{TRAIN_SPLIT}"] = training.fingerprint(config, TRAIN_SPLIT)
    return Subject(source, settings, _by_setting(training, config, TRAIN_SPLIT), fingerprints)


def _by_setting(data: DatasetFolder, config: str, split: str) -> dict[Setting, list[Instance]]:
    members = list(data.instances(config, split))
    bare = next((entry.id for entry in members if not entry.candidates), None)
    if bare is not None:
        raise InputError("has no candidates; nothing can be chosen", file=data.path, record=bare)
    return {name: found for name in SETTINGS if (found := [entry for entry in members if entry.setting == name])}
