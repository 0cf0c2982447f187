"""Intervals and tests of one rate, against scipy, statsmodels, tail sums, and simulated worlds of clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from audit.statistics import below_limit, clopper_pearson, cluster_rate, design_effect, exceeds_limit, wilson

COUNTS = [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (1, 1000), (500, 1000), (999, 1000), (0, 100_000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("alpha", [0.05, 0.2, 1e-4])
def test_wilson_is_scipys_and_statsmodels(k, n, alpha):
    low, high = wilson(k, n, alpha=alpha)
    expected = stats.binomtest(k, n).proportion_ci(1 - alpha, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (low, high) == pytest.approx(proportion_confint(k, n, alpha, "wilson"), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("alpha", [0.05, 0.2, 1e-4])
def test_clopper_pearson_is_statsmodels(k, n, alpha):
    low, high = clopper_pearson(k, n, alpha=alpha)
    assert (low, high) == pytest.approx(proportion_confint(k, n, alpha, "beta"), abs=1e-12)


def test_clopper_pearson_is_where_binomial_tails_are_half_of_alpha():
    low, high = clopper_pearson(7, 50)
    assert stats.binom.sf(6, 50, float(low)) == pytest.approx(0.025, rel=1e-9)
    assert stats.binom.cdf(7, 50, float(high)) == pytest.approx(0.025, rel=1e-9)


def test_no_events_and_nothing_but_events_reach_the_ends_exactly():
    for interval in (wilson, clopper_pearson):
        low, high = interval([0, 7], [7, 7])
        assert (low[0], high[1]) == (0.0, 1.0)
        assert 0 < high[0] < 1 and 0 < low[1] < 1


def test_no_units_have_no_interval():
    for interval in (wilson, clopper_pearson):
        assert np.isnan(interval(0, 0)).all()


def test_counts_broadcast():
    for interval in (wilson, clopper_pearson):
        low, high = interval([[1], [2]], [10, 20, 30])
        assert low.shape == high.shape == (2, 3)
        assert float(low[1, 2]) == float(interval(2, 30)[0])


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("k", "n", "alpha"), [(-1, 5, 0.05), (6, 5, 0.05), (np.nan, 5, 0.05), (1, np.inf, 0.05)])
def test_impossible_counts_are_refused(interval, k, n, alpha):
    with pytest.raises(ValueError, match="0 <= k <= n"):
        interval(k, n, alpha=alpha)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan])
def test_levels_out_of_range_are_refused(alpha):
    for call in (lambda: wilson(1, 2, alpha=alpha), lambda: cluster_rate([1, 0], alpha=alpha)):
        with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
            call()


def test_few_degrees_of_freedom_put_t_in_the_place_of_z():
    z = stats.t.ppf(0.975, 4)
    low, _ = wilson(30, 100, df=4)
    root = optimize.brentq(lambda p: (0.3 - p) / math.sqrt(p * (1 - p) / 100) - z, 1e-6, 0.3)
    assert float(low) == pytest.approx(root, abs=1e-10)


# Clusters.


def test_units_by_themselves_have_wilsons_interval():
    events = [1, 0, 0, 1, 0, 0, 0]
    for found in (cluster_rate(events), cluster_rate(events, list("abcdefg"))):
        assert (found.ci_low, found.ci_high) == pytest.approx(tuple(map(float, wilson(2, 7))), abs=1e-15)
        assert (found.n, found.n_clusters, found.n_effective, found.df) == (7, 7, 7.0, math.inf)


def test_the_design_effect_by_hand():
    # Means 1, 0, 0, 0 of four clusters of two; V = 4/3 · (1.5² + 3 · .5²)/64 = .0625, s²/n = 1.5/(8 · 7).
    events, cluster = [1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3]
    plain = 0.0625 / (1.5 / 56)
    expected = (2 * plain + 0.25 * 2 * 2) / (2 + 0.25 * 2)
    assert design_effect(events, cluster) == pytest.approx(expected, abs=1e-12)
    assert cluster_rate(events, cluster).n_effective == pytest.approx(8 / expected, abs=1e-12)


def test_identical_answers_of_a_prompt_count_once_or_nearly():
    rng = np.random.default_rng(1)
    prompt = np.repeat(np.arange(200), 5)
    found = cluster_rate((rng.random(200) < 0.3)[prompt], prompt)
    assert found.n_effective == pytest.approx(200, rel=0.02)
    assert found.df == 199


def test_independent_answers_count_nearly_all():
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(1000), 2)
    assert cluster_rate(rng.random(2000) < 0.3, prompt).n_effective == pytest.approx(2000, rel=0.05)


def test_without_an_event_answers_of_one_prompt_count_as_one():
    found = cluster_rate(np.zeros(1000), np.repeat(np.arange(100), 10))
    assert (found.rate, found.n_effective) == (0.0, 100.0)
    assert found.ci_high > float(wilson(0, 100)[1])  # t, and no z


def test_the_design_effect_falls_step_by_step_as_events_are_seen_apart():
    effects = []
    for k in range(10):
        events = np.zeros((100, 10))
        events[np.arange(k), 0] = 1
        effects.append(design_effect(events.ravel(), np.repeat(np.arange(100), 10)))
    assert effects[0] == pytest.approx(10.0)
    assert np.all(np.diff(effects) < 0) and effects[1] > 7 and effects[-1] < 3.5


def test_design_effects_below_one_are_not_believed():
    # Every prompt has exactly one event of two: the means do not vary at all.
    assert design_effect(np.tile([0, 1], 50), np.repeat(np.arange(50), 2)) >= 1


def test_one_cluster_of_several_units_has_a_rate_but_no_interval():
    found = cluster_rate([1, 0, 0], ["k", "k", "k"])
    assert found.rate == pytest.approx(1 / 3)
    assert np.isnan([found.ci_low, found.ci_high, found.se, found.df]).all()


def test_missing_units_are_left_out_and_nothing_left_is_nan():
    assert cluster_rate([1, np.nan, 0], [1, 2, 3]) == cluster_rate([1, 0], [1, 3])
    assert math.isnan(cluster_rate([]).rate) and cluster_rate([np.nan]).n == 0


def test_a_rates_events_and_clusters_are_checked():
    with pytest.raises(ValueError, match="within 0 and 1"):
        cluster_rate([2, 0])
    with pytest.raises(ValueError, match="one length"):
        cluster_rate([1, 0], [1])


@pytest.mark.parametrize(("clusters", "size", "rate"), [(100, 10, 0.01), (30, 10, 0.05), (200, 2, 0.05), (100, 5, 0.3)])
@pytest.mark.parametrize("correlation", [0.05, 0.5, 0.95])
def test_clustered_intervals_hold_the_rate_as_often_as_they_say(clusters, size, rate, correlation):
    rng, missed = np.random.default_rng(7), np.zeros(2)
    cluster, runs = np.repeat(np.arange(clusters), size), 250
    shape = 1 / correlation - 1
    for _ in range(runs):
        own = rng.beta(rate * shape, (1 - rate) * shape, clusters)
        found = cluster_rate(rng.random(clusters * size) < own[cluster], cluster)
        missed += found.ci_low > rate, found.ci_high < rate
    # 2.5 % nominal each; Wilson's lower bound is known to be high where few events are expected.
    assert missed[0] / runs < 0.09 and missed[1] / runs < 0.06


# Limits.


@pytest.mark.parametrize(("k", "n", "limit"), [(3, 1000, 0.001), (0, 1000, 0.003), (12, 40, 0.2), (40, 40, 0.9)])
def test_exact_tests_are_binomial_tails(k, n, limit):
    above = stats.binomtest(k, n, limit, alternative="greater").pvalue
    below = stats.binomtest(k, n, limit, alternative="less").pvalue
    assert exceeds_limit(k / n, n, limit) == pytest.approx(above, rel=1e-9)
    assert below_limit(k / n, n, limit) == pytest.approx(below, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 50), st.integers(1, 50), st.floats(0.001, 0.999))
def test_tests_agree_with_one_sided_bounds(k, n, limit):
    k = min(k, n)
    for method, interval in (("exact", clopper_pearson), ("score", wilson)):
        low, high = map(float, interval(k, n, alpha=0.1))
        for bound, p in (
            (low - limit, exceeds_limit(k / n, n, limit, method=method)),
            (limit - high, below_limit(k / n, n, limit, method=method)),
        ):
            if abs(bound) > 1e-9:
                assert (p < 0.05) == (bound > 0)


def test_a_score_test_of_a_clustered_rate_agrees_with_its_interval():
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(8), 20)
    found = cluster_rate(rng.random(160) < rng.random(8)[cluster] / 2, cluster, alpha=0.1)
    for limit, small in ((found.ci_low - 1e-6, True), (found.ci_low + 1e-6, False)):
        assert (exceeds_limit(found.rate, found.n_effective, limit, df=found.df, method="score") < 0.05) == small


def test_few_clusters_weaken_an_exact_test():
    assert exceeds_limit(0.3, 40, 0.15, df=3) > exceeds_limit(0.3, 40, 0.15)


def test_limits_at_the_ends():
    for method in ("exact", "score"):
        assert exceeds_limit(0.001, 1000, 0.0, method=method) == 0.0
        assert exceeds_limit(0.0, 1000, 0.0, method=method) == 1.0
        assert exceeds_limit(0.5, 10, 1.0, method=method) == 1.0
        assert below_limit(0.999, 1000, 1.0, method=method) == 0.0


def test_a_rate_of_nothing_proves_nothing():
    nothing = cluster_rate([])
    assert math.isnan(exceeds_limit(nothing.rate, nothing.n_effective, 0.1, df=nothing.df))
    assert math.isnan(below_limit(nothing.rate, nothing.n_effective, 0.1, df=nothing.df))


def test_limits_and_methods_are_checked():
    with pytest.raises(ValueError, match="limit must lie within 0 and 1"):
        exceeds_limit(0.1, 10, 1.1)
    with pytest.raises(ValueError, match="'exact' or 'score'"):
        below_limit(0.1, 10, 0.1, method="wald")


def test_an_exact_gate_keeps_its_error_where_a_score_test_does_not():
    k = np.arange(30)
    chance = stats.binom.pmf(k, 1000, 0.001)
    condemned = {
        method: chance[[exceeds_limit(one / 1000, 1000, 0.001, method=method) <= 0.05 for one in k]].sum()
        for method in ("exact", "score")
    }
    assert condemned["exact"] == pytest.approx(0.019, abs=5e-4) and condemned["score"] == pytest.approx(0.080, abs=5e-4)
