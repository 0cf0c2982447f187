from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.scorers.number import score


def test_expectation_and_threshold_are_over_the_resolved_distribution(numbers: Any, values: Any) -> None:
    row = {"support": ["0", "5", "10", "15"], "probs": [0.1, 0.2, 0.3, 0.4], "residual_mass": 0.05}
    scores = score(numbers(row))
    assert values(scores, "expected_number") == [pytest.approx(10.0)]
    assert values(scores, "p_at_least") == [pytest.approx(0.7)]
    assert values(scores, "answer_mass") == [0.9]


def test_probabilities_that_do_not_sum_to_one_are_conditioned(numbers: Any, values: Any) -> None:
    scores = score(numbers({"probs": [0.2, 0.2]}, {"probs": [0.2, 0.6]}))
    assert values(scores, "expected_number") == pytest.approx([10, 15])


def test_each_row_has_its_own_threshold(numbers: Any, values: Any) -> None:
    scores = score(numbers({"threshold": 25.0}, {"threshold": 20.0}, {"threshold": 0.0}, {"threshold": None}))
    assert values(scores, "p_at_least") == [0.0, 0.5, 1.0, "invalid"]


@pytest.mark.parametrize(
    "broken",
    [
        {"support": ["ten", "20"]},
        {"support": ["inf", "20"]},
        {"support": [], "probs": []},
        {"support": None},
        {"probs": None},
        {"probs": [1.0]},
        {"probs": [0.0, 0.0]},
        {"probs": [-0.5, 1.5]},
        {"probs": [float("nan"), 1.0]},
        {"answer_mass": 0.0},
        {"answer_mass": None},
        {"mode": "sampled", "text": "10"},
    ],
)
def test_what_is_no_distribution_over_numbers_is_invalid(numbers: Any, values: Any, broken: dict[str, Any]) -> None:
    scores = score(numbers(broken, {}))
    assert values(scores, "expected_number") == ["invalid", 10.0]
    assert values(scores, "p_at_least") == ["invalid", 0.5]


def test_an_error_is_an_error(numbers: Any, values: Any) -> None:
    scores = score(numbers({"finish_reason": "error", "support": None, "probs": None, "answer_mass": None}))
    assert values(scores, "expected_number") == values(scores, "answer_mass") == ["error"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    start=st.integers(-50, 50),
)
def test_the_expectation_lies_within_the_support(numbers: Any, values: Any, weights: list[float], start: int) -> None:
    support = [str(start + step) for step in range(len(weights))]
    scores = score(numbers({"support": support, "probs": weights}))
    (expected,), (at_least,) = values(scores, "expected_number"), values(scores, "p_at_least")
    if sum(weights) == 0:
        assert expected == at_least == "invalid"
    elif expected != "invalid":
        assert start - 1e-6 <= expected <= start + len(weights) - 1 + 1e-6
        assert np.isfinite(at_least) and 0 <= at_least <= 1
