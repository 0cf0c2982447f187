"""Confidence sequences and e-processes: right at every moment at once, and only on fresh draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.statistics import confidence_sequence, e_process, looks, spend

SEQUENCES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def outcomes(rng, kind, size):
    """Sequences of a bounded outcome, with its mean."""
    if kind == "rare":
        return (rng.random(size) < 0.05).astype(float), 0.05
    if kind == "even":
        return (rng.random(size) < 0.5).astype(float), 0.5
    return rng.beta(4, 8, size), 1 / 3


@pytest.mark.parametrize("kind", ["rare", "even", "beta"])
def test_the_mean_is_inside_at_all_times_at_once(kind):
    rng = np.random.default_rng(1)
    missed = []
    for _ in range(300):
        x, mean = outcomes(rng, kind, 500)
        found = confidence_sequence(x, alpha=0.1, grid=200)
        missed.append(np.any((found.lower > mean) | (found.upper < mean)))
    assert np.mean(missed) <= 0.1 + 1.96 * math.sqrt(0.1 * 0.9 / 300)


def test_an_interval_for_one_moment_fails_when_looked_at_always():
    rng = np.random.default_rng(2)
    steps = np.arange(1, 501)
    ever = []
    for _ in range(300):
        x, mean = outcomes(rng, "even", 500)
        off = np.abs(np.cumsum(x) / steps - mean) > 1.96 * 0.5 / np.sqrt(steps)
        ever.append(off[9:].any())
    assert np.mean(ever) > 0.2


def test_names_that_come_again_break_it():
    rng = np.random.default_rng(3)
    missed = []
    for _ in range(200):
        names = rng.choice([-0.2, 0.2], size=4)
        x = np.clip(0.5 + names[rng.integers(4, size=500)] + 0.1 * rng.normal(size=500), 0, 1)
        found = confidence_sequence(x, grid=200)
        missed.append(np.any((found.lower > 0.5) | (found.upper < 0.5)))
    assert np.mean(missed) > 0.15


def test_the_width_shrinks_and_knows_a_small_variance():
    rng = np.random.default_rng(4)
    wide, narrow = (confidence_sequence(np.clip(0.4 + sd * rng.normal(size=2000), 0, 1)) for sd in (0.3, 0.02))
    for found in (wide, narrow):
        width = found.upper - found.lower
        assert np.all(np.diff(width) <= 0)
    assert width[-1] < 0.02
    assert 0.03 < wide.upper[-1] - wide.lower[-1] < 0.09


def fortunes(x, m, alpha):
    """K⁺ and K⁻ of one candidate in a plain loop; a bet knows only what came before it."""
    more = less = 1.0
    found, past = [], []
    for value in x:
        t = len(past) + 1
        averages = [(0.5 + sum(past[: i + 1])) / (i + 2) for i in range(len(past))]
        variance = (0.25 + sum((v - a) ** 2 for v, a in zip(past, averages, strict=True))) / t
        bet = math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(1 + t)))
        more *= 1 + min(bet, 0.5 / m) * (value - m)
        less *= 1 - min(bet, 0.5 / (1 - m)) * (value - m)
        found.append((more, less))
        past.append(value)
    return np.array(found)


def test_the_bounds_are_those_of_the_definition():
    x, alpha = np.random.default_rng(5).beta(2, 3, 60), 0.05
    found = confidence_sequence(x, alpha=alpha, grid=50)
    inside = [m for m in np.arange(1, 50) / 50 if (fortunes(x, m, alpha) / 2).max() < 1 / alpha]
    assert found.lower[-1] == pytest.approx(min(inside) - 1 / 50)
    assert found.upper[-1] == pytest.approx(max(inside) + 1 / 50)


@pytest.mark.parametrize("m", [0.1, 0.4, 0.8])
def test_the_evidence_is_that_of_the_definition(m):
    x = np.random.default_rng(10).beta(2, 3, 60)
    assert e_process(x, mean=m) == pytest.approx(fortunes(x, m, 0.05).mean(axis=1), rel=1e-9)


def test_the_evidence_is_a_martingale_under_the_hypothesis():
    rng = np.random.default_rng(6)
    values = np.array([e_process(rng.beta(1, 3, 60), mean=0.25)[[0, 9, 59]] for _ in range(4000)])
    error = values.std(axis=0) / math.sqrt(len(values))
    assert np.all(values.mean(axis=0) <= 1 + 3 * error)
    assert np.all(values >= 0)


def test_the_evidence_seldom_ever_reaches_the_limit_under_the_hypothesis():
    rng = np.random.default_rng(7)
    ever = [e_process(rng.uniform(-1, 1, 500), mean=0, bounds=(-1, 1)).max() >= 20 for _ in range(500)]
    assert np.mean(ever) <= 0.05 + 1.96 * math.sqrt(0.05 * 0.95 / 500)


@pytest.mark.parametrize("shift", [-0.2, 0.2])
def test_the_evidence_finds_a_gap_on_either_side(shift):
    rng = np.random.default_rng(8)
    found = [e_process(np.clip(shift + rng.uniform(-0.6, 0.6, 300), -1, 1), mean=0, bounds=(-1, 1)) for _ in range(50)]
    assert np.mean([evidence.max() >= 20 for evidence in found]) > 0.95


@settings(max_examples=50, deadline=None)
@given(SEQUENCES, st.floats(-5, 5), st.floats(0.1, 10))
def test_the_unit_of_the_outcome_does_not_matter(x, shift, scale):
    x = np.asarray(x)
    plain = confidence_sequence(x, grid=100)
    bounds = (shift, shift + scale)
    moved = confidence_sequence(np.clip(shift + scale * x, *bounds), bounds=bounds, grid=100)
    # Rounding may move a bound by one grid step.
    assert np.abs(shift + scale * plain.lower - moved.lower).max() <= scale * 0.0101
    assert np.abs(shift + scale * plain.upper - moved.upper).max() <= scale * 0.0101
    evidence = e_process(x, mean=0.4)
    other = e_process(np.clip(shift + scale * x, *bounds), mean=shift + scale * 0.4, bounds=bounds)
    assert other == pytest.approx(evidence, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(SEQUENCES)
def test_a_mirrored_outcome_has_the_mirrored_interval(x):
    plain, mirrored = confidence_sequence(x, grid=100), confidence_sequence(1 - np.asarray(x), grid=100)
    assert np.abs(plain.lower - (1 - mirrored.upper)).max() <= 0.0101
    assert e_process(x, mean=0.3) == pytest.approx(e_process(1 - np.asarray(x), mean=0.7), rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(SEQUENCES, SEQUENCES)
def test_what_comes_later_does_not_change_what_was_said(x, more):
    first, whole = confidence_sequence(x, grid=100), confidence_sequence([*x, *more], grid=100)
    assert np.array_equal(whole.lower[: len(x)], first.lower)
    assert np.array_equal(whole.upper[: len(x)], first.upper)
    assert np.all(np.diff(whole.lower) >= 0) and np.all(np.diff(whole.upper) <= 0)
    assert np.all(whole.lower <= whole.upper)


def test_long_sequences_do_not_depend_on_the_chunks(monkeypatch):
    x = np.random.default_rng(9).random(700)
    whole = confidence_sequence(x, grid=100)
    monkeypatch.setattr("audit.statistics.sequential.CHUNK", 64)
    parts = confidence_sequence(x, grid=100)
    assert parts.lower == pytest.approx(whole.lower)
    assert parts.upper == pytest.approx(whole.upper)


@pytest.mark.parametrize("x", [[], [0.5, math.nan], [1.5], [[0.5]]])
def test_an_outcome_outside_its_bounds_is_refused(x):
    with pytest.raises(ValueError, match=r"x must be|outside the bounds"):
        confidence_sequence(x)


def test_bounds_mean_and_alpha_must_make_sense():
    with pytest.raises(ValueError, match="low below high"):
        confidence_sequence([0.5], bounds=(1, 1))
    with pytest.raises(ValueError, match="alpha"):
        confidence_sequence([0.5], alpha=0)
    with pytest.raises(ValueError, match="outside the bounds"):
        e_process([0.5], mean=2)


def test_looks_are_equal_parts_and_none_is_too_early():
    assert looks(90, 12) == (30, 60, 90)
    assert looks(100, 12) == (34, 67, 100)
    assert looks(30, 24) == (24, 30)
    assert looks(5, 12) == (5,)
    with pytest.raises(ValueError, match="one or more"):
        looks(0, 12)


def test_what_is_spent_over_builds_stays_below_alpha():
    levels = [spend(build, 0.05) for build in range(1, 100_001)]
    assert 0.0499 < sum(levels) < 0.05
    assert np.all(np.diff(levels) < 0)
    with pytest.raises(ValueError, match="from 1"):
        spend(0)


def test_rounding_beyond_the_bounds_is_taken_for_the_bound():
    for over in (1 + 5e-10, 1.0):
        found = confidence_sequence([0.2, over, -5e-10 if over > 1 else 0.0] * 10)
        if over > 1:
            first = found
    assert np.array_equal(found.upper, first.upper) and found.mean[-1] == first.mean[-1]
    with pytest.raises(ValueError, match="outside the bounds"):
        confidence_sequence([0.2, 1 + 1e-8])


def test_strong_evidence_over_a_long_time_stays_a_number():
    evidence = e_process(np.ones(5000), mean=0.0)
    assert np.all(np.isfinite(evidence)) and np.all(np.diff(evidence) >= 0)
    assert 1e303 < evidence[-1] < 1e305
