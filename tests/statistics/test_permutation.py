"""Permutation of names against scipy's test, against counting by hand, and by simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.statistics import mean_gap, name_permutation, sign_permutation
from audit.statistics.permutation import every_assignment


def gap_of(first, second, axis=-1):
    return np.abs(first.mean(axis=axis) - second.mean(axis=axis))


@pytest.mark.parametrize("sizes", [(4, 4), (3, 6), (6, 5)])
def test_exact_p_agrees_with_scipy(sizes):
    rng = np.random.default_rng(sum(sizes))
    means = rng.normal(size=sum(sizes))
    member = np.arange(means.size) < sizes[0]
    found = name_permutation(mean_gap(means), member)
    expected = stats.permutation_test(
        (means[member], means[~member]), gap_of, n_resamples=np.inf, vectorized=True, alternative="greater"
    )
    assert found.exact and found.assignments == math.comb(sum(sizes), sizes[0])
    assert found.observed == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.median == pytest.approx(np.median(expected.null_distribution), rel=1e-12)


def test_drawn_p_approaches_the_exact_one():
    rng = np.random.default_rng(2)
    means = np.append(rng.normal(size=8), rng.normal(0.8, size=8))
    member = np.arange(16) >= 8
    exact = name_permutation(mean_gap(means), member)
    drawn = name_permutation(mean_gap(means), member, exact_limit=0, permutations=20_000)
    assert exact.exact and not drawn.exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=4 * math.sqrt(exact.p_value / 20_000))
    assert drawn.median == pytest.approx(exact.median, rel=0.05)


@pytest.mark.parametrize("size", range(2, 9))
def test_smallest_p_is_twice_one_over_the_number_of_assignments(size):
    means = np.append(np.zeros(size), np.ones(size)) + np.arange(2 * size) / 1000
    found = name_permutation(mean_gap(means), np.arange(2 * size) < size)
    assert found.p_value == pytest.approx(2 / math.comb(2 * size, size), rel=1e-12)


def test_smallest_p_is_not_doubled_where_groups_cannot_swap():
    means = np.append(np.zeros(3), np.ones(5))
    assert name_permutation(mean_gap(means), np.arange(8) < 3).p_value == pytest.approx(1 / math.comb(8, 3))


def test_drawn_p_is_never_zero():
    means = np.append(np.zeros(12), np.ones(12))
    found = name_permutation(mean_gap(means), np.arange(24) < 12, permutations=99)
    assert not found.exact and found.assignments == 99
    assert found.p_value == 1 / 100


def test_assignments_that_tie_with_the_observed_count_though_they_round_otherwise():
    # 0.1 + 0.2 is not 0.3: by eye all six gaps of these names tie in threes.
    means = np.array([0.1, 0.2, 0.3, 0.4]) / 3
    found = name_permutation(mean_gap(means), np.array([True, False, False, True]))
    assert found.observed == pytest.approx(0, abs=1e-15)
    assert found.p_value == 1.0


def test_drawn_assignments_keep_the_sizes_and_reach_every_name():
    seen = []

    def statistic(inside):
        seen.append(inside.copy())
        return inside[:, 0].astype(float)

    name_permutation(statistic, np.arange(30) < 12, permutations=4000, seed=1)
    drawn = np.concatenate(seen[1:])
    assert set(drawn.sum(1)) == {12}
    np.testing.assert_allclose(drawn.mean(0), 12 / 30, atol=4 * math.sqrt(0.24 / 4000))


def test_memory_is_bounded_by_the_width_told():
    rows = []

    def statistic(inside):
        rows.append(len(inside))
        return inside[:, 0].astype(float)

    name_permutation(statistic, np.arange(40) < 20, permutations=500, width=1 << 18)
    assert max(rows) <= 4 and sum(rows) == 501


def test_the_seed_decides():
    means = np.random.default_rng(3).normal(size=30)
    member = np.arange(30) < 15
    one, again, other = (name_permutation(mean_gap(means), member, permutations=300, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one.median != other.median


def test_an_undefined_statistic_has_no_p():
    found = name_permutation(mean_gap([1.0, np.nan, 2.0]), [True, True, False])
    assert math.isnan(found.p_value) and math.isnan(found.median)


@pytest.mark.parametrize("member", [[True, True], [False, False], []])
def test_an_empty_side_is_refused(member):
    with pytest.raises(ValueError, match="at least one name"):
        name_permutation(mean_gap(np.zeros(len(member))), member)


def test_no_draws_are_refused():
    with pytest.raises(ValueError, match="permutations must be at least 1"):
        name_permutation(mean_gap(np.zeros(40)), np.arange(40) < 20, permutations=0)


@pytest.mark.parametrize(("total", "inside"), [(5, 2), (6, 3), (7, 1)])
def test_every_assignment_is_there_once(total, inside):
    rows = {tuple(np.flatnonzero(row).tolist()) for row in every_assignment(total, inside)}
    assert rows == set(combinations(range(total), inside))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-50, 50))
def test_p_knows_neither_unit_nor_origin_nor_which_group_is_first(inside, outside, seed, scale, shift):
    means = np.random.default_rng(seed).normal(size=inside + outside)
    member = np.arange(means.size) < inside
    plain = name_permutation(mean_gap(means), member).p_value
    assert name_permutation(mean_gap(means * scale + shift), member).p_value == pytest.approx(plain)
    assert name_permutation(mean_gap(means), ~member).p_value == pytest.approx(plain)


def test_shuffling_inside_blocks_takes_idiosyncratic_names_for_a_group():
    """Names differ and groups do not: permuting names keeps its size, shuffling inside each block does not."""
    rng = np.random.default_rng(4)
    blocks, size, runs, shuffles = 20, 6, 300, 99
    member = np.arange(2 * size) < size
    names, inside_blocks = [], []
    for _ in range(runs):
        table = rng.normal(size=(blocks, 2 * size)) + 0.4 * rng.normal(size=2 * size)
        found = name_permutation(mean_gap(table.mean(0)), member)
        names.append(found.p_value)
        keys = rng.random((shuffles, blocks, 2 * size)).argsort(axis=2) < size
        shuffled = np.abs((np.where(keys, 1, -1) * table).sum((1, 2))) / (blocks * size)
        inside_blocks.append((1 + (shuffled >= found.observed).sum()) / (1 + shuffles))
    assert np.mean(np.array(names) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert np.mean(np.array(inside_blocks) <= 0.05) > 0.2


def test_signs_of_many_units_are_drawn_and_of_few_enumerated():
    values = np.random.default_rng(12).normal(size=20)
    found = sign_permutation(lambda flips: np.abs((1 - 2.0 * flips) @ values), 20, permutations=999, seed=1)
    assert (found.assignments, found.exact) == (999, False)
    assert found.p_value >= 1 / 1000
    few = sign_permutation(lambda flips: np.abs((1 - 2.0 * flips) @ values[:14]), 14)
    assert (few.assignments, few.exact) == (2**14, True)
    with pytest.raises(ValueError, match="at least one unit"):
        sign_permutation(lambda flips: np.zeros(len(flips)), 0)
    with pytest.raises(ValueError, match="permutations"):
        sign_permutation(lambda flips: np.zeros(len(flips)), 40, permutations=0)
