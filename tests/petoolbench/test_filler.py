"""Learned arguments: what an instruction is taken apart into, which values are found, and what the filler chooses."""

import copy
import json

import pytest

from petoolbench.errors import InputError
from petoolbench.folders import open_dataset
from petoolbench.ranker.filler import Filler, train_filler
from petoolbench.ranker.fit import value_fit
from petoolbench.ranker.slots import read_slots
from petoolbench.ranker.spans import read_instruction
from petoolbench.ranker.tokens import shape_of, stem
from petoolbench.ranker.values import candidates, past_values
from petoolbench.schema import Prediction, Tool, ToolCall
from petoolbench.scoring import argument_fault, score

lightgbm = pytest.importorskip("lightgbm")
EVERY = 8
"""Every eighth shipped training instance of a setting, 375 in all, is what these tests train on."""


def _tool(properties, required=()):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name="<C>.<P>.<e>", category="C", provider="P", endpoint="e", description="", parameters=schema)


@pytest.fixture(scope="module")
def shipped():
    return list(open_dataset("petoolbench").instances("preferred_only", "train"))


@pytest.fixture(scope="module")
def training(shipped):
    return shipped[::EVERY]


@pytest.fixture(scope="module")
def filler(training):
    return train_filler(training)


@pytest.fixture
def ask(shipped, filler):
    """Fill a tool's arguments for an instruction without a history."""

    def fill(instruction, properties, required=()):
        instance = shipped[0].model_copy(update={"instruction": instruction, "history": ()})
        return filler.fill(_tool(properties, required), instance)

    return fill


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("for 3 days", [3]),
        ("the third of three", [3, 3]),
        ("$20, 15% or 2k", [20, 15, 2000]),
        ("boxes of 24x38x32", [24, 38, 32]),
        ("a 25-minute walk from 41.0082, -28.97", [25, 41.0082, -28.97]),
        ("1,200 units of 5 million", [1200, 5000000]),
        ("the first 10 of them", [10]),
        ("on 5 June 2026 at 17:45", []),
        ("chip 0075 and v3", [3]),
        ("it is 1e999 or nan or ٣", []),
    ],
)
def test_numbers(text, values):
    assert [span.value for span in read_instruction(text).numbers] == values


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("on 5 June 2026.", [(2026, 6, 5)]),
        ("29th January 2021", [(2021, 1, 29)]),
        ("the 3rd of May 2020", [(2020, 5, 3)]),
        ("June 5th, 2026", [(2026, 6, 5)]),
        ("in October 2026", [(2026, 10, None)]),
        ("2026-02-30 or 2026-02-28", [(2026, 2, 28)]),
        ("06/10/2020 and 10/25/2020", [(2020, 10, 6), (2020, 10, 25)]),
        ("it may be", []),
    ],
)
def test_dates(text, dates):
    assert [(span.year, span.month, span.day) for span in read_instruction(text).dates] == dates


def test_other_spans():
    reading = read_instruction(
        "It's 'Stranger Things' by Ursula K. Le Guin at 5 pm, see https://a.example/x_1 (or @me)."
    )
    assert [span.text for span in reading.quoted] == ["Stranger Things"]
    assert "Ursula K. Le Guin" in [span.text for span in reading.names]
    assert [span.text for span in reading.times] == ["17:00"]
    assert {"https://a.example/x_1", "@me"} <= {span.text for span in reading.codes}
    assert reading.slice(len(reading.tokens) - 2, len(reading.tokens)) == "or @me"


@pytest.mark.parametrize("text", ["", " ", "'", '"""', "((((", "x" * 50_000, "9" * 400, "1 " * 5_000, "\u0301" * 3_000])
def test_any_text_is_read(text, ask):
    read_instruction(text)
    assert isinstance(ask(text, {"a": {"type": "string"}, "n": {"type": "number"}}, ["a", "n"])["a"], str)


def test_stems_and_outlines():
    assert stem("frightening") == stem("frightened")
    assert shape_of("dr-50977") == "a-9999"


def test_a_slot_reads_its_documentation():
    properties = {
        "day": {"type": "string", "description": "The format is {dd/MM/yyyy}.", "default": "29/01/2021"},
        "sort": {"type": "string", "description": "One of: asc|desc"},
        "path": {"type": "string", "description": "File path e.g. '/file.ext'"},
        "kind": {"type": "string", "enum": ["a_b", "c"], "description": "Kind. a_b (apple bread), c (cake)."},
        "from_city": {"type": "string"},
        "to_city": {"type": "string"},
    }
    day, sort, path, kind, start, end = read_slots(_tool(properties, ["to_city"]).parameters)
    assert day.date_form == "DD/MM/YYYY"
    assert [choice.value for choice in sort.choices] == ["asc", "desc"]
    assert path.examples[0] == "/file.ext"
    assert kind.choices[0].gloss == (stem("apple"), stem("bread"))
    assert (start.twin_rank, end.twin_rank, end.twins) == (0, 1, 2)
    assert [start.must_be_given, end.must_be_given] == [False, True]


@pytest.mark.parametrize(
    "parameters", [{}, {"properties": []}, {"properties": {"a": 1}}, {"properties": {"a": {"enum": 3}}}]
)
def test_odd_schemas_are_read(parameters):
    assert len(read_slots(parameters)) <= 1


def test_candidates_take_the_form_of_the_documentation(filler, shipped):
    instance = shipped[0].model_copy(update={"instruction": "Matches on 5 June 2026 in French, sorted by date"})
    properties = {
        "day": {"type": "string", "default": "29/01/2021"},
        "date": {"type": "string"},
        "language": {"type": "string", "default": "en"},
    }
    scene = filler.scene(instance)
    found = [[one.value for one in candidates(slot, scene)] for slot in read_slots(_tool(properties).parameters)]
    assert [value in values for value, values in zip(["05/06/2026", "2026-06-05", "fr"], found, strict=True)] == [
        True
    ] * 3


def test_past_values_are_distinct_and_latest_first(shipped):
    instance = next(entry for entry in shipped if len(entry.history) > 3)
    past = past_values(instance)
    assert [one.age for one in past] == sorted(one.age for one in past)
    assert len({(one.name, str(one.value)) for one in past}) == len(past)


def test_a_default_stands_unless_something_else_is_said(ask):
    city = {"city": {"type": "string", "description": "Name of the city.", "default": "Oslo"}}
    assert ask("What is the weather there", city, ["city"]) == {"city": "Oslo"}
    assert ask("What is the weather in Oslo?", city) == {"city": "Oslo"}
    top = {"top": {"type": "integer", "description": "Length of the list.", "default": 20}}
    assert ask("List the words of the page", top) == {}


def test_plain_values_are_found(ask):
    url = {"page_link": {"type": "string", "description": "Web address of the page."}}
    asked = "Which language does the page at https://a.example/x use?"
    assert ask(asked, url, ["page_link"]) == {"page_link": "https://a.example/x"}
    day = {"date": {"type": "string", "description": "Day of the visit as YYYY-MM-DD."}}
    assert ask("Is it open on 3 March 2027?", day, ["date"]) == {"date": "2027-03-03"}


def test_words_are_used_once(ask):
    properties = {name: {"type": "integer", "description": f"{name} in centimetres."} for name in ("length", "width")}
    filled = ask("a box of 24 by 38 cm", properties, ["length", "width"])
    assert sorted(filled.values()) == [24, 38]


def test_what_must_be_given_is_given(ask):
    properties = {
        "text": {"type": "string"},
        "number": {"type": "number"},
        "switch": {"type": "boolean"},
        "items": {"type": "array", "items": {"type": "string"}},
    }
    filled = ask("", properties, list(properties))
    assert filled.keys() == properties.keys()
    assert ask("Hello", {}) == {}


def test_training_twice_gives_the_same_bytes(training, filler):
    again = train_filler(training)
    assert json.dumps(again.to_json()) == json.dumps(filler.to_json())


def test_a_filler_survives_json(filler, shipped):
    data = json.loads(json.dumps(filler.to_json()))
    again = Filler.from_json(data)
    for instance in shipped[3:60]:
        assert again.fill(instance.candidates[0], instance) == filler.fill(instance.candidates[0], instance)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: [],
        lambda data: data.update(format="other"),
        lambda data: data.update(features=data["features"][1:]),
        lambda data: data.update(model=data["model"][:1000]),
        lambda data: data.update(model=3),
        lambda data: data.pop("clues"),
        lambda data: data.update(clues=[]),
        lambda data: data["clues"].update(other={}),
        lambda data: data["clues"].update(texts={"a": 1}),
        lambda data: data["clues"]["texts"].update(a={"b": "c"}),
        lambda data: data["boundaries"].pop("first"),
        lambda data: data.update(boundaries=None),
    ],
)
def test_damaged_json_is_an_input_error(filler, damage):
    data = copy.deepcopy(filler.to_json())
    damaged = damage(data)
    with pytest.raises(InputError):
        Filler.from_json(damaged if isinstance(damaged, list) and not damaged else data)


def test_nothing_to_learn_from_is_an_input_error(shipped):
    with pytest.raises(InputError):
        train_filler([])
    with pytest.raises(InputError):
        train_filler([shipped[0].model_copy(update={"candidates": ()})])


def test_the_reference_is_not_read(filler, shipped):
    for instance in shipped[5:25]:
        blind = instance.model_copy(update={"reference": shipped[0].reference})
        tool = instance.candidates[1]
        assert filler.fill(tool, instance) == filler.fill(tool, blind)


def test_most_arguments_are_right_on_instances_it_was_not_trained_on(filler, shipped, training):
    known = {entry.functionality for entry in training}
    unseen = [entry for entry in shipped if entry.functionality not in known][:150]
    right = 0
    for instance in unseen:
        tool = next(one for one in instance.candidates if one.name == instance.reference.name)
        call = ToolCall(name=tool.name, arguments=filler.fill(tool, instance))
        right += score(Prediction(id=instance.id, calls=(call,)), instance.reference).arguments
    assert right / len(unseen) >= 0.55


def test_argument_fault_agrees_with_the_score(shipped):
    for instance in shipped[:200]:
        gold = instance.reference
        assert all(argument_fault(gold.arguments, name, gold) is None for name in gold.arguments)
        name = next(iter(gold.arguments))
        wrong = {**gold.arguments, name: "no such value"}
        assert argument_fault(wrong, name, gold) == "parameter_value_mismatch"


def test_value_fit():
    tool = _tool(
        {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "date": {"type": "string"},
            "unit": {"type": "string", "enum": ["metric", "imperial"]},
        },
        ["city", "days", "date", "unit"],
    )
    full = value_fit(
        read_slots(tool.parameters), read_instruction("weather in Oslo for 3 days from 5 June 2026, metric")
    )
    assert (full.required, full.taken) == (1.0, 1.0)
    half = value_fit(read_slots(tool.parameters), read_instruction("weather in Oslo for 3 days"))
    assert half.required == 0.5
    assert half.named <= full.named
    none = value_fit(read_slots({}), read_instruction("the 5 best"))
    assert (none.required, none.taken, none.named) == (1.0, 0.0, 0.0)
