"""What the shipped data promises: it is right, it is fair, and no trick solves it. The bounds are the issue's own."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from scipy.stats import chisquare

from petoolbench.audit.near import NEAR, jaccard, shingles
from petoolbench.baselines import AGENTS
from petoolbench.filling import parameters_of
from petoolbench.folders import PACKAGE_FOLDER, open_dataset
from petoolbench.names import split_tool_name
from petoolbench.parsing import parse_calls, render_call
from petoolbench.prompts import name_map, native_call, read_native_calls
from petoolbench.schema import SETTINGS, Prediction, ToolCall
from petoolbench.scoring import gold_prediction, score

CONFIGS = (*SETTINGS, "attribute_transfer")


@pytest.fixture(scope="module")
def shipped():
    data = open_dataset("petoolbench")
    return {config: list(data.instances(config, "test")) for config in CONFIGS}


def _share(found, members):
    return sum(found) / len(members)


def test_sizes_are_those_of_the_paper():
    data = open_dataset("petoolbench")
    assert [data.count(setting, "train") for setting in SETTINGS] == [3000] * 3
    assert [data.count(setting, "test") for setting in SETTINGS] == [1000] * 3
    assert (data.count("attribute_transfer", "train"), data.count("attribute_transfer", "test")) == (1000, 500)
    assert data.count("tools", "train") >= 7454
    files = [path for name in ("data", "figures") for path in (PACKAGE_FOLDER / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000


@pytest.mark.parametrize("config", CONFIGS)
def test_instances_keep_the_form(shipped, config):
    for instance in shipped[config]:
        names = [tool.name for tool in instance.candidates]
        past = {entry.call.name for entry in instance.history}
        assert len(set(names)) == len(names) == 10
        assert set(instance.reference.group) <= set(names)
        assert instance.reference.name in instance.reference.group
        assert not past & set(names)
        assert 1 <= len(instance.history) <= 20
        rated = [entry.rating is not None for entry in instance.history]
        assert all(rated) if instance.setting == "rating_integrated" else not any(rated)
        assert all((entry.documentation is not None) == (config == "attribute_transfer") for entry in instance.history)


@pytest.mark.parametrize("config", CONFIGS)
def test_instructions_are_distinct_and_name_nobody(shipped, config):
    members = shipped[config]
    assert len({instance.instruction for instance in members}) >= 0.95 * len(members)
    for instance in members:
        words = f" {_plain(instance.instruction)} "
        for tool in instance.candidates:
            assert f" {_plain(tool.provider)} " not in words
            assert f" {_plain(tool.provider.split()[0])} " not in words
            if tool.name in instance.reference.group:
                assert f" {_plain(tool.endpoint)} " not in words


def _plain(text):
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


@pytest.mark.parametrize("config", CONFIGS)
def test_every_gold_argument_can_be_found(shipped, config):
    for instance in shipped[config]:
        origins = {entry.argument: entry.origin for entry in instance.reference.accepted}
        assert origins.keys() == instance.reference.arguments.keys()
        for name, value in instance.reference.arguments.items():
            if origins[name] == "history":
                assert any(value in entry.call.arguments.values() for entry in instance.history)
            elif origins[name] == "documentation":
                schema = instance.reference.parameters["properties"][name]
                allowed = schema.get("enum") or schema.get("items", {}).get("enum") or []
                values = value if isinstance(value, list) else [value]
                assert isinstance(value, bool) or set(values) <= set(allowed), (instance.id, name, value)
            else:
                assert origins[name] == "instruction"
                assert _said(value, instance.instruction), (instance.id, name, value)


def _said(value, text):
    from datetime import date

    if isinstance(value, list):
        return all(_said(item, text) for item in value)
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        day = date.fromisoformat(value)
        return value in text or f"{day.day} {day:%B} {day.year}" in text
    return str(value) in text


@pytest.mark.parametrize("config", CONFIGS)
def test_gold_positions_are_even(shipped, config):
    places = Counter([t.name for t in i.candidates].index(i.reference.name) for i in shipped[config])
    assert chisquare([places[place] for place in range(10)]).pvalue > 0.01


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("agent", "bound"), [("nearest-to-disliked", 0.40), ("liked-minus-disliked", 0.55)])
def test_tricks_do_not_pay(shipped, setting, agent, bound):
    members = shipped[setting]
    assert _share([AGENTS[agent].call(i).name == i.reference.name for i in members], members) <= bound


@pytest.mark.parametrize("setting", SETTINGS)
def test_defaults_are_no_answer(shipped, setting):
    members = shipped[setting]
    right = []
    for instance in members:
        gold = next(tool for tool in instance.candidates if tool.name == instance.reference.name)
        defaults = {n: schema["default"] for n, schema, _ in parameters_of(gold) if "default" in schema}
        call = ToolCall(name=gold.name, arguments=defaults)
        right.append(score(Prediction(id=instance.id, calls=(call,)), instance.reference).arguments)
    assert _share(right, members) <= 0.30


@pytest.mark.parametrize("setting", SETTINGS)
def test_other_users_tell_nothing(shipped, setting):
    """The majority gold of the group over all other users, of training and test, is right no more than by chance."""
    members = shipped[setting]
    train = open_dataset("petoolbench").instances(setting, "train")
    golds = defaultdict(Counter)
    for instance in (*train, *members):
        golds[instance.reference.group][instance.reference.name] += 1
    right = chance = 0.0
    for instance in members:
        group = instance.reference.group
        others = golds[group] - Counter([instance.reference.name])
        best = max(others[name] for name in group)
        leaders = [name for name in group if others[name] == best]
        right += (instance.reference.name in leaders) / len(leaders)
        chance += 1 / len(group)
    assert right / len(members) <= chance / len(members) + 0.05


@pytest.mark.parametrize("config", CONFIGS)
def test_no_twin_stands_outside_the_group(shipped, config):
    for instance in shipped[config]:
        gold = next(tool for tool in instance.candidates if tool.name == instance.reference.name)
        twins = [
            t.name for t in instance.candidates if (t.description, t.parameters) == (gold.description, gold.parameters)
        ]
        assert twins == [gold.name]
        formats = {
            t.name for t in instance.candidates if t.category == gold.category and t.parameters == gold.parameters
        }
        assert formats == set(instance.reference.group)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_history_settles_every_instance(shipped, setting):
    """An oracle that is told the group and reads only names, ratings and order."""
    members = shipped[setting]
    assert _share([_oracle(instance) == instance.reference.name for instance in members], members) >= 0.98


def _oracle(instance):
    calls = [(split_tool_name(entry.call.name), entry.rating) for entry in instance.history]
    if instance.setting == "chronological":
        latest = {category: provider for (category, provider, _), _ in calls}
        liked = set(latest.values())
        disliked = {provider for (_, provider, _), _ in calls} - liked
    else:
        liked = {provider for (_, provider, _), rating in calls if rating != 0}
        disliked = {provider for (_, provider, _), rating in calls if rating == 0}
    vendors = {provider.split()[0] for provider in liked}

    def standing(name):
        provider = split_tool_name(name)[1]
        return 3 * (provider in liked) + (provider.split()[0] in vendors) - 2 * (provider in disliked)

    return max(instance.reference.group, key=standing)


def test_kinds_of_evidence_are_balanced(shipped):
    for setting in SETTINGS:
        kinds = Counter(instance.evidence for instance in shipped[setting])
        wanted = {"direct", "vendor"} if setting == "preferred_only" else {"direct", "vendor", "elimination"}
        assert set(kinds) == wanted
        assert min(kinds.values()) >= 0.20 * len(shipped[setting])
    assert {instance.evidence for instance in shipped["attribute_transfer"]} == {"attribute"}


@pytest.mark.slow
def test_attributes_settle_the_fourth_kind(shipped):
    """The oracle knows which sentence of a description speaks of which attribute, and nothing else."""
    from builders.catalogue.reading import category_files, read_category

    spoken = {}
    for path in category_files():
        for provider in read_category(path).providers.values():
            spoken |= {a.says.strip(): f"{d}: {a.value}" for d, a in provider.attributes.items()}

    def shown(text):
        return {attribute for says, attribute in spoken.items() if says in text}

    right = []
    for instance in shipped["attribute_transfer"]:
        liked = [shown(entry.documentation) for entry in instance.history if entry.rating == 1]
        disliked = [shown(entry.documentation) for entry in instance.history if entry.rating == 0]
        taste = set.intersection(*liked).difference(*disliked)
        group = [tool for tool in instance.candidates if tool.name in instance.reference.group]
        best = max(group, key=lambda tool: len(taste & shown(tool.description)))
        right.append(best.name == instance.reference.name)
    assert sum(right) >= 0.98 * len(right)


def test_training_and_test_share_no_user_and_half_of_the_functionalities():
    data = open_dataset("petoolbench")
    users, kinds, tools = defaultdict(set), defaultdict(set), defaultdict(set)
    flags = {}
    for config in SETTINGS:
        for split in ("train", "test"):
            for instance in data.instances(config, split):
                users[split].add(instance.user_id)
                kinds[split].add(instance.functionality)
                tools[split] |= {tool.name for tool in instance.candidates}
                tools[split] |= {entry.call.name for entry in instance.history}
                if split == "test":
                    flags[instance.functionality] = (instance.functionality_seen, instance.reference.name)
    assert not users["train"] & users["test"]
    unseen = {kind for kind, (seen, _) in flags.items() if not seen}
    assert unseen == kinds["test"] - kinds["train"]
    assert 0.45 <= len(unseen) / len(kinds["test"]) <= 0.55
    assert not {gold for seen, gold in flags.values() if not seen} & tools["train"]


@pytest.fixture(scope="module")
def training():
    """What the training instances of all configs ask for, by functionality: words, 5-grams, group and arguments."""
    data = open_dataset("petoolbench")
    found = defaultdict(list)
    for config in CONFIGS:
        for instance in data.instances(config, "train"):
            words, wanted = instance.instruction, instance.reference
            found[instance.functionality].append((words, shingles(words), (wanted.group, wanted.arguments)))
    return found


@pytest.mark.parametrize("config", CONFIGS)
def test_no_request_of_the_test_is_known_from_training(shipped, training, config):
    """Not its words, not nearly its words, and no call of its group with its arguments, in any config."""
    members = shipped[config]
    assert sum(instance.functionality in training for instance in members) >= 0.4 * len(members)
    leaks = Counter()
    for instance in members:
        grams = shingles(instance.instruction)
        call = (instance.reference.group, instance.reference.arguments)
        for words, known_grams, known_call in training[instance.functionality]:
            leaks["words"] += words == instance.instruction
            leaks["nearly"] += jaccard(grams, known_grams) >= NEAR
            leaks["call"] += call == known_call
    assert leaks == {"words": 0, "nearly": 0, "call": 0}


def _round_trip(instance):
    """Return whether gold scores fully as a call, as a text in style ``paper`` and as a ``tool_calls`` entry."""
    gold = gold_prediction(instance.id, instance.reference)
    call = ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)
    names = name_map([tool.name for tool in instance.candidates])
    native = read_native_calls([native_call(call, names)], names)
    answers = (gold, Prediction(id=instance.id, text=render_call(call)), Prediction(id=instance.id, calls=native))
    results = [score(answer, instance.reference) for answer in answers]
    assert parse_calls(render_call(call))[0] == call
    return all(result.tool and result.arguments and result.error is None for result in results)


@pytest.mark.parametrize("config", CONFIGS)
def test_gold_is_right_in_the_test(shipped, config):
    assert all(map(_round_trip, shipped[config]))


@pytest.mark.slow
def test_gold_is_right_everywhere():
    data = open_dataset("petoolbench")
    for config in CONFIGS:
        assert all(map(_round_trip, data.instances(config, "train")))


@pytest.mark.slow
def test_the_builder_makes_the_shipped_data(tmp_path):
    """Content is compared, not bytes: how parquet is packed depends on the release of pyarrow."""
    import json

    from builders.__main__ import main

    assert main(["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    built = json.loads((tmp_path / "out" / "build_report.json").read_text(encoding="utf-8"))
    shipped = json.loads((Path(PACKAGE_FOLDER) / "build_report.json").read_text(encoding="utf-8"))
    assert built["content_hash"] == shipped["content_hash"]
    assert built == shipped
