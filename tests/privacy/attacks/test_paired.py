"""What an attack finds beyond the model from before: planted gains, none, and how often the intervals hold them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from audit.privacy.attacks.paired import auc_gap, tpr_gap
from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr


def models(rng, size=400, lift=0.0, apart=0.0, alike=0.8):
    """Scores under the model after and the model before; members lie ``apart`` under both, ``lift`` under the one."""
    sides = []
    for shift in (apart, 0.0):
        shared = math.sqrt(alike) * rng.normal(size=size)
        sides.append([shared + math.sqrt(1 - alike) * rng.normal(size=size) + shift for _ in range(2)])
    (members, earlier), (others, before) = sides
    return (members + lift, others), (earlier, before)


def test_estimates_are_the_differences_of_the_two_figures():
    after, before = models(np.random.default_rng(0), lift=1.0)
    gap = auc_gap(after, before, draws=50)
    assert gap.estimate == auc_with_interval(*after, draws=2).auc - auc_with_interval(*before, draws=2).auc
    gap = tpr_gap(after, before, fpr=0.05, draws=50)
    assert gap.estimate == tpr_at_fpr(*after, fpr=0.05).tpr - tpr_at_fpr(*before, fpr=0.05).tpr
    assert (gap.n_members, gap.n_non_members, gap.clusters, gap.df) == (400, 400, 400, 399.0)


@pytest.mark.parametrize("difference", [auc_gap, tpr_gap])
def test_a_split_that_is_not_random_is_no_difference(difference):
    after, before = models(np.random.default_rng(1), apart=1.0)
    assert auc_with_interval(*after, draws=50).ci_low > 0.65
    gap = difference(after, before, draws=300)
    assert gap.ci_low < 0 < gap.ci_high and gap.p_value > 0.05


@pytest.mark.parametrize("difference", [auc_gap, tpr_gap])
def test_what_the_training_added_is_found(difference):
    after, before = models(np.random.default_rng(2), apart=0.5, lift=1.5)
    gap = difference(after, before, draws=300)
    assert gap.ci_low > 0.05 and gap.p_value < 0.01


def test_records_that_both_models_read_alike_cancel():
    rng = np.random.default_rng(3)
    paired, apart = (auc_gap(*models(rng, alike=alike), draws=300).se for alike in (0.99, 0.0))
    assert paired < 0.3 * apart


@pytest.mark.parametrize(("fpr", "each"), [(0.05, 1), (0.05, 4)])
def test_intervals_of_gains_hold_them_as_often_as_they_say(fpr, each):
    rng, runs, missed = np.random.default_rng(4), 120, {"auc": 0, "tpr": 0}
    customer = np.arange(400) // each
    truth = {"auc": stats.norm.cdf(1 / math.sqrt(2)) - 0.5, "tpr": stats.norm.sf(stats.norm.isf(fpr) - 1) - fpr}
    clusters = {"member_cluster": customer, "non_member_cluster": customer}
    for _ in range(runs):
        sides = models(rng, lift=1.0)
        found = {
            "auc": auc_gap(*sides, draws=200, **clusters),
            "tpr": tpr_gap(*sides, fpr=fpr, draws=200, **clusters),
        }
        for name, gap in found.items():
            missed[name] += not gap.ci_low <= truth[name] <= gap.ci_high
    assert max(missed.values()) / runs < 0.11


def test_customers_are_drawn_whole():
    rng = np.random.default_rng(5)
    customer = np.arange(400) // 10
    sides = models(rng)
    gained = rng.normal(size=40)[customer] * 3
    after = sides[0][0] + gained, sides[0][1]
    for difference in (auc_gap, tpr_gap):
        plain = difference(after, sides[1], draws=300)
        whole = difference(after, sides[1], draws=300, member_cluster=customer, non_member_cluster=customer)
        assert whole.se > 1.5 * plain.se and whole.clusters == 40


def test_complete_separation_under_one_model_has_a_spread_all_the_same():
    _, before = models(np.random.default_rng(6), size=20)
    after = np.arange(20) + 100.0, np.arange(20.0)
    other = auc_with_interval(*before)
    assert auc_gap(after, before).se > 1.05 * other.se
    twice = auc_gap(after, after)
    assert twice.estimate == 0 and twice.se > 0.05 and twice.ci_low < -0.1


def test_records_that_one_model_did_not_read_are_left_out():
    after, before = models(np.random.default_rng(7))
    cut = before[0].copy()
    cut[:100] = np.nan
    for difference in (auc_gap, tpr_gap):
        found = difference(after, (cut, before[1]), draws=50)
        assert found == difference((after[0][100:], after[1]), (before[0][100:], before[1]), draws=50)
        assert found.n_members == 300


def test_too_few_customers_or_non_members_have_no_interval():
    few = auc_gap(([1.0, 2.0], [0.0, 1.5]), ([2.0, 1.0], [0.0, 1.5]), member_cluster=[1, 1], non_member_cluster=[1, 2])
    assert few.estimate == 0.0 and np.isnan([few.se, few.ci_low, few.p_value]).all()
    after, before = models(np.random.default_rng(8), size=99)
    assert math.isnan(tpr_gap(after, before, fpr=0.01, draws=50).estimate)
    with pytest.raises(ValueError, match="members must have a score under both models"):
        auc_gap(([1.0], [0.0]), ([1.0, 2.0], [0.0]))
