"""Instances as tokens to train on: nothing is asked otherwise than at evaluation, and nothing is lost unsaid."""

import json

import pytest

pytest.importorskip("transformers")

from petoolbench.convert import convert
from petoolbench.errors import InputError, PEToolBenchError
from petoolbench.folders import open_dataset
from petoolbench.models.chat import Chat
from petoolbench.models.protocol import Generation
from petoolbench.models.reading import read_answer
from petoolbench.prompts import PromptError
from petoolbench.schema import Prediction, PublishedPrompt
from petoolbench.scoring import score
from tests.conftest import GOLD, HISTORY, published_prompt
from tests.tiny import PLAIN_TEMPLATE, THINKING_TEMPLATE, TOOL_TEMPLATE, tiny_tokenizer
from training.config import DataSettings, PromptSettings
from training.data import (
    IGNORED,
    Completion,
    DataReport,
    Pair,
    Teller,
    examples,
    gold_call,
    open_data,
    preference_pairs,
    prompt_completion,
    source_of,
    split_off,
)
from training.shortening import first_words, shorten, typed_parameters

WIDE = 100_000


def teller_of(template=PLAIN_TEMPLATE, **prompts):
    return Teller(tiny_tokenizer(template), PromptSettings(**{"max_tokens": WIDE, **prompts}), "tiny")


@pytest.mark.parametrize(
    ("template", "style"),
    [(PLAIN_TEMPLATE, "paper"), (TOOL_TEMPLATE, "native"), (THINKING_TEMPLATE, "paper")],
)
def test_a_gold_completion_is_what_the_scorer_takes_for_right(small_instances, template, style):
    teller = teller_of(template, style=style)
    for instance in small_instances:
        asked = teller.ask(instance)
        completion = teller.complete(asked, gold_call(instance))
        tokenizer = teller.chat.tokenizer
        assert completion.ids[-1] == tokenizer.eos_token_id
        assert completion.ids.count(tokenizer.eos_token_id) == 1
        text = asked.opening + tokenizer.decode(completion.ids[:-1])
        found = score(Prediction(id=instance.id, **read_answer(text, asked.prompt)), instance.reference)
        assert found.error is None, text


def test_training_asks_what_evaluation_asks(small_instances):
    teller, tokenizer = teller_of(), tiny_tokenizer()
    evaluated = Chat(tokenizer, "paper", "tiny")
    for instance in small_instances[:5]:
        assert teller.ask(instance).ids == evaluated.ask(instance, Generation(window=WIDE)).ids


def test_a_call_of_no_candidate_can_be_told_natively(small_instances):
    teller = teller_of(TOOL_TEMPLATE, style="native")
    asked = teller.ask(small_instances[0])
    call = gold_call(small_instances[0]).model_copy(update={"name": "<Weather>.<Nobody>.<invented>"})
    assert "invented" in teller.complete(asked, call).text


def test_a_template_that_changes_its_mind_is_refused(small_instances):
    template = PLAIN_TEMPLATE.replace("<|end|>", "{% if add_generation_prompt %}?{% endif %}<|end|>")
    teller = teller_of(template)
    with pytest.raises(PEToolBenchError, match="writes a question otherwise once it is answered"):
        teller.complete(teller.ask(small_instances[0]), gold_call(small_instances[0]))


def test_only_completions_are_labelled(small_instances):
    report = DataReport({})
    members = list(examples(small_instances[:4], teller_of(), report))
    rows = prompt_completion(members)
    for row, entry in zip(rows, members, strict=True):
        start = len(entry.asked.ids)
        assert row["input_ids"] == [*entry.asked.ids, *entry.gold.ids]
        assert row["labels"] == [IGNORED] * start + entry.gold.ids
        assert row["length"] == len(row["input_ids"])
    assert report.examples == report.instances == 4
    assert sum(report.completion_tokens) == sum(len(entry.gold.ids) for entry in members)


def test_what_the_window_leaves_no_room_for_is_counted(small_instances):
    instance = max(small_instances, key=lambda entry: len(entry.history))
    whole = len(teller_of().ask(instance).ids)
    bare = len(teller_of(max_interactions=1).ask(instance).ids)
    report = DataReport({})
    (entry,) = examples([instance], teller_of(max_tokens=(whole + bare) // 2), report)
    assert 0 < entry.asked.prompt.kept < len(instance.history)
    assert len(entry.asked.ids) <= (whole + bare) // 2
    assert report.interactions["room"] == len(instance.history) - entry.asked.prompt.kept
    assert list(examples([instance], teller_of(max_tokens=50), report)) == []
    assert (report.instances, report.examples, report.left_out) == (2, 1, 1)
    assert "widen the window" in report.left_out_example
    assert "1 left out" in report.lines()[0]


def test_held_out_users_are_not_trained_on(small_data):
    data, settings = open_dataset(str(small_data)), DataSettings(source=str(small_data))
    slices = split_off(data, settings, 4, seed=3)
    assert len(slices.held_out) >= 4
    assert not {entry.user_id for entry in slices.training} & {entry.user_id for entry in slices.held_out}
    assert len(slices.training) + len(slices.held_out) == data.count("all", "train")
    assert split_off(data, settings, 4, seed=3) == slices
    drawn = split_off(data, settings.model_copy(update={"limit": 2}), 4, seed=3)
    assert drawn.training == slices.training[:2]
    assert drawn.held_out == slices.held_out
    with pytest.raises(PEToolBenchError, match=r"leave none to train on.*lower evaluation\.instances"):
        split_off(data, settings, 1000, seed=3)


def test_data_that_is_not_there(small_data):
    with pytest.raises(InputError, match="no such dataset folder"):
        open_data(DataSettings(source="./nowhere"))
    with pytest.raises(InputError, match="has no split 'dev'; there are: test, train"):
        open_data(DataSettings(source=str(small_data), split="dev"))


def test_what_shortening_leaves_out_is_counted(small_instances):
    instance = max(small_instances, key=lambda entry: len(entry.history))
    settings = PromptSettings(max_interactions=1, description_characters=12, parameters="typed", max_tokens=WIDE)
    short = shorten(instance, settings)
    assert short.instance.history == instance.history[-1:]
    assert short.interactions == len(instance.history) - 1
    assert short.descriptions == sum(len(tool.description) > 12 for tool in instance.candidates) > 0
    assert all(len(tool.description) <= 13 for tool in short.instance.candidates)
    assert [tool.name for tool in short.instance.candidates] == [tool.name for tool in instance.candidates]
    assert short.instance.reference == instance.reference
    report = DataReport({})
    list(examples([instance], Teller(tiny_tokenizer(), settings, "tiny"), report))
    assert report.summary()["past_calls"]["limit"] == short.interactions
    assert report.summary()["descriptions_cut"] == short.descriptions


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("Finds towns.", None, "Finds towns."),
        ("Finds towns.", 12, "Finds towns."),
        ("Finds towns. Cheap and quick.", 20, "Finds towns."),
        ("Finds towns near by", 14, "Finds towns…"),
        ("Unbroken", 4, "Unbr…"),
    ],
)
def test_first_words(text, most, expected):
    assert first_words(text, most) == expected


def test_parameters_by_type():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Which"},
            "days": {"type": "integer", "default": 3},
            "unit": {"enum": ["C", "F"]},
            "free": {},
        },
        "required": ["city"],
    }
    assert typed_parameters(schema) == {
        "city": "string",
        "days": "integer = 3",
        "unit": "C|F, optional",
        "free": "any, optional",
    }


def test_published_training_rows_are_trained_on(tmp_path):
    answer = json.dumps(GOLD, ensure_ascii=False)
    row = {"instruction": published_prompt(HISTORY), "input": "What is the weather in Oslo?", "output": answer}
    worse = json.dumps({**GOLD, "tool_name": "<Weather>.<Dripp>.<current>"})
    pair = {"prompt": row["instruction"], "query": row["input"], "chosen": answer, "rejected": worse}
    for name, content in (("sft.json", [row]), ("dpo.json", [pair])):
        (tmp_path / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    convert([tmp_path / "sft.json", tmp_path / "dpo.json"], tmp_path / "data")
    settings = DataSettings(source=str(tmp_path / "data"))
    data = open_data(settings)
    report = DataReport(source_of(data, settings))
    (entry,) = examples(data.instances("all", "train"), teller_of(), report)
    assert entry.asked.prompt.messages[0]["content"] == row["instruction"]
    assert json.loads(entry.gold.text.removesuffix("<|end|>")) == GOLD
    (preferred,) = data.instances("all", "dpo")
    assert preferred.rejected[0].name == "<Weather>.<Dripp>.<current>"
    (short,) = examples([preferred], teller_of(parameters="typed"), report)
    assert report.rewritten == 1
    assert row["instruction"] not in short.asked.prompt.messages[0]["content"]


def test_a_published_prompt_of_unknown_structure_is_not_cut(small_instances):
    instance = max(small_instances, key=lambda entry: len(entry.history))
    kept = instance.model_copy(update={"published": PublishedPrompt(verbatim="As it is.")})
    assert shorten(kept, PromptSettings()).instance == kept
    with pytest.raises(PromptError, match="its history cannot be cut"):
        shorten(kept, PromptSettings(max_interactions=1))
    with pytest.raises(PromptError, match="its history cannot be cut"):
        shorten(kept, PromptSettings(history=False))


def test_pairs_are_in_trls_columns(small_instances):
    teller = teller_of()
    asked = teller.ask(small_instances[0])
    better, worse = teller.complete(asked, gold_call(small_instances[0])), Completion("no<|end|>", [5, 0])
    (row,) = preference_pairs([Pair(asked, better, worse)], teller)
    assert row["prompt_ids"] == asked.ids
    assert row["chosen"] == better.text
    assert row["rejected_ids"] == [5, 0]
    assert row["length"] == len(asked.ids) + len(better.ids)
    tokenized = teller.chat.tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
    assert tokenized == row["prompt_ids"]
