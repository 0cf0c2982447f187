"""Quantile contrasts against numpy's weighted quantile, samples really drawn, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.statistics import quantile_contrast, two_way_contrast


def labels(templates, size, categories=1, groups="ab"):
    block, name = np.indices((templates * categories, size * len(groups))).reshape(2, -1)
    return np.array(list(groups))[name // size], block // categories, name, block


def outcome(rng, marks, *, block=1.0, template_group=0.0, name=0.0):
    group, template, name_, block_ = marks
    second = (group != "a").astype(int)
    y = block * rng.normal(size=block_.max() + 1)[block_] + name * rng.normal(size=name_.max() + 1)[name_]
    return y + template_group * rng.normal(size=(template.max() + 1, 2))[template, second] + rng.normal(size=len(group))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]), st.integers(2, 6), st.integers(2, 6))
def test_a_complete_design_has_numpys_quantiles(seed, q, templates, size):
    marks = labels(templates, size)
    y = np.random.default_rng(seed).normal(size=len(marks[0])).round(1)
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=q, draws=2)
    one, other = (np.quantile(y[marks[0] == g], q, method="inverted_cdf") for g in "ba")
    assert gap.estimate == pytest.approx(one - other, abs=1e-12)


def test_with_missing_cells_both_groups_have_the_same_mix_of_blocks():
    """Blocks differ by far, groups do not; unweighted quantiles would see the blocks."""
    rng = np.random.default_rng(1)
    marks = labels(40, 10)
    group, _, _, block = marks
    y = 10.0 * (block % 2) + rng.normal(size=group.size) / 100
    y[(rng.random(y.size) < 0.8) & (group == "b") & (block % 2 == 1)] = np.nan
    y[(rng.random(y.size) < 0.8) & (group == "a") & (block % 2 == 0)] = np.nan
    plain = [np.nanquantile(y[group == g], 0.5) for g in "ba"]
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=0.4, draws=50)
    assert abs(plain[0] - plain[1]) > 9
    assert gap.estimate == pytest.approx(0, abs=0.05)


def test_weights_are_those_of_the_mean_contrast():
    rng = np.random.default_rng(2)
    marks = labels(9, 5)
    y = outcome(rng, marks)
    y[rng.random(y.size) < 0.3] = np.nan
    group, _, _, block = marks
    kept = ~np.isnan(y)
    weights = np.zeros(y.size)
    for b in range(9):
        inside = {g: kept & (block == b) & (group == g) for g in "ab"}
        n, m = (inside[g].sum() for g in "ab")
        for g in "ab":
            weights[inside[g]] = n * m / (n + m) / max(inside[g].sum(), 1)
    means = [np.average(y[kept & (group == g)], weights=weights[kept & (group == g)]) for g in "ba"]
    (mean,) = two_way_contrast(y, *marks[:3], reference="a")
    assert mean.estimate == pytest.approx(means[0] - means[1], abs=1e-10)
    for q in (0.13, 0.5, 0.87):
        (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=q, draws=2)
        sides = [kept & (group == g) for g in "ba"]
        one, other = (np.quantile(y[s], q, weights=weights[s], method="inverted_cdf") for s in sides)
        assert gap.estimate == pytest.approx(one - other, abs=1e-12)


def test_variance_agrees_with_bootstraps_in_loops():
    """Templates, names within groups, names within template and group: rows really drawn, the quantile recomputed."""
    rng = np.random.default_rng(3)
    marks = labels(5, 4, categories=2)
    y = outcome(rng, marks, template_group=0.7, name=0.5)
    group, _, _, block = marks
    tables = {g: y[group == g].reshape(10, 4) for g in "ba"}
    draws, q = 3000, 0.6

    def spread(draw):
        found = [[np.quantile(table, q, method="inverted_cdf") for table in draw()] for _ in range(draws)]
        one, other = np.array(found).T
        return one.var(ddof=1), other.var(ddof=1), (one - other).var(ddof=1)

    def templates():
        chosen = rng.integers(0, 5, 5)
        chosen = np.concatenate([2 * chosen, 2 * chosen + 1])
        return [tables[g][chosen] for g in "ba"]

    def names():
        return [tables[g][:, rng.integers(0, 4, 4)] for g in "ba"]

    def cells():
        return [
            np.concatenate([tables[g][2 * t : 2 * t + 2][:, rng.integers(0, 4, 4)] for t in range(5)]) for g in "ba"
        ]

    v_t = spread(templates)[2] * 5 / 4
    v_b, v_a = (v * 4 / 3 for v in spread(names)[:2])
    v_c = spread(cells)[2]
    v = max(v_t + v_a + v_b - v_c, v_t, v_a + v_b)
    df = max(v**2 / (v_t**2 / 4 + v_a**2 / 3 + v_b**2 / 3), 3)
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", block=block, q=q, draws=3000)
    assert gap.se == pytest.approx(math.sqrt(v), rel=0.05)
    assert gap.df == pytest.approx(df, rel=0.1)
    assert (gap.n_cells, gap.n_blocks, gap.n_templates, gap.n_personas) == (80, 10, 5, 4)


def test_blocks_enter_no_error_bar_though_cells_are_missing():
    """Each draw shares a block's weight anew among the cells drawn, so that the mix of blocks stays."""
    rng = np.random.default_rng(9)
    marks = labels(15, 12)
    y = 5.0 * rng.normal(size=15)[marks[3]] + rng.normal(size=len(marks[0])) / 1000
    y[rng.random(y.size) < 0.25] = np.nan
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=0.53)
    assert 0 < gap.se < 0.01


@pytest.mark.parametrize("components", [{"template_group": 0.3, "name": 0.3}, {}])
def test_size_under_the_null(components):
    rng = np.random.default_rng(4)
    marks = labels(16, 8)
    alarms = [
        quantile_contrast(outcome(rng, marks, **components), *marks[:3], reference="a", q=0.9, draws=250)[0].p_value
        for _ in range(150)
    ]
    assert np.mean(np.array(alarms) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 150)


def test_a_planted_tail_is_found_where_means_barely_move():
    rng = np.random.default_rng(5)
    marks = labels(30, 10)
    y = outcome(rng, marks, block=0.1)
    y = np.where((marks[0] == "b") & (y < -0.9), y - 2.0, y)
    low, high = (quantile_contrast(y, *marks[:3], reference="a", q=q)[0] for q in (0.1, 0.9))
    assert low.p_value < 0.001 and low.ci_high < -1
    assert high.p_value > 0.05


def test_names_are_clusters_not_cells():
    rng = np.random.default_rng(6)
    marks = labels(30, 6)
    y = outcome(rng, marks, block=0.1, name=1.0)
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=0.5)
    (as_cells,) = quantile_contrast(y, *marks[:2], np.arange(y.size), reference="a", q=0.5)
    assert gap.se > 2 * as_cells.se
    assert gap.df < 15


def test_wordings_are_clusters_not_blocks():
    rng = np.random.default_rng(7)
    marks = labels(6, 6, categories=5)
    y = outcome(rng, marks, block=0.1, template_group=1.0)
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", block=marks[3], q=0.5)
    (as_blocks,) = quantile_contrast(y, marks[0], marks[3], marks[2], reference="a", q=0.5)
    assert gap.se > 1.4 * as_blocks.se
    assert (gap.n_templates, as_blocks.n_templates) == (6, 30)


def test_ties_everywhere_leave_nothing_to_conclude():
    marks = labels(12, 8)
    y = np.full(len(marks[0]), 10.0)
    y[:3] = 11.0
    (gap,) = quantile_contrast(y, *marks[:3], reference="a", q=0.5)
    assert (gap.estimate, gap.se) == (0.0, 0.0)
    assert math.isnan(gap.p_value) and math.isnan(gap.ci_low)


def test_the_seed_decides_and_the_level_is_kept():
    marks = labels(8, 5)
    y = outcome(np.random.default_rng(8), marks)
    one, again, other = (quantile_contrast(y, *marks[:3], reference="a", q=0.3, draws=90, seed=s)[0] for s in (1, 1, 2))
    assert one == again and one.se != other.se
    (wide,) = quantile_contrast(y, *marks[:3], reference="a", q=0.3, draws=90, seed=1, alpha=0.01)
    assert wide.ci_high - wide.ci_low > one.ci_high - one.ci_low


@pytest.mark.parametrize(("templates", "size"), [(1, 5), (6, 1)])
def test_too_few_clusters_have_an_estimate_and_no_error_bar(templates, size):
    marks = labels(templates, size)
    (gap,) = quantile_contrast(np.arange(len(marks[0])) * 1.0, *marks[:3], reference="a", q=0.5)
    assert math.isfinite(gap.estimate)
    assert all(math.isnan(value) for value in (gap.se, gap.df, gap.p_value, gap.mde))


def test_groups_that_share_no_block_cannot_be_compared():
    (gap,) = quantile_contrast(range(4), list("aabb"), [0, 0, 1, 1], [0, 1, 2, 3], reference="a", q=0.5)
    assert math.isnan(gap.estimate) and gap.n_cells == 0


@pytest.mark.parametrize("q", [0.0, 1.0, 90])
def test_q_is_a_share(q):
    with pytest.raises(ValueError, match="q must lie between 0 and 1"):
        quantile_contrast([1, 2], ["a", "b"], [0, 0], [0, 1], reference="a", q=q)
