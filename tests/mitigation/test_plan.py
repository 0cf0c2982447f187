"""What a training will spend and take, before it is taken."""

from __future__ import annotations

import json

import pytest

from audit.mitigation.accounting import cross_checked
from audit.mitigation.plan import TrainingPlan, plan, to_json, to_text
from audit.mitigation.values import Sampling


@pytest.fixture(scope="module")
def planned() -> TrainingPlan:
    return plan(
        Sampling(0.0064, 470, 64.0), noise_multiplier=1.2, delta=3.98e-5, protects="customer", seconds_a_step=2.5
    )


def test_it_ends_at_what_the_whole_training_spends(planned: TrainingPlan) -> None:
    assert planned.over[-1] == (470, planned.epsilon)
    assert planned.epsilon == cross_checked([(1.2, 0.0064, 470)], 3.98e-5).epsilon
    assert len(planned.over) == 10


def test_the_text_says_what_a_person_decides_by(planned: TrainingPlan) -> None:
    text = to_text(planned)
    assert "each customer" in text
    assert "1.2 times the clipping norm" in text
    assert "470, each of which takes a customer with probability 0.0064" in text
    assert "64 expected" in text
    assert "at delta 3.98e-05, by PRV (opacus " in text and "and PLD (dp-accounting " in text
    assert "about 20 minutes (2.5 seconds a step)" in text
    assert len(text.split("epsilon by then")[1].split()) == 20


def test_a_time_that_nobody_measured_is_not_made_up(planned: TrainingPlan) -> None:
    untimed = plan(planned.sampling, noise_multiplier=1.2, delta=3.98e-5, points=2)
    assert "not known before a step was taken" in to_text(untimed)
    assert json.loads(to_json(untimed))["seconds_a_step"] is None


def test_the_data_are_the_plan(planned: TrainingPlan) -> None:
    data = json.loads(to_json(planned))
    assert data["sampling"] == {"sample_rate": 0.0064, "steps": 470, "divisor": 64.0}
    assert data["over"][-1] == {"step": 470, "epsilon": planned.epsilon}
    assert data["noise_multiplier"] == 1.2
    assert data["protects"] == "customer"
