"""What a batch may look like, and that it makes no difference but its own."""

from __future__ import annotations

import pytest
import torch

from audit.errors import ConfigError
from audit.mitigation.clipping import summed
from audit.mitigation.data import collate
from audit.mitigation.values import Batch
from tests.mitigation.clipping import made

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
MODES = ("bookkeeping", "hooks", "ghost")


@pytest.mark.parametrize("clipping", MODES)
def test_a_batch_without_units_sums_to_zero(clipping: str) -> None:
    engine = made.engine(made.model("Llama", tied=True), clipping)
    found = summed(engine, [collate([], pad=0)])
    assert not any(tensor.any() for tensor in found.values())
    assert engine.norms.shape == engine.losses.shape == (0,)


@pytest.mark.parametrize("clipping", MODES)
def test_a_batch_without_units_still_takes_a_noisy_step(clipping: str) -> None:
    model = made.model("GPT2", lora=True)
    engine = made.engine(model, clipping, noise=1.0)
    before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    engine.backward(collate([], pad=0))
    engine.optimizer.generator = torch.Generator().manual_seed(0)
    engine.optimizer.step()
    after = [p for p in model.parameters() if p.requires_grad]
    assert all((one != other).all() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("clipping", MODES)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_unit_that_is_not_finite_adds_nothing_and_the_others_what_they_did(
    clipping: str, lora: bool, poison: float
) -> None:
    model = made.model("Llama", lora=lora, tied=not lora)
    whole = made.batch()
    bad = 2
    word = made.VOCABULARY - 1  # in no other text
    ids = whole.input_ids.clone()
    ids[bad, 1] = word
    with torch.no_grad():
        model.get_input_embeddings().weight[word] = poison
        if not lora:  # tied: the poison is in everyone's logits, so it goes into the embedding of a copy
            model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.nan_to_num(0.0, 0.0, 0.0))
    poisoned = Batch(ids, whole.attention_mask, whole.position_ids, whole.unit, whole.weight, whole.units)
    engine = made.engine(model, clipping, norm=0.5)
    found = summed(engine, [poisoned])
    finite = torch.isfinite(engine.norms)
    assert finite.tolist() == [place != bad for place in range(whole.units)]
    expected = summed(engine, [made.only(whole, finite)])
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("clipping", MODES)
def test_how_a_batch_is_split_does_not_change_the_sum(clipping: str) -> None:
    engine = made.engine(made.model("GPT2", tied=True), clipping, norm=0.5)
    units = made.units()
    whole = summed(engine, [collate(units, pad=0)])
    parts = summed(engine, [collate(units[:1], pad=0), collate(units[1:4], pad=0), collate(units[4:], pad=0)])
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("clipping", MODES)
def test_what_a_batch_does_not_reach_counts_as_zero(clipping: str) -> None:
    model = made.model("Llama")
    model.spare = torch.nn.Linear(3, 3).double()
    engine = made.engine(model, clipping)
    found = summed(engine, [made.batch()])
    assert not found["spare.weight"].any() and found["lm_head.weight"].any()


def test_ghost_refuses_a_unit_of_several_rows() -> None:
    engine = made.engine(made.model("Llama"), "ghost")
    with pytest.raises(ConfigError, match="bookkeeping or hooks"):
        engine.backward(made.batch(made.SEVERAL))


@pytest.mark.parametrize("clipping", MODES)
def test_a_row_of_one_token_adds_nothing(clipping: str) -> None:
    engine = made.engine(made.model("Llama"), clipping)
    summed(engine, [made.batch(((5,), (1,)))])
    assert engine.norms[0] > 0 and engine.norms[1] == 0


@pytest.mark.parametrize("clipping", MODES)
def test_no_unit_moves_the_sum_by_more_than_the_norm(clipping: str) -> None:
    engine = made.engine(made.model("GPT2", tied=True), clipping, norm=0.1)
    for unit in made.units():
        moved = made.norm(summed(engine, [collate([unit], pad=0)]))
        assert 0.09 < moved <= 0.1


@pytest.mark.parametrize("clipping", MODES)
def test_summed_leaves_the_engine_clean(clipping: str) -> None:
    engine = made.engine(made.model("Llama"), clipping, norm=0.5)
    engine.optimizer.signal_skip_step(do_skip=False)
    first = summed(engine, [made.batch()])
    again = summed(engine, [made.batch()])
    assert engine.optimizer._step_skip_queue == [False]
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("clipping", MODES)
def test_single_precision_is_near_double(clipping: str) -> None:
    batch = made.batch()
    double = made.engine(made.model("Llama", tied=True), clipping, norm=0.5)
    single = made.engine(made.model("Llama", tied=True, double=False), clipping, norm=0.5)
    expected, found = summed(double, [batch]), summed(single, [batch])
    torch.testing.assert_close(single.norms, double.norms.float(), rtol=1e-4, atol=0)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor.float(), rtol=1e-3, atol=1e-5, msg=name)
