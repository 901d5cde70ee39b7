"""The audit: each measure against a case known by hand, verdicts, and the three files it writes."""

import json
import random
import shutil
import sys

import pytest
from scipy.stats import chisquare

from petoolbench.__main__ import main
from petoolbench.audit.ceilings import measure_ceilings
from petoolbench.audit.composition import measure_composition
from petoolbench.audit.evidence import Reading, best_reading, oracle, standing_highest
from petoolbench.audit.leaks import TRAIN_LINES, measure_leaks
from petoolbench.audit.naming import name_book
from petoolbench.audit.near import NEAR, jaccard, near_pairs, shingles
from petoolbench.audit.positions import chi_square_p
from petoolbench.audit.reading import read_subject
from petoolbench.audit.records import Line, Subject, Threshold
from petoolbench.audit.rules import measure_rules
from petoolbench.audit.running import SECTIONS, run_audit
from petoolbench.audit.shortcuts import measure_shortcuts
from petoolbench.audit.tables import figure, names_in_order
from petoolbench.audit.texts import holds, spelled
from petoolbench.audit.values import values_found
from petoolbench.audit.verdicts import judge, read_thresholds
from petoolbench.baselines import AGENTS
from petoolbench.errors import InputError, MissingExtraError, OutputError
from petoolbench.names import join_tool_name
from petoolbench.schema import SETTINGS, Instance, Interaction, Provenance, Reference, Tool, ToolCall
from petoolbench.statistics import estimate, share_estimate
from tests.petoolbench.test_statistics import _scores

CITY = {"type": "object", "properties": {"city": {"type": "string", "default": "Bergen"}}, "required": ["city"]}
LONELY = {"type": "object", "properties": {"limit": {"type": "integer"}}, "required": []}


def _tool(provider, category="Weather", endpoint="now", parameters=CITY, text=None):
    return Tool(
        name=join_tool_name(category, provider, endpoint),
        category=category,
        provider=provider,
        endpoint=endpoint,
        description=text or f"The air over a town, as {provider} measures it",
        parameters=parameters,
    )


GOLD, SIBLING, OTHER = _tool("Rime Tern"), _tool("Halyard"), _tool("Quillon", "Music", "find", LONELY)


def _past(setting, *calls):
    """Return a history of (provider, category, rating)."""
    return tuple(
        Interaction(
            instruction=f"request {position}",
            call=ToolCall(name=join_tool_name(category, provider, "x"), arguments={"n": position}),
            rating=rating if setting == "rating_integrated" else None,
            position=position,
        )
        for position, (provider, category, rating) in enumerate(calls)
    )


def _instance(number=0, setting="rating_integrated", past=(), tools=(GOLD, SIBLING, OTHER), arguments=None, **fields):
    arguments = {"city": "Oslo"} if arguments is None else arguments
    gold = fields.pop("gold", GOLD)
    return Instance(
        id=str(number),
        setting=setting,
        user_id=fields.pop("user_id", f"user {number}"),
        instruction=fields.pop("instruction", f"What is the air like in Oslo, part {number}?"),
        history=_past(setting, *past),
        candidates=tools,
        reference=Reference(
            name=gold.name,
            arguments=arguments,
            group=fields.pop("group", (GOLD.name, SIBLING.name)),
            candidates=tuple(tool.name for tool in tools),
            parameters=gold.parameters,
        ),
        functionality=fields.pop("functionality", f"air {number % 3}"),
        provenance=Provenance(source="test", record=str(number)),
        **fields,
    )


def _subject(instances, train=()):
    setting = instances[0].setting
    return Subject("test", {setting: list(instances)}, {setting: list(train)} if train else {})


def _values(lines):
    return {line.name: line.value for line in lines}


def test_the_shared_estimate_is_that_of_scores():
    values, clusters = [1, 0, 0, 1, 1, 0], ["a", "a", "b", "c", "c", "d"]
    assert share_estimate(values, clusters) == estimate(_scores(values), clusters, "tool_accuracy")
    assert share_estimate([], []).value is None
    assert share_estimate([0.5, 0.5], ["a", "b"]).value == 0.5


@pytest.mark.parametrize("classes", [2, 3, 10, 11])
def test_the_chi_square_p_value_is_scipys(classes):
    generator = random.Random(classes)
    for _ in range(20):
        counts = {place: generator.randrange(40, 90) for place in range(classes)}
        expected = dict.fromkeys(counts, sum(counts.values()) / classes)
        assert chi_square_p(counts, expected) == pytest.approx(chisquare(list(counts.values())).pvalue, abs=1e-12)
    assert chi_square_p({0: 5}, {0: 5.0}) == 1.0


def test_clones_do_not_make_positions_uneven():
    members = [_instance(number, instruction="again") for number in range(300)]
    found = _values(measure_composition(_subject(members)))
    assert found["gold positions"] > 0.01
    assert found["gold at its most frequent position"] == 1.0
    assert found["distinct instructions"] == pytest.approx(1 / 300)


def test_composition_counts():
    past = [("Halyard", "Music", 0), ("Halyard", "News", 0), ("Rime Tern", "Music", 1)]
    members = [_instance(0, past=past), _instance(1, past=past[::-1], arguments={}), _instance(2, past=past[2:])]
    found = _values(measure_composition(_subject(members)))
    assert found["instances"] == found["users"] == 3
    assert found["groups of 2"] == found["history calls the gold provider"] == 1.0
    assert found["effective functionalities"] == pytest.approx(3)
    assert found["effective gold tools"] == pytest.approx(1)
    assert found["history calls the gold tool"] == 0.0
    assert found["non-preferred calls"] == pytest.approx(4 / 3)
    assert found["non-preferred calls are of one provider"] == 1.0
    assert found["non-preferred calls come first"] == 0.5
    assert found["every non-preferred provider offers a sibling"] == 1.0
    assert found["gold without arguments"] == pytest.approx(1 / 3)
    assert found["all gold values stand in the instruction"] == pytest.approx(2 / 3)
    assert found["all gold values are documented defaults"] == 0.0
    assert found["a guess within the group"] == 0.5


@pytest.mark.parametrize(
    ("setting", "past", "reading", "top"),
    [
        ("preferred_only", [("Rime Tern", "Music", None)], Reading(False), [GOLD]),
        ("preferred_only", [("Quillon", "Music", None)], Reading(False), [GOLD, SIBLING]),
        ("preferred_only", [("Rime Gull", "Music", None)], Reading(False), [GOLD, SIBLING]),
        ("preferred_only", [("Rime Gull", "Music", None)], Reading(True), [GOLD]),
        ("rating_integrated", [("Halyard", "Music", 0)], Reading(False), [GOLD]),
        ("rating_integrated", [("Rime Tern", "Music", 0)], Reading(False), [SIBLING]),
        ("rating_integrated", [("Rime Tern", "Music", 0), ("Rime Tern", "News", 1)], Reading(False), [GOLD, SIBLING]),
        ("chronological", [("Halyard", "Music", None), ("Quillon", "Music", None)], Reading(False, "category"), [GOLD]),
        ("chronological", [("Quillon", "News", None), ("Halyard", "Music", None)], Reading(False, "oldest"), [SIBLING]),
        ("chronological", [("Halyard", "News", None), ("Quillon", "Music", None)], Reading(False, "oldest"), [GOLD]),
        (
            "chronological",
            [("Halyard", "News", None), ("Quillon", "Music", None), ("Halyard", "News", None)],
            Reading(False, "oldest"),
            [SIBLING],
        ),
        ("chronological", [], Reading(True, "oldest"), [GOLD, SIBLING]),
    ],
)
def test_readings_of_histories(setting, past, reading, top):
    instance = _instance(setting=setting, past=past)
    assert standing_highest(instance, reading) == [tool.name for tool in top]
    assert oracle(instance, reading) == (GOLD in top) / len(top)


def test_the_reading_that_suits_the_data_is_the_ceiling():
    members = [_instance(n, "chronological", [("Halyard", "News", None), ("Quillon", "Art", None)]) for n in range(4)]
    assert best_reading(members) == Reading(False, "oldest")
    found = _values(measure_ceilings(_subject(members)))
    assert found["oracle"] == 1.0
    assert found["oracle without vendors, the latest of each category is liked"] == 0.0
    assert found["no evidence between siblings"] == 0.0


def test_without_a_group_nothing_is_said_of_it():
    members = [_instance(0, group=()), _instance(1, group=())]
    found = _values(measure_ceilings(_subject(members))) | _values(measure_rules(_subject(members)))
    assert not {"oracle", "no evidence between siblings", "twins outside the group", "majority of other users"} & set(
        found
    )


def test_twins_are_told_inside_and_outside_the_group():
    near_twin = _tool("Vetch", parameters=CITY, text=GOLD.description.upper() + "!")
    twin = _tool("Sorrel", text=GOLD.description)
    members = [
        _instance(0, tools=(GOLD, SIBLING, twin)),
        _instance(1, tools=(GOLD, SIBLING, near_twin)),
        _instance(2, tools=(GOLD, twin, OTHER), group=(GOLD.name, twin.name)),
    ]
    found = _values(measure_ceilings(_subject(members)))
    assert found["twins outside the group"] == pytest.approx(1 / 3)
    assert found["twins outside the group, normalised"] == pytest.approx(2 / 3)
    assert found["twins inside the group"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [
        ("Oslo", "the air in oslo?", True),
        ("Os", "the air in oslo?", False),
        ("hb-2", "route HB-2 please", True),
        ("$", "5 $", True),
        (30, "Canada 30y yield", True),
        ("4.0.5", "conflicts v4.0.5", True),
        ("4.0.5", "conflicts 14.0.5", False),
        (2, "season 12", False),
        (2, "2.5 litres", False),
        (2.0, "2 litres", True),
        (12000, "12,000 people", True),
        (19, "36x19x24", True),
        (["Oslo", 3], "3 days in Oslo", True),
        (["Oslo", 4], "3 days in Oslo", False),
        (True, "true or not", True),
    ],
)
def test_values_spelled_in_a_text(value, text, found):
    assert spelled(value, text) is found


def test_an_empty_phrase_stands_nowhere():
    assert not holds("text", "")


def test_where_values_are_found():
    parameters = {
        "type": "object",
        "properties": {
            "day": {"type": "string"},
            "unit": {"type": "string", "enum": ["metric", "imperial"]},
            "flag": {"type": "boolean"},
            "page": {"type": "integer", "default": 1},
            "same": {"type": "integer"},
            "items": {"type": "array", "items": {"enum": ["wind"]}},
        },
    }
    gold = _tool("Rime Tern", parameters=parameters)
    arguments = {
        "day": "2026-11-30", "unit": "metric", "flag": True, "page": 1, "same": 0, "items": ["rain", "wind"], "lost": 9
    }  # fmt: skip
    instance = _instance(
        gold=gold,
        tools=(gold, SIBLING),
        arguments=arguments,
        past=[("Halyard", "Music", 1)],
        instruction="rain on 30 November 2026",
    )
    assert values_found(instance) == {
        "day": "instruction", "unit": "documentation", "flag": "documentation", "page": "default", "same": "history",
        "items": "documentation", "lost": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        ({"city": "Oslo"}, set()),
        ({}, {"gold lacks a required argument", "gold breaks its JSON Schema", "…, read as the scorer does"}),
        ({"city": "Oslo", "days": 1}, {"gold has an undocumented argument"}),
        ({"city": 7}, {"gold breaks its JSON Schema"}),
        ({"city": ["Oslo"]}, {"gold breaks its JSON Schema", "…, read as the scorer does"}),
    ],
)
def test_faults_of_gold(arguments, faults):
    found = _values(measure_ceilings(_subject([_instance(arguments=arguments)])))
    names = {
        "gold lacks a required argument": "gold lacks a required argument",
        "gold has an undocumented argument": "gold has an undocumented argument",
        "gold breaks its JSON Schema": "gold breaks its JSON Schema",
        "gold breaks its JSON Schema, read as the scorer does": "…, read as the scorer does",
    }
    assert {short for name, short in names.items() if found[name]} == faults


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "https://nowhere.example/x"}, {"$ref": "#"}])
def test_hostile_schemas_are_broken_and_fetch_nothing(schema):
    gold = _tool("Rime Tern", parameters=schema)
    found = _values(measure_ceilings(_subject([_instance(gold=gold, tools=(gold, SIBLING))])))
    assert found["gold breaks its JSON Schema"] == 1.0


def test_loose_types_count_as_the_scorer_reads_them():
    parameters = {
        "type": "object",
        "properties": {"n": {"type": "number"}, "b": {"type": "boolean"}, "e": {"type": "string", "enum": ["New"]}},
    }
    gold = _tool("Rime Tern", parameters=parameters)
    instance = _instance(gold=gold, tools=(gold, SIBLING), arguments={"n": "3.5", "b": "True", "e": "new"})
    found = _values(measure_ceilings(_subject([instance])))
    assert found["gold breaks its JSON Schema"] == 1.0
    assert found["gold breaks its JSON Schema, read as the scorer does"] == 0.0


def test_names_in_instructions():
    members = [
        _instance(0, instruction="Ask Rime Tern about Oslo"),
        _instance(1, instruction="Ask Halyard about Oslo"),
        _instance(2, instruction="What is it like now in Oslo"),
        _instance(3, instruction="Ok"),
    ]
    found = _values(measure_ceilings(_subject(members)))
    assert found["instruction names the gold provider"] == 0.25
    assert found["instruction names a candidate's provider or vendor"] == 0.5
    assert found["instruction names the gold tool"] == 0.0, "'now' is an ordinary word"
    assert found["instruction of under 3 words"] == 0.25
    assert name_book([_instance(0, tools=(GOLD, _tool("Rime Gull")))]).vendors == {"Rime"}


def test_defaults_and_majority():
    members = [_instance(n, arguments={"city": "Bergen"}) for n in range(3)]
    odd = _instance(3, gold=SIBLING, user_id="user 0")
    found = _values(measure_rules(_subject([*members, odd])))
    assert found["every default as arguments"] == found["required defaults as arguments"] == 0.75
    assert found["majority of other users"] == 0.75
    assert found["minority of other users"] == 0.25
    alone = _values(measure_rules(_subject([_instance(0), _instance(1, user_id="user 0")])))
    assert alone["majority of other users"] == 0.5, "a user's own choices tell nothing"
    assert set(AGENTS) <= set(found)


def test_chance_stands_beside_what_is_guessed():
    lines = {line.name: line for line in measure_rules(_subject([_instance(0), _instance(1)]))}
    assert lines["random"].chance == pytest.approx(1 / 3)
    assert lines["random-in-group"].chance == lines["majority of other users"].chance == 0.5
    assert lines["random, parameters"].chance is None


def _planted(kind):
    """Return a test and a training instance that share one thing only."""
    unseen = {"functionality_seen": False}
    past = [("Rime Tern", "Music", 1), ("Quillon", "Art", 0), ("Sorrel", "News", 1)]
    clean = {"tools": (_tool("Vetch"), _tool("Sorrel")), "gold": _tool("Vetch"), "group": (), "functionality": "other"}
    plans = {
        "instruction is in training": ({"instruction": "Same"}, {"instruction": "Same"}),
        "instruction is near one in training": (
            {"instruction": "How cold will it be in the mountains above Voss tonight at 9?"},
            {"instruction": "How cold will it be in the mountains above Voss tonight at 7?"},
        ),
        "history is near one in training": ({"past": past}, {"past": past}),
        "user is in training": ({"user_id": "me"}, {"user_id": "me"}),
        "functionality is in training": ({"functionality": "f"}, {"functionality": "f"}),
        "functionality is in training though called unseen": (
            {"functionality": "f", **unseen},
            {"functionality": "f"},
        ),
        "gold call is in training": ({}, {"tools": (GOLD, OTHER), "gold": GOLD}),
        "gold tool called unseen is in training prompts": (unseen, {"tools": (_tool("Vetch"), GOLD)}),
        "twin of a group called unseen is in training prompts": (
            unseen,
            {"tools": (_tool("Vetch"), _tool("Sorrel", text=SIBLING.description))},
        ),
    }
    test, train = plans[kind]
    return _instance(0, **test), _instance(1, **{**clean, "instruction": "Nothing alike whatsoever", **train})


ALSO = {
    "instruction is in training": {"instruction is near one in training"},
    "functionality is in training though called unseen": {"functionality is in training"},
}


@pytest.mark.parametrize("kind", [name for name in TRAIN_LINES if name != "history and candidates are in training"])
def test_a_planted_leak_is_found_and_no_other(kind):
    test, train = _planted(kind)
    found = _values(measure_leaks(_subject([test], [train])))
    assert {name for name in TRAIN_LINES if found[name]} == {kind} | ALSO.get(kind, set())


def test_shared_prompts_are_found():
    past = [("Quillon", "Art", 0)]
    twice = [_instance(n, past=past, instruction=f"{n} words that nobody else says {n * 77}") for n in range(2)]
    found = _values(measure_leaks(_subject(twice[:1], twice[1:])))
    assert found["history and candidates are in training"] == found["history is near one in training"] == 1.0
    inside = _values(measure_leaks(_subject(twice)))
    assert inside["history and candidates are shared in the test"] == inside["history is near another of the test"] == 1
    assert inside["instruction is shared in the test"] == 0.0
    assert not set(TRAIN_LINES) & set(inside)


def test_near_pairs_are_those_of_a_full_comparison():
    generator = random.Random(5)
    words = ["air", "wind", "rain", "snow", "town", "road", "ship", "tune", "star", "book"]
    texts = {" ".join(generator.choices(words, k=20)): None for _ in range(60)}
    texts |= {text.replace("air", "fog", 1): None for text in list(texts)[:40]}
    sets = {text: shingles(text) for text in texts}
    names = list(sets)
    wanted = {
        (one, other)
        for index, other in enumerate(names)
        for one in names[:index]
        if jaccard(sets[one], sets[other]) >= NEAR
    }
    assert len(wanted) > 10
    assert set(near_pairs(sets)) == wanted
    assert near_pairs({"a": frozenset(), "b": frozenset()}) == []


GROUP = "rating_integrated"


def _line(value, section="shortcuts", name="rule", group=GROUP, chance=None):
    return Line(section, name, group, value, "share", 10, chance=chance)


@pytest.mark.parametrize(
    ("threshold", "line", "passed"),
    [
        (Threshold("shortcuts.rule", max=0.4), _line(0.4), True),
        (Threshold("shortcuts.rule", max=0.4), _line(0.41), False),
        (Threshold("shortcuts.rule", min=0.98), _line(0.97), False),
        (Threshold("shortcuts.rule", min=0.1, max=0.4), _line(0.2), True),
        (Threshold("shortcuts.rule", max_over_chance=0.05), _line(0.35, chance=0.3), True),
        (Threshold("shortcuts.rule", max_over_chance=0.05), _line(0.36, chance=0.3), False),
        (Threshold("shortcuts.rule", max_over_chance=0.05), _line(0.2), False),
        (Threshold("shortcuts.other", max=1), _line(0.2), False),
        (Threshold("leaks.user is in training", max=0), _line(0.2), None),
        (Threshold("leaks.user is in trainnig", max=0), _line(0.2), False),
    ],
)
def test_verdicts(threshold, line, passed):
    (verdict,) = judge([threshold], [line], _subject([_instance()]))
    assert verdict.passed is passed
    if passed is None:
        assert verdict.note == "no train split"


def test_which_groups_a_threshold_speaks_of():
    subject = Subject("test", {name: [_instance(setting=name)] for name in SETTINGS}, {})
    lines = [_line(0.1, group=name) for name in SETTINGS[:2]]

    def groups(threshold, lines):
        return [(verdict.line.group, verdict.passed) for verdict in judge([threshold], lines, subject)]

    everywhere = Threshold("shortcuts.rule", max=0.4)
    assert groups(everywhere, lines) == [(SETTINGS[0], True), (SETTINGS[1], True), (SETTINGS[2], False)]
    assert groups(everywhere, [_line(0.1, group="all")]) == [("all", True)]
    one = Threshold("shortcuts.rule", max=0.4, settings=(SETTINGS[1],))
    assert groups(one, lines) == [(SETTINGS[1], True)]
    assert groups(Threshold("shortcuts.rule", max=0.4, settings=("all",)), lines) == [("all", False)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1", "holds no list"),
        ("[]", "holds no list"),
        ("- [", "no readable YAML"),
        ("- max", "entry 1: is no mapping"),
        ("- line: leaks.x\n  max: 0\n- line: leaks.x\n  maks: 0", "entry 2, field 'maks': unknown key"),
        ("- line: leaks.x", "entry 1: needs a bound"),
        ("- max: 1", "entry 1, field 'line': text is needed"),
        ("- line: oracle\n  max: 1", "entry 1, field 'line': 'oracle' is no '<section>.<name>'"),
        ("- line: leaks.x\n  max: much", "entry 1, field 'max': 'much' is no number"),
        ("- line: leaks.x\n  min: true", "entry 1, field 'min': True is no number"),
        ("- line: leaks.x\n  min: .nan", "entry 1, field 'min': nan is no number"),
        ("- line: leaks.x\n  max: 1\n  settings: some", "entry 1, field 'settings': a list is needed"),
        ("- line: leaks.x\n  max: 1\n  settings: [[a]]", "entry 1, field 'settings': a list is needed"),
        ("- line: leaks.x\n  max: 1\n  why: 3", "entry 1, field 'why': text is needed"),
    ],
)
def test_bad_thresholds_are_named(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_thresholds(path)
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_default_thresholds_speak_of_lines_that_exist(small_data):
    subject = read_subject(str(small_data))
    known = {line.key for _, measure in SECTIONS for line in measure(subject)}
    trained = {"shortcuts.ranker without history, in group", "shortcuts.ranker without the instruction"}
    trained.add("shortcuts.history swapped, in group")
    asked = {threshold.line for threshold in read_thresholds()}
    assert asked - known == trained
    assert all(threshold.why for threshold in read_thresholds())


def test_names_keep_the_order_of_each_group():
    lines = [
        Line("leaks", n, g, 1, "count", 1) for g, n in [("a", "x"), ("a", "z"), ("b", "x"), ("b", "y"), ("b", "z")]
    ]
    assert names_in_order(lines) == ["x", "y", "z"]
    assert figure(Line("leaks", "x", "a", 0.5, "share", 4, 0.25, 0.75)) == "50.0 % [25.0, 75.0]"


@pytest.fixture(scope="module")
def audited(small_data, tmp_path_factory):
    """An audit of the hand-written data under a hostile name, and its folder."""
    subject = read_subject(str(small_data))
    named = Subject("<script>evil</script>", subject.settings, subject.train, subject.fingerprints)
    out = tmp_path_factory.mktemp("audit") / "out"
    seen = []

    def progress(sections, total):
        for section in sections:
            seen.append(section[0])
            yield section

    audit = run_audit(named, SECTIONS, read_thresholds(), out, progress)
    assert seen == [name for name, _ in SECTIONS]
    return named, audit, out


def test_files_of_an_audit(audited):
    _, audit, out = audited
    assert {path.name for path in out.iterdir()} == {
        "audit.json", "audit.md", "audit.html", "shortcuts.png", "ceilings.png", "composition.png"
    }  # fmt: skip
    values = json.loads((out / "audit.json").read_text())
    assert values["fingerprints"].keys() == {"all/test", "all/train"}
    assert values["failed"] is audit.failed is True
    assert len(values["lines"]) == len(audit.lines)
    assert {line["section"] for line in values["lines"]} == {"composition", "shortcuts", "ceilings", "leaks"}
    assert all(verdict["threshold"] < len(values["thresholds"]) for verdict in values["verdicts"])


def test_lines_keep_their_ranges(audited):
    _, audit, _ = audited
    assert len({(line.key, line.group) for line in audit.lines}) == len(audit.lines)
    for line in audit.lines:
        assert line.value is not None
        if line.unit in ("share", "p"):
            assert 0 <= line.value <= 1
        if line.low is not None:
            assert 0 <= line.low <= line.value <= line.high <= 1


def test_the_same_subject_gives_the_same_json(audited, tmp_path):
    subject, _, out = audited
    run_audit(subject, SECTIONS, read_thresholds(), tmp_path / "again")

    def without_time(folder):
        lines = (folder / "audit.json").read_text().splitlines()
        return [line for line in lines if not line.startswith(' "created"')]

    assert without_time(tmp_path / "again") == without_time(out)


def test_the_page_is_self_contained_and_shows_names_as_text(audited):
    _, audit, out = audited
    page = (out / "audit.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    assert page.count("data:image/png;base64,") == 3
    assert page.count('class="dot failed"') + page.count('class="dot passed"') == len(read_thresholds())
    assert audit.failed


def test_the_markdown_holds_every_line_and_verdict(audited):
    _, audit, out = audited
    text = (out / "audit.md").read_text()
    assert all(f"| {line.name} |" in text for line in audit.lines)
    assert all(f"| {verdict.threshold.line} |" in text for verdict in audit.verdicts)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count("|") - line.count("\\|") for line in tables}
    assert widths == {5, 8}
    assert "was not measured" in text


def test_a_fault_leaves_the_old_audit_and_foreign_folders_alone(audited, tmp_path):
    subject, _, out = audited

    def breaks(subject):
        raise InputError("no good")

    kept = tmp_path / "kept"
    shutil.copytree(out, kept)
    with pytest.raises(InputError):
        run_audit(subject, [("broken", breaks)], read_thresholds(), kept)
    assert (kept / "audit.json").read_bytes() == (out / "audit.json").read_bytes()
    run_audit(subject, [], [], kept)
    assert {path.name for path in kept.iterdir()} == {"audit.json", "audit.md", "audit.html", "composition.png"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError):
        run_audit(subject, [], [], tmp_path / "mine")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "datasketch", "jsonschema"])
def test_missing_packages_are_named(small_data, tmp_path, monkeypatch, package):
    subject = read_subject(str(small_data), "preferred_only")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.figure", None)
    from petoolbench.audit import labels

    labels._validator.cache_clear()
    with pytest.raises(MissingExtraError, match=package):
        run_audit(subject, SECTIONS, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_a_subject(small_data, tmp_path):
    both = read_subject(str(small_data))
    assert list(both.settings) == list(both.train) == list(SETTINGS)
    assert {len(found) for found in both.settings.values()} == {15}
    one = read_subject(str(small_data), "chronological", "train")
    assert (list(one.settings), one.train) == (["chronological"], {})
    other = read_subject(str(small_data), "chronological", "train", str(small_data))
    assert list(other.train) == ["chronological"]
    with pytest.raises(InputError, match="no split 'tset'"):
        read_subject(str(small_data), split="tset")


RANKERS = (
    "full ranker",
    "ranker without the instruction",
    "ranker without history",
    "ranker of other users' choices",
    "history swapped",
    "setting hidden",
)


def _by_setting(instances):
    return {name: [entry for entry in instances if entry.setting == name] for name in SETTINGS}


@pytest.mark.slow
def test_the_trained_part_on_shipped_data(shipped_sample, encoder):
    training, testing = ([entry for place, entry in enumerate(part) if place % 2] for part in shipped_sample)
    subject = Subject("sample", _by_setting(testing), _by_setting(training))
    lines = measure_shortcuts(subject)
    found = {(line.name, line.group): line for line in lines}
    names = [f"{name}{part}" for name in RANKERS for part in ("", ", in group")]
    assert len(lines) == len(found)
    assert set(found) == {(name, setting) for name in names for setting in SETTINGS}
    for line in lines:
        _check_trained_line(line, subject.settings[line.group])
    for setting in SETTINGS:
        full = found["full ranker, in group", setting]
        assert full.value > full.chance + 0.3
        for name in ("history swapped, in group", "ranker without history, in group"):
            assert abs(found[name, setting].value - full.chance) < 0.15, found[name, setting]
            assert found[name, setting].value < full.value - 0.2
        assert (
            found["ranker without the instruction", setting].value < found["full ranker", setting].value <= full.value
        )
    hidden = [found["full ranker", name].value - found["setting hidden", name].value for name in SETTINGS]
    assert hidden[0] == 0
    assert min(hidden[1:]) > 0.05


def _check_trained_line(line, members):
    assert (line.section, line.unit, line.n) == ("shortcuts", "share", len(members))
    assert 0 <= line.low <= line.value <= line.high <= 1
    sizes = [len(entry.reference.group) if "in group" in line.name else len(entry.candidates) for entry in members]
    assert line.chance == pytest.approx(sum(1 / size for size in sizes) / len(sizes))
    assert "trained on the training split" in line.note


def test_without_a_training_split_rankers_are_cross_validated(shipped_sample, encoder, monkeypatch):
    monkeypatch.setattr("petoolbench.ranker.studies._TREES", 20)
    members = [entry for entry in shipped_sample[1] if entry.setting == "rating_integrated"][:40]
    lines = measure_shortcuts(_subject(members))
    assert len(lines) == 2 * len(RANKERS)
    assert all(0 <= line.value <= 1 and line.n == 40 for line in lines)
    assert all("cross-validated in 10 folds by functionality" in line.note for line in lines)


def test_the_command_audits_and_says_by_its_exit_code(small_data, encoder, tmp_path, capsys):
    command = ["audit", "--data", str(small_data), "--config", "rating_integrated", "--out", str(tmp_path / "audit")]
    assert main(command) == 1
    shown = capsys.readouterr()
    assert "failed" in shown.out
    assert "audit.html" in shown.err.replace("\n", "")
    first = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert first["failed"] is True
    assert {f"{name}, in group" for name in RANKERS} <= {line["name"] for line in first["lines"]}
    kept = "- line: composition.distinct instructions\n  min: 0.9\n- line: shortcuts.full ranker\n  max: 1\n"
    (tmp_path / "bounds.yaml").write_text(kept)
    assert main([*command, "--thresholds", str(tmp_path / "bounds.yaml"), "--quiet"]) == 0
    again = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert (again["failed"], len(again["verdicts"])) == (False, 2)
    assert again["lines"] == first["lines"]


# What the published test set measures, by the project's own notes on the whole of it. Half of it is at hand.
PUBLISHED = {
    "ceilings.oracle": (0.715, 0.902, 0.902),
    "ceilings.no evidence between siblings": (0.511, 0.174, 0.174),
    "ceilings.twins outside the group": (0.103,) * 3,
    "ceilings.a gold value is not in instruction, default or documentation": (0.109,) * 3,
    "composition.history calls the gold provider": (0.489, 0.415, 0.415),
    "composition.gold without arguments": (0.291,) * 3,
    "composition.all gold values stand in the instruction": (0.465,) * 3,
    "composition.all gold values are documented defaults": (0.346,) * 3,
    "composition.groups of 2": (0.702,) * 3,
    "composition.groups of 3": (0.202,) * 3,
    "composition.groups of 4": (0.066,) * 3,
    "composition.groups of 5 or more": (0.030,) * 3,
    "shortcuts.nearest-to-disliked": (0.655, 0.818, 0.818),
    "shortcuts.majority of other users": (0.86,) * 3,
    "shortcuts.every default as arguments, published scorer": (0.634,) * 3,
    "shortcuts.required defaults as arguments, published scorer": (0.585,) * 3,
}


@pytest.mark.slow
def test_the_published_figures_are_met_within_their_intervals(official_instances):
    settings = {name: [entry for entry in official_instances if entry.setting == name] for name in SETTINGS}
    subject = Subject("official", settings, {})
    lines = [line for _, measure in SECTIONS for line in measure(subject)]
    found = {(line.key, line.group): line for line in lines}
    for key, wanted in PUBLISHED.items():
        for setting, value in zip(SETTINGS, wanted, strict=True):
            line = found[key, setting]
            assert line.low <= value <= line.high, (key, setting, line.value)
    for setting in SETTINGS[1:]:
        assert found["composition.non-preferred calls are of one provider", setting].value == 1.0
        assert found["composition.every non-preferred provider offers a sibling", setting].value == 1.0
    assert found["composition.non-preferred calls come first", "chronological"].value == 1.0
    assert all(found["composition.history calls the gold tool", setting].value == 0.0 for setting in SETTINGS)
