"""Extraction: plain arithmetic where it can be done, whole numbers where it cannot, and the two definitions' edges."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit.privacy.attacks.extraction import (
    discoverable_extraction,
    extraction_probability,
    k_extractable,
    queries_needed,
)

SUFFIX = st.lists(st.floats(-30, 0), min_size=1, max_size=50)


def test_probability_of_a_suffix_by_hand():
    assert extraction_probability([[math.log(0.5), math.log(0.2)]], 1) == pytest.approx([0.1])
    assert extraction_probability([[math.log(0.5), math.log(0.2)]], 3) == pytest.approx([1 - 0.9**3])


@settings(max_examples=60, deadline=None)
@given(st.floats(-700, -1e-12), st.integers(1, 10**9))
def test_probability_is_that_of_forty_digits(total, n):
    with mpmath.workdps(400):
        expected = float(1 - (1 - mpmath.exp(total)) ** n)
    assert extraction_probability([[total]], n)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 0.999, 1 - 1e-12])
@settings(max_examples=60, deadline=None)
@given(total=st.floats(-60, -1e-9), n=st.integers(1, 10**9))
def test_discoverable_is_its_definition(p, total, n):
    with mpmath.workdps(60):
        gap = (1 - (1 - mpmath.exp(total)) ** n) - mpmath.mpf(p)
    assume(abs(gap) > 1e-9 * (1 - p))
    assert bool(discoverable_extraction([[total]], n, p)[0]) == (gap > 0)


def test_exactly_p_is_extracted():
    for p in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        assert discoverable_extraction([[math.log(p)]], 1, p).tolist() == [True]
    assert discoverable_extraction([[math.log(0.5)]], 2, 0.75).tolist() == [True]


@settings(max_examples=60, deadline=None)
@given(SUFFIX, st.integers(1, 10**6), st.floats(0.01, 0.99))
def test_more_samples_and_a_smaller_p_never_extract_less(suffix, n, p):
    first = discoverable_extraction([suffix], n, p)[0]
    assert discoverable_extraction([suffix], 3 * n, p)[0] >= first
    assert discoverable_extraction([suffix], n, p / 2)[0] >= first


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-8, -1e-3), min_size=1, max_size=3), st.floats(0.01, 0.99))
def test_queries_needed_is_where_discovery_begins(suffix, p):
    n = queries_needed([suffix], p)[0]
    assert discoverable_extraction([suffix], n, p)[0]
    assert n == 1 or not discoverable_extraction([suffix], n - 1, p)[0]


def test_impossible_and_certain_suffixes():
    suffixes = [[-math.inf, -1.0], [-1e6], [0.0, 0.0]]
    assert extraction_probability(suffixes, 1e9).tolist() == [0.0, 0.0, 1.0]
    assert discoverable_extraction(suffixes, 1e9, 0.01).tolist() == [False, False, True]
    assert queries_needed(suffixes, 0.5).tolist() == [math.inf, math.inf, 1.0]


def test_only_certainty_gives_a_chance_of_one():
    assert discoverable_extraction([[0.0], [-1e-3]], 1000, 1.0).tolist() == [True, False]


def test_suffixes_without_tokens_are_not_extracted():
    assert np.isnan(extraction_probability([[], [-1.0]], 2)).tolist() == [True, False]
    assert discoverable_extraction([[], [0.0]], 2, 0.5).tolist() == [False, True]
    assert np.isnan(queries_needed([[]], 0.5)).all()
    assert extraction_probability([], 5).size == 0 and discoverable_extraction([], 5, 0.5).dtype == bool


def test_arrays_and_lists_give_the_same():
    table = np.log(np.random.default_rng(0).random((20, 6), np.float32))
    ragged = [*table]
    assert discoverable_extraction(table, 500, 0.5).tolist() == discoverable_extraction(ragged, 500, 0.5).tolist()


def test_rounding_above_zero_is_no_error_but_a_probability_above_one_is():
    assert extraction_probability([[np.float32(1e-7)]], 1).tolist() == [1.0]
    with pytest.raises(ValueError, match="a log-probability is never above 0"):
        extraction_probability([[-1.0], [0.5]], 1)


@pytest.mark.parametrize("n", [0, -1, math.nan, math.inf])
def test_samples_are_checked(n):
    with pytest.raises(ValueError, match="n must be 1 or more"):
        discoverable_extraction([[-1.0]], n, 0.5)


@pytest.mark.parametrize("p", [0, 1.1, math.nan])
def test_chances_are_checked(p):
    for call in (lambda: discoverable_extraction([[-1.0]], 1, p), lambda: queries_needed([[-1.0]], p)):
        with pytest.raises(ValueError, match="p must be above 0 and at most 1"):
            call()


def test_missing_tokens_and_deep_lists_are_refused():
    with pytest.raises(ValueError, match="record 1 has NaN for 1 of its tokens"):
        extraction_probability([[-1.0], [-1.0, math.nan]], 1)
    with pytest.raises(ValueError, match="record 0 is 0-d"):
        extraction_probability([-1.0, -2.0], 1)


def test_greedy_extraction_needs_every_token():
    assert k_extractable([np.array([True] * 50), [True, False, True], [False]]).tolist() == [True, False, False]


def test_greedy_extraction_of_nothing():
    assert k_extractable([[], np.array([], bool)]).tolist() == [False, False]
    assert k_extractable([]).dtype == bool


def test_greedy_takes_booleans_only():
    with pytest.raises(ValueError, match="greedy of record 0 must be a list of booleans"):
        k_extractable([[1.0, 1.0]])
