"""The p-value of one-run auditing, term by term, against an exact reckoning in fractions of our own."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.privacy.attacks.one_run import p_value

FAIR, THREE = Fraction(1, 2), Fraction(3, 4)  # accuracy q at ε = 0 and at ε = log 3
EPSILON = {FAIR: 0.0, THREE: math.log(3)}


def chance(q, r, low, high):
    """P[low ≤ W < high] of W ~ Bin(r, q), exactly."""
    inside = range(max(low, 0), min(high, r + 1))
    return sum((math.comb(r, w) * q**w * (1 - q) ** (r - w) for w in inside), Fraction(0))


def formula(m, r, v, q, delta, *, tail=1, factor=None, over=lambda i: i, last=None, below=0, above=0, pick=max):
    """Theorem 5.2 in fractions; each argument is a term that can be got wrong."""
    terms = [chance(q, r, v - i + above, v + below) / over(i) for i in range(1, (v if last is None else last) + 1)]
    right = tail * chance(q, r, v, r + 1)
    return min(Fraction(1), right + (2 * m if factor is None else factor) * delta * (pick(terms) if terms else 0))


# m, r, v, q, δ: with the maximum at i = 1, between, and at i = v; with r = m and r < m.
CASES = [
    (1, 1, 1, FAIR, Fraction(1, 10)),
    (3, 1, 1, FAIR, Fraction(1, 20)),
    (10, 10, 9, FAIR, Fraction(1, 50)),
    (10, 10, 9, FAIR, Fraction(0)),
    (40, 10, 9, FAIR, Fraction(1, 100)),
    (40, 12, 12, THREE, Fraction(1, 100)),
    (60, 30, 21, FAIR, Fraction(1, 200)),
    (60, 30, 29, FAIR, Fraction(1, 50)),
    (100, 50, 45, THREE, Fraction(1, 1000)),
    (100, 50, 45, THREE, Fraction(0)),
]


@pytest.mark.parametrize(("m", "r", "v", "q", "delta"), CASES)
def test_it_is_the_formula_of_the_paper(m, r, v, q, delta):
    exact = formula(m, r, v, q, delta)
    assert p_value(m, r, v, EPSILON[q], float(delta)) == pytest.approx(float(exact), rel=1e-12)


MISTAKES = {
    "the binomial tail dropped": {"tail": 0},
    "the δ term dropped": {"factor": 0},
    "the factor 2 dropped": {"factor": "m"},
    "the factor m dropped": {"factor": 2},
    "r in place of m": {"factor": "2r"},
    "1/i dropped": {"over": lambda i: 1},
    "i = 1 alone": {"last": 1},
    "i = v left out": {"last": "v - 1"},
    "sum in place of the largest": {"pick": sum},
    "smallest in place of the largest": {"pick": min},
    "v ≥ W": {"below": 1},
    "W > v − i": {"above": 1},
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_in_the_formula_shows_in_a_case(name):
    def mistaken(m, r, v, q, delta):
        known = {"m": m, "2r": 2 * r, "v - 1": v - 1}
        return formula(m, r, v, q, delta, **{key: known.get(value, value) for key, value in MISTAKES[name].items()})

    off = [abs(float(mistaken(*case)) - p_value(*case[:3], EPSILON[case[3]], float(case[4]))) for case in CASES]
    assert max(off) > 1e-3, f"no case would show: {name}"


def test_without_delta_it_is_the_chance_of_as_many_right_guesses():
    assert p_value(10, 10, 9, 0.0) == pytest.approx(11 / 1024)
    assert p_value(10, 2, 2, math.log(3)) == pytest.approx(9 / 16)


def test_the_tail_counts_exactly_v_right_guesses():
    assert p_value(1, 1, 1, 0.0) == 0.5
    assert p_value(5, 5, 5, 0.0) == pytest.approx(1 / 32)


def test_delta_adds_twice_the_canaries_times_the_largest_mean_below():
    # v = r = 2 of fair coins: P[W = 1]/1 = 1/2 against P[W < 2]/2 = 3/8.
    assert p_value(7, 2, 2, 0.0, 0.01) == pytest.approx(1 / 4 + 2 * 7 * 0.01 / 2)


def test_the_largest_mean_may_lie_several_steps_below():
    # v = 4 = r: 4/16 against (4 + 6)/2/16 = 5/16 against (4 + 6 + 4)/3/16.
    assert p_value(4, 4, 4, 0.0, 0.01) == pytest.approx(1 / 16 + 2 * 4 * 0.01 * 5 / 16)


def test_no_right_guess_refutes_nothing():
    assert p_value(10, 10, 0, 0.0) == p_value(10, 10, 0, 5.0, 1e-3) == p_value(10, 0, 0, 0.0) == 1.0


def test_it_is_never_above_one():
    assert p_value(100, 100, 60, 1.0, 0.5) == 1.0


def test_large_epsilon_is_reached_without_overflow():
    assert p_value(1000, 1000, 1000, 40.0) == pytest.approx(1.0)
    assert p_value(1000, 1000, 1000, 5000.0, 1e-9) == p_value(10, 10, 10, math.inf) == 1.0
    # Where q rounds to 1, 1 − q still counts: 10⁵ guesses at ε = 38 miss one with probability 10⁵·e⁻³⁸.
    assert p_value(100_000, 100_000, 100_000, 38.0, 0.0) < 1.0


def test_a_tiny_p_of_many_guesses_keeps_its_digits():
    exact = math.log2(p_value(1000, 1000, 1000, 0.0))
    assert exact == pytest.approx(-1000)


@pytest.mark.parametrize("v", [61_000, 66_000, 99_000])
def test_a_hundred_thousand_canaries_are_no_trouble(v):
    from scipy import stats

    q = 1 / (1 + math.exp(-0.4))
    tail, cdf = stats.binom.sf(v - 1, 100_000, q), stats.binom.cdf
    low = np.arange(1, v + 1)
    means = (cdf(v - 1, 100_000, q) - cdf(v - low - 1, 100_000, q)) / low
    expected = min(1.0, tail + 2e5 * 1e-7 * means.max())
    assert p_value(100_000, 100_000, v, 0.4, 1e-7) == pytest.approx(expected, rel=1e-6)


@given(st.data())
def test_it_grows_with_epsilon_and_delta_and_falls_with_right_guesses_where_it_may_refute(data):
    r = data.draw(st.integers(1, 40))
    m = data.draw(st.integers(r, 80))
    v = data.draw(st.integers(1, r))
    epsilon, step = data.draw(st.floats(0, 6)), data.draw(st.floats(0, 2))
    delta = data.draw(st.sampled_from([0.0, 1e-6, 1e-3, 0.05]))
    here = p_value(m, r, v, epsilon, delta)
    assert p_value(m, r, v, epsilon + step, delta) >= here - 1e-12
    assert p_value(m, r, v, epsilon, delta + 0.01) >= here
    assert here >= p_value(m, r, v, epsilon)


@pytest.mark.parametrize("right", range(6, 31, 4))
def test_it_holds_for_a_mechanism_that_shows_everything_with_probability_delta(right):
    """(0, δ)-DP: with probability δ all coins are published, else none. Exact, for every number of right guesses."""
    m, delta = 30, Fraction(1, 50)
    happens = delta + (1 - delta) * chance(FAIR, m, right, m + 1)
    assert float(happens) <= p_value(m, m, right, 0.0, float(delta)) + 1e-12
    if right == 30:  # and would not without the δ term, or without its factor m
        assert happens > formula(m, m, right, FAIR, delta, factor=0)
        assert happens > formula(m, m, right, FAIR, delta, factor=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10, 5, 6, 1.0), "0 ≤ v ≤ r ≤ m, but are 6, 5, 10"),
        ((4, 5, 3, 1.0), "0 ≤ v ≤ r ≤ m"),
        ((10, 5, -1, 1.0), "0 ≤ v ≤ r ≤ m"),
        ((10, 5, 4.0, 1.0), "v must be a whole number, but is 4.0"),
        ((10, 5.5, 4, 1.0), "r must be a whole number"),
        (("10", 5, 4, 1.0), "m must be a whole number"),
        ((10, 5, 4, -0.1), "epsilon must be 0 or more"),
        ((10, 5, 4, math.nan), "epsilon must be 0 or more"),
        ((10, 5, 4, 1.0, 1.5), "delta must lie between 0 and 1"),
        ((10, 5, 4, 1.0, math.nan), "delta must lie between 0 and 1"),
    ],
)
def test_counts_and_parameters_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        p_value(*arguments)


def test_numpy_counts_are_counts():
    assert p_value(np.int64(10), np.int32(10), np.int64(9), 0.0) == p_value(10, 10, 9, 0.0)
