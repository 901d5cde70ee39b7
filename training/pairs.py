"""Sampled calls → preference pairs, as the paper makes them (section 4): a wanted call against an unwanted one.

At most one pair an instance. Every call is judged by ``petoolbench.scoring``; nothing else decides what is right. Pairs
are a function of instances, samples and seed; the order of the instances decides only the order of the pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, Literal

from petoolbench.errors import PEToolBenchError
from petoolbench.files import content_hash, json_text
from petoolbench.schema import ErrorType, Instance, Prediction, Record, Score, Setting, ToolCall
from petoolbench.scoring import score

from .siblings import Made, NoSibling, sibling_call

ChosenFrom = Literal["gold", "sampled_gold", "sampled"]
"""The reference's call, which no sample wrote; the reference's call, which was sampled; a right call in other words."""

RejectedFrom = Literal["published", "sampled_sibling", Made, "sampled_other"]
"""The data's own; a sampled call to a sibling of the gold tool; one that was made; another wrong, sampled call."""

DropReason = Literal[NoSibling, "others_beyond_share"]
"""No call to a sibling, for this reason, and no other wrong call; only another wrong call, and the share is full."""

_SIBLING: tuple[ErrorType, ...] = ("preference_mismatch",)
_OTHER: tuple[ErrorType, ...] = (
    "tool_hallucination",
    "functionality_mismatch",
    "parameter_name_mismatch",
    "parameter_value_mismatch",
)


class Pair(Record):
    """A preference pair, and where its calls come from; ``fault`` is what the scorer finds wrong with ``rejected``."""

    id: str
    setting: Setting
    chosen: ToolCall
    rejected: ToolCall
    chosen_from: ChosenFrom
    rejected_from: RejectedFrom
    fault: ErrorType


@dataclass(frozen=True)
class Preferences:
    """Pairs in the order of the data; why other instances have none; how many samples were right, wrong, unscored."""

    pairs: tuple[Pair, ...]
    dropped: Mapping[str, DropReason]
    samples: Mapping[str, int]


@dataclass(frozen=True)
class _Worse:
    """A call that may be rejected."""

    call: ToolCall
    source: RejectedFrom
    fault: ErrorType


@dataclass(frozen=True)
class _Options:
    """What the pair of an instance can be made of; ``reason`` says why there is no ``sibling`` where there is none."""

    instance: str
    setting: Setting
    chosen: ToolCall
    chosen_from: ChosenFrom
    sibling: _Worse | None
    other: _Worse | None
    reason: DropReason


def make_pairs(
    instances: Iterable[Instance],
    samples: Mapping[str, Sequence[Prediction]],
    *,
    other_share: float = 0.0,
    sampled_chosen: bool = True,
    seed: int = 0,
) -> Preferences:
    """Return one pair for each instance that has a call to reject.

    The rejected call is the first that there is of: the data's own (published preference data); the likeliest sampled
    call to a sibling; a call made for a sibling. Another wrong call (a foreign or invented tool, wrong arguments) takes
    its place in as many pairs as ``other_share`` allows: first where there is no call to a sibling, then where one
    would have to be made.

    Args:
        instances: Training instances.
        samples: A model's answers by the instance's id; an instance without any has no samples.
        other_share: The largest share of the pairs, from 0 to 1, whose rejected call is another wrong call.
        sampled_chosen: Choose the likeliest sampled call that is right, where there is one, not the reference's.
        seed: Decides which siblings calls are made for, and which instances the share falls on.

    Raises:
        PEToolBenchError: ``other_share`` is no share.
        MissingExtraError: jsonschema is not installed.
    """
    if not 0 <= other_share <= 1:
        raise PEToolBenchError(f"other_share {other_share} is no share; give one from 0 to 1")
    outcomes: Counter[str] = Counter()
    options = []
    for instance in instances:
        scores = [score(prediction, instance.reference) for prediction in samples.get(instance.id, ())]
        outcomes.update("unscored" if not entry.scored else entry.error or "right" for entry in scores)
        options.append(_options(instance, scores, sampled_chosen, seed))
    with_other = _with_other(options, other_share, seed)
    pairs, dropped = [], {}
    for option in options:
        worse = option.other if option.instance in with_other else option.sibling
        if worse is None:
            dropped[option.instance] = option.reason if option.other is None else "others_beyond_share"
        else:
            pairs.append(_pair(option, worse))
    return Preferences(tuple(pairs), dropped, dict(outcomes))


def report(preferences: Preferences) -> dict[str, Any]:
    """Return the counts for ``dpo_report.json``: of all pairs, and of each setting's, by what their calls are."""
    pairs = preferences.pairs
    settings = sorted({pair.setting for pair in pairs})
    return {
        "instances": len(pairs) + len(preferences.dropped),
        "samples": _sorted(preferences.samples),
        **_counts(pairs),
        "dropped": _sorted(Counter(preferences.dropped.values())),
        "settings": {name: _counts([pair for pair in pairs if pair.setting == name]) for name in settings},
    }


def _options(instance: Instance, scores: Sequence[Score], sampled_chosen: bool, seed: int) -> _Options:
    gold = ToolCall(name=instance.reference.name, arguments=instance.reference.arguments)
    right = [entry.called for entry in scores if entry.called is not None and entry.error is None]
    chosen = (_likeliest(right) or gold) if sampled_chosen else gold
    sibling = _published(instance) or _sampled(scores, _SIBLING, "sampled_sibling")
    reason: DropReason = "no_sibling"
    if sibling is None:
        made = sibling_call(instance, seed)
        if isinstance(made, str):
            reason = made
        else:
            sibling = _Worse(made[0], made[1], "preference_mismatch")
    return _Options(
        instance=instance.id,
        setting=instance.setting,
        chosen=chosen,
        chosen_from="sampled" if chosen != gold else "sampled_gold" if gold in right else "gold",
        sibling=sibling,
        other=_sampled(scores, _OTHER, "sampled_other"),
        reason=reason,
    )


def _published(instance: Instance) -> _Worse | None:
    """Return the first call that the data itself marks as worse and that does not score as right."""
    for call in instance.rejected:
        fault = score(Prediction(id=instance.id, calls=(call,)), instance.reference).error
        if fault is not None:
            return _Worse(call, "published", fault)
    return None


def _sampled(scores: Sequence[Score], faults: Sequence[ErrorType], source: RejectedFrom) -> _Worse | None:
    wrong = [(entry.called, entry.error) for entry in scores if entry.called is not None and entry.error in faults]
    call = _likeliest([called for called, _ in wrong])
    return next((_Worse(call, source, fault) for called, fault in wrong if fault and call and called == call), None)


def _likeliest(calls: Sequence[ToolCall]) -> ToolCall | None:
    """Return the call that was sampled most often, of equals the one that came first."""
    uses = Counter(_text(call) for call in calls)
    return max(calls, key=lambda call: uses[_text(call)], default=None)


def _text(call: ToolCall) -> str:
    return json_text([call.name, sorted(call.arguments.items())])


def _with_other(options: Sequence[_Options], share: float, seed: int) -> set[str]:
    """Return the instances whose rejected call is another wrong one: as many as the share of all pairs allows."""
    paired = sum(option.sibling is not None for option in options)
    only = _in_turn([option for option in options if option.other and not option.sibling], seed)
    both = _in_turn([option for option in options if option.other and option.sibling], seed)
    exact = Fraction(str(share))  # The decimal that was written, so that a tenth of ten pairs is one.
    added = len(only) if exact == 1 else min(len(only), floor(exact * paired / (1 - exact)))
    replaced = floor(exact * (paired + added)) - added
    return {option.instance for option in [*only[:added], *both[:replaced]]}


def _in_turn(options: Sequence[_Options], seed: int) -> list[_Options]:
    """Return options in the order in which the share falls on them: those with a sampled sibling come last."""

    def place(option: _Options) -> tuple[bool, str]:
        real = option.sibling is not None and option.sibling.source in ("published", "sampled_sibling")
        return real, content_hash([seed, option.instance])

    return sorted(options, key=place)


def _pair(option: _Options, worse: _Worse) -> Pair:
    return Pair(
        id=option.instance,
        setting=option.setting,
        chosen=option.chosen,
        rejected=worse.call,
        chosen_from=option.chosen_from,
        rejected_from=worse.source,
        fault=worse.fault,
    )


def _counts(pairs: Sequence[Pair]) -> dict[str, Any]:
    return {
        "pairs": len(pairs),
        "chosen": _sorted(Counter(pair.chosen_from for pair in pairs)),
        "rejected": _sorted(Counter(pair.rejected_from for pair in pairs)),
        "faults": _sorted(Counter(pair.fault for pair in pairs)),
    }


def _sorted(counts: Mapping[Any, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts)}
