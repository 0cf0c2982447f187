"""Noise: how much, where, and by what it is decided."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from audit.mitigation.clipping import noise
from audit.mitigation.data import collate
from tests.mitigation.clipping import made

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


def _drawn(seed: int, sizes: tuple[int, ...] = (noise.PIECE + 7, 40), std: float = 1.0) -> list[torch.Tensor]:
    tensors = [torch.zeros(size) for size in sizes]
    noise.add_noise(tensors, std, torch.Generator().manual_seed(seed))
    return tensors


def test_noise_is_normal_with_the_deviation_asked_for() -> None:
    drawn = torch.cat(_drawn(0, std=3.0)).double().numpy()
    assert stats.kstest(drawn[:100_000], stats.norm(scale=3.0).cdf).pvalue > 1e-3
    assert drawn.std() == pytest.approx(3.0, rel=6 / math.sqrt(2 * len(drawn)))
    assert abs(drawn.mean()) < 5 * 3.0 / math.sqrt(len(drawn))


def test_noise_goes_beyond_what_single_precision_can_draw() -> None:
    # A key found among 1,349: it says as well that a seed still gives the noise that it gave.
    drawn = torch.zeros(262_129)
    noise.add_noise([drawn], 1.0, noise.generator_of(1348))
    assert float(drawn[-1].abs()) == pytest.approx(6.097029685974121)
    assert float(drawn[-1].abs()) > math.sqrt(48 * math.log(2))


def test_tails_are_as_heavy_as_they_should_be() -> None:
    drawn = torch.zeros(20_000_000)
    noise.add_noise([drawn], 1.0, torch.Generator().manual_seed(4))
    for size in (3.0, 4.0, 4.5, 5.0):
        found, expected = int((drawn.abs() > size).sum()), len(drawn) * 2 * stats.norm.sf(size)
        assert abs(found - expected) < 5 * math.sqrt(expected) + 1


def test_all_256_bits_of_a_key_matter() -> None:
    # numpy mixes a seed into 128 bits unless it is told otherwise.
    words = {tuple(noise.generator_of(1 << bit).get_state().tolist()) for bit in range(0, 256, 5)}
    assert len(words) == 52
    keys = [np.random.SeedSequence([1, 2, 3, 4, 5, 6, 7, place], pool_size=8) for place in range(2)]
    states = [noise._draws(key).bit_generator.state["state"]["state"] for key in keys]
    assert (states[0] != states[1]).sum() == 4


def test_noise_is_the_same_whatever_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(_drawn(5))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_pieces_and_tensors_do_not_share_noise() -> None:
    one, other = _drawn(1, (3 * noise.PIECE, noise.PIECE))
    pieces = [*one.split(noise.PIECE), other]
    firsts = torch.stack([piece[:1000] for piece in pieces])
    correlation = torch.corrcoef(firsts) - torch.eye(len(pieces))
    assert correlation.abs().max() < 0.2


def test_another_generator_gives_other_noise_and_a_second_step_does() -> None:
    generator = torch.Generator().manual_seed(2)
    steps = [torch.zeros(50) for _ in range(3)]
    noise.add_noise([steps[0]], 1.0, generator)
    noise.add_noise([steps[1]], 1.0, generator)
    noise.add_noise([steps[2]], 1.0, torch.Generator().manual_seed(3))
    assert not any((steps[a] == steps[b]).any() for a, b in ((0, 1), (0, 2), (1, 2)))


def test_without_a_generator_noise_is_fresh() -> None:
    one, other = torch.zeros(50), torch.zeros(50)
    noise.add_noise([one], 1.0, None)
    noise.add_noise([other], 1.0, None)
    assert not (one == other).any()


def test_a_generator_holds_the_whole_key() -> None:
    # torch's own seeding drops what lies above 32 bits.
    cut = [torch.randn(4, generator=torch.Generator().manual_seed(seed)) for seed in (7, 7 + 2**32)]
    assert torch.equal(*cut)
    whole = [torch.randn(4, generator=noise.generator_of(key)) for key in (7, 7 + 2**32, 7 + 2**200)]
    assert not torch.equal(whole[0], whole[1]) and not torch.equal(whole[0], whole[2])


def test_a_whole_state_draws_what_numpy_draws_from_it() -> None:
    words = np.random.SeedSequence(9, pool_size=8).generate_state(624)
    words[0] = 0x80000000
    peer = np.random.RandomState()
    peer.set_state(("MT19937", words, 624))
    # torch takes two words for a number of 64 bits and keeps the lower one.
    expected = peer.randint(0, 2**32, 8, dtype=np.uint32)[1::2].tolist()
    assert torch.randint(2**32, (4,), generator=noise.generator_of(9)).tolist() == expected


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks", "ghost"])
def test_a_step_adds_noise_once_and_divides_by_the_constant(clipping: str) -> None:
    model = made.model("Llama", lora=True, double=False)
    engine = made.engine(model, clipping, norm=0.5, noise=40.0, divisor=6.5)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    for places, last in ((slice(0, 2), False), (slice(2, 5), True)):
        engine.optimizer.signal_skip_step(do_skip=not last)
        engine.backward(collate(made.units()[places], pad=0))
        engine.optimizer.generator = torch.Generator().manual_seed(11)
        engine.optimizer.step()
        engine.optimizer.zero_grad()
    moved = torch.cat([(before[n] - p.detach()).flatten() for n, p in model.named_parameters() if n in before])
    alone = [torch.zeros_like(tensor) for tensor in before.values()]
    noise.add_noise(alone, 40.0 * 0.5, torch.Generator().manual_seed(11))
    rest = moved - torch.cat([tensor.flatten() for tensor in alone]) / 6.5
    assert float(moved.std()) == pytest.approx(20 / 6.5, rel=0.05)
    assert 0 < rest.norm() <= 5 * 0.5 / 6.5 + 1e-3  # what is left is the clipped sum of five units


@pytest.mark.parametrize("clipping", ["bookkeeping", "ghost"])
def test_a_second_step_without_clearing_is_refused(clipping: str) -> None:
    engine = made.engine(made.model("Llama"), clipping, noise=1.0)
    engine.backward(made.batch())
    engine.optimizer.step()
    engine.backward(made.batch())
    with pytest.raises(ValueError, match="cleared since"):
        engine.optimizer.step()


def test_a_step_without_a_backward_pass_is_refused() -> None:
    engine = made.engine(made.model("Llama"), "bookkeeping", noise=1.0)
    with pytest.raises(ValueError, match=r"engine\.backward before each step"):
        engine.optimizer.step()


def test_noise_takes_no_memory_of_the_tensors_size() -> None:
    engine = made.engine(made.model("Llama"), "bookkeeping", noise=1.0)
    engine.backward(made.batch())
    places = {id(p): p.grad.data_ptr() for p in engine.optimizer.params}
    engine.optimizer.step()
    assert all(p.grad.data_ptr() == places[id(p)] for p in engine.optimizer.params)
