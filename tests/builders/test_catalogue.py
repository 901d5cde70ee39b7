"""Our own catalogue keeps its rules, and the language of its phrasings does what README.md says."""

import random

import pytest

from builders.catalogue.__main__ import main
from builders.catalogue.checks import all_words, problems, problems_between
from builders.catalogue.own import OwnCatalogue, read_own_catalogue
from builders.catalogue.phrasing import PhrasingError, parse_phrasing, stands_alone
from builders.catalogue.reading import category_files, read_category, read_shared, render_endpoint
from builders.understanding import check_arguments
from petoolbench.schema import ToolCall


@pytest.fixture(scope="module")
def categories():
    return {path.name: read_category(path) for path in category_files()}


@pytest.fixture(scope="module")
def own():
    return read_own_catalogue()


def test_no_category_breaks_a_rule(categories):
    shared = read_shared()
    found = [f"{name}: {problem}" for name, category in categories.items() for problem in problems(category, shared)]
    assert [*found, *problems_between(categories)] == []


def test_it_has_the_scale_of_the_paper(categories, own):
    functionalities = sum(len(category.functionalities) for category in categories.values())
    providers = sum(len(category.providers) for category in categories.values())
    vendors = {provider.vendor for category in categories.values() for provider in category.providers.values()}
    assert len(categories) == 46
    assert functionalities >= 900
    assert providers >= 550
    assert len(own.offers) >= 7454
    assert len(vendors - {None}) >= 60


def test_siblings_share_their_form_and_differ_in_their_claims(own):
    groups: dict[str, list] = {}
    for offer in own.offers.values():
        groups.setdefault(offer.group, []).append(offer)
    for members in groups.values():
        assert 2 <= len(members) <= 5
        assert len({str(offer.tool.parameters) for offer in members}) == 1
        assert len({offer.tool.description for offer in members}) == len(members)


def test_requests_fit_their_tools_and_name_no_provider(own):
    """Two requests of each group: arguments keep the schema, and each value stands where it is said to stand."""
    seen: set[str] = set()
    for name, offer in own.offers.items():
        if offer.group in seen:
            continue
        seen.add(offer.group)
        for turn in range(2):
            written = own.request(name, random.Random(f"{name}/{turn}"))
            check_arguments(offer.tool, written.arguments)
            assert offer.tool.provider.lower() not in written.instruction.lower()
            for entry in written.accepted:
                if entry.origin == "instruction" and isinstance(entry.value, str) and not _is_date(entry.value):
                    assert entry.value in written.instruction, (name, written)


def _is_date(value: str) -> bool:
    return len(value) == 10 and value[4] == value[7] == "-"


def test_a_request_can_point_at_an_earlier_value(own):
    """Where a request says 'the same … as last time', its gold value is that of the latest call with one."""
    pointed = 0
    names = list(own.offers)
    rng = random.Random(5)
    for _ in range(4000):
        past = rng.choice(names)
        call = ToolCall(name=past, arguments=own.request(past, rng).arguments)
        written = own.request(rng.choice(names), rng, earlier=[call])
        for entry in written.accepted:
            if entry.origin == "history":
                pointed += 1
                assert entry.value in call.arguments.values()
                assert f" {entry.value} " not in f" {written.instruction} "
    assert pointed > 10


@pytest.mark.parametrize(
    ("text", "required", "optional"),
    [
        ("weather in {city}", ("city",), ()),
        ("weather in {city}[ in {units}]?", ("city",), ("units",)),
        ("songs of {artist}[, live too|live=true]", ("artist",), ("live",)),
        ("on foot to {place}{|mode=walking}", ("place", "mode"), ()),
    ],
)
def test_phrasings_are_read(text, required, optional):
    phrasing = parse_phrasing(text, "command")
    assert phrasing.required() == required
    assert phrasing.optional() == optional


@pytest.mark.parametrize("text", ["a [b", "a ]", "{a", "a}", "[nothing set]", "[x|y]", "{}", "[a [b {c}]]"])
def test_a_broken_phrasing_is_refused(text):
    with pytest.raises(PhrasingError):
        parse_phrasing(text, "command")


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("weather in {city}?", True),
        ("in {city} tomorrow", True),
        ("the {city} weather", False),
        ("{city}'s weather", False),
        ("'{city}' please", False),
        ("{city} weather", False),
    ],
)
def test_where_a_noun_phrase_can_stand(text, alone):
    assert stands_alone(text, "city") is alone


def test_endpoint_styles():
    words = "current weather by city"
    assert render_endpoint(words, "camelCase") == "currentWeatherByCity"
    assert render_endpoint(words, "snake_case") == "current_weather_by_city"
    assert render_endpoint(words, "path") == "current/weather-by-city"
    assert render_endpoint(words, "title") == "Current Weather By City"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("required: [", "required: [nonsense, ", "unknown parameter nonsense"),
        ("vendor: ", "vendor: nobody_", "unknown vendor"),
        ("style: camelCase", "style: shouting", "Input should be"),
        ("pricing: {is: ", "pricing: {is: un", "not in the vocabulary"),
        ("category: ", "category: [", "is not valid YAML"),
    ],
)
def test_a_broken_file_is_named(tmp_path, capsys, old, new, problem):
    text = category_files()[0].read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main([str(path)]) == 2
    shown = capsys.readouterr().out
    assert problem in shown
    assert "broken.yaml" in shown


def test_words_of_a_parameter_are_listed(own, categories):
    parameters = [p for c in categories.values() for f in c.functionalities.values() for p in f.parameters.values()]
    pools = read_shared().pools
    assert all(all_words(p, pools) for p in parameters if p.enum or p.values or p.range)
    assert isinstance(own, OwnCatalogue)
