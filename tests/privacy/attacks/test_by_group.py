"""Levels and contrasts by group: scipy's and statsmodels' figures, planted gaps, and groups too small for one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from audit.privacy.attacks.by_group import by_group
from audit.privacy.attacks.groups import auc_by_group, tpr_by_group
from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr

GROUPS = ["a"] * 30 + ["b"] * 50 + ["c"] * 20


def leaks(seed=0):
    return (np.random.default_rng(seed).random(100) < 0.3).astype(float)


def test_rates_are_wilsons_and_contrasts_newcombes():
    values = leaks()
    levels, contrasts = by_group(values, GROUPS, reference="b")
    counts = {"a": (values[:30].sum(), 30), "b": (values[30:80].sum(), 50), "c": (values[80:].sum(), 20)}
    assert [level.group for level in levels] == ["a", "b", "c"]
    for level in levels:
        k, n = counts[level.group]
        assert (level.estimate, level.n, level.n_clusters) == (k / n, n, n)
        assert (level.ci_low, level.ci_high) == pytest.approx(proportion_confint(k, n, 0.05, "wilson"), abs=1e-12)
    assert [(gap.group, gap.reference) for gap in contrasts] == [("a", "b"), ("c", "b")]
    for gap in contrasts:
        expected = confint_proportions_2indep(*counts[gap.group], *counts["b"], method="newcomb", compare="diff")
        assert (gap.ci_low, gap.ci_high) == pytest.approx(expected, abs=1e-12)
        assert (gap.p_value < 0.05) == (not gap.ci_low <= 0 <= gap.ci_high)


def test_means_are_students_and_contrasts_welchs():
    values = np.random.default_rng(1).normal(3, 2, 100)
    levels, contrasts = by_group(values, GROUPS, reference="a", kind="mean")
    parts = {"a": values[:30], "b": values[30:80], "c": values[80:]}
    for level in levels:
        part = parts[level.group]
        expected = stats.t.interval(0.95, part.size - 1, part.mean(), stats.sem(part))
        assert (level.ci_low, level.ci_high) == pytest.approx(expected, abs=1e-12)
    for gap in contrasts:
        expected = stats.ttest_ind(parts[gap.group], parts["a"], equal_var=False)
        low, high = expected.confidence_interval()
        assert (gap.p_value, gap.df) == pytest.approx((expected.pvalue, expected.df), rel=1e-9)
        assert (gap.ci_low, gap.ci_high) == pytest.approx((low, high), abs=1e-9)


def test_means_of_clusters_have_statsmodels_robust_error():
    rng = np.random.default_rng(2)
    customer = rng.integers(0, 12, 60)
    values = rng.normal(size=12)[customer] + rng.normal(size=60)
    (level,), _ = by_group(values, ["a"] * 60, reference="a", kind="mean", cluster=customer)
    covariance = {"groups": customer, "use_correction": False, "df_correction": False}
    fit = OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds=covariance)
    assert level.se == pytest.approx(float(fit.bse[0]) * math.sqrt(12 / 11), rel=1e-9)
    assert (level.df, level.n, level.n_clusters) == (11.0, 60, 12)


def test_records_of_one_customer_widen_a_rate_and_its_contrast():
    rng = np.random.default_rng(3)
    customer = np.repeat(np.arange(40), 5)
    values, group = (rng.random(40) < 0.4)[customer], np.repeat(["a", "b"], 100)
    plain, clustered = (by_group(values, group, reference="b", cluster=one) for one in (None, customer))
    for one, other in ((plain[0][0], clustered[0][0]), (plain[1][0], clustered[1][0])):
        assert one.estimate == pytest.approx(other.estimate)
        assert other.ci_high - other.ci_low > 1.8 * (one.ci_high - one.ci_low)
    assert clustered[1][0].n_clusters == 20 and clustered[0][0].method == "Wilson, effective sample size"


def test_a_group_of_one_has_a_rate_with_an_interval_and_a_mean_without():
    group = ["a", *["b"] * 9]
    values = [1.0, *[0.0] * 5, *[1.0] * 4]
    rates, means = (by_group(values, group, reference="b", kind=kind) for kind in ("rate", "mean"))
    assert rates[0][0].estimate == 1.0 and 0.1 < rates[0][0].ci_low < 0.3
    assert means[0][0].estimate == 1.0
    assert np.isnan([means[0][0].ci_low, means[0][0].se, means[1][0].ci_low, means[1][0].p_value]).all()
    assert rates[1][0].n == means[1][0].n == 1


def test_a_group_without_a_value_is_listed_and_not_dropped():
    for kind in ("rate", "mean"):
        levels, contrasts = by_group([np.nan, 1.0, 0.0], ["a", "b", "b"], reference="b", kind=kind)
        assert (levels[0].group, levels[0].n) == ("a", 0) and math.isnan(levels[0].estimate)
        assert math.isnan(contrasts[0].estimate) and math.isnan(contrasts[0].p_value)
        asked, _ = by_group([1.0, 0.0], ["b", "b"], reference="b", kind=kind, groups=["z", "b"])
        assert [(level.group, level.n) for level in asked] == [("z", 0), ("b", 2)]


def test_a_mean_that_does_not_vary_has_no_interval():
    levels, (gap,) = by_group([0.1] * 9 + [1.0, 2.0, 3.0], ["a"] * 9 + ["b"] * 3, reference="b", kind="mean")
    assert np.isnan([levels[0].se, levels[0].ci_low, gap.ci_low, gap.p_value]).all()
    assert gap.estimate == pytest.approx(-1.9)


def test_no_leak_in_any_group_is_no_difference_of_known_width():
    levels, (gap,) = by_group(np.zeros(80), ["a"] * 40 + ["b"] * 40, reference="b")
    assert levels[0].ci_high > 0.05 and gap.estimate == 0.0 and gap.p_value == 1.0
    assert gap.ci_low < -0.05 and gap.ci_high > 0.05


def test_records_of_unknown_group_are_left_out():
    known = by_group([1.0, 0.0, 0.0], ["a", "b", "b"], reference="b")
    assert by_group([1.0, 1.0, 0.0, 0.0, 1.0], ["a", None, "b", "b", math.nan], reference="b") == known


def test_groups_that_are_numbers_are_text():
    levels, _ = by_group([1, 0, 1, 1], np.array([1, 1, 2, 2]), reference="1")
    assert [level.group for level in levels] == ["1", "2"] and levels[0].n == 2


def test_a_planted_gap_is_found_and_its_interval_holds_it():
    rng, held, runs = np.random.default_rng(4), 0, 150
    group = np.repeat(["minority", "majority"], [60, 300])
    for _ in range(runs):
        values = rng.random(360) < np.where(group == "minority", 0.25, 0.08)
        _, (gap,) = by_group(values, group, reference="majority")
        held += gap.ci_low <= 0.17 <= gap.ci_high
    assert held / runs > 0.9


@pytest.mark.parametrize(
    ("values", "group", "more", "message"),
    [
        ([1.0], ["a"], {"reference": "z"}, "no record belongs to the reference group 'z'; there are a"),
        ([1.0, 0.0], ["a"], {"reference": "a"}, "one length"),
        ([2.0], ["a"], {"reference": "a"}, "within 0 and 1"),
        ([math.inf], ["a"], {"reference": "a", "kind": "mean"}, "infinite"),
        ([1.0], ["a"], {"reference": "a", "kind": "median"}, "'rate' or 'mean'"),
        ([], [], {"reference": "a"}, "there are none"),
        ([[1.0]], [["a"]], {"reference": "a"}, "one-dimensional"),
    ],
)
def test_inputs_that_do_not_fit_are_named(values, group, more, message):
    with pytest.raises(ValueError, match=message):
        by_group(values, group, **more)


# Attacks.


def world(rng, shifts, size=80):
    """Scores of members and non-members; a group's own level is moved, and its members lie higher by its shift."""
    group = np.repeat(list(shifts), size)
    level = np.repeat(np.arange(len(shifts)) * 3.0, size)
    lift = np.repeat(list(shifts.values()), size)
    return rng.normal(level + lift), group, rng.normal(level), group


def test_auc_of_a_group_is_that_of_its_own_records():
    scores, group, others, _ = world(np.random.default_rng(5), {"a": 1.0, "b": 0.0, "c": 2.0})
    levels, contrasts = auc_by_group(scores, group, others, group, reference="b")
    for level in levels:
        alone = auc_with_interval(scores[group == level.group], others[group == level.group])
        assert level.estimate == alone.auc
        assert (level.ci_low, level.ci_high) == pytest.approx((alone.ci_low, alone.ci_high), abs=0.015)
        assert (level.n, level.n_clusters, level.method) == (80, 80, "bootstrap")
    assert [gap.estimate for gap in contrasts] == pytest.approx(
        [levels[0].estimate - levels[1].estimate, levels[2].estimate - levels[1].estimate]
    )
    assert contrasts[1].p_value < 1e-6 and contrasts[1].ci_low > 0


def test_a_groups_own_level_of_scores_is_no_leak():
    scores, group, others, _ = world(np.random.default_rng(6), {"a": 0.0, "b": 0.0}, size=400)
    levels, (gap,) = auc_by_group(scores, group, others, group, reference="a")
    assert all(level.ci_low < 0.5 < level.ci_high for level in levels)
    assert gap.ci_low < 0 < gap.ci_high and gap.p_value > 0.05


def test_intervals_of_an_auc_gap_hold_it_as_often_as_they_say():
    rng, missed, runs = np.random.default_rng(7), 0, 100
    truth = stats.norm.cdf(1.5 / math.sqrt(2)) - stats.norm.cdf(0.5 / math.sqrt(2))
    for _ in range(runs):
        sides = world(rng, {"a": 1.5, "b": 0.5}, size=60)
        _, (gap,) = auc_by_group(*sides, reference="b", draws=100)
        missed += not gap.ci_low <= truth <= gap.ci_high
    assert missed / runs < 0.1


def test_widened_levels_and_gaps_have_a_larger_error():
    sides = world(np.random.default_rng(11), {"a": 1.0, "b": 0.0})
    plain, wide = (auc_by_group(*sides, reference="b", draws=100, widen=widen) for widen in (1.0, 2.0))
    for one, other in ((plain[0][0], wide[0][0]), (plain[1][0], wide[1][0])):
        assert other.se == pytest.approx(2 * one.se) and other.ci_low < one.ci_low < one.ci_high < other.ci_high


def test_complete_separation_in_both_groups_is_no_proof_of_equality():
    scores, group = np.arange(100, 140.0), np.repeat(["a", "b"], 20)
    levels, (gap,) = auc_by_group(scores, group, np.arange(40.0), group, reference="b")
    assert [level.estimate for level in levels] == [1.0, 1.0] and gap.estimate == 0.0
    assert gap.ci_low < -0.05 and gap.ci_high > 0.05 and gap.p_value == 1.0


def test_customers_are_drawn_whole():
    rng = np.random.default_rng(8)
    customer = np.repeat(np.arange(20), 10)
    group = np.repeat(["a", "b"], 100)
    scores, others = (rng.normal(size=20)[customer] * 2 + rng.normal(size=200) for _ in range(2))
    plain, _ = auc_by_group(scores, group, others, group, reference="a")
    whole, _ = auc_by_group(
        scores, group, others, group, reference="a", member_cluster=customer, non_member_cluster=customer
    )
    assert whole[0].n_clusters == 10 and whole[0].se > 1.5 * plain[0].se


def test_customers_in_two_groups_tie_the_groups_together():
    # Each customer has a record in either group, and both rise and fall with the customer.
    rng = np.random.default_rng(9)
    customer, group = np.tile(np.arange(40), 2), np.repeat(["a", "b"], 40)
    scores, others = ((rng.normal(size=40) * 3)[customer] + rng.normal(size=80) for _ in range(2))
    clusters = {"member_cluster": customer, "non_member_cluster": customer}
    _, (tied,) = auc_by_group(scores, group, others, group, reference="b", **clusters)
    _, (free,) = auc_by_group(scores, group, others, group, reference="b")
    assert tied.se < 0.7 * free.se and tied.ci_high - tied.ci_low < 0.7 * (free.ci_high - free.ci_low)


def test_a_group_without_members_or_non_members_is_listed():
    levels, contrasts = auc_by_group([1.0, 2.0, 3.0], ["a", "b", "b"], [0.0, 1.5], ["b", "b"], reference="b")
    assert levels[0].group == "a" and math.isnan(levels[0].estimate) and levels[0].n == 0
    assert math.isnan(contrasts[0].estimate) and math.isnan(contrasts[0].ci_low)


def test_tpr_uses_one_threshold_for_all():
    rng = np.random.default_rng(10)
    scores, group, others, _ = world(rng, {"a": 1.0, "b": 1.0}, size=600)
    levels, (gap,) = tpr_by_group(scores, group, others, group, reference="a", fpr=0.05)
    pooled = tpr_at_fpr(scores, others, fpr=0.05)
    for level in levels:
        mine = group == level.group
        assert level.tpr.rate == (scores[mine] >= pooled.threshold).mean()
        assert level.fpr.rate == (others[mine] >= pooled.threshold).mean()
        low, high = proportion_confint(int((scores[mine] >= pooled.threshold).sum()), 600, 0.05, "beta")
        assert level.tpr_bounds == pytest.approx((low, high))
        counts = [int((side[mine] >= pooled.threshold).sum()) for side in (scores, others)]
        expected = confint_proportions_2indep(counts[0], 600, counts[1], 600, method="newcomb", compare="diff")
        assert (level.excess.ci_low, level.excess.ci_high) == pytest.approx(expected)
    assert gap.estimate == pytest.approx(levels[1].excess.estimate - levels[0].excess.estimate)
    assert gap.ci_low > 0  # a's scores never reach the threshold, b's members do more than b's others


def test_a_group_whose_texts_are_merely_likelier_is_not_found_more_often():
    scores, group, others, _ = world(np.random.default_rng(12), {"a": 0.0, "b": 0.0}, size=600)
    levels, (gap,) = tpr_by_group(scores, group, others, group, reference="a", fpr=0.05)
    assert levels[1].tpr.rate > 0.08 and levels[0].tpr.rate < 0.01
    assert levels[1].excess.ci_low < 0 < levels[1].excess.ci_high
    assert gap.ci_low < 0 < gap.ci_high and gap.p_value > 0.05


def test_customers_count_in_rates_at_a_threshold():
    rng = np.random.default_rng(13)
    customer = np.repeat(np.arange(40), 10)
    group = np.repeat(["a", "b"], 200)
    scores, others = (rng.normal(size=40)[customer] * 3 + rng.normal(size=400) for _ in range(2))
    sides, clusters = (scores, group, others, group), {"member_cluster": customer, "non_member_cluster": customer}
    plain, plain_gaps = tpr_by_group(*sides, reference="a", fpr=0.1)
    whole, gaps = tpr_by_group(*sides, reference="a", fpr=0.1, **clusters)
    for one, other in zip(plain, whole, strict=True):
        assert other.tpr.n_clusters == 20 and other.tpr.se > 1.5 * one.tpr.se
        assert other.excess.ci_high - other.excess.ci_low > 1.5 * (one.excess.ci_high - one.excess.ci_low)
    assert gaps[0].n_clusters == 20
    assert gaps[0].ci_high - gaps[0].ci_low > 1.5 * (plain_gaps[0].ci_high - plain_gaps[0].ci_low)


def test_intervals_of_a_gap_in_excess_hold_it_as_often_as_they_say():
    rng, missed, runs, lift = np.random.default_rng(14), 0, 150, {"a": 1.5, "b": 0.5}
    truth = []
    for _ in range(runs):
        sides = world(rng, lift, size=150)
        _, (gap,) = tpr_by_group(*sides, reference="b", fpr=0.1)
        many = world(np.random.default_rng(15), lift, size=40_000) if not truth else None
        if many is not None:
            (truth_gap,) = tpr_by_group(*many, reference="b", fpr=0.1)[1]
            truth.append(truth_gap.estimate)
        missed += not gap.ci_low <= truth[0] <= gap.ci_high
    assert missed / runs < 0.12


def test_too_few_non_members_give_no_rate_but_the_groups():
    levels, (gap,) = tpr_by_group([1.0, 2.0], ["a", "b"], [0.0] * 99, ["a"] * 99, reference="b")
    assert [level.group for level in levels] == ["a", "b"]
    assert all(math.isnan(level.tpr.rate) for level in levels) and math.isnan(gap.estimate)


def test_records_of_unknown_group_set_the_threshold():
    scores, group = [5.0, 50.0], ["a", "b"]
    levels, _ = tpr_by_group(scores, group, np.arange(100), ["a", *[None] * 99], reference="b", fpr=0.2)
    assert [(level.tpr.rate, level.fpr.n) for level in levels] == [(0.0, 1), (0.0, 0)]
    levels, _ = tpr_by_group(scores, group, np.arange(100) / 10, ["a", *[None] * 99], reference="b", fpr=0.2)
    assert [level.tpr.rate for level in levels] == [0.0, 1.0]
