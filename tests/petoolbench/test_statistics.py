"""Averages, intervals and tests, held against scipy and against simulated truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from petoolbench.schema import Score
from petoolbench.statistics import error_shares, estimate, holm, mcnemar, paired_test


def _scores(values, scored=None):
    flags = scored or [True] * len(values)
    return [
        Score(id=str(index), scored=flag, tool=bool(value), arguments=bool(value))
        for index, (value, flag) in enumerate(zip(values, flags, strict=True))
    ]


def test_unscored_answers_leave_the_average():
    scores = _scores([1, 0, 1, 1], scored=[True, True, True, False])
    found = estimate(scores, ["a", "b", "c", "d"], "tool_accuracy")
    assert (found.value, found.n) == (pytest.approx(2 / 3), 3)


def test_nothing_scored_gives_no_number():
    found = estimate(_scores([1], scored=[False]), ["a"], "tool_accuracy")
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert set(error_shares(_scores([1], scored=[False])).values()) == {0.0}


def test_parameters_given_the_tool_count_only_right_tools():
    scores = [
        Score(id="a", scored=True, tool=True, arguments=True),
        Score(id="b", scored=True, tool=True, arguments=False),
        Score(id="c", scored=True, tool=False, arguments=True),
    ]
    assert estimate(scores, ["x", "y", "z"], "param_accuracy_given_tool").value == 0.5
    assert estimate(scores, ["x", "y", "z"], "param_accuracy").value == pytest.approx(2 / 3)


@pytest.mark.parametrize("value", [0, 1])
def test_all_alike_is_not_certainty(value):
    """The exact binomial interval of 20 clusters out of 20, whatever the number of instances in them."""
    found = estimate(_scores([value] * 100), [str(index // 5) for index in range(100)], "tool_accuracy")
    exact = binomtest(20 * value, 20).proportion_ci(method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((value, exact.low, exact.high))


def test_clusters_widen_the_interval():
    values = [1] * 50 + [0] * 50
    scores = _scores(values)
    alone = estimate(scores, [str(index) for index in range(100)], "tool_accuracy")
    clustered = estimate(scores, [str(index // 10) for index in range(100)], "tool_accuracy")
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
    assert alone.low == pytest.approx(0.4, abs=0.03)
    assert alone.high == pytest.approx(0.6, abs=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """60 clusters of 5 instances that share their luck; the truth is a half."""
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(150):
        luck = np.repeat(generator.beta(1, 1, size=60), 5)
        scores = _scores(generator.random(300) < luck)
        found = estimate(scores, [str(index // 5) for index in range(300)], "tool_accuracy")
        hits += found.low <= 0.5 <= found.high
    assert 0.88 <= hits / 150 <= 0.99


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 9), (9, 3), (50, 51), (0, 12), (400, 300)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    wanted = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(wanted)


def test_holm_agrees_with_the_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_a_clear_gain_is_found_and_none_is_not():
    generator = np.random.default_rng(5)
    base = generator.random(400) < 0.5
    better = base | (generator.random(400) < 0.3)
    clusters = [str(index // 4) for index in range(400)]
    gain = paired_test(_scores(base), _scores(better), clusters, "tool_accuracy")
    assert gain.difference.low > 0
    assert gain.mcnemar_p < 1e-6
    assert gain.bootstrap_p < 0.01
    assert gain.only_a == 0
    same = paired_test(_scores(base), _scores(base), clusters, "tool_accuracy")
    assert (same.difference.value, same.mcnemar_p, same.bootstrap_p) == (0, 1, 1)


def test_false_alarms_are_as_rare_as_promised():
    generator = np.random.default_rng(11)
    alarms = 0
    for _ in range(150):
        first, second = generator.random((2, 240)) < 0.5
        clusters = [str(index // 4) for index in range(240)]
        alarms += paired_test(_scores(first), _scores(second), clusters, "tool_accuracy").bootstrap_p < 0.05
    assert alarms / 150 <= 0.11


def test_runs_on_other_instances_are_not_compared():
    scores = _scores([1, 0])
    with pytest.raises(ValueError, match="same instances"):
        paired_test(scores, scores[::-1], ["a", "b"], "tool_accuracy")
