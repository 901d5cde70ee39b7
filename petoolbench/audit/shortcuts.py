"""Section ``shortcuts``, the part that trains: how far rankers come that see only part of a prompt.

With a training split they are trained there, on all settings; without one they are cross-validated on the audited data,
in folds by functionality. Needs the extra ``ranker``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..ranker.features import FAMILIES, Family, FeatureMaker, FeatureTable
from ..ranker.reading import rarity_of
from ..ranker.studies import Fold, Scores, cross_folds, right, study
from ..schema import Instance, Tool
from .records import Line, Subject
from .sheet import Sheet
from .texts import group_chance

_FOLDS = 10
_SEED = 0
_DOUBT = 5.0


@dataclass(frozen=True)
class _Material:
    """All instances with their features; ``audited`` are the places of those that are judged."""

    instances: list[Instance]
    table: FeatureTable
    audited: list[int]
    folds: list[Fold]
    trained: str


def measure_shortcuts(subject: Subject) -> list[Line]:
    """Return what rankers reach with everything, without instruction, without history, and with wrong histories."""
    material, maker = _material(subject)
    swapped = _changed(material, maker, swapped_histories(material.instances))
    hidden = _changed(material, maker, [without_setting(instance) for instance in material.instances])
    full, of_swapped, of_hidden = _study(material, FAMILIES, [swapped, hidden])
    readings = [
        ("full ranker", full, "sees the whole prompt"),
        ("ranker without the instruction", _study(material, ("history", "composition"))[0], "sees no instruction"),
        ("ranker without history", _study(material, ("match", "composition"))[0], "sees no history"),
        ("ranker of other users' choices", _popular(material), "sees no history, but what other users chose"),
        ("history swapped", of_swapped, "the full ranker, shown another user's history"),
        ("setting hidden", of_hidden, "the full ranker, shown histories without ratings, in another order"),
    ]
    return [line for setting in subject.settings for line in _lines(material, setting, readings)]


def swapped_histories(instances: Sequence[Instance]) -> list[Instance]:
    """Give each instance another user's history of the same setting; where there is no other user it keeps its own."""
    places: dict[str, list[int]] = {}
    for place, instance in enumerate(instances):
        places.setdefault(instance.setting, []).append(place)
    found = list(instances)
    for members in places.values():
        order = random.Random(_SEED).sample(members, len(members))
        for rank, place in enumerate(order):
            donors = (instances[order[(rank + step) % len(order)]] for step in range(1, len(order)))
            donor = next((one for one in donors if one.user_id != instances[place].user_id), instances[place])
            found[place] = instances[place].model_copy(update={"history": donor.history})
    return found


def without_setting(instance: Instance) -> Instance:
    """Return the instance without what its setting adds: the ratings are gone, or the order is another."""
    history = list(instance.history)
    if instance.setting == "chronological":
        random.Random(f"{_SEED}:{instance.id}").shuffle(history)
    shown = tuple(entry.model_copy(update={"rating": None, "position": place}) for place, entry in enumerate(history))
    setting = "preferred_only" if instance.setting == "rating_integrated" else instance.setting
    return instance.model_copy(update={"setting": setting, "history": shown})


def _material(subject: Subject) -> tuple[_Material, FeatureMaker]:
    audited = [entry for entries in subject.settings.values() for entry in entries]
    training = [entry for entries in subject.train.values() for entry in entries]
    instances = audited + training
    places = list(range(len(audited)))
    if training:
        folds = [Fold(tuple(range(len(audited), len(instances))), tuple(places))]
    else:
        folds = cross_folds([entry.functionality for entry in audited], _FOLDS)
    maker = FeatureMaker(rarity_of(entry.instruction for entry in training or audited))
    trained = "trained on the training split" if training else f"cross-validated in {_FOLDS} folds by functionality"
    return _Material(instances, maker.table(instances), places, folds, trained), maker


def _changed(material: _Material, maker: FeatureMaker, instances: Sequence[Instance]) -> FeatureTable:
    """Return a table in which the audited instances are changed; the others stay, since nobody scores them."""
    audited = maker.table([instances[place] for place in material.audited])
    rest = range(len(material.audited), len(material.instances))
    return audited.joined(material.table.rows(rest)) if rest else audited


def _study(
    material: _Material, families: tuple[Family, ...], others: Sequence[FeatureTable] = (), by: list[Fold] | None = None
) -> list[Scores]:
    return study(material.table, material.instances, by or material.folds, families, others, _SEED)


def _popular(material: _Material) -> Scores:
    """Score by a ranker without history that is told how often a tool and its provider were gold for other users.

    Without a training split the folds are by user, so that a functionality may be known from others.
    """
    users = [instance.user_id for instance in material.instances]
    folds = material.folds if len(material.audited) < len(users) else cross_folds(users, _FOLDS)
    scores = np.full(len(material.table.values), np.nan)
    for fold in folds:
        places = (*fold.training, *fold.judged)
        members = [material.instances[place] for place in places]
        known = members[: len(fold.training)]
        table = _with_choices(material.table.only(["match", "composition"]).rows(places), members, known)
        inner = Fold(tuple(range(len(known))), tuple(range(len(known), len(members))))
        found = study(table, members, [inner], ("match", "composition"), seed=_SEED)[0]
        scores[material.table.places(fold.judged)] = found[table.places(inner.judged)]
    return scores


def _with_choices(table: FeatureTable, instances: Sequence[Instance], known: Sequence[Instance]) -> FeatureTable:
    """Add two columns: the share of known instances of other users in which the tool, or its provider, was gold."""
    keys: tuple[Callable[[Tool], str], ...] = (lambda tool: tool.name, lambda tool: tool.provider)
    rates = np.array([_choice_rates(instances, known, key) for key in keys]).T
    names = (*table.names, "tool chosen by others", "provider chosen by others")
    families: tuple[Family, ...] = (*table.families, "composition", "composition")
    return FeatureTable(np.concatenate([table.values, rates], axis=1), names, families, table.sizes, table.alike)


def _choice_rates(instances: Sequence[Instance], known: Sequence[Instance], key: Callable[[Tool], str]) -> list[float]:
    """Return for each candidate how often it was gold where it was offered; few offers count little."""
    offered: Counter[tuple[str, str]] = Counter()
    chosen: Counter[tuple[str, str]] = Counter()
    for instance in known:
        for tool in instance.candidates:
            for user in (instance.user_id, ""):
                offered[user, key(tool)] += 1
                chosen[user, key(tool)] += tool.name == instance.reference.name
    return [
        (chosen["", key(tool)] - chosen[instance.user_id, key(tool)] + _DOUBT / len(instance.candidates))
        / (offered["", key(tool)] - offered[instance.user_id, key(tool)] + _DOUBT)
        for instance in instances
        for tool in instance.candidates
    ]


def _lines(material: _Material, setting: str, readings: Sequence[tuple[str, Scores, str]]) -> list[Line]:
    places = [place for place in material.audited if material.instances[place].setting == setting]
    members = [material.instances[place] for place in places]
    table, sheet = material.table.rows(places), Sheet("shortcuts", setting, members)
    blind = [1 / len(instance.candidates) for instance in members]
    chances: list[float | None] = [group_chance(instance) for instance in members]
    rows = material.table.places(places)
    for name, scores, note in readings:
        sheet.share(name, right(table, members, scores[rows]), blind, f"{note}; {material.trained}")
        inside = right(table, members, scores[rows], in_group=True)
        kept = [value if chance is not None else None for value, chance in zip(inside, chances, strict=True)]
        sheet.share(f"{name}, in group", kept, chances, f"{note}, and is told the group; {material.trained}")
    return sheet.lines
