"""The F of block:group against textbook sums and statsmodels, its p from names, and what a mean cannot find."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.anova import anova_lm

from audit.statistics import block_heterogeneity, paired_heterogeneity, two_way_contrast, worst_blocks
from audit.statistics.unevenness import unevenness_of_gaps, unevenness_of_signs


def cells(rng, blocks=12, names=6, *, gaps=None, name_sd=0.0, noise=1.0):
    """Two groups of ``names`` names each in every block; ``gaps`` is the gap of each block."""
    block, persona = (i.ravel() for i in np.meshgrid(np.arange(blocks), np.arange(2 * names), indexing="ij"))
    second = persona >= names
    y = 3 * rng.normal(size=blocks)[block] + name_sd * rng.normal(size=2 * names)[persona]
    y = y + second * (np.zeros(blocks) if gaps is None else gaps)[block] + noise * rng.normal(size=block.size)
    return y, np.where(second, "b", "a"), block, persona


@pytest.mark.parametrize("seed", range(3))
def test_a_complete_design_gives_the_textbook_f(seed):
    y, group, block, persona = cells(np.random.default_rng(seed), gaps=np.linspace(-1, 1, 12), name_sd=0.5)
    (found,) = block_heterogeneity(y, group, block, persona, reference="a")
    table = y.reshape(12, 2, 6)
    gap = table[:, 1].mean(1) - table[:, 0].mean(1)
    between = 6 / 2 * ((gap - gap.mean()) ** 2).sum() / 11
    own = table - table.mean(2, keepdims=True) - table.mean(0, keepdims=True) + table.mean((0, 2), keepdims=True)
    within = (own**2).sum() / (2 * 11 * 5)
    assert (found.df1, found.df2) == (11, 110)
    assert found.f == pytest.approx(between / within, rel=1e-10)
    assert found.p_parametric == pytest.approx(stats.f.sf(between / within, 11, 110), rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_a_complete_design_agrees_with_statsmodels_anova(seed):
    y, group, block, persona = cells(np.random.default_rng(10 + seed), name_sd=0.5)
    (found,) = block_heterogeneity(y, group, block, persona, reference="a")
    frame = pd.DataFrame({"y": y, "g": group, "b": block, "name": persona % 6})
    table = anova_lm(ols("y ~ C(b) * C(g) + C(g):C(name)", frame).fit(), typ=2)
    assert found.f == pytest.approx(table.loc["C(b):C(g)", "F"], rel=1e-8)
    assert found.p_parametric == pytest.approx(table.loc["C(b):C(g)", "PR(>F)"], rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_an_incomplete_design_agrees_with_nested_regressions_of_statsmodels(seed):
    rng = np.random.default_rng(20 + seed)
    y, group, block, persona = cells(rng, name_sd=0.5)
    kept = rng.random(y.size) > 0.3
    y, group, block, persona = (column[kept] for column in (y, group, block, persona))
    (found,) = block_heterogeneity(y, group, block, persona, reference="a")
    blocks = (block[:, None] == np.unique(block)).astype(float)
    names = (persona[:, None] == np.unique(persona)[1:]).astype(float)
    additive = OLS(y, np.hstack([blocks, names])).fit()
    both = OLS(y, np.hstack([blocks, names, blocks[:, 1:] * (group == "b")[:, None]])).fit()
    f, p, df = both.compare_f_test(additive)
    assert (found.df1, found.df2) == (df, both.df_resid)
    assert (found.f, found.p_parametric) == pytest.approx((f, p), rel=1e-8)


def test_pairs_are_a_two_way_table_of_differences():
    rng = np.random.default_rng(30)
    y, group, block, persona = cells(rng, gaps=np.linspace(-1, 1, 12))
    y = y + 5 * rng.normal(size=(12, 6))[block, persona % 6]  # what a pair shares
    (found,) = paired_heterogeneity(y, group, block, persona % 6, reference="a")
    table = y.reshape(12, 2, 6)
    gaps = table[:, 1] - table[:, 0]
    between = 6 * gaps.mean(1).var(ddof=1)
    own = gaps - gaps.mean(1, keepdims=True) - gaps.mean(0, keepdims=True) + gaps.mean()
    assert (found.df1, found.df2, found.n_cells) == (11, 55, 144)
    assert found.f == pytest.approx(between / ((own**2).sum() / 55), rel=1e-10)


def test_size_is_nominal_under_name_noise_and_a_constant_gap():
    rng = np.random.default_rng(31)
    p = [
        block_heterogeneity(*cells(rng, gaps=np.full(12, 0.7), name_sd=1.0), reference="a")[0].p_value
        for _ in range(600)
    ]
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.07


def test_a_sign_flip_is_found_where_the_mean_is_not_moved():
    rng = np.random.default_rng(32)
    flips, means = [], []
    for _ in range(100):
        y, group, block, persona = cells(rng, 40, 10, gaps=0.5 * rng.permutation(np.repeat([-1, 1], 20)))
        flips.append(block_heterogeneity(y, group, block, persona, reference="a")[0].p_value <= 0.05)
        means.append(two_way_contrast(y, group, block, persona, reference="a")[0].p_value <= 0.05)
    assert np.mean(flips) >= 0.9
    assert np.mean(means) <= 0.1


def normal(rng, sd):
    return sd * rng.normal(size=(len(sd), 20))


def slopes(rng, sd):
    """A name counts for more in one block than in another."""
    return 0.5 * sd * rng.normal(size=20) + 0.3 * rng.normal(size=(len(sd), 20))


def tone(rng, sd):
    """Some blocks are answered warmly always or never, others now and then."""
    warm = rng.beta(0.3, 0.3, size=sd.shape)
    return 0.86 * rng.binomial(3, warm, (len(sd), 20)) / 3 + 0.05 * rng.normal(size=(len(sd), 20))


@pytest.mark.parametrize("errors", [normal, slopes, tone])
def test_size_is_nominal_where_blocks_have_different_spreads(errors):
    rng = np.random.default_rng(37)
    _, group, block, persona = cells(rng, 60, 10)
    runs, found = 200, []
    for _ in range(runs):
        table = errors(rng, np.exp(rng.normal(size=(60, 1)))) + 0.3 * (np.arange(20) >= 10)
        found += block_heterogeneity(table.ravel(), group, block, persona, reference="a", permutations=399)
    size = np.mean([one.p_value <= 0.05 for one in found])
    assert size <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert np.mean([one.p_parametric <= 0.05 for one in found]) > 0.1


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_size_of_pairs_is_nominal_where_blocks_have_different_spreads(missing):
    rng = np.random.default_rng(38)
    _, group, block, persona = cells(rng, 60, 10)
    runs, found = 200, []
    for _ in range(runs):
        y = normal(rng, np.exp(rng.normal(size=(60, 1)))).ravel() + (group == "b")
        y[rng.random(y.size) < missing] = np.nan
        found += paired_heterogeneity(y, group, block, persona % 10, reference="a")
    assert np.mean([one.p_value <= 0.05 for one in found]) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert np.mean([one.p_parametric <= 0.05 for one in found]) > 0.1


def test_p_is_the_rank_of_f_among_all_ways_to_divide_the_names():
    rng = np.random.default_rng(39)
    y, group, block, persona = cells(rng, 8, 3, gaps=np.linspace(-1, 1, 8), name_sd=1.0)
    (found,) = block_heterogeneity(y, group, block, persona, reference="a")
    others = []
    for chosen in itertools.combinations(range(6), 3):
        labels = np.where(np.isin(persona, chosen), "b", "a")
        others.append(block_heterogeneity(y, labels, block, persona, reference="a", permutations=1)[0].f)
    assert found.permutations == 20
    assert found.p_value == pytest.approx(np.mean(np.array(others) >= found.f * (1 - 1e-9)))


def test_p_of_pairs_is_the_rank_of_f_among_all_signs_of_what_a_phrasing_leaves():
    rng = np.random.default_rng(40)
    y, group, block, persona = cells(rng, 8, 5, gaps=1 + np.linspace(-1, 1, 8))
    (found,) = paired_heterogeneity(y, group, block, persona % 5, reference="a")
    table = y.reshape(8, 2, 5)
    left = table[:, 1] - table[:, 0]
    left = left - left.mean(0)
    others = [(8 * (left @ signs / 5) ** 2).sum() for signs in itertools.product((1, -1), repeat=5)]
    assert found.permutations == 32
    assert found.p_value == pytest.approx(np.mean(np.array(others) >= others[0] * (1 - 1e-9)))


def test_a_constant_gap_and_the_names_own_effects_leave_p_alone():
    y, group, block, persona = cells(np.random.default_rng(41), 10, 8)
    moved = y + 5 * (group == "b") + np.arange(16)[persona]
    for test, who in ((block_heterogeneity, persona), (paired_heterogeneity, persona % 8)):
        first, second = (test(values, group, block, who, reference="a")[0].p_value for values in (y, moved))
        assert first == second


def test_a_sign_flip_between_pairs_is_found():
    rng = np.random.default_rng(42)
    found = []
    for _ in range(60):
        y, group, block, persona = cells(rng, 40, 10, gaps=0.5 * rng.permutation(np.repeat([-1, 1], 20)))
        found.append(paired_heterogeneity(y, group, block, persona % 10, reference="a")[0].p_value <= 0.05)
    assert np.mean(found) >= 0.9


def test_missing_cells_keep_power_and_size():
    rng = np.random.default_rng(43)
    sizes, powers = [], []
    for _ in range(150):
        for gaps, into in ((np.zeros(40), sizes), (0.5 * rng.permutation(np.repeat([-1, 1], 20)), powers)):
            y, group, block, persona = cells(rng, 40, 10, gaps=gaps, name_sd=1.0, noise=1.0)
            y[rng.random(y.size) < 0.3] = np.nan
            found = block_heterogeneity(y, group, block, persona, reference="a", permutations=399)
            into.append(found[0].p_value <= 0.05)
    assert np.mean(sizes) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 150)
    assert np.mean(powers) >= 0.9


def test_the_statistic_of_an_incomplete_design_is_that_of_the_definition():
    rng = np.random.default_rng(45)
    counts = rng.integers(0, 2, (9, 6)).astype(float)
    counts[0] = 1, 1, 1, 0, 0, 0  # one group alone has cells here
    sums = counts * rng.normal(size=counts.shape)
    inside = np.arange(6) < 3
    gaps, weights = [], []
    for value, n in zip(sums, counts, strict=True):
        first, second = n[inside].sum(), n[~inside].sum()
        if first and second:
            gaps.append(value[inside].sum() / first - value[~inside].sum() / second)
            weights.append(first * second / (first + second))
    expected = np.cov(gaps, aweights=weights, ddof=0) * sum(weights)
    assert unevenness_of_gaps(sums, counts)(inside[None])[0] == pytest.approx(expected)
    pairs = counts.sum(1)
    expected = np.cov((sums[:, ~inside].sum(1) - sums[:, inside].sum(1)) / pairs, aweights=pairs, ddof=0) * pairs.sum()
    assert unevenness_of_signs(sums, counts)(inside[None])[0] == pytest.approx(expected)


def test_a_test_of_many_cells_takes_a_moment():
    y, group, block, persona = cells(np.random.default_rng(44), 60, 10)
    start = time.process_time()
    for _ in range(5):
        block_heterogeneity(y, group, block, persona, reference="a")
    assert (time.process_time() - start) / 5 < 0.1


def test_the_spread_of_the_gap_is_estimated():
    rng = np.random.default_rng(33)
    spreads = [
        block_heterogeneity(*cells(rng, 40, 10, gaps=0.5 * rng.normal(size=40)), reference="a")[0].spread
        for _ in range(60)
    ]
    assert np.mean(np.square(spreads)) == pytest.approx(0.25, rel=0.15)


def test_each_group_is_tested_against_the_reference():
    rng = np.random.default_rng(34)
    y, group, block, persona = cells(rng, gaps=np.linspace(-3, 3, 12))
    third = group == "a"
    y = np.concatenate([y, y[third] + 1])
    labels = [np.concatenate([column, column[third]]) for column in (block, persona)]
    labels[1][-third.sum() :] += 100
    names = np.concatenate([group, np.full(third.sum(), "c")])
    b, c = block_heterogeneity(y, names, *labels, reference="a")
    assert b.f > 5 and c.f == pytest.approx(0, abs=1e-9)


def test_without_residuals_there_is_no_test():
    y, group, block, persona = cells(np.random.default_rng(35), names=1)
    (found,) = block_heterogeneity(y, group, block, persona, reference="a")
    assert math.isnan(found.f) and math.isnan(found.p_value)
    y, group, block, persona = cells(np.random.default_rng(35), noise=0.0)
    (found,) = block_heterogeneity(np.zeros_like(y), group, block, persona, reference="a")
    assert math.isnan(found.p_value)


def test_the_worst_tenth_of_the_blocks_lies_on_either_side():
    gaps = np.zeros(20)
    gaps[[3, 11]] = 2.0, -3.0
    y, group, block, _ = cells(np.random.default_rng(36), 20, 5, gaps=gaps, noise=0.01)
    found = worst_blocks(y, group, block, reference="a")
    assert [w.block for w in found] == ["11", "3"]
    assert [w.gap for w in found] == pytest.approx([-3, 2], abs=0.05)
    assert found[0].n_cells == 10
    y[(block == 11) & (group == "a")] = np.nan
    assert worst_blocks(y, group, block, reference="a")[0].block == "3"


def test_a_persona_in_two_groups_and_an_absent_reference_are_refused():
    with pytest.raises(ValueError, match="two groups"):
        block_heterogeneity([1, 2], ["a", "b"], [0, 0], ["k", "k"], reference="a")
    for test in (block_heterogeneity, paired_heterogeneity):
        with pytest.raises(ValueError, match="'z'"):
            test([1, 2], ["a", "b"], [0, 0], ["k", "l"], reference="z")
    with pytest.raises(ValueError, match="'z'"):
        worst_blocks([1, 2], ["a", "b"], [0, 0], reference="z")
