"""The hand-written data: it is what the builder makes, and it keeps the rules of a fair instance."""

import pytest

from builders.__main__ import build, main
from builders.stand_in import read_catalogue, read_instances
from petoolbench.errors import InputError
from petoolbench.folders import open_dataset
from petoolbench.schema import SETTINGS


def test_shipped_data_is_what_the_builder_makes(tmp_path):
    """Rows are compared, not bytes: how parquet is packed depends on the release of pyarrow."""
    built, shipped = build(tmp_path / "built"), open_dataset("petoolbench")
    for setting in SETTINGS:
        for split in shipped.splits(setting):
            assert list(built.instances(setting, split)) == list(shipped.instances(setting, split))
    assert list(built.tools()) == list(shipped.tools())
    assert (built.path / "README.md").read_bytes() == (shipped.path / "README.md").read_bytes()


def test_every_setting_is_there(shipped_instances):
    assert len(shipped_instances) >= 30
    for setting in SETTINGS:
        assert len([entry for entry in shipped_instances if entry.setting == setting]) >= 10


def test_instances_are_fair(shipped_instances):
    for instance in shipped_instances:
        names = [tool.name for tool in instance.candidates]
        assert len(set(names)) == len(names) == 10
        assert set(instance.reference.group) <= set(names)
        assert len(instance.reference.group) >= 2
        assert instance.reference.name not in {past.call.name for past in instance.history}
        assert all((past.rating is not None) == (instance.setting == "rating_integrated") for past in instance.history)
        assert {value.argument for value in instance.reference.accepted} == set(instance.reference.arguments)
        assert instance.evidence in {"direct", "vendor", "elimination"}


def test_no_name_leaks_into_an_instruction(shipped_instances):
    providers = {tool.provider.lower() for tool in read_catalogue().tools.values()}
    for instance in shipped_instances:
        texts = [instance.instruction, *(past.instruction for past in instance.history)]
        assert not [name for name in providers for text in texts if name in text.lower()]


def test_train_and_test_have_no_user_in_common():
    data = open_dataset("petoolbench")
    users = {split: {entry.user_id for entry in data.instances("all", split)} for split in ("train", "test")}
    assert not users["train"] & users["test"]


def test_instances_and_requests_are_distinct(shipped_instances):
    assert len({entry.id for entry in shipped_instances}) == len(shipped_instances)
    assert len({entry.instruction for entry in shipped_instances}) == len(shipped_instances)


def test_tools_of_a_group_differ_in_name_and_wording():
    catalogue = read_catalogue()
    for name, tool in catalogue.tools.items():
        for other in catalogue.group(name):
            if other != name:
                assert catalogue.tools[other].description != tool.description
                assert catalogue.tools[other].parameters == tool.parameters


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("gold: <", "gold: <X", 1), "unknown tool"),
        (lambda text: text.replace("city: Malaga", "town: Malaga"), "arguments of"),
        (lambda text: text + "\n- [broken", "not valid YAML"),
    ],
)
def test_a_broken_instance_is_named(tmp_path, change, problem):
    source = (read_catalogue.__defaults__[0].parent / "instances.yaml").read_text(encoding="utf-8")
    path = tmp_path / "instances.yaml"
    path.write_text(change(source), encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        read_instances(read_catalogue(), path)


def test_a_filled_folder_is_not_built_into(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["--out", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
