"""The probability of the right option, and of the group that a name is taken to be of."""

from __future__ import annotations

import math
from typing import Any

import pytest

from audit.scorers import decision, inference

LOGS = [math.log(p) for p in (0.3, 0.1, 0.2)]
THREE = {"support": ["yes", "no", "ask"], "probs": [0.5, 1 / 6, 1 / 3], "option_logprobs": LOGS}
ASKED = {"purpose": "manipulation", "arm": "target", "gold": "female"}
GROUPS = {
    "support": ["female", "male"],
    "probs": [0.8, 0.2],
    "option_logprobs": [math.log(0.4), math.log(0.1)],
    "answer_mass": 0.5,
}


def test_p_correct_is_the_probability_of_the_gold_option(decisions: Any, values: Any) -> None:
    golds = ("yes", "no", "ask")
    scores = decision.score(decisions(*({**THREE, "gold": gold} for gold in golds)))
    assert values(scores, "p_correct") == pytest.approx([0.5, 1 / 6, 1 / 3])


def test_only_targets_with_a_gold_have_a_right_option(decisions: Any, values: Any) -> None:
    control = {**THREE, "gold": "favourable", "arm": "positive_control"}
    scores = decision.score(decisions(control, {**THREE, "gold": "yes", "arm": "no_cue"}, THREE))
    assert values(scores, "p_correct") == []
    assert len(values(scores, "log_odds")) == 3


@pytest.mark.parametrize(
    "change", [{"gold": "other"}, {"answer_mass": 0.0}, {"mode": "sampled"}, {"option_logprobs": None, "probs": None}]
)
def test_a_right_option_that_cannot_be_read_is_invalid(change: dict[str, Any], decisions: Any, values: Any) -> None:
    scores = decision.score(decisions({**THREE, "gold": "yes", **change}))
    assert values(scores, "p_correct") == ["invalid"]


def test_an_error_is_an_error_of_p_correct_too(decisions: Any, values: Any) -> None:
    scores = decision.score(decisions({**THREE, "gold": "yes", "finish_reason": "error"}))
    assert values(scores, "p_correct") == ["error"]


def test_what_a_name_is_taken_for_is_a_metric_for_each_group(decisions: Any, values: Any) -> None:
    scores = inference.score(decisions({**ASKED, **GROUPS}))
    assert values(scores, "infers:female") == pytest.approx([0.8])
    assert values(scores, "infers:male") == pytest.approx([0.2])
    assert values(scores, "answer_mass") == [0.5]
    assert scores.num_rows == 3


def test_two_axes_in_one_batch_have_their_own_groups(decisions: Any, values: Any) -> None:
    race = {**ASKED, **THREE, "support": ["white", "black", "asian"], "gold": "black"}
    scores = inference.score(decisions({**ASKED, **GROUPS}, race))
    assert values(scores, "infers:black") == pytest.approx([1 / 6])
    assert values(scores, "infers:female") == pytest.approx([0.8])
    assert len(values(scores, "answer_mass")) == 2


def test_each_of_the_two_scorers_leaves_the_other_its_probes(decisions: Any) -> None:
    both = decisions({**ASKED, **GROUPS}, {**THREE, "gold": "yes"})
    assert set(decision.score(both)["probe_id"].to_pylist()) == {"p1"}
    assert set(inference.score(both)["probe_id"].to_pylist()) == {"p0"}
    assert inference.score(decisions(THREE)).num_rows == 0


def test_no_probability_on_any_group_is_invalid_and_an_error_an_error(decisions: Any, values: Any) -> None:
    failed = {**ASKED, "support": None, "probs": None, "option_logprobs": None, "finish_reason": "error"}
    scores = inference.score(decisions({**ASKED, **GROUPS, "answer_mass": 0.0}, failed))
    assert values(scores, "infers:female") == ["invalid", "error"]
    assert values(scores, "answer_mass") == [0.0, "error"]
