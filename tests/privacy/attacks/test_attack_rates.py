"""AUC and true positive rates against scikit-learn and by hand; what their intervals hold, and how often."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from audit.privacy.attacks.auc import AucBounds, disjoint_pairs
from audit.privacy.attacks.odds import Found
from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr
from audit.statistics import clopper_pearson, cluster_rate

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=30)


def truth(members, non_members):
    return np.r_[np.ones(len(members)), np.zeros(len(non_members))], np.r_[members, non_members]


@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES)
def test_auc_is_scikit_learns_with_ties(members, non_members):
    found = auc_with_interval(members, non_members, draws=2)
    assert found.auc == pytest.approx(roc_auc_score(*truth(members, non_members)), abs=1e-12)


def test_auc_of_many_records_is_scikit_learns():
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.3, 1, 3000), rng.normal(0, 1, 2500).round(2)
    expected = roc_auc_score(*truth(members, others))
    assert auc_with_interval(members, others, draws=2).auc == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES)
def test_turning_scores_or_sides_round_turns_the_auc_and_its_bounds(members, non_members):
    one = auc_with_interval(members, non_members, draws=50)
    turned = auc_with_interval(np.negative(members), np.negative(non_members), draws=50)
    assert turned.auc == pytest.approx(1 - one.auc, abs=1e-12)
    assert (turned.ci_low, turned.ci_high) == pytest.approx((1 - one.ci_high, 1 - one.ci_low), abs=1e-9)
    assert auc_with_interval(non_members, members, draws=2).auc == pytest.approx(1 - one.auc, abs=1e-12)


def test_only_the_order_of_scores_matters():
    rng = np.random.default_rng(1)
    members, others = rng.normal(1, 1, 50), rng.normal(0, 1, 60)
    one, other = (auc_with_interval(f(members), f(others), draws=100) for f in (np.exp, lambda x: 7 * x - 3))
    assert one == other


def test_infinite_scores_have_a_place():
    assert auc_with_interval([math.inf, 1.0], [-math.inf, 2.0], draws=2).auc == 0.75


def test_the_bootstraps_standard_error_is_that_of_delong():
    rng = np.random.default_rng(2)
    members, others = rng.normal(0.7, 1, 300), rng.normal(0, 1, 200)
    above = members[:, None] > others
    delong = math.sqrt(above.mean(1).var(ddof=1) / 300 + above.mean(0).var(ddof=1) / 200)
    assert auc_with_interval(members, others).se == pytest.approx(delong, rel=0.06)


def test_the_bootstrap_by_plain_resampling_of_customers():
    rng = np.random.default_rng(3)
    customers = rng.integers(0, 40, 200), rng.integers(0, 30, 150)
    members = rng.normal(0.5, 1, 200) + rng.normal(size=40)[customers[0]]
    others = rng.normal(0, 1, 150) + rng.normal(size=30)[customers[1]]
    found = auc_with_interval(members, others, member_cluster=customers[0], non_member_cluster=customers[1])
    plain = []
    for _ in range(200):
        sides = [
            np.concatenate([scores[one == c] for c in rng.choice(np.unique(one), np.unique(one).size)])
            for scores, one in zip((members, others), customers, strict=True)
        ]
        plain.append(roc_auc_score(*truth(*sides)))
    assert found.se == pytest.approx(np.std(plain) * math.sqrt(30 / 29), rel=0.15)
    assert found.se > 1.5 * auc_with_interval(members, others).se


def test_labels_of_customers_may_be_anything_and_singletons_change_nothing():
    members, others = [3.0, 1.0, 2.0], [0.0, 2.5, 1.5]
    plain = auc_with_interval(members, others)
    named = auc_with_interval(members, others, member_cluster=list("abc"), non_member_cluster=["x", "y", "z"])
    assert named == plain


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(4)
    sides = rng.normal(size=30), rng.normal(size=30)
    assert auc_with_interval(*sides, seed=5) == auc_with_interval(*sides, seed=5)
    assert auc_with_interval(*sides, seed=5).se != auc_with_interval(*sides, seed=6).se


@pytest.mark.parametrize(("size", "auc"), [(40, 0.5), (100, 0.9), (150, 0.99)])
def test_intervals_hold_the_auc_as_often_as_they_say(size, auc):
    rng, shift, missed, runs = np.random.default_rng(6), stats.norm.ppf(auc) * math.sqrt(2), 0, 200
    for _ in range(runs):
        found = auc_with_interval(rng.normal(shift, 1, size), rng.normal(0, 1, size), draws=100)
        missed += not found.ci_low <= auc <= found.ci_high
    assert missed / runs < 0.09


@pytest.mark.parametrize("where", [0.5, -1.0])  # hidden among the non-members, or below all of them
def test_complete_separation_has_a_bound_that_holds(where):
    # 3 % of members are hidden: 4.8 % of samples are separated all the same, more than the 2.5 % that a bound may miss.
    rng, held, separated = np.random.default_rng(7), 0, 0
    truth = 1 - 0.03 * (0.5 if where == 0.5 else 1.0)
    for _ in range(600):
        members, others = np.where(rng.random(100) < 0.03, where, 2 + rng.random(100)), rng.random(100)
        if members.min() > others.max():
            found = auc_with_interval(members, others, draws=2)
            separated += 1
            held += found.ci_low <= truth <= found.ci_high
            assert (found.auc, found.ci_high, found.method) == (1.0, 1.0, "disjoint pairs")
    assert separated > 10 and held == separated


def test_the_bound_of_a_separation_is_clopper_and_pearsons_of_disjoint_pairs():
    for m, n in ((40, 60), (60, 40), (7, 7)):
        found = auc_with_interval(np.arange(m) + 100, np.arange(n), alpha=0.1)
        assert found.ci_low == pytest.approx(float(clopper_pearson(min(m, n), min(m, n), alpha=0.1)[0]), abs=1e-12)
    assert disjoint_pairs(0.0, 40) == pytest.approx(tuple(1 - x for x in disjoint_pairs(1.0, 40)[::-1]))


def test_few_customers_with_many_records_bound_a_separation_less():
    members, others = np.arange(200) + 1000, np.arange(200)
    customer = np.arange(200) // 40
    found = auc_with_interval(members, others, member_cluster=customer, non_member_cluster=customer)
    assert found.auc == 1.0 and found.ci_low < 0.7 < auc_with_interval(members, others).ci_low


def test_scores_that_are_all_the_same_say_nothing_and_have_a_width():
    found = auc_with_interval(np.ones(50), np.ones(50))
    h = 1 - 0.025 ** (1 / 50)
    assert (found.auc, found.ci_low, found.ci_high) == pytest.approx((0.5, 0.5 - h / 2, 0.5 + h / 2))


def test_too_few_records_or_customers_have_no_interval():
    for found in (
        auc_with_interval([1.0], [0.0, 2.0]),
        auc_with_interval([1.0, 3.0], [0.0, 2.0], member_cluster=[1, 1], non_member_cluster=[1, 2]),
    ):
        assert not math.isnan(found.auc)
        assert np.isnan([found.ci_low, found.ci_high, found.se]).all() and found.method == "none"
    nothing = auc_with_interval([], [1.0])
    assert math.isnan(nothing.auc) and math.isnan(nothing.ci_low) and nothing.n_members == 0


def test_records_without_a_score_are_left_out_and_not_counted():
    found = auc_with_interval([3.0, math.nan, 1.0], [math.nan, 0.0, 2.0, 0.5])
    assert found == auc_with_interval([3.0, 1.0], [0.0, 2.0, 0.5])
    assert (found.n_members, found.n_non_members) == (2, 3)


def test_two_thousand_draws_of_two_thousand_records_a_side_take_a_moment():
    rng = np.random.default_rng(8)
    sides = rng.normal(size=2000), rng.normal(size=2000)
    start = time.perf_counter()
    auc_with_interval(*sides)
    assert time.perf_counter() - start < 5  # half a second on an idle core


def test_inputs_of_the_auc_are_checked():
    with pytest.raises(ValueError, match="members and their clusters"):
        auc_with_interval([1.0, 2.0], [1.0], member_cluster=[1])
    with pytest.raises(ValueError, match="draws must be 2 or more"):
        auc_with_interval([1.0, 2.0], [1.0, 2.0], draws=1)
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        auc_with_interval([1.0, 2.0], [1.0, 2.0], alpha=0)


@pytest.mark.parametrize(
    "bounds",
    [
        AucBounds(0.97, 0.02, (40, 60), "bootstrap"),
        AucBounds(1.0, 0.0, (40, 60), "disjoint pairs"),
        AucBounds(0.5, 0.0, (40, 60), "disjoint pairs"),
        AucBounds(0.0, 0.0, (40, 60), "disjoint pairs"),
    ],
)
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5])
def test_tests_of_an_auc_agree_with_its_interval(bounds, alpha):
    low, high = bounds.at(alpha)
    if low > 0:
        assert bounds.above(low) == pytest.approx(alpha / 2)
    if high < 1:
        assert bounds.below(high) == pytest.approx(alpha / 2)


def test_an_auc_without_an_interval_has_no_test():
    bounds = AucBounds(0.9, math.nan, (1, 9), "none")
    assert math.isnan(bounds.above(0.6)) and math.isnan(bounds.below(0.95))


# True positives.


@pytest.mark.parametrize("fpr", [0.001, 0.01, 0.1])
def test_tpr_is_the_best_of_scikit_learns_curve(fpr):
    rng = np.random.default_rng(9)
    members, others = rng.normal(1, 1, 1500).round(1), rng.normal(0, 1, 2000).round(1)
    rates, hits, _ = roc_curve(*truth(members, others), drop_intermediate=False)
    found = tpr_at_fpr(members, others, fpr=fpr)
    allowed = rates <= fpr + 1e-12
    assert found.tpr == pytest.approx(hits[allowed].max(), abs=1e-12)
    assert found.fpr == pytest.approx((others >= found.threshold).mean(), abs=1e-12)
    assert found.fpr <= fpr and found.note == ""


@settings(max_examples=60, deadline=None)
@given(SCORES, st.lists(st.integers(-5, 5).map(float), min_size=10, max_size=40))
def test_the_threshold_is_the_lowest_score_that_few_enough_reach(members, non_members):
    found = tpr_at_fpr(members, non_members, fpr=0.1)
    others = np.array(non_members)
    fitting = [one for one in {*members, *non_members} if (others >= one).mean() <= 0.1 + 1e-12]
    assert found.threshold == min(fitting, default=math.inf)
    assert found.tpr == np.mean(np.array(members) >= found.threshold)


def test_the_interval_of_a_tpr_is_where_neither_test_rejects():
    found = tpr_at_fpr(np.arange(980, 1020), np.arange(1000))
    assert found.tpr == 0.75  # at 990, ten of 1,000
    assert (found.threshold, found.fpr) == (990.0, 0.01)
    judged = Found(0.75, 40, 1000, 0.01)
    assert judged.above(found.ci_low) == pytest.approx(0.025)
    assert found.ci_high == 1.0 and judged.below(1.0) > 0.025
    few = tpr_at_fpr([990.5, *range(99)], np.arange(1000))
    judged = Found(0.01, 100, 1000, 0.01)
    assert few.tpr == 0.01
    assert judged.above(few.ci_low) == pytest.approx(0.025) == judged.below(few.ci_high)
    odds = stats.nbinom(11, 1 / (1 + few.ci_high / 0.01 * 100 / 1000))
    assert odds.cdf(1) == pytest.approx(0.025)


def test_members_of_one_customer_say_less():
    customer = np.arange(40) // 4
    found = tpr_at_fpr(np.arange(980, 1020), np.arange(1000), member_cluster=customer)
    rate = cluster_rate(np.arange(980, 1020) >= 990, customer)
    assert found.n_effective == (pytest.approx(rate.n_effective), 1000)
    expected = Found(0.75, rate.n_effective, 1000, 0.01).interval()
    assert (found.ci_low, found.ci_high) == pytest.approx(expected)
    assert found.ci_low < tpr_at_fpr(np.arange(980, 1020), np.arange(1000)).ci_low


def test_non_members_of_one_customer_set_a_threshold_that_is_less_sure():
    customer = np.arange(1000) // 20
    members = np.arange(0, 1000, 10) + 0.5
    plain = tpr_at_fpr(members, np.arange(1000), fpr=0.1)
    bunched = tpr_at_fpr(members, np.arange(1000), fpr=0.1, non_member_cluster=customer)
    assert bunched.tpr == plain.tpr and bunched.n_effective[1] < 100 < plain.n_effective[1]
    assert bunched.ci_low < plain.ci_low < plain.ci_high < bunched.ci_high


@pytest.mark.parametrize(("customers", "each", "alike"), [(50, 40, 0.9), (200, 5, 0.5), (1000, 1, 0.0)])
def test_sound_models_are_condemned_as_rarely_as_is_said(customers, each, alike):
    """Members come five times as often as others anywhere in the tail, and the limit is five times the rate."""
    rng, runs, condemned, cleared, held = np.random.default_rng(11), 300, 0, 0, 0
    cluster = np.arange(customers).repeat(each)

    def tails():
        shared = math.sqrt(alike) * rng.normal(size=customers).repeat(each)
        return stats.norm.sf(shared + math.sqrt(1 - alike) * rng.normal(size=cluster.size))

    for _ in range(runs):
        found = tpr_at_fpr(-tails() / 5, -tails(), fpr=0.01, member_cluster=cluster, non_member_cluster=cluster)
        judged = Found(found.tpr, found.n_effective[0], math.floor(found.n_effective[1]), 0.01)
        condemned += judged.above(0.05) <= 0.05
        cleared += judged.below(0.05) <= 0.05
        held += found.ci_low <= 0.05 <= found.ci_high
    most = 0.05 * runs + 2.5 * math.sqrt(0.05 * 0.95 * runs)
    assert condemned <= most and cleared <= most and held >= runs - most


def test_a_tie_at_the_threshold_goes_against_the_attack():
    others = np.r_[np.zeros(97), [5.0, 5.0, 5.0]]
    found = tpr_at_fpr([5.0, 5.0, 6.0, 0.0], others, fpr=0.02)
    assert (found.tpr, found.threshold, found.fpr) == (0.25, 6.0, 0.0)


def test_no_score_may_be_high_enough():
    found = tpr_at_fpr([1.0, 1.0], np.ones(100))
    assert (found.tpr, found.threshold, found.fpr) == (0.0, math.inf, 0.0)


def test_fewer_non_members_than_a_thousand_are_noted_and_fewer_than_a_hundred_show_nothing():
    members = np.linspace(0, 2, 20)
    few = tpr_at_fpr(members, np.linspace(0, 1, 99))
    assert np.isnan([few.tpr, few.ci_low, few.ci_high, few.threshold, few.fpr]).all()
    assert few.note == "99 non-members cannot show a false positive rate of 0.01; give 100 or more"
    some = tpr_at_fpr(members, np.linspace(0, 1, 999))
    assert some.note == "999 non-members; give 1,000 or more for a threshold that holds" and some.tpr > 0.4
    assert tpr_at_fpr(members, np.linspace(0, 1, 1000)).note == ""


def test_members_and_non_members_that_are_alike_have_the_false_rate():
    rng = np.random.default_rng(10)
    found = tpr_at_fpr(rng.normal(size=20_000), rng.normal(size=20_000))
    assert found.tpr == pytest.approx(0.01, abs=0.004) and found.ci_low < 0.01 < found.ci_high + 0.003


def test_no_members_have_no_rate():
    found = tpr_at_fpr([], np.arange(1000))
    assert math.isnan(found.tpr) and found.n_members == 0 and found.threshold == 990.0


@pytest.mark.parametrize("fpr", [0, 1, -0.1, math.nan])
def test_false_positive_rates_are_checked(fpr):
    with pytest.raises(ValueError, match="fpr must lie between 0 and 1"):
        tpr_at_fpr([1.0], np.arange(100), fpr=fpr)
