"""The hand-written data set of the tests: its reader, and that it keeps the rules of a fair instance."""

import pytest

from petoolbench.errors import InputError
from petoolbench.folders import open_dataset
from petoolbench.schema import SETTINGS
from tests.handwritten import FOLDER, read_catalogue, read_instances


def test_every_setting_is_there(small_data):
    data = open_dataset(str(small_data))
    for setting in SETTINGS:
        assert {split: data.count(setting, split) for split in data.splits(setting)} == {"train": 5, "test": 15}
    assert [tool.name for tool in data.tools()] == list(read_catalogue().tools)


def test_instances_are_fair(small_instances):
    for instance in small_instances:
        names = [tool.name for tool in instance.candidates]
        assert len(set(names)) == len(names) == 10
        assert set(instance.reference.group) <= set(names)
        assert len(instance.reference.group) >= 2
        assert instance.reference.name not in {past.call.name for past in instance.history}
        assert all((past.rating is not None) == (instance.setting == "rating_integrated") for past in instance.history)
        assert {value.argument for value in instance.reference.accepted} == set(instance.reference.arguments)
        assert instance.evidence in {"direct", "vendor", "elimination"}


def test_no_name_leaks_into_an_instruction(small_instances):
    providers = {tool.provider.lower() for tool in read_catalogue().tools.values()}
    for instance in small_instances:
        texts = [instance.instruction, *(past.instruction for past in instance.history)]
        assert not [name for name in providers for text in texts if name in text.lower()]


def test_train_and_test_have_no_user_in_common(small_data):
    data = open_dataset(str(small_data))
    users = {split: {entry.user_id for entry in data.instances("all", split)} for split in ("train", "test")}
    assert not users["train"] & users["test"]


def test_instances_and_requests_are_distinct(small_instances):
    assert len({entry.id for entry in small_instances}) == len(small_instances)
    assert len({entry.instruction for entry in small_instances}) == len(small_instances)


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
    source = (FOLDER / "instances.yaml").read_text(encoding="utf-8")
    path = tmp_path / "instances.yaml"
    path.write_text(change(source), encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        read_instances(read_catalogue(), path)
