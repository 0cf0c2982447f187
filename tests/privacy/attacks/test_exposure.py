"""Exposure: ranks by hand, the curve's far tail against 40 digits, and what a model that never saw a canary shows."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.privacy.attacks.exposure import exposure, null_exposure, skew_normal_logcdf

NLL = st.floats(-1e6, 1e6)


def test_sampled_exposure_by_hand():
    references = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    found = exposure([0.0, 1.5, 3.5, 9.0], references)
    assert found.bits.tolist() == [3.0, 2.0, 1.0, 0.0]
    assert (found.method, found.references, found.ks_p_value, found.ceiling) == ("sampled", 7, None, 3.0)


def test_exact_exposure_by_hand():
    space = np.arange(16.0)
    found = exposure([0.0, 1.0, 3.0, 15.0], space, method="exact")
    assert found.bits.tolist() == [4.0, 3.0, 2.0, 0.0] and found.ceiling == 4.0


def test_ties_go_against_the_canary():
    assert exposure([2.0], [2.0, 2.0, 3.0]).bits.tolist() == [math.log2(4) - math.log2(3)]
    assert exposure([2.0, 2.0], np.full(8, 2.0), method="exact").bits.tolist() == [0.0, 0.0]
    assert exposure([5.0], np.full(99, 5.0)).bits.tolist() == [0.0]


def test_canaries_that_were_never_inserted_average_the_bits_of_a_uniform_rank():
    rng = np.random.default_rng(0)
    bits = exposure(rng.normal(size=20_000), rng.normal(size=999)).bits
    every = [exposure(rng.normal(size=50), rng.normal(size=200)).bits.mean() for _ in range(400)]
    expected = math.log2(201) - np.mean(np.log2(np.arange(1, 202)))
    assert null_exposure(200) == pytest.approx(expected, abs=1e-12)
    assert np.mean(every) == pytest.approx(expected, abs=3.5 * np.std(every) / 20)
    assert bits.mean() == pytest.approx(math.log2(math.e), abs=0.1)


def test_extrapolated_null_averages_the_same():
    rng = np.random.default_rng(1)
    bits = [exposure(rng.normal(5, 0.3, 50), rng.normal(5, 0.3, 500), method="extrapolated").bits for _ in range(40)]
    assert np.mean(bits) == pytest.approx(math.log2(math.e), abs=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(NLL, min_size=2, max_size=20), st.lists(NLL, min_size=1, max_size=20))
def test_sampled_exposure_never_grows_with_nll(canaries, references):
    found = exposure(np.sort(canaries), references)
    assert np.all(np.diff(found.bits) <= 0)
    assert np.all((found.bits >= 0) & (found.bits <= found.ceiling))


@settings(max_examples=60, deadline=None)
@given(st.lists(NLL, min_size=1, max_size=20), st.randoms())
def test_the_order_of_references_does_not_matter(references, random):
    mixed = list(references)
    random.shuffle(mixed)
    assert exposure([0.0, 1.0], references).bits.tolist() == exposure([0.0, 1.0], mixed).bits.tolist()


# Extrapolation.


def test_extrapolated_exposure_is_that_of_scipys_fit():
    references = stats.skewnorm(3, 40, 5).rvs(1000, random_state=2)
    canaries = np.array([38.0, 40.0, 44.0, 60.0])
    found = exposure(canaries, references, method="extrapolated")
    fitted = stats.skewnorm(*stats.skewnorm.fit(references))
    assert found.bits == pytest.approx(-np.log2(fitted.cdf(canaries)), rel=2e-3)
    assert found.ks_p_value == pytest.approx(stats.kstest(references, fitted.cdf).pvalue, abs=1e-3)
    assert found.ceiling == math.inf


def test_extrapolated_and_sampled_exposure_agree_within_the_references():
    references = stats.skewnorm(2, 40, 5).rvs(20_000, random_state=3)
    canaries = np.quantile(references, [0.001, 0.01, 0.1, 0.5])
    sampled, curve = (exposure(canaries, references, method=method).bits for method in ("sampled", "extrapolated"))
    assert curve == pytest.approx(sampled, abs=0.25)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_units_of_the_likelihood_do_not_matter(scale):
    references = np.random.default_rng(4).normal(3, 0.2, 300)
    plain = exposure([1.0, 2.5], references, method="extrapolated").bits
    scaled = exposure(np.array([1.0, 2.5]) * scale, references * scale, method="extrapolated").bits
    assert scaled == pytest.approx(plain, rel=1e-6)


def true_logcdf(x, shape):
    """Logarithm of the integral of the density, to 40 digits."""
    with mpmath.workdps(40):
        slope = mpmath.mpf(abs(x)) * (1 + max(shape, 0) ** 2) + 1
        cuts = [-mpmath.inf, *(x - mpmath.mpf(k) / slope for k in (200, 100, 50, 20, 10, 5, 2, 1, 0))]
        return float(mpmath.log(mpmath.quad(lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(shape * t), cuts)))


@pytest.mark.parametrize("shape", [-3.0, 0.0, 2.0, 20.0, 200.0])
@pytest.mark.parametrize("x", [-0.1, -1.0, -3.0, -8.0, -40.0])
def test_the_far_tail_is_right_where_scipys_is_not(shape, x):
    assert float(skew_normal_logcdf(x, shape)) == pytest.approx(true_logcdf(x, shape), rel=1e-9)


@pytest.mark.parametrize("shape", [-30.0, -1.0, 0.0, 1.0, 5.0, 50.0])
def test_the_curve_has_no_step_where_its_two_forms_meet(shape):
    x = np.linspace(-12, 3, 5_001)
    logs = skew_normal_logcdf(x, shape)
    assert np.isfinite(logs).all() and np.all(np.diff(logs) >= -1e-7)
    slope = np.diff(logs)
    assert np.abs(np.diff(slope[x[1:] < -1])).max() < 2e-4 * (1 + shape**2)


def test_forty_and_a_thousand_bits_are_finite_and_in_order():
    references = np.random.default_rng(5).normal(50, 3, 1000)
    bits = exposure(np.linspace(50, -100, 200), references, method="extrapolated").bits
    assert np.isfinite(bits).all() and np.all(np.diff(bits) > 0) and bits.max() > 1000
    assert ((bits > 35) & (bits < 45)).any()


def test_an_edge_that_a_small_sample_suggests_is_not_believed():
    rng = np.random.default_rng(6)
    samples = (rng.gumbel(5, 0.3, 40) for _ in range(200))
    steep = next(values for values in samples if stats.skewnorm.fit(values)[0] > 1e3)
    just_below = steep.min() - 0.05 * steep.std()
    assert exposure([just_below], steep, method="extrapolated").bits[0] < 12


def test_a_bad_fit_is_said():
    rng = np.random.default_rng(7)
    two_humps = np.concatenate([rng.normal(0, 1, 300), rng.normal(30, 1, 300)])
    assert exposure([0.0], two_humps, method="extrapolated").ks_p_value < 1e-6


# What it refuses.


@pytest.mark.parametrize(
    ("canaries", "references", "message"),
    [
        ([np.nan, 1.0], [1.0], "canary_nll has 1 missing or infinite values of 2"),
        ([1.0], [1.0, np.inf], "reference_nll has 1 missing or infinite"),
        ([], [1.0], "canary_nll is empty"),
        ([1.0], [], "reference_nll is empty"),
        (1.0, [1.0], "canary_nll must be one-dimensional"),
        ([1.0], [[1.0]], r"reference_nll must be one-dimensional, but has the shape \(1, 1\)"),
    ],
)
@pytest.mark.parametrize("method", ["sampled", "exact", "extrapolated"])
def test_values_that_are_none_are_refused(canaries, references, message, method):
    with pytest.raises(ValueError, match=message):
        exposure(canaries, references, method=method)


def test_an_exact_rank_needs_the_canary_among_the_references():
    with pytest.raises(ValueError, match="1 of 2 canaries are not among the 3 references"):
        exposure([1.0, 1.5], [1.0, 2.0, 3.0], method="exact")


def test_a_curve_needs_references_that_differ():
    with pytest.raises(ValueError, match="29 references are too few"):
        exposure([1.0], np.arange(29.0), method="extrapolated")
    with pytest.raises(ValueError, match="all have the same NLL"):
        exposure([1.0], np.full(100, 7.3), method="extrapolated")


def test_unknown_methods_are_named():
    with pytest.raises(ValueError, match="but is 'ranked'"):
        exposure([1.0], [1.0], method="ranked")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=30, max_size=40).filter(lambda values: len(set(values)) > 1))
def test_any_references_that_differ_give_finite_bits_in_order(references):
    bits = exposure(np.linspace(-500, 60, 30), np.array(references, float), method="extrapolated").bits
    assert np.isfinite(bits).all() and np.all(np.diff(bits) <= 1e-6 * np.abs(bits[1:]) + 1e-6)


def test_the_mean_of_no_references_is_refused():
    with pytest.raises(ValueError, match="at least one reference"):
        null_exposure(0)
