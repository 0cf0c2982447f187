"""Contrasts of rates: the plain ones where events are many, and wider where they are rare."""

from __future__ import annotations

import numpy as np
import pytest

from audit.planted import SCENARIOS, Design
from audit.planted.world import realise
from audit.statistics import paired_contrast, paired_rate_contrast, rate_contrast, two_way_contrast
from audit.statistics.rates import inflation

CELLS = Design(24, 24, 10).layout()
LABELS = (CELLS.group, CELLS.template, CELLS.persona)


def events(rng, first, second):
    """One draw a cell with the rates of the reference and of the group."""
    return (rng.random(CELLS.size) < np.where(CELLS.group == 1, second, first)).astype(float)


def test_frequent_events_have_nearly_the_plain_interval():
    y = events(np.random.default_rng(1), 0.4, 0.5)
    (plain,), (steady,) = (of(y, *LABELS, reference="0") for of in (two_way_contrast, rate_contrast))
    assert steady.se == pytest.approx(plain.se, rel=0.01)
    assert steady.se >= plain.se
    assert (steady.estimate, steady.df, steady.n_cells) == (plain.estimate, plain.df, plain.n_cells)


def test_rare_events_have_the_variance_of_two_more_on_each_side():
    y = events(np.random.default_rng(2), 0.0, 0.03)
    (plain,), (steady,) = (of(y, *LABELS, reference="0") for of in (two_way_contrast, rate_contrast))
    rate, n = y[CELLS.group == 1].mean(), 240
    independent = rate * (1 - rate) / n
    size = n * independent / plain.se**2  # cells that would say as much if they were independent
    sides = [(size * p + 2) / (size + 4) for p in (0.0, rate)]
    expected = plain.se**2 / independent * sum(p * (1 - p) / n for p in sides)
    assert steady.se**2 == pytest.approx(expected)
    assert steady.p_value > plain.p_value
    assert steady.ci_high - steady.estimate == pytest.approx((plain.ci_high - plain.estimate) * steady.se / plain.se)


def test_pairs_are_widened_by_the_same_rule():
    cells = Design(24, 24, 10, explicit=True).layout()
    labels = (cells.group, cells.template, cells.persona)
    y = (np.random.default_rng(3).random(cells.size) < 0.02 + 0.06 * cells.group).astype(float)
    (plain,), (steady,) = (of(y, *labels, reference="0") for of in (paired_contrast, paired_rate_contrast))
    rates = y[cells.group == 1].mean(), y[cells.group == 0].mean()
    assert steady.se**2 == pytest.approx(plain.se**2 * inflation(plain.se**2, rates, (240, 240)))
    assert steady.se > plain.se
    (few,) = paired_rate_contrast(y, *labels, reference="0", wordings_only=True)
    assert few.df == 23


def test_events_of_all_and_of_none_keep_their_missing_interval():
    y = (CELLS.group == 1).astype(float)
    (found,) = rate_contrast(y, *LABELS, reference="0")
    assert found.estimate == pytest.approx(1.0) and found.se == 0.0 and np.isnan(found.p_value)
    assert inflation(0.0, (0.1, 0.1), (10, 10)) == 1.0
    assert inflation(0.1, (0.0, 1.0), (10, 10)) == 1.0


def test_outcomes_that_are_no_rates_have_the_plain_contrast():
    y = np.random.default_rng(5).normal(size=CELLS.size)
    assert rate_contrast(y, *LABELS, reference="0") == two_way_contrast(y, *LABELS, reference="0")


def covered(of, scenario, runs):
    cells, rng, inside = scenario.layout(), np.random.default_rng(4), []
    for _ in range(runs):
        y = np.isnan(realise(scenario.world, cells, rng)).astype(float)
        (gap,) = of(y, cells.group, cells.template, cells.persona, reference="0", block=cells.block)
        inside.append(gap.ci_low <= scenario.truth <= gap.ci_high)
    return np.mean(inside)


def test_intervals_hold_the_truth_where_answers_seldom_fail():
    failing = SCENARIOS["parse-failures"]
    assert covered(rate_contrast, failing, 800) >= 0.925
    assert covered(rate_contrast, failing, 800) >= covered(two_way_contrast, failing, 800) + 0.01
