"""The rules of the catalogue: what README.md in this folder asks of a category file, and of all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import get_args

from pydantic import JsonValue

from .phrasing import Phrasing, PhrasingError, parse_phrasing
from .reading import Shared, enum_words, offers
from .records import Category, Functionality, Parameter, Pool, Provider, Register, Variant
from .values import GENERATORS

LEAST_FUNCTIONALITIES, LEAST_PROVIDERS, LEAST_TOOLS = 20, 12, 162
"""Per category, so that 46 of them reach the paper's scale."""

_DIMENSIONS = 5
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}


def phrasings(variant: Variant) -> Iterator[Phrasing]:
    """Yield the parsed phrasings of a variant.

    Raises:
        PhrasingError: One breaks the language.
    """
    for register, texts in variant.phrasings.items():
        for text in (texts,) if isinstance(texts, str) else texts:
            yield parse_phrasing(text, register)


def problems(category: Category, shared: Shared) -> Iterator[str]:
    """Yield what is wrong in a category, one line each."""
    pools = {**shared.pools, **category.pools}
    yield from _counts(category)
    for name, pool in category.pools.items():
        yield from (f"pool {name}: {problem}" for problem in _pool_problems(name, pool, shared))
    yield from _providers(category, shared)
    for key, functionality in category.functionalities.items():
        yield from (f"{key}: {problem}" for problem in _functionality(functionality, category, pools))
    yield from _repeated(category)
    yield from _leaks(category, shared)


def problems_between(categories: Mapping[str, Category]) -> Iterator[str]:
    """Yield what is wrong between categories: names and sentences used twice."""
    owners: dict[str, str] = {}
    first_words: dict[str, str] = {}
    for name, category in categories.items():
        for provider in category.providers.values():
            word = provider.name.split()[0].lower()
            if first_words.setdefault(word, provider.vendor or provider.name) != (provider.vendor or provider.name):
                yield f"{name}: {provider.name!r} and {first_words[word]!r} start with the same word, but are no vendor"
            for text in (provider.name, *(attribute.says for attribute in provider.attributes.values())):
                other = owners.setdefault(text.strip().lower(), name)
                if other != name:
                    yield f"{name}: {text!r} is also in {other}"


def _counts(category: Category) -> Iterator[str]:
    tools = sum(len(variant.offered_by) for f in category.functionalities.values() for variant in f.variants.values())
    for what, found, least in (
        ("functionalities", len(category.functionalities), LEAST_FUNCTIONALITIES),
        ("providers", len(category.providers), LEAST_PROVIDERS),
        ("tools", tools, LEAST_TOOLS),
    ):
        if found < least:
            yield f"{found} {what}; at least {least} are needed"


def _pool_problems(name: str, pool: Pool, shared: Shared) -> Iterator[str]:
    if name in shared.pools or name in GENERATORS:
        yield "has the name of a shared pool"
    if len(pool.rows) < 8:
        yield f"{len(pool.rows)} rows; at least 8 are needed"
    if len({tuple(sorted(row)) for row in pool.rows}) > 1:
        yield "rows have different fields"
    if len({tuple(map(str, row.values())) for row in pool.rows}) < len(pool.rows):
        yield "a row stands there twice"


def _providers(category: Category, shared: Shared) -> Iterator[str]:
    running = {provider.vendor for provider in category.providers.values()}
    for key, vendor in shared.vendors.items():
        if (category.category in vendor.categories) != (key in running):
            yield f"vendor {key} lists {vendor.categories}; its provider is missing or too much here"
    for key, provider in category.providers.items():
        yield from (f"provider {key}: {problem}" for problem in _provider(provider, shared))
    for (one, a), (other, b) in combinations(category.providers.items(), 2):
        same = [d for d, value in a.attributes.items() if d in b.attributes and b.attributes[d].value == value.value]
        if len(same) > 2:
            yield f"providers {one} and {other} share {len(same)} attribute values ({', '.join(same)}); at most 2"
    yield from _offering(category)


def _provider(provider: Provider, shared: Shared) -> Iterator[str]:
    if len(provider.attributes) != _DIMENSIONS:
        yield f"{len(provider.attributes)} attributes; {_DIMENSIONS} are needed"
    for dimension, attribute in provider.attributes.items():
        if attribute.value not in shared.attributes.get(dimension, {}):
            yield f"{dimension}: {attribute.value!r} is not in the vocabulary"
        if not 5 <= len(attribute.says.split()) <= 16:
            yield f"{dimension}: {len(attribute.says.split())} words, 6 to 14 are wanted"
        if provider.name.split()[0].lower() in attribute.says.lower():
            yield f"{dimension}: the sentence holds the provider's name"
    vendor = shared.vendors.get(provider.vendor or "")
    if provider.vendor and vendor is None:
        yield f"unknown vendor {provider.vendor!r}"
    if vendor:
        if not provider.name.startswith(f"{vendor.name} "):
            yield f"the name has to start with {vendor.name!r} and a second word"
        for dimension, value in vendor.attributes.items():
            if dimension not in provider.attributes or provider.attributes[dimension].value != value:
                yield f"lacks its vendor's {dimension}: {value}"


def _offering(category: Category) -> Iterator[str]:
    tools: Counter[str] = Counter()
    kinds: dict[str, set[str]] = {}
    for key, functionality in category.functionalities.items():
        for variant in functionality.variants.values():
            tools.update(variant.offered_by)
            for provider in variant.offered_by:
                kinds.setdefault(provider, set()).add(key)
    for provider in category.providers:
        if tools[provider] < 8 or len(kinds.get(provider, ())) < 5:
            yield (
                f"provider {provider} offers {tools[provider]} tools in {len(kinds.get(provider, ()))} functionalities;"
                " at least 8 in 5 are needed"
            )


def _functionality(functionality: Functionality, category: Category, pools: Mapping[str, Pool]) -> Iterator[str]:
    for name, parameter in functionality.parameters.items():
        yield from (f"parameter {name}: {problem}" for problem in _parameter(parameter, pools))
    if not 1 <= len(functionality.variants) <= 4:
        yield "one to four variants are needed"
    if not 2 <= len(functionality.response) <= 5:
        yield "two to five response fields are needed"
    for (one, a), (other, b) in combinations(functionality.variants.items(), 2):
        if set(a.required) <= set(b.required) or set(b.required) <= set(a.required):
            yield f"variants {one} and {other}: the required parameters of one are a subset of the other's"
    used: set[str] = set()
    count = 0
    for key, variant in functionality.variants.items():
        yield from (f"{key}: {problem}" for problem in _variant(variant, functionality, category, pools))
        used.update(variant.required, _brought(variant))
        count += sum(1 if isinstance(texts, str) else len(texts) for texts in variant.phrasings.values())
    if count < 6:
        yield f"{count} phrasings; at least 6 are needed"
    for name in functionality.parameters.keys() - used:
        yield f"parameter {name} is in no phrasing of any variant"


def _brought(variant: Variant) -> set[str]:
    try:
        return {name for phrasing in phrasings(variant) for name in phrasing.optional()}
    except PhrasingError:
        return set(variant.optional)


def _parameter(parameter: Parameter, pools: Mapping[str, Pool]) -> Iterator[str]:
    given = [parameter.source, parameter.enum, parameter.values, parameter.range]
    sources = sum(value is not None for value in given)
    if sources != (0 if parameter.type == "boolean" else 1):
        yield "needs exactly one of from, enum, values, range (a boolean none)"
    if parameter.source is not None:
        slot, _, field = parameter.source.partition(".")
        pool = slot.partition(":")[0]
        if pool in pools and not all(field in row for row in pools[pool].rows):
            yield f"pool {pool} has no field {field!r}"
        if pool not in pools and pool not in GENERATORS:
            yield f"unknown pool {pool!r}"
        if pool in GENERATORS and parameter.type == "array":
            yield f"an array cannot be drawn from the made pool {pool!r}"
    if parameter.enum is not None and not 2 <= len(parameter.enum) <= 8:
        yield f"{len(parameter.enum)} enum values; 2 to 8 are needed"
    if parameter.values is not None:
        yield from _value_problems(parameter, parameter.values)
    if parameter.type == "array" and (parameter.count is None or not 1 <= parameter.count[0] <= parameter.count[1]):
        yield "an array needs count: [least, most]"
    if parameter.default is not None and not _fits(parameter, parameter.default):
        yield f"default {parameter.default!r} is not of the type or not among the enum's values"


def _value_problems(parameter: Parameter, values: tuple[JsonValue, ...]) -> Iterator[str]:
    if len(set(map(str, values))) < 8:
        yield f"{len(values)} values; at least 8 different ones are needed"
    if parameter.type != "array" and not all(_fits(parameter, value) for value in values):
        yield f"values are not all of type {parameter.type}"


def _fits(parameter: Parameter, value: JsonValue) -> bool:
    if isinstance(value, bool) != (parameter.type == "boolean"):
        return False
    choices = enum_words(parameter)
    if choices and parameter.type == "string":
        return value in choices
    return isinstance(value, _JSON_TYPES[parameter.type])


def _variant(
    variant: Variant, functionality: Functionality, category: Category, pools: Mapping[str, Pool]
) -> Iterator[str]:
    names = [*variant.required, *variant.optional]
    for name in names:
        if name not in functionality.parameters:
            yield f"unknown parameter {name}"
    if len(names) != len(set(names)) or len(names) > 6:
        yield "a parameter stands there twice, or there are more than six"
    for name in variant.required:
        if name in functionality.parameters and functionality.parameters[name].default is not None:
            yield f"required parameter {name} has a default"
    if len(set(variant.says)) < 3 or len(set(variant.names)) < 3:
        yield "three different 'says' and three different 'names' are needed"
    for words in variant.names:
        if not 2 <= len(words.split()) <= 5:
            yield f"name {words!r}: two to five words are needed"
    if len(set(variant.offered_by)) != len(variant.offered_by) or not 2 <= len(variant.offered_by) <= 5:
        yield "offered_by needs two to five different providers"
    for provider in variant.offered_by:
        if provider not in category.providers:
            yield f"unknown provider {provider}"
    for register in get_args(Register):
        if not variant.phrasings.get(register):
            yield f"no phrasing of register {register}"
    yield from _phrasings(variant, functionality, pools)


def _phrasings(variant: Variant, functionality: Functionality, pools: Mapping[str, Pool]) -> Iterator[str]:
    try:
        parsed = list(phrasings(variant))
    except PhrasingError as error:
        yield str(error)
        return
    for phrasing in parsed:
        yield from (f"{problem} in {phrasing.text!r}" for problem in _phrasing(phrasing, variant, functionality, pools))


def _phrasing(
    phrasing: Phrasing, variant: Variant, functionality: Functionality, pools: Mapping[str, Pool]
) -> Iterator[str]:
    required, optional = phrasing.required(), phrasing.optional()
    if missing := set(variant.required) - set(required):
        yield f"required {', '.join(sorted(missing))} missing"
    known = {*variant.required, *variant.optional} & functionality.parameters.keys()
    if unknown := {*required, *optional} - known:
        yield f"{', '.join(sorted(unknown))} is no parameter of the variant"
        return
    if bare := set(required) & set(variant.optional):
        yield f"optional {', '.join(sorted(bare))} stands outside brackets"
    if set(required) & set(optional):
        yield "a parameter is both inside and outside brackets"
    for part in phrasing.parts:
        if part.optional and len(part.parameters()) > len(set(part.parameters())):
            yield "a bracket sets a parameter twice"
    for fixed in phrasing.fixed():
        yield from _fixed(fixed.parameter, fixed.value, functionality.parameters[fixed.parameter])
    for name in {name for part in phrasing.parts for name in part.parameters()}:
        if functionality.parameters[name].type == "boolean" and f"{{{name}}}" in phrasing.text:
            yield f"boolean {name} cannot be said; set it by |{name}=true"
    for name in {name for part in phrasing.parts for name in part.parameters()}:
        yield from _article(name, phrasing.text, functionality.parameters[name], pools)


def _article(name: str, text: str, parameter: Parameter, pools: Mapping[str, Pool]) -> Iterator[str]:
    """Yield where 'a' or 'an' stands before a value that wants the other one."""
    for article, vowel in (("a", True), ("an", False)):
        if f" {article} {{{name}}}" in f" {text.lower()}":
            wrong = [words for words in all_words(parameter, pools) if _sounds_open(words) == vowel]
            if wrong:
                yield f"{article!r} does not fit the value {wrong[0]!r}"


def all_words(parameter: Parameter, pools: Mapping[str, Pool]) -> list[str]:
    """Return the words for every value that a parameter can have, where they are listed."""
    if parameter.enum is not None:
        return list(enum_words(parameter).values())
    if parameter.range is not None:
        low, high, step = parameter.range
        return [f"{low + step * index:g}" for index in range(int((high - low) / step + 1e-9) + 1)]
    if parameter.values is not None:
        return [str(value) for value in parameter.values]
    slot, _, field = (parameter.source or "").partition(".")
    pool = pools.get(slot.partition(":")[0])
    return [str(row[field]) for row in pool.rows] if pool else []


def _sounds_open(words: str) -> bool:
    """Return whether a text is spoken with a vowel first, as far as its first letters or digits tell."""
    first = words.split()[0].lower()
    if first[0].isdigit():
        digits = first.split(".")[0]
        return first[0] == "8" or (digits[:2] in ("11", "18") and len(digits) % 3 == 2)
    return first[0] in "aeiou" and not first.startswith(("uni", "use", "uk", "eu", "one", "ur"))


def _fixed(name: str, text: str, parameter: Parameter) -> Iterator[str]:
    try:
        value = typed(text, parameter)
    except ValueError:
        yield f"{name}={text} is not of type {parameter.type}"
        return
    if not _fits(parameter, value):
        yield f"{name}={text} is not among the values"
    if parameter.default is not None and value == parameter.default:
        yield f"{name}={text} is the default"


def typed(text: str, parameter: Parameter) -> JsonValue:
    """Return the value that a phrasing sets, in the parameter's type.

    Raises:
        ValueError: The text does not spell a value of that type.
    """
    if parameter.type == "boolean":
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    if parameter.type == "integer":
        return int(text)
    if parameter.type == "number":
        return float(text)
    return [text] if parameter.type == "array" else text


def _repeated(category: Category) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for functionality in category.functionalities.values():
        for variant in functionality.variants.values():
            texts = [
                text for given in variant.phrasings.values() for text in ((given,) if isinstance(given, str) else given)
            ]
            seen.update(text.lower() for text in (*texts, *variant.says, *variant.names))
    seen.update(attribute.says.lower() for p in category.providers.values() for attribute in p.attributes.values())
    yield from (f"stands there {count} times: {text!r}" for text, count in seen.items() if count > 1)
    try:
        tools = Counter(offer.tool.name for offer in offers(category))
    except (KeyError, ZeroDivisionError):
        return
    yield from (f"{count} tools are called {name}" for name, count in tools.items() if count > 1)


def _leaks(category: Category, shared: Shared) -> Iterator[str]:
    """Yield phrasings and pool values that name a provider or a vendor."""
    names = {word.lower() for p in category.providers.values() for word in (p.name, p.name.split()[0])}
    names |= {vendor.name.lower() for vendor in shared.vendors.values()}
    for key, functionality in category.functionalities.items():
        for variant in functionality.variants.values():
            for given in variant.phrasings.values():
                for text in (given,) if isinstance(given, str) else given:
                    words = {word.strip(".,;:!?'\"()").lower() for word in text.split()}
                    for name in names & words:
                        yield f"{key}: {text!r} holds the name {name!r}"
