"""Differences of rates against published examples, statsmodels, McNemar, and their own p-values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.statistics import newcombe_difference, paired_rate_difference, square_and_add, tango_difference

COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


# Newcombe 1998, Stat. Med. 17, table II, method 10.
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombes_own_examples(counts, low, high):
    found = newcombe_difference(*counts)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, st.sampled_from([0.05, 0.1, 0.01]))
def test_newcombe_is_statsmodels(first, second, alpha):
    found = newcombe_difference(*first, *second, alpha=alpha)
    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff", alpha=alpha)
    assert (found.ci_low, found.ci_high) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(COUNTS, COUNTS, st.floats(-0.9, 0.9))
def test_p_values_of_independent_rates_are_those_of_their_interval(first, second, limit):
    found = newcombe_difference(*first, *second, alpha=0.1, limit=limit)
    if min(abs(found.ci_low - limit), abs(found.ci_high - limit)) > 1e-9:
        assert (found.p_above < 0.05) == (found.ci_low > limit)
        assert (found.p_below < 0.05) == (found.ci_high < limit)
        assert (found.p_value < 0.1) == (not found.ci_low <= limit <= found.ci_high)
    assert found.p_above + found.p_below == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(COUNTS, COUNTS)
def test_a_difference_is_its_mirrors_negative(first, second):
    one, other = newcombe_difference(*first, *second), newcombe_difference(*second, *first)
    assert (one.ci_low, one.ci_high) == pytest.approx((-other.ci_high, -other.ci_low), abs=1e-12)
    assert one.p_value == pytest.approx(other.p_value, abs=1e-9)


def test_nothing_against_nothing_is_no_difference_and_has_a_width():
    found = newcombe_difference(0, 28, 0, 28)
    assert (found.estimate, found.p_value) == (0.0, 1.0)
    assert found.ci_low == -found.ci_high < -0.1


def test_small_p_values_keep_their_digits():
    found = newcombe_difference(900, 1000, 20, 1000)
    assert 0 < found.p_above < 1e-80 and found.p_below == 1.0


def test_a_side_without_units_gives_nothing():
    found = newcombe_difference(0, 0, 3, 10)
    assert np.isnan([found.estimate, found.ci_low, found.ci_high, found.p_value, found.p_above]).all()


def test_correlated_estimates_have_the_interval_of_zou_and_donner():
    side = lambda p: (p, lambda level: (p + special.ndtri(level / 2), p - special.ndtri(level / 2)))  # noqa: E731
    found = square_and_add(side(0.5), side(0.0), correlation=0.6)
    assert found.ci_high - 0.5 == pytest.approx(1.959964 * math.sqrt(2 - 1.2), abs=1e-5)


# Pairs: b, c, n. Fagerland, Lydersen & Laake 2014, and Tango 1998 at the corners, where |T| = z can be solved by hand.
def test_tango_of_airways_before_and_after_treatment():
    found = tango_difference(1, 7, 21)
    assert (found.ci_low, found.ci_high) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_tango_without_a_discordant_pair_by_hand():
    found, z2 = tango_difference(0, 0, 44), 1.959963984540054**2
    assert (found.ci_low, found.ci_high) == pytest.approx((-z2 / (44 + z2), z2 / (44 + z2)), abs=1e-12)
    assert found.p_value == 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_tangos_p_of_no_difference_is_mcnemars(b, c, agree):
    if b + c == 0:
        return
    found = tango_difference(b, c, b + c + agree)
    expected = mcnemar([[agree, b], [c, 0]], exact=False, correction=False).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def restricted(b, c, n, delta):
    """The chance of c alone that makes b, c of n likeliest where the difference is delta."""

    def loss(q):
        rest = 1 - 2 * q - delta
        return -sum(k * math.log(max(p, 1e-300)) for k, p in ((b, q + delta), (c, q), (n - b - c, rest)) if k)

    return optimize.minimize_scalar(loss, bounds=(max(0, -delta), (1 - delta) / 2), options={"xatol": 1e-12}).x


@pytest.mark.parametrize(("b", "c", "n"), [(12, 2, 50), (5, 9, 30), (1, 7, 21)])
def test_tangos_bounds_are_where_the_score_is_z_under_the_restricted_likelihood(b, c, n):
    found = tango_difference(b, c, n)
    for delta, sign in ((found.ci_low, 1), (found.ci_high, -1)):
        q = restricted(b, c, n, delta)
        score = (b - c - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))
        assert score == pytest.approx(sign * 1.959964, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 30), st.floats(-0.9, 0.9))
def test_p_values_of_pairs_are_those_of_their_interval(b, c, agree, limit):
    found = tango_difference(b, c, b + c + agree, alpha=0.1, limit=limit)
    if min(abs(found.ci_low - limit), abs(found.ci_high - limit)) > 1e-9:
        assert (found.p_above < 0.05) == (found.ci_low > limit)
        assert (found.p_below < 0.05) == (found.ci_high < limit)


def test_all_pairs_on_one_side_by_hand():
    found, z2 = tango_difference(10, 0, 10), 1.959963984540054**2  # T² = n(1−δ)/(1+δ)
    assert (found.ci_low, found.ci_high) == pytest.approx(((10 - z2) / (10 + z2), 1.0), abs=1e-12)


def test_pairs_of_one_customer_say_less():
    rng = np.random.default_rng(1)
    customer = np.repeat(np.arange(50), 6)
    target = (rng.random(50) < 0.2)[customer]
    apart = paired_rate_difference(target, np.zeros(300, bool))
    together = paired_rate_difference(target, np.zeros(300, bool), customer)
    assert together.estimate == pytest.approx(apart.estimate)
    assert together.ci_high - together.ci_low > 2 * (apart.ci_high - apart.ci_low)


def test_missing_pairs_are_left_out():
    assert paired_rate_difference([1, np.nan, 0], [0, 1, 0]) == paired_rate_difference([1, 0], [0, 0])


def test_pairs_in_one_cluster_or_none_at_all_give_nothing():
    for found in (paired_rate_difference([1, 0], [0, 0], ["k", "k"]), paired_rate_difference([], [])):
        assert np.isnan([found.ci_low, found.ci_high, found.p_value]).all()


def test_impossible_differences_are_refused():
    with pytest.raises(ValueError, match=r"b \+ c <= n"):
        tango_difference(3, 3, 5)
    with pytest.raises(ValueError, match="0 or 1"):
        paired_rate_difference([0.5], [0])
    with pytest.raises(ValueError, match="one length"):
        paired_rate_difference([1, 0], [0])
    for call in (lambda: newcombe_difference(1, 2, 1, 2, limit=1.0), lambda: tango_difference(1, 1, 5, limit=-1)):
        with pytest.raises(ValueError, match="limit between -1 and 1"):
            call()


def test_paired_intervals_hold_the_difference_as_often_as_they_say():
    rng, missed, runs = np.random.default_rng(5), 0, 600
    for _ in range(runs):
        both = rng.multinomial(60, [0.08, 0.02, 0.9])
        found = tango_difference(both[0], both[1], 60)
        missed += not found.ci_low <= 0.06 <= found.ci_high
    assert missed / runs < 0.08
