"""Guided answers: whatever a model would rather write, one well-formed call of a candidate comes out."""

from __future__ import annotations

import jsonschema
import pytest

from petoolbench.models.protocol import Generation
from petoolbench.parsing import parse_calls, render_call
from petoolbench.prompts import render_prompt
from petoolbench.schema import ToolCall
from tests.tiny import PLAIN_TEMPLATE, TOOL_TEMPLATE, tiny_model, tiny_tokenizer

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("llguidance")

from petoolbench.models.guided import GrammarError, Guidance
from petoolbench.models.local import load_local


@pytest.fixture(scope="module")
def guidance():
    tokenizer = tiny_tokenizer()
    return tokenizer, Guidance(tokenizer, len(tokenizer), [0], "hf:x")


@pytest.mark.parametrize("style", ["paper", "native"])
@pytest.mark.parametrize(("temperature", "most"), [(0.0, 5), (1.0, 60)])
def test_every_answer_is_a_call_that_a_candidate_allows(tmp_path, small_instances, style, temperature, most):
    folder = tiny_model(tmp_path, PLAIN_TEMPLATE if style == "paper" else TOOL_TEMPLATE)
    generation = Generation(style, window=12_000, max_new_tokens=most, temperature=temperature, guided=True)
    chosen = {entry.id: entry.model_copy(update={"history": ()}) for entry in small_instances[::15]}
    found = list(load_local(str(folder), generation, device="cpu").answers(chosen.values()))
    assert {entry.id for entry in found} == chosen.keys()
    for entry in found:
        assert entry.error is None
        (call,) = entry.calls if style == "native" else parse_calls(entry.text)
        tool = next(tool for tool in chosen[entry.id].candidates if tool.name == call.name)
        jsonschema.validate(call.arguments, {**tool.parameters, "additionalProperties": False})


def with_parameters(instance, parameters):
    tool = instance.candidates[0].model_copy(update={"parameters": parameters})
    return instance.model_copy(update={"candidates": (tool,)})


def schema(*required, **properties):
    return {"type": "object", "properties": properties, "required": [*properties, *required]}


PARAMETERS = [
    {"type": "object", "properties": {}},
    {},
    schema(n={"type": "number"}, s={"type": "string"}),
    schema(n={"type": ["integer", "null"]}),
    schema(l={"type": "array", "items": {"type": "number"}, "minItems": 2}),
    schema(e={"enum": ["one", "once", 3]}, b={"type": "boolean"}),
    schema(s={"type": "string", "minLength": 3}),
    schema(o={"type": "object", "properties": {"x": {"type": "string"}}}),
    schema("undescribed", a={}),
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("cut", [0, 1, 30, 41, 45, 53, 60])
def test_a_call_that_is_cut_off_is_closed(guidance, small_instances, parameters, cut):
    """Wherever the room ends, the shortest way on gives a call that the schema allows."""
    _, maker = guidance
    instance = with_parameters(small_instances[0], parameters)
    guide = maker.guide(instance, render_prompt(instance))
    while not guide.complete and cut:
        # The last allowed token: a random model's worst habits, without the model.
        guide.take(int(guide.allowed().nonzero()[0][-1]))
        cut -= 1
    (call,) = parse_calls(guide.whole_text())
    assert call.name == instance.candidates[0].name
    jsonschema.validate(call.arguments, {"type": "object", **parameters})


def test_the_form_is_the_one_that_the_prompt_asks_for(guidance, small_instances):
    tokenizer, maker = guidance
    instance = small_instances[0]
    gold = ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)
    guide = maker.guide(instance, render_prompt(instance))
    for token in tokenizer(render_call(gold), add_special_tokens=False)["input_ids"]:
        assert guide.allowed()[token]
        guide.take(token)
    assert guide.complete
    assert guide.whole_text() == render_call(gold)


def test_a_schema_that_makes_no_grammar_is_that_instances_error(tmp_path, small_instances, guidance):
    bad = with_parameters(small_instances[0], {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}})
    with pytest.raises(GrammarError, match="nowhere"):
        guidance[1].guide(bad, render_prompt(bad))
    model = load_local(
        str(tiny_model(tmp_path)), Generation(window=12_000, max_new_tokens=4, guided=True), device="cpu"
    )
    found = {entry.id: entry for entry in model.answers([bad, small_instances[1]])}
    assert "make no grammar" in found[bad.id].error
    assert found[small_instances[1].id].error is None
