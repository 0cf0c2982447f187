"""Ratios of means: coverage of planted ratios, and rules on interval ends against rules on points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics import judge_ratio, paired_ratio_contrast, ratio_contrast, two_way_contrast


def prices(rng, ratio, templates=24, names=10, *, groups=2, missing=0.0, template_sd=0.1, name_sd=0.05):
    """Positive outcomes: block level × ratio × what template, name and cell multiply by."""
    block, persona = (i.ravel() for i in np.meshgrid(np.arange(templates), np.arange(groups * names), indexing="ij"))
    code = persona // names
    log = rng.normal(3, 0.4, size=templates)[block] + name_sd * rng.normal(size=groups * names)[persona]
    log = log + template_sd * rng.normal(size=(templates, groups))[block, code] + 0.1 * rng.normal(size=block.size)
    y = np.exp(log) * np.where(code == 1, ratio, 1.0)
    y[rng.random(y.size) < missing] = np.nan
    return y, np.array(list("abcdefgh"))[code], block, persona


def rates(rng, rate, groups, templates=20, names=10, *, draws=1):
    """Selection rates of equal groups."""
    block, persona = (i.ravel() for i in np.meshgrid(np.arange(templates), np.arange(groups * names), indexing="ij"))
    y = rng.binomial(draws, rate, size=block.size) / draws
    return y, np.array(list("abcdefgh"))[persona // names], block, persona


@pytest.mark.parametrize("ratio", [0.6, 0.8, 0.9])
def test_a_planted_ratio_is_covered_and_met(ratio):
    rng = np.random.default_rng(1)
    found = [ratio_contrast(*prices(rng, ratio, missing=0.15), reference="a")[0] for _ in range(300)]
    covered = [gap.ci_low <= math.log(ratio) <= gap.ci_high for gap in found]
    assert 0.92 <= np.mean(covered) <= 0.985
    assert np.exp(np.mean([gap.estimate for gap in found])) == pytest.approx(ratio, rel=0.02)
    assert np.std([gap.estimate for gap in found]) == pytest.approx(np.mean([gap.se for gap in found]), rel=0.15)


def test_four_fifths_on_points_flags_equal_groups_and_on_interval_ends_it_does_not():
    rng = np.random.default_rng(2)
    points, ends = [], []
    for _ in range(200):
        y, group, block, persona = rates(rng, 0.3, 4, templates=12, names=8)
        means = np.array([y[group == g].mean() for g in "abcd"])
        points.append(means.min() < 0.8 * means.max())
        found = ratio_contrast(y, group, block, persona, reference="a", alpha=0.05 / 3)
        ends.append(any(judge_ratio(gap) == "below" for gap in found))
    assert np.mean(points) > 0.3
    assert np.mean(ends) <= 0.05


def test_at_the_ratio_itself_neither_claim_is_made_too_often():
    rng = np.random.default_rng(3)
    verdicts = [judge_ratio(ratio_contrast(*prices(rng, 0.8), reference="a")[0]) for _ in range(300)]
    assert verdicts.count("below") / 300 <= 0.025 + 0.025
    assert verdicts.count("above") / 300 <= 0.025 + 0.025


def test_clear_ratios_are_judged():
    rng = np.random.default_rng(4)
    assert judge_ratio(ratio_contrast(*prices(rng, 0.6), reference="a")[0]) == "below"
    assert judge_ratio(ratio_contrast(*prices(rng, 1.0), reference="a")[0]) == "above"
    assert judge_ratio(ratio_contrast(*prices(rng, 1.0), reference="a")[0], ratio=1.0) == "open"
    with pytest.raises(ValueError, match="ratio"):
        judge_ratio(ratio_contrast(*prices(rng, 1.0), reference="a")[0], ratio=0)


def test_in_a_complete_design_the_influences_are_those_of_relative_outcomes():
    y, group, block, persona = prices(np.random.default_rng(5), 0.7)
    (gap,) = ratio_contrast(y, group, block, persona, reference="a")
    means = {g: y[group == g].mean() for g in "ab"}
    relative = y / np.where(group == "a", means["a"], means["b"])
    (difference,) = two_way_contrast(relative, group, block, persona, reference="a")
    assert gap.estimate == pytest.approx(math.log(means["b"] / means["a"]), rel=1e-12)
    assert (gap.se, gap.df) == pytest.approx((difference.se, difference.df), rel=1e-10)


def test_the_error_is_that_of_a_jackknife_over_templates():
    """With templates as the only source of spread the delta method meets an independent method."""
    rng = np.random.default_rng(6)
    y, group, block, persona = prices(rng, 0.7, 200, 4, template_sd=0.3, name_sd=0)

    def log_ratio(kept):
        return math.log(y[kept & (group == "b")].mean() / y[kept & (group == "a")].mean())

    left = np.array([log_ratio(block != t) for t in range(200)])
    jackknife = math.sqrt(199 / 200 * ((left - left.mean()) ** 2).sum())
    (gap,) = ratio_contrast(y, group, block, persona, reference="a")
    assert gap.se == pytest.approx(jackknife, rel=0.03)


def test_cells_missing_where_prices_are_high_do_not_make_a_group_cheap():
    rng = np.random.default_rng(7)
    y, group, block, persona = prices(rng, 1.0, template_sd=0, name_sd=0)
    level = np.array([y[block == b].mean() for b in range(24)])
    dear = level[block] > np.median(level)
    lost = dear & (group == "b") & (persona % 10 < 8)
    y[lost] = np.nan
    (gap,) = ratio_contrast(y, group, block, persona, reference="a")
    assert abs(gap.estimate) < 0.05
    naive = math.log(np.nanmean(y[group == "b"]) / np.nanmean(y[group == "a"]))
    assert naive < -0.1


def test_the_unit_of_a_price_does_not_matter():
    y, group, block, persona = prices(np.random.default_rng(8), 0.9, missing=0.2)
    (one,) = ratio_contrast(y, group, block, persona, reference="a")
    (other,) = ratio_contrast(100 * y, group, block, persona, reference="a")
    assert (one.estimate, one.se, one.df) == pytest.approx((other.estimate, other.se, other.df))
    (back,) = ratio_contrast(y, group, block, persona, reference="b")
    assert (back.estimate, back.se) == pytest.approx((-one.estimate, one.se))


def test_pairs_cancel_what_phrasing_and_block_share():
    rng = np.random.default_rng(9)
    covered, errors = [], []
    for _ in range(300):
        y, group, block, persona = prices(rng, 0.8, 20, 10, name_sd=0.1)
        y = y * np.exp(rng.normal(size=(20, 10)))[block, persona % 10]
        y[rng.random(y.size) < 0.1] = np.nan
        (gap,) = paired_ratio_contrast(y, group, block, persona % 10, reference="a")
        covered.append(gap.ci_low <= math.log(0.8) <= gap.ci_high)
        errors.append(gap.se)
    assert 0.91 <= np.mean(covered) <= 0.99
    (apart,) = ratio_contrast(y, group, block, persona, reference="a")
    assert np.mean(errors) < apart.se


def test_a_mean_of_zero_has_no_ratio():
    (gap,) = ratio_contrast([1, 1, 0, 0] * 3, ["a", "a", "b", "b"] * 3, [0, 1, 2] * 4, [0, 1, 2, 3] * 3, reference="a")
    assert math.isnan(gap.estimate) and math.isnan(gap.se) and judge_ratio(gap) == "open"


def test_negative_outcomes_and_wrong_labels_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        ratio_contrast([1, -1], ["a", "b"], [0, 0], ["k", "l"], reference="a")
    with pytest.raises(ValueError, match="'z'"):
        ratio_contrast([1, 1], ["a", "b"], [0, 0], ["k", "l"], reference="z")
    with pytest.raises(ValueError, match="two groups"):
        ratio_contrast([1, 1], ["a", "b"], [0, 0], ["k", "k"], reference="a")


def test_groups_that_share_no_block_have_no_ratio():
    (gap,) = ratio_contrast([1.0, 2.0], ["a", "b"], [0, 1], ["k", "l"], reference="a")
    assert math.isnan(gap.estimate) and gap.n_cells == 0
