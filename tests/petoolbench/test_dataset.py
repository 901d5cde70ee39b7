"""``load_dataset`` by name, by folder and on published files, and the folder reader behind the command line."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import petoolbench  # noqa: F401
from petoolbench.convert import convert
from petoolbench.errors import InputError
from petoolbench.features import INSTANCE_FEATURES, TOOL_FEATURES, instance_to_row, row_to_instance
from petoolbench.folders import PACKAGE_FOLDER, open_dataset, write_dataset
from petoolbench.schema import SETTINGS
from tests.conftest import ROOT


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("setting", SETTINGS)
def test_by_name_in_an_empty_folder(elsewhere, setting):
    dataset = load_dataset("petoolbench", setting)
    assert set(dataset) == {"train", "test"}
    assert len(dataset["test"]) >= 10
    assert dataset["test"].features == INSTANCE_FEATURES
    assert set(dataset["test"]["setting"]) == {setting}


def test_by_name_among_foreign_data_files(elsewhere):
    (elsewhere / "train.csv").write_text("a,b\n1,2\n")
    (elsewhere / "test.json").write_text("{broken")
    assert len(load_dataset("petoolbench", "chronological", split="test")) >= 10


def test_all_unites_the_settings(elsewhere):
    united = load_dataset("petoolbench", "all", split="test")
    parts = [load_dataset("petoolbench", setting, split="test") for setting in SETTINGS]
    assert united["id"][:] == [identity for part in parts for identity in part["id"]]


def test_without_a_config_all_settings_are_given(elsewhere):
    assert (
        load_dataset("petoolbench", split="test")["id"][:] == load_dataset("petoolbench", "all", split="test")["id"][:]
    )
    assert len(load_dataset(str(PACKAGE_FOLDER), split="test")) == len(load_dataset("petoolbench", split="test"))


def test_streaming(elsewhere):
    streamed = load_dataset("petoolbench", "chronological", split="test", streaming=True)
    assert list(streamed.take(10)) == list(load_dataset("petoolbench", "chronological", split="test").select(range(10)))


@pytest.mark.parametrize("setting", SETTINGS)
def test_shipped_rows_round_trip(elsewhere, setting):
    for row in load_dataset("petoolbench", setting, split="test").select(range(10)):
        instance = row_to_instance(row)
        assert row_to_instance(instance_to_row(instance)) == instance


def test_every_shipped_config_is_served_by_name(elsewhere):
    data = open_dataset("petoolbench")
    for config in data.files:
        served = load_dataset("petoolbench", config, streaming=True)
        assert set(served) == set(data.splits(config))
        assert all(next(iter(split)) for split in served.values())


def test_tools(elsewhere):
    tools = load_dataset("petoolbench", "tools", split="train")
    assert tools.features == TOOL_FEATURES
    assert len(set(tools["name"])) == len(tools)


def test_the_folder_serves_the_same_rows_without_our_builder():
    script = (
        "from datasets import load_dataset; ds = load_dataset('petoolbench', 'chronological', split='test'); "
        "import sys; assert 'petoolbench' not in sys.modules; print(ds['id'][0], len(ds))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = load_dataset("petoolbench", "chronological", split="test")
    assert found.stdout.split() == [ours["id"][0], str(len(ours))]


def test_an_unknown_config_is_named(elsewhere):
    with pytest.raises(ValueError, match="nonsense"):
        load_dataset("petoolbench", "nonsense")


def test_published_files_as_data_files(published_file):
    dataset = load_dataset("petoolbench", "official_rating_integrated", data_files=str(published_file))
    assert list(dataset) == ["test"]
    assert [row_to_instance(row).setting for row in dataset["test"]] == ["rating_integrated"] * 3


def test_data_files_of_a_shipped_config_are_not_ignored(published_file):
    with pytest.raises(InputError, match="go with an official_ config"):
        load_dataset("petoolbench", "chronological", data_files=str(published_file))
    with pytest.raises(InputError, match="go with an official_ config"):
        load_dataset("petoolbench", "chronological", data_dir=str(published_file.parent))


def test_without_data_files_the_hub_is_asked(elsewhere):
    with pytest.raises(InputError, match="data_files"):
        load_dataset("petoolbench", "official_chronological")


def test_a_file_without_the_setting_is_refused(tmp_path, published_file):
    text = published_file.read_text(encoding="utf-8").replace("instruction_ratings", "instruction_other")
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no record of the setting 'rating_integrated'"):
        load_dataset("petoolbench", "official_rating_integrated", data_files=str(path))


def test_a_converted_folder_loads(tmp_path, published_file):
    convert([published_file], tmp_path / "official")
    dataset = load_dataset(str(tmp_path / "official"), "chronological", split="test")
    ours = open_dataset(str(tmp_path / "official"))
    assert [row_to_instance(row) for row in dataset] == list(ours.instances("chronological", "test"))
    assert ours.count("all", "test") == 9
    assert {tool.provider for tool in ours.tools()} == {"Föhn & Co.", "Dripp", "🎵 Tunes"}


def test_documentation_and_seen_functionalities_round_trip(tmp_path, small_instances):
    first, second, *_ = small_instances
    past = first.history[0].model_copy(update={"documentation": "Tides, of “Föhn & Co.”"})
    shown = {"history": (past, *first.history[1:]), "functionality_seen": False}
    instances = [first.model_copy(update=shown), second]
    write_dataset(tmp_path, {"preferred_only": {"test": instances}}, [], "", {})
    assert list(open_dataset(str(tmp_path)).instances("preferred_only", "test")) == instances


def test_the_fingerprint_follows_the_bytes(tmp_path, published_file):
    convert([published_file], tmp_path / "official")
    data = open_dataset(str(tmp_path / "official"))
    before = data.fingerprint("chronological", "test")
    (path,) = data.parquet("chronological", "test")
    pq.write_table(pq.read_table(path).slice(1), path)
    assert data.fingerprint("chronological", "test") != before


def test_shipped_files_are_all_in_the_card():
    data = open_dataset("petoolbench")
    named = {path for splits in data.files.values() for files in splits.values() for path in files}
    assert named == set((PACKAGE_FOLDER / "data").rglob("*.parquet"))


@pytest.mark.slow
def test_published_data_is_small_on_disk(tmp_path, official_file):
    convert([official_file], tmp_path / "official")
    size = sum(path.stat().st_size for path in Path(tmp_path / "official").rglob("*") if path.is_file())
    assert size < 2_000_000
