"""The agents: what they may see, that they repeat themselves, and that they agree with what was measured."""

import pytest

from petoolbench.baselines import AGENTS, tool_words
from petoolbench.filling import fill_arguments
from petoolbench.schema import SETTINGS, Prediction, Tool
from petoolbench.scoring import score
from petoolbench.statistics import estimate

MEASURED = {
    "random": (10.0, 10.0, 10.0),
    "random-in-group": (44.0, 44.0, 44.0),
    "nearest-to-disliked": (65.5, 81.8, 81.8),
}
"""REFERENCE's figures on all 1,000 official instances a setting, in per cent."""


def _tool(properties, required=(), endpoint="find", description=""):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(
        name=f"<C>.<P>.<{endpoint}>",
        category="C",
        provider="P",
        endpoint=endpoint,
        description=description,
        parameters=schema,
    )


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_repeats_itself_and_stays_among_the_candidates(name, small_instances):
    for instance in small_instances:
        call = AGENTS[name].call(instance, seed=3)
        assert call == AGENTS[name].call(instance, seed=3)
        assert call.name in {tool.name for tool in instance.candidates}


@pytest.mark.parametrize("name", [name for name, agent in AGENTS.items() if not agent.oracle])
def test_only_oracles_read_the_reference(name, small_instances):
    for instance in small_instances:
        blank = instance.reference.model_copy(update={"name": "?", "arguments": {}, "group": (), "accepted": ()})
        hidden = instance.model_copy(update={"reference": blank, "evidence": None, "functionality": "?"})
        assert AGENTS[name].call(hidden) == AGENTS[name].call(instance)


def test_the_query_free_rule_never_reads_the_query(small_instances):
    agent = AGENTS["nearest-to-disliked"]
    for instance in small_instances:
        mute = instance.model_copy(update={"instruction": "."})
        assert agent.call(mute).name == agent.call(instance).name


@pytest.mark.parametrize("name", ["lexical", "random", "random-in-group"])
def test_agents_without_memory_never_read_the_history(name, small_instances):
    for instance in small_instances:
        assert AGENTS[name].call(instance.model_copy(update={"history": ()})) == AGENTS[name].call(instance)


@pytest.mark.parametrize("name", AGENTS)
def test_agents_answer_without_any_history(name, small_instances):
    instance = small_instances[0].model_copy(update={"history": ()})
    assert AGENTS[name].call(instance).name


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("setting", SETTINGS)
def test_agents_agree_with_what_was_measured(name, setting, official_instances):
    """The clustered interval that half of the 1,000 gives must hold it; for agents that draw lots, over ten seeds,
    the average must lie within two points."""
    instances = [instance for instance in official_instances if instance.setting == setting]
    scores, clusters = [], []
    for seed in range(10 if name.startswith("random") else 1):
        for instance in instances:
            answer = Prediction(id=f"{instance.id}-{seed}", calls=(AGENTS[name].call(instance, seed),))
            scores.append(score(answer, instance.reference, "official"))
            clusters.append(instance.functionality)
    found = estimate(scores, clusters, "tool_accuracy")
    wanted = MEASURED[name][SETTINGS.index(setting)] / 100
    if name.startswith("random"):
        assert found.value == pytest.approx(wanted, abs=0.02)
    else:
        assert found.low <= wanted <= found.high, found


def test_camel_case_and_signs_are_taken_apart():
    tool = _tool({"maxPrice": {"type": "number"}}, endpoint="findFlat/v2", description="Rooms-to-let.")
    assert tool_words(tool) == {"find", "flat", "v2", "rooms", "to", "let", "max", "price", "number"}


@pytest.mark.parametrize(
    ("properties", "required", "instruction", "wanted"),
    [
        ({"city": {"type": "string"}}, ["city"], "Weather in New York, please", {"city": "New York"}),
        ({"title": {"type": "string"}}, ["title"], "Play 'red shift' by Ola", {"title": "red shift"}),
        ({"title": {"type": "string"}}, ["title"], "what's on at Ola's?", {"title": "Ola"}),
        (
            {"song": {"type": "string"}, "by": {"type": "string"}},
            ["song", "by"],
            "Get 'Red' by Ann",
            {"song": "Red", "by": "Ann"},
        ),
        ({"n": {"type": "integer"}, "m": {"type": "number"}}, ["n", "m"], "give me 3, at 2.5%", {"n": 3, "m": 2.5}),
        ({"unit": {"type": "string", "enum": ["metric", "imperial"]}}, [], "in Imperial units", {"unit": "imperial"}),
        ({"unit": {"type": "string", "enum": ["metric", "imperial"]}}, [], "in any units", {}),
        ({"days": {"type": "integer", "default": 5}}, ["days"], "the coming days", {"days": 5}),
        ({"days": {"type": "integer", "default": 5}}, [], "the coming days", {}),
        ({"days": {"type": "integer", "default": 5}}, ["days"], "the coming 7 days", {"days": 7}),
        ({"city": {"type": "string"}}, ["city"], "weather?", {}),
        ({"days": {"type": "integer", "default": 5}}, [], "rain over 7 days", {"days": 7}),
        (
            {"rooms": {"type": "integer"}, "nights": {"type": "integer"}},
            [],
            "3 nights, 2 rooms",
            {"nights": 3, "rooms": 2},
        ),
        ({"from_date": {"type": "string"}}, [], "trains on 2026-03-28?", {"from_date": "2026-03-28"}),
        ({"city": {"type": "string"}}, ["city"], "Cold again. How warm is Malaga?", {"city": "Malaga"}),
        ({"n": {"type": "number"}}, ["n"], "tell me of NaN, Infinity and 1e999", {}),
        ({}, [], "anything", {}),
    ],
)
def test_arguments_come_from_the_words_of_the_instruction(properties, required, instruction, wanted):
    assert fill_arguments(_tool(properties, required), instruction) == wanted
