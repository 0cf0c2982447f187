"""Equivalence, exceedance, Holm and power against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from audit.statistics import (
    Gap,
    boundary_error,
    equivalence,
    exceeds,
    growth_for_equivalence,
    holm,
    minimum_detectable_gap,
    smallest_equivalence_tolerance,
)

REALS = st.floats(-3, 3)
SPREADS = st.floats(0.01, 2)


@pytest.mark.parametrize("shift", [-0.3, -0.05, 0.0, 0.2])
def test_equivalence_agrees_with_statsmodels(shift):
    sample = np.random.default_rng(1).normal(shift, 0.3, size=25)
    gap = Gap(sample.mean(), sample.std(ddof=1) / 5, 24)
    assert equivalence(gap, 0.2).p_value == pytest.approx(ttost_paired(sample, 0 * sample, -0.2, 0.2)[0], rel=1e-8)


@settings(max_examples=50, deadline=None)
@given(REALS, SPREADS, st.floats(1, 60), st.floats(0.05, 2))
def test_equivalence_is_the_ninety_percent_interval_inside(estimate, se, df, tolerance):
    result = equivalence(Gap(estimate, se, df), tolerance)
    if abs(result.p_value - 0.05) > 1e-6:
        assert (result.p_value < 0.05) == (result.ci_low > -tolerance and result.ci_high < tolerance)


@settings(max_examples=50, deadline=None)
@given(REALS, SPREADS, st.floats(1, 60), st.floats(0.05, 2))
def test_exceeds_is_the_whole_interval_beyond(estimate, se, df, tolerance):
    half = stats.t.ppf(0.975, df) * se
    p = exceeds(Gap(estimate, se, df), tolerance)
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (estimate - half > tolerance or estimate + half < -tolerance)


@settings(max_examples=50, deadline=None)
@given(REALS, SPREADS, st.floats(1, 60), st.floats(0.05, 2))
def test_a_gap_is_never_both_equivalent_and_beyond(estimate, se, df, tolerance):
    gap = Gap(estimate, se, df)
    assert not (equivalence(gap, tolerance).p_value <= 0.05 and exceeds(gap, tolerance) <= 0.05)


def test_exceeds_at_the_tolerance_itself_is_one_and_has_nominal_size():
    assert exceeds(Gap(0.2, 0.1, 20), 0.2) == 1.0
    drawn = 0.2 + 0.1 * stats.t.rvs(20, size=4000, random_state=np.random.default_rng(2))
    assert np.mean([exceeds(Gap(x, 0.1, 20), 0.2) <= 0.05 for x in drawn]) <= 0.035  # α/2: one side can be reached


@pytest.mark.parametrize("gap", [Gap(0.0, 0.0, 20), Gap(0.0, math.nan, math.nan), Gap(5.0, 0.0, 20), Gap(0, 1, 0)])
def test_without_a_spread_nothing_is_granted(gap):
    assert math.isnan(equivalence(gap, 0.2).p_value)
    assert math.isnan(exceeds(gap, 0.2))


def test_a_tolerance_must_be_positive():
    for test in (equivalence, exceeds):
        with pytest.raises(ValueError, match="tolerance"):
            test(Gap(0, 1, 5), 0.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_agrees_with_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_keeps_the_order_given_and_its_steps():
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested():
    adjusted = holm([math.nan, 0.02, math.nan, 0.03])
    assert np.isnan(adjusted[[0, 2]]).all()
    assert adjusted[[1, 3]] == pytest.approx([0.04, 0.04])
    assert holm([]).size == 0


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.5])


@pytest.mark.parametrize("df", [2, 5, 9.9, 10, 30])
@pytest.mark.parametrize("tests", [1, 40])
def test_the_minimum_detectable_gap_is_found_at_the_stated_power(df, tests):
    gap = minimum_detectable_gap(0.3, df, tests=tests)
    power = stats.nct.sf(stats.t.ppf(1 - 0.05 / tests / 2, df), df, gap / 0.3)
    # The sum of two quantiles is an approximation from 10 df on.
    assert power == pytest.approx(0.9, abs=1e-4 if df < 10 else 0.012 if tests == 1 else 0.06)


def test_the_textbook_figures():
    assert minimum_detectable_gap(1, 1e8) == pytest.approx(3.2415, abs=1e-3)
    assert minimum_detectable_gap(1, 5) == pytest.approx(4.09, abs=5e-3)
    assert minimum_detectable_gap(1, 20) == pytest.approx(stats.t.ppf(0.975, 20) + stats.t.ppf(0.9, 20))
    assert minimum_detectable_gap(1, 20, tests=8) == pytest.approx(
        stats.t.ppf(1 - 0.05 / 16, 20) + stats.t.ppf(0.9, 20)
    )


@pytest.mark.parametrize(("se", "df"), [(0.0, 10), (math.nan, 10), (1.0, math.nan), (1.0, 0)])
def test_no_spread_has_no_detectable_gap(se, df):
    assert math.isnan(minimum_detectable_gap(se, df))
    assert math.isnan(smallest_equivalence_tolerance(se, df))
    assert math.isnan(growth_for_equivalence(se, df, 0.2))


def test_equivalence_at_its_smallest_tolerance_has_power_ninety():
    tolerance = smallest_equivalence_tolerance(0.1, 40)
    assert tolerance == pytest.approx(2 * stats.t.ppf(0.95, 40) * 0.1)
    rng = np.random.default_rng(3)
    estimate, se = 0.1 * rng.normal(size=4000), 0.1 * np.sqrt(rng.chisquare(40, size=4000) / 40)
    granted = [equivalence(Gap(e, s, 40), tolerance).p_value <= 0.05 for e, s in zip(estimate, se, strict=True)]
    assert np.mean(granted) == pytest.approx(0.9, abs=0.02)


def test_growth_reaches_the_tolerance_with_the_cautious_variance():
    factor = growth_for_equivalence(0.1, 12, 0.15)
    cautious = 0.1 * math.sqrt(12 / stats.chi2.ppf(0.2, 12))
    reached = smallest_equivalence_tolerance(cautious / math.sqrt(factor), 12 * factor)
    assert reached == pytest.approx(0.15, rel=1e-6)
    assert growth_for_equivalence(0.001, 12, 0.15) == 1.0


@pytest.mark.parametrize("cells", [28, 60, 200])
def test_rare_rates_are_not_granted_at_the_tolerance(cells):
    """Nothing in one group, a true .05 in the other: what was seen often has no spread, the boundary has."""
    rng, tolerance = np.random.default_rng(3), 0.05
    seen = rng.binomial(cells, tolerance, 4000) / cells
    spread = np.sqrt(np.maximum(seen * (1 - seen), 1e-9) / cells)
    df = 2.0 * cells - 2
    plain = np.mean([equivalence(Gap(p, s, df), tolerance).p_value <= 0.05 for p, s in zip(seen, spread, strict=True)])
    least = boundary_error(tolerance, cells)
    held = np.mean(
        [equivalence(Gap(p, max(s, least), df), tolerance).p_value <= 0.05 for p, s in zip(seen, spread, strict=True)]
    )
    assert held <= 0.06 < plain
