"""The pre-flight refuses where something that is to be trained would not be, or with other noise than is counted on."""

from __future__ import annotations

import re
from collections.abc import Callable
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
    assert "has a standard deviation of 0 on an empty batch" in refusal(engine)


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


def noised(engine: Any, draw: Callable[[Any], None]) -> Any:
    """The engine with other noise: ``draw`` adds it to ``p.summed_grad`` of a parameter."""

    def add_noise() -> None:
        for p in engine.optimizer.params:
            draw(p)
            p.grad = p.summed_grad

    engine.optimizer.add_noise = add_noise
    return engine


def plain(engine: Any, p: Any, generator: Any = None) -> torch.Tensor:
    return torch.normal(0.0, 0.7, p.shape, generator=generator or engine.optimizer.generator)


def test_noise_put_in_by_hand_passes() -> None:
    engine = adapted()
    preflight(noised(engine, lambda p: p.summed_grad.add_(plain(engine, p))), planted.collate, **planted.settings())


def test_the_same_noise_at_every_step_is_refused() -> None:
    engine = adapted()
    add = engine.optimizer.add_noise

    def replayed() -> None:
        engine.optimizer.generator.manual_seed(42)
        add()

    engine.optimizer.add_noise = replayed
    assert "two steps have noise in common" in refusal(engine)


def test_noise_in_part_the_same_at_every_step_is_refused() -> None:
    engine = adapted()
    own, places = torch.Generator(), {id(p): place for place, p in enumerate(engine.optimizer.params)}

    def draw(p: Any) -> None:
        own.manual_seed(100 + places[id(p)])
        p.summed_grad.add_((plain(engine, p) + plain(engine, p, own)) / 2**0.5)

    assert "two steps have noise in common" in refusal(noised(engine, draw))


def test_noise_that_the_key_does_not_give_is_refused() -> None:
    engine = adapted()
    own = torch.Generator().manual_seed(1)
    draw = noised(engine, lambda p: p.summed_grad.add_(plain(engine, p, own)))
    assert "not what the optimizer's generator gives" in refusal(draw)


@pytest.mark.parametrize("turned", [False, True], ids=["half", "backwards"])
def test_noise_mirrored_within_a_parameter_is_refused(turned: bool) -> None:
    engine = adapted()

    def draw(p: Any) -> None:
        flat = p.summed_grad.view(-1)
        half = (len(flat) + 1) // 2
        drawn = torch.normal(0.0, 0.7, (half,), generator=engine.optimizer.generator)
        flat[:half] += drawn
        flat[half:] -= drawn[: len(flat) - half].flip(0) if turned else drawn[: len(flat) - half]

    assert "repeats itself within" in refusal(noised(engine, draw))


@pytest.mark.parametrize("shape", ["rows", "columns"])
def test_noise_broadcast_over_a_parameter_is_refused(shape: str) -> None:
    engine = planted.hooks(planted.model(), planted.reads_right)

    def draw(p: Any) -> None:
        one = p.new_zeros(p.shape[-1:] if shape == "rows" else (*p.shape[:-1], 1))
        p.summed_grad.add_(plain(engine, one).expand(p.shape))

    assert re.search("repeats itself within|standard deviation", refusal(noised(engine, draw)))


def test_noise_on_empty_batches_alone_is_refused() -> None:
    engine = adapted()
    empty: list[bool] = []

    def draw(p: Any) -> None:
        if empty[-1]:
            p.summed_grad.add_(plain(engine, p))

    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        empty.append(not batch.units)
        planted.reads_right(made, optimizer, batch)

    engine.reads = reads
    assert "on a batch of 3 units" in refusal(noised(engine, draw))


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
