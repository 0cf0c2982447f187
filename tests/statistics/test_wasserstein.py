"""Wasserstein-1 against scipy, its permutation test, and what it can and cannot see."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from audit.statistics import wasserstein_gap
from audit.statistics.wasserstein import block_adjusted, distance_by_assignment


def labels(blocks, size, groups="ab"):
    block, name = np.indices((blocks, size * len(groups))).reshape(2, -1)
    return np.array(list(groups))[name // size], block, name


def noise(rng, blocks, size, *, block=1.0, name=0.0, groups=2):
    names = size * groups
    table = block * rng.normal(size=(blocks, 1)) + name * rng.normal(size=names) + rng.normal(size=(blocks, names))
    return table.ravel()


@pytest.mark.parametrize("seed", range(4))
def test_distance_agrees_with_scipy_for_every_assignment(seed):
    rng = np.random.default_rng(seed)
    name = rng.integers(0, 9, size=80)
    name[:9] = np.arange(9)
    values = rng.normal(size=80).round(1)  # with ties
    inside = rng.random((20, 9)) < 0.5
    inside[:, 0], inside[:, 1] = True, False
    found = distance_by_assignment(values, name)(inside)
    expected = [stats.wasserstein_distance(values[row[name]], values[~row[name]]) for row in inside]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_a_complete_design_has_scipys_distance_of_cells_less_block_means():
    rng = np.random.default_rng(5)
    group, block, name = labels(7, 5)
    y = noise(rng, 7, 5)
    (gap,) = wasserstein_gap(y, group, block, name, reference="a", permutations=9)
    left = (y.reshape(7, 10) - y.reshape(7, 10).mean(1, keepdims=True)).ravel()
    assert gap.distance == pytest.approx(stats.wasserstein_distance(left[group == "b"], left[group == "a"]), abs=1e-10)
    assert (gap.n_cells, gap.n_blocks, gap.n_templates, gap.n_personas) == (70, 7, 7, 5)


def test_block_adjustment_is_that_of_ordinary_least_squares():
    rng = np.random.default_rng(6)
    table = rng.normal(size=(12, 1)) * 5 + rng.normal(size=(12, 8))
    table[rng.random(table.shape) < 0.3] = np.nan
    row, column = np.nonzero(~np.isnan(table))
    x = np.column_stack([row[:, None] == np.arange(12), column[:, None] == np.arange(1, 8)]).astype(float)
    fit = OLS(table[row, column], x).fit()
    found = block_adjusted(table)[row, column]
    expected = table[row, column] - fit.params[:12][row]
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=1e-8)


def test_p_and_floor_agree_with_scipys_permutation_of_names():
    rng = np.random.default_rng(7)
    group, block, name = labels(6, 4)
    y = noise(rng, 6, 4, name=0.5)
    (gap,) = wasserstein_gap(y, group, block, name, reference="a")
    adjusted = (y.reshape(6, 8) - y.reshape(6, 8).mean(1, keepdims=True)).T

    def distance(first, second):
        rows = [adjusted[np.asarray(one, int)].ravel() for one in (first, second)]
        return stats.wasserstein_distance(*rows)

    expected = stats.permutation_test(
        (np.arange(4), np.arange(4, 8)), distance, n_resamples=np.inf, vectorized=False, alternative="greater"
    )
    assert gap.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert gap.floor == pytest.approx(np.median(expected.null_distribution), abs=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_constant_shift_is_its_own_distance(missing):
    rng = np.random.default_rng(8)
    group, block, name = labels(30, 6)
    y = 4 * rng.normal(size=30)[block] + 2.5 * (group == "b")
    y[rng.random(y.size) < missing] = np.nan
    (gap,) = wasserstein_gap(y, group, block, name, reference="a", permutations=9)
    assert gap.distance == pytest.approx(2.5, abs=1e-10)


def test_a_wider_spread_is_seen_where_means_are_equal():
    rng = np.random.default_rng(9)
    group, block, name = labels(40, 9)
    y = noise(rng, 40, 9) * np.where(group == "b", 2.0, 1.0)
    (gap,) = wasserstein_gap(y, group, block, name, reference="a", permutations=499)
    assert gap.p_value <= 0.01
    assert gap.distance > 2 * gap.floor


def test_only_the_two_groups_compared_are_permuted():
    rng = np.random.default_rng(10)
    group, block, name = labels(8, 4, "abc")
    y = noise(rng, 8, 4, groups=3)
    two = group != "c"
    (alone,) = wasserstein_gap(y[two], group[two], block[two], name[two], reference="a")
    found = wasserstein_gap(y + 90.0 * (group == "c"), group, block, name, reference="a")
    assert [one.group for one in found] == ["b", "c"]
    assert found[0] == alone


def test_two_samples_of_one_distribution_have_no_distance_of_zero():
    rng = np.random.default_rng(11)
    group, block, name = labels(10, 8)
    gaps = [wasserstein_gap(noise(rng, 10, 8), group, block, name, reference="a", permutations=1)[0] for _ in range(50)]
    assert min(gap.distance for gap in gaps) > 0.03


def test_size_under_name_noise_and_missing_cells():
    rng = np.random.default_rng(12)
    group, block, name = labels(10, 7)
    found = []
    for _ in range(300):
        y = noise(rng, 10, 7, block=2.0, name=0.4)
        y[rng.random(y.size) < 0.2] = np.nan
        found.append(wasserstein_gap(y, group, block, name, reference="a")[0].p_value)
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(found) <= 0.5) > 0.4


def test_answers_that_never_vary_are_not_a_finding():
    group, block, name = labels(5, 4)
    (gap,) = wasserstein_gap(np.full(40, 1 / 3), group, block, name, reference="a")
    assert (gap.distance, gap.p_value) == (pytest.approx(0, abs=1e-12), 1.0)


def test_groups_that_share_no_block_have_no_distance():
    group, block, name = np.array(list("aabb")), np.array([0, 0, 1, 1]), np.arange(4)
    (gap,) = wasserstein_gap(np.arange(4.0), group, block, name, reference="a")
    assert math.isnan(gap.distance) and math.isnan(gap.p_value) and gap.n_cells == 0


def test_it_is_fast_enough_to_stand_beside_every_gap():
    rng = np.random.default_rng(13)
    group, block, name = labels(60, 20)
    y = noise(rng, 60, 20)
    start = time.perf_counter()
    wasserstein_gap(y, group, block, name, reference="a", permutations=2000)
    assert time.perf_counter() - start < 2
