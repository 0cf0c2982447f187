from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.scorers.decision import LIMIT, score

LOGPROBS = st.floats(-60, 0) | st.just(-math.inf)


def test_log_odds_is_the_first_option_against_all_others(decisions: Any, values: Any) -> None:
    logs = [math.log(p) for p in (0.3, 0.1, 0.2)]
    scores = score(decisions({"support": ["yes", "no", "ask"], "probs": [0.5, 1 / 6, 1 / 3], "option_logprobs": logs}))
    assert values(scores, "log_odds") == [pytest.approx(0.0, abs=1e-12)]
    assert values(scores, "p_favourable") == [pytest.approx(0.5)]
    assert values(scores, "answer_mass") == [0.7]


def test_the_favourable_option_is_found_wherever_it_stands_in_the_support(decisions: Any, values: Any) -> None:
    logs = [math.log(0.2), math.log(0.6)]
    scores = score(
        decisions(
            {"option_logprobs": logs}, {"support": ["no", "yes"], "option_logprobs": logs}, {"first_option": "no"}
        )
    )
    assert values(scores, "log_odds") == pytest.approx([-math.log(3), math.log(3), 0])


def test_probabilities_stand_in_for_missing_log_probabilities(decisions: Any, values: Any) -> None:
    scores = score(decisions({"option_logprobs": None, "probs": [0.8, 0.2]}, {"probs": [0.8, 0.2]}))
    assert values(scores, "log_odds") == pytest.approx([math.log(4), 0])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=st.tuples(LOGPROBS, LOGPROBS))
def test_log_odds_turns_its_sign_when_two_options_swap(decisions: Any, values: Any, pair: tuple[float, float]) -> None:
    here, there = values(
        score(decisions({"option_logprobs": list(pair)}, {"option_logprobs": list(reversed(pair))})), "log_odds"
    )
    assert here == there == "invalid" if isinstance(here, str) else here == pytest.approx(-there)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logs=st.lists(st.floats() | st.none(), min_size=0, max_size=4),
    probs=st.none() | st.lists(st.floats() | st.none(), max_size=4),
    mass=st.none() | st.floats(),
    size=st.integers(0, 4),
)
def test_every_value_is_finite_or_null_and_no_row_is_lost(
    decisions: Any, values: Any, logs: list[float | None], probs: list[float] | None, mass: float | None, size: int
) -> None:
    support = ["yes", "no", "ask", "other"][:size]
    row = {"support": support, "option_logprobs": logs or None, "probs": probs, "answer_mass": mass}
    scores = score(decisions(row, {}))
    for metric in ("log_odds", "p_favourable", "answer_mass"):
        first, second = values(scores, metric)
        assert first == "invalid" or np.isfinite(first)
        assert np.isfinite(second)


def test_a_side_without_any_mass_stays_finite(decisions: Any, values: Any) -> None:
    scores = score(decisions({"option_logprobs": [-1.0, -math.inf]}, {"option_logprobs": [-math.inf, -1.0]}))
    assert values(scores, "log_odds") == [LIMIT, -LIMIT]


def test_no_answer_mass_is_invalid_but_a_measured_zero_stays(decisions: Any, values: Any) -> None:
    scores = score(decisions({"answer_mass": None}, {"answer_mass": 0.0}, {"answer_mass": float("nan")}))
    assert values(scores, "log_odds") == values(scores, "p_favourable") == ["invalid"] * 3
    assert values(scores, "answer_mass") == ["invalid", 0.0, "invalid"]


def test_an_error_is_an_error_whatever_else_stands_in_the_row(decisions: Any, values: Any) -> None:
    scores = score(decisions({"finish_reason": "error", "error": "out of memory"}))
    assert [values(scores, metric) for metric in ("log_odds", "p_favourable", "answer_mass")] == [["error"]] * 3


def test_a_sampled_decision_is_invalid(decisions: Any, values: Any) -> None:
    assert values(score(decisions({"mode": "sampled", "text": "Yes"})), "log_odds") == ["invalid"]


def test_options_without_the_favourable_one_are_invalid(decisions: Any, values: Any) -> None:
    scores = score(decisions({"support": ["a", "b"]}, {"support": ["yes"], "option_logprobs": [-1.0]}))
    assert values(scores, "log_odds") == ["invalid", "invalid"]


def test_other_output_forms_are_left_alone(texts: Any) -> None:
    assert score(texts("Yes")).num_rows == 0
