"""The published layouts: what is read, and that nothing of a prompt is lost."""

import gzip
import json
import zipfile

import pytest

from petoolbench.errors import InputError
from petoolbench.features import instance_to_row, row_to_instance
from petoolbench.official import PROMPT_COLUMNS, read_published
from petoolbench.published_prompt import render_published
from tests.conftest import GOLD, HISTORY, TOOLS, published_entry, published_prompt


def _write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def _read(path):
    return [published.instance for published in read_published(path)]


def _rendered(instance):
    if instance.published.verbatim is not None:
        return instance.published.verbatim
    return render_published(instance.published, instance.history, instance.candidates)


def _training_rows(columns):
    prompt, query, *answers = columns
    values = [json.dumps(GOLD, ensure_ascii=False), '{"tool_name": "<Weather>.<Dripp>.<current>", "parameters": {}}']
    return [
        {
            prompt: published_prompt(HISTORY, lead),
            query: f"Weather in Oslo, {lead}",
            **dict(zip(answers, values, strict=False)),
        }
        for lead in ("Calls so far:", "Calls in chronological order:")
    ]


def test_one_file_for_three_settings(published_file):
    instances = _read(published_file)
    entry = published_entry()
    columns = {setting: column for column, setting in PROMPT_COLUMNS.items()}
    assert [instance.setting for instance in instances[:3]] == list(PROMPT_COLUMNS.values())
    assert all(_rendered(instance) == entry[columns[instance.setting]] for instance in instances)
    assert len({instance.id for instance in instances}) == 9
    first = instances[1]
    assert [past.rating for past in first.history] == [1, 0]
    assert first.reference.group == ("<Weather>.<Föhn & Co.>.<now/by.city>", "<Weather>.<Dripp>.<current>")
    assert first.reference.name == GOLD["tool_name"]
    assert first.candidates[0].provider == "Föhn & Co."
    assert first.evidence == "direct"
    assert first.candidates[2].parameters["properties"]["limit"] == {"type": "number", "default": 5}


def test_one_file_a_setting(tmp_path):
    entry = published_entry()
    single = {key: value for key, value in entry.items() if key not in PROMPT_COLUMNS}
    single["instruction_ratings"] = entry["instruction_ratings"]
    (instance,) = _read(_write(tmp_path / "user_entries_test_r.json", [single]))
    assert instance.setting == "rating_integrated"
    assert _rendered(instance) == entry["instruction_ratings"]


@pytest.mark.parametrize(
    "columns", [("prompt", "query", "response"), ("instruction", "input", "output")], ids=["roles", "llama-factory"]
)
def test_sft_rows(tmp_path, columns):
    rows = _training_rows(columns)
    published = list(read_published(_write(tmp_path / "user_entries_sft_p.json", rows)))
    assert [entry.split for entry in published] == ["train", "train"]
    assert [entry.instance.setting for entry in published] == ["preferred_only", "chronological"]
    for entry, row in zip(published, rows, strict=True):
        assert _rendered(entry.instance) == row[columns[0]]
        assert entry.instance.instruction == row[columns[1]]
        assert entry.instance.reference.arguments == GOLD["parameters"]
        assert json.loads(entry.instance.provenance.details)["response"] == row[columns[2]]


@pytest.mark.parametrize(
    "columns",
    [("prompt", "query", "chosen", "rejected"), ("instruction", "input", "chosen", "rejected")],
    ids=["roles", "llama-factory"],
)
def test_dpo_rows(tmp_path, columns):
    published = list(read_published(_write(tmp_path / "user_entries_dpo_c.json", _training_rows(columns))))
    instance = published[0].instance
    assert published[0].split == "dpo"
    assert instance.rejected[0].name == "<Weather>.<Dripp>.<current>"
    assert set(instance.reference.group) == {GOLD["tool_name"], "<Weather>.<Dripp>.<current>"}


def test_a_rejected_answer_that_is_no_call_is_kept_as_text(tmp_path):
    rows = _training_rows(("prompt", "query", "chosen", "rejected"))[:1]
    rows[0]["rejected"] = "I do not know."
    (published,) = read_published(_write(tmp_path / "dpo.json", rows))
    assert published.instance.rejected == ()
    assert json.loads(published.instance.provenance.details)["rejected"] == "I do not know."


def test_archives(published_file, tmp_path):
    packed = tmp_path / "entries.json.gz"
    packed.write_bytes(gzip.compress(published_file.read_bytes()))
    zipped = tmp_path / "entries.json.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(published_file, "user_entries_test.json")
    plain = [instance.model_dump(exclude={"provenance"}) for instance in _read(published_file)]
    for path in (packed, zipped):
        assert [instance.model_dump(exclude={"provenance"}) for instance in _read(path)] == plain


def test_a_prompt_of_another_spacing_is_kept_verbatim(tmp_path):
    entry = published_entry()
    entry["instruction_preferred"] = entry["instruction_preferred"].replace('", "tool_call"', '","tool_call"')
    instance = _read(_write(tmp_path / "entries.json", [entry]))[0]
    assert instance.published.verbatim == entry["instruction_preferred"]
    assert len(instance.history) == 2


def test_the_words_of_a_tool_do_not_tell_the_setting(tmp_path):
    """A prompt kept verbatim holds its tools' documentation too, in which ratings may be spoken of."""
    row = _training_rows(("prompt", "query", "response"))[0]
    row["prompt"] = row["prompt"].replace("Documentation of <Weather>", "The ratings, chronological, of <Weather>")
    row["prompt"] = row["prompt"].replace('", "tool_call"', '","tool_call"')
    (instance,) = _read(_write(tmp_path / "sft.json", [row]))
    assert instance.published.verbatim == row["prompt"]
    assert instance.setting == "preferred_only"


def test_a_published_prompt_without_history_is_kept(tmp_path):
    entry = {**published_entry(), "instruction_wo_history": "\nChoose well.\n"}
    instance = _read(_write(tmp_path / "entries.json", [entry]))[0]
    assert instance.published.without_history == "\nChoose well.\n"


def test_a_verbatim_prompt_cannot_take_another_history(tmp_path):
    entry = published_entry()
    entry["instruction_preferred"] = "No lists here."
    instance = _read(_write(tmp_path / "entries.json", [entry]))[0]
    assert instance.published.verbatim == "No lists here."
    with pytest.raises(ValueError, match="verbatim"):
        render_published(instance.published, (), instance.candidates)


def test_rows_of_the_tiny_file_round_trip(published_file):
    for instance in _read(published_file):
        assert row_to_instance(instance_to_row(instance)) == instance


def test_a_broken_tool_names_its_field(tmp_path):
    entry = published_entry()
    entry["apis_candidate"] = json.dumps([{**TOOLS[0], "required_parameters": None}])
    with pytest.raises(InputError, match="record 0, field 'apis_candidate': a candidate tool"):
        _read(_write(tmp_path / "entries.json", [entry]))


def test_published_entries_render_to_the_byte(official_entries, official_instances):
    columns = {setting: column for column, setting in PROMPT_COLUMNS.items()}
    assert len(official_instances) == 3 * len(official_entries)
    for index, instance in enumerate(official_instances):
        assert instance.published.verbatim is None
        assert _rendered(instance) == official_entries[index // 3][columns[instance.setting]]


def test_published_entries_can_be_rebuilt_whole(official_entries, official_instances):
    for entry, instance in zip(official_entries, official_instances[::3], strict=True):
        rebuilt = json.loads(instance.provenance.details)
        rebuilt |= {
            "query": instance.instruction,
            "entry_id": int(instance.provenance.record),
            "api_call_ground_truth": {"tool_name": instance.reference.name, "parameters": instance.reference.arguments},
            "apis_candidate": "[" + ", ".join(tool.source_text for tool in instance.candidates) + "]",
        }
        assert rebuilt == {key: value for key, value in entry.items() if key not in PROMPT_COLUMNS}


def test_published_rows_round_trip(official_instances):
    assert all(row_to_instance(instance_to_row(instance)) == instance for instance in official_instances[:300])


def test_published_evidence_agrees_with_what_was_measured(official_instances):
    """REFERENCE: 51.1 % of the preferred-only and 17.4 % of the other instances show no evidence (of 1,000)."""
    shares = {}
    for setting in ("preferred_only", "rating_integrated", "chronological"):
        kinds = [instance.evidence for instance in official_instances if instance.setting == setting]
        shares[setting] = kinds.count("none") / len(kinds)
    assert shares["preferred_only"] == pytest.approx(0.511, abs=0.04)
    assert shares["rating_integrated"] == shares["chronological"] == pytest.approx(0.174, abs=0.04)
