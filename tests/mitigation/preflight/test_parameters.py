"""The pre-flight refuses where something that is to be trained would not be, or with other noise than is counted on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from audit.mitigation.preflight import PreflightError, check_moved, fingerprints, preflight
from audit.mitigation.values import Unit
from tests.mitigation.preflight import planted

pytestmark = [
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


def refusal(engine: Any, **changes: Any) -> str:
    with pytest.raises(PreflightError) as caught:
        preflight(engine, planted.collate, **planted.settings(**changes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def adapted() -> Any:
    return planted.hooks(planted.model(lora=True), planted.reads_right)


def test_a_model_of_which_nothing_is_trained_is_refused() -> None:
    engine = adapted()
    engine.model.requires_grad_(False)
    assert "no parameter of the model is trained" in refusal(engine)


def test_an_optimizer_that_misses_a_parameter_is_refused() -> None:
    engine = adapted()
    engine.optimizer.param_groups[0]["params"].pop()
    assert "lora_B.default.weight, which would never be updated" in refusal(engine)


def test_an_optimizer_over_another_models_parameters_is_refused() -> None:
    engine = adapted()
    other = [nn.Parameter(p.detach().clone()) for p in engine.optimizer.params]
    engine.optimizer.param_groups[0]["params"] += other
    assert f"holds {len(other)} parameters that the model does not" in refusal(engine)


def test_an_optimizer_that_was_made_before_its_model_was_copied_is_refused() -> None:
    engine = adapted()
    engine.optimizer.param_groups[0]["params"] = [nn.Parameter(p.detach().clone()) for p in engine.optimizer.params]
    assert "would never be updated" in refusal(engine)


def test_a_parameter_that_stands_twice_is_refused() -> None:
    engine = adapted()
    engine.optimizer.param_groups[0]["params"] += engine.optimizer.params[:1]
    assert "twice" in refusal(engine)


def test_a_parameter_that_no_text_reaches_is_refused_by_name() -> None:
    made = planted.model()
    made.model.layers[0].spare = nn.Linear(3, 3)
    words = refusal(planted.hooks(made, planted.reads_right))
    assert "layers.0.spare.weight is to be trained and gets no gradient (2 of" in words


def test_a_parameter_without_a_gradient_of_its_own_for_each_unit_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        optimizer.params[3].grad_sample = torch.zeros_like(optimizer.params[3].grad_sample)

    engine = planted.hooks(planted.model(), reads)
    assert "would get noise and nothing else" in refusal(engine)


def test_a_model_cut_off_from_its_loss_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        for p in optimizer.params:
            p.grad_sample = torch.zeros_like(p.grad_sample)

    assert "nothing would be learnt" in refusal(planted.hooks(planted.model(), reads))


def test_adapters_whose_b_is_zero_pass_though_a_gets_no_gradient_yet() -> None:
    engine = adapted()
    assert not any(p.any() for name, p in engine.model.named_parameters() if "lora_B" in name)
    preflight(engine, planted.collate, **planted.settings())
    assert not any(p.any() for name, p in engine.model.named_parameters() if "lora_B" in name)


@pytest.mark.parametrize("wrong", [{"noise_multiplier": 0.8}, {"max_grad_norm": 1.5}, {"divisor": 7.0}])
def test_another_noise_than_is_accounted_for_is_refused(wrong: dict[str, float]) -> None:
    assert "the noise on" in refusal(planted.hooks(planted.model(), planted.reads_right), **wrong)


def test_no_noise_at_all_is_refused() -> None:
    engine = adapted()
    engine.optimizer.noise_multiplier = 0.0
    assert "has a standard deviation of 0," in refusal(engine)


def test_the_same_noise_for_two_parameters_is_refused() -> None:
    engine = adapted()
    generate = engine.optimizer.add_noise

    def reseeded() -> None:
        generate()
        for p in engine.optimizer.params:
            again = torch.Generator().manual_seed(1)
            p.grad = torch.normal(0.0, 0.7, p.shape, generator=again)

    engine.optimizer.add_noise = reseeded
    assert "the same noise" in refusal(engine)


def test_what_counts_the_steps_is_not_told_of_the_pre_flight() -> None:
    engine = adapted()
    calls: list[Any] = []
    engine.optimizer.attach_step_hook(calls.append)
    preflight(engine, planted.collate, **planted.settings())
    assert not calls
    assert engine.optimizer.step_hook is not None


def test_adapters_that_moved_are_let_go_on() -> None:
    engine = adapted()
    parameters = {name: p for name, p in engine.model.named_parameters() if p.requires_grad}
    before = fingerprints(parameters)
    engine.optimizer.noise_multiplier = 0.0
    batch = planted.collate([Unit("one", ((3, 4, 5, 6, 7),))])
    for steps in (1, 2):  # A moves only at the second
        engine.backward(batch)
        engine.optimizer.step()
        engine.optimizer.zero_grad()
        check_moved(before, parameters, steps=steps)


@pytest.mark.parametrize("steps", [1, 2])
def test_weights_that_stay_where_they_were_are_refused(steps: int) -> None:
    parameters = {"a": torch.ones(2), "b": torch.ones(2)}
    with pytest.raises(PreflightError, match="a and 1 more did not move"):
        check_moved(fingerprints(parameters), parameters, steps=steps)


def test_one_weight_that_stays_is_refused_after_two_steps() -> None:
    parameters = {"a": torch.ones(2), "b": torch.ones(2)}
    before = fingerprints(parameters)
    parameters["a"] += 1
    check_moved(before, parameters, steps=1)
    with pytest.raises(PreflightError, match="b did not move"):
        check_moved(before, parameters, steps=2)


def test_weights_of_half_precision_can_be_told_apart() -> None:
    one, two = torch.ones(3, dtype=torch.bfloat16), torch.full((3,), 1.01, dtype=torch.bfloat16)
    assert fingerprints({"a": one}) != fingerprints({"a": two})
