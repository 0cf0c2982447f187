from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audit.mitigation.keys import Keys
from audit.mitigation.sampling import PoissonBatches
from audit.mitigation.values import Sampling


def test_each_unit_has_a_coin_of_its_own() -> None:
    batches = PoissonBatches([3] * 500, Sampling(0.1, 400, 50.0), Keys.of(0))
    sizes = np.array([len(batch) for batch in batches])
    # Of Binomial(500, .1): standard deviation 6.7, of its mean over 400 steps .34.
    assert abs(sizes.mean() - 50) < 4 * 0.34
    assert 5.7 < sizes.std() < 7.7


def test_a_step_draws_the_same_whatever_was_drawn_before() -> None:
    sampling, keys = Sampling(0.2, 10, 4.0), Keys.of(7)
    whole = list(PoissonBatches(range(1, 21), sampling, keys))
    assert list(PoissonBatches(range(1, 21), sampling, keys, start=6)) == whole[6:]


@given(st.integers(1, 5), st.integers(0, 1000))
def test_processes_that_train_together_share_one_batch(world: int, seed: int) -> None:
    sampling, keys = Sampling(0.3, 3, 9.0), Keys.of(seed)
    together = [list(PoissonBatches(range(1, 31), sampling, keys, rank=rank, world=world)) for rank in range(world)]
    for step, whole in enumerate(PoissonBatches(range(1, 31), sampling, keys)):
        assert sorted(place for shares in together for place in shares[step]) == sorted(whole)


def test_without_a_seed_no_two_trainings_draw_alike() -> None:
    draws = {tuple(PoissonBatches([1] * 64, Sampling(0.5, 1, 32.0), Keys.of(None)).draw(0)) for _ in range(5)}
    assert len(draws) == 5


def test_noise_and_sampling_of_a_step_have_keys_of_their_own() -> None:
    keys = Keys.of(3)
    words = {keys.noise(step) for step in range(1000)}
    assert len(words) == 1000
    assert max(words) > 2**250
    assert not words & {keys.start()}
