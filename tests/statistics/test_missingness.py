"""Worst-case bounds hold whatever the missing answers were, and are reached."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.statistics import two_way_contrast, worst_case_bounds


def cells(seed, missing=0.3, groups="ab", uneven=True):
    rng = np.random.default_rng(seed)
    block, persona = (i.ravel() for i in np.meshgrid(np.arange(6), np.arange(4 * len(groups)), indexing="ij"))
    kept = rng.random(block.size) > (0.2 if uneven else -1)
    block, persona = block[kept], persona[kept]
    full = rng.random(block.size)
    y = np.where(rng.random(block.size) < missing, np.nan, full)
    return full, y, np.array(list(groups))[persona // 4], block, persona


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_no_filling_in_leaves_the_bounds(seed, fill):
    _, y, group, block, persona = cells(seed)
    (bounds,) = worst_case_bounds(y, group, block, reference="a", low=0, high=1)
    filled = np.where(np.isnan(y), np.random.default_rng(fill).random(y.size), y)
    (gap,) = two_way_contrast(filled, group, block, persona, reference="a")
    assert bounds.low - 1e-12 <= gap.estimate <= bounds.high + 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_the_bounds_are_reached(seed):
    """Of all ways to fill in ends, tried one after another, none is further out and one is there."""
    _, y, group, block, persona = cells(seed, missing=0.15)
    (bounds,) = worst_case_bounds(y, group, block, reference="a", low=-1, high=2)
    holes = np.flatnonzero(np.isnan(y))[:9]
    y[np.setdiff1d(np.flatnonzero(np.isnan(y)), holes)] = 0.5
    (bounds,) = worst_case_bounds(y, group, block, reference="a", low=-1, high=2)
    found = []
    for pattern in range(2**holes.size):
        filled = y.copy()
        filled[holes] = np.where(pattern >> np.arange(holes.size) & 1, 2.0, -1.0)
        found.append(two_way_contrast(filled, group, block, persona, reference="a")[0].estimate)
    assert (bounds.low, bounds.high) == pytest.approx((min(found), max(found)), abs=1e-12)


def test_nothing_missing_leaves_no_room():
    full, _, group, block, persona = cells(5)
    (bounds,) = worst_case_bounds(full, group, block, reference="a", low=0, high=1)
    (gap,) = two_way_contrast(full, group, block, persona, reference="a")
    assert bounds.low == pytest.approx(bounds.high) == pytest.approx(gap.estimate)
    assert bounds.n_missing == 0


def test_in_a_balanced_design_the_room_is_the_shares_that_are_missing():
    _, y, group, block, _ = cells(6, groups="abc", uneven=False)
    for bounds in worst_case_bounds(y, group, block, reference="b", low=0, high=10):
        shares = [np.isnan(y[group == g]).mean() for g in (bounds.group, "b")]
        assert bounds.high - bounds.low == pytest.approx(10 * sum(shares))
        assert bounds.n_cells == 48


def test_parse_failures_of_one_group_show():
    """Where the answers of one group are lost, the bounds say that anything is possible."""
    y, group = [0.5, 0.5, math.nan, math.nan], ["a", "a", "b", "b"]
    (bounds,) = worst_case_bounds(y, group, [0] * 4, reference="a", low=0, high=1)
    assert (bounds.low, bounds.high, bounds.n_missing) == (-0.5, 0.5, 2)


def test_groups_that_share_no_block_have_no_bounds():
    (bounds,) = worst_case_bounds([1, 2], ["a", "b"], [0, 1], reference="a", low=0, high=3)
    assert math.isnan(bounds.low) and math.isnan(bounds.high)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="outside"):
        worst_case_bounds([2.0, 0.5], ["a", "b"], [0, 0], reference="a", low=0, high=1)
    with pytest.raises(ValueError, match="'z'"):
        worst_case_bounds([0.2, 0.5], ["a", "b"], [0, 0], reference="z", low=0, high=1)
    with pytest.raises(ValueError, match="one length"):
        worst_case_bounds([0.2, 0.5], ["a", "b"], [0], reference="a", low=0, high=1)
