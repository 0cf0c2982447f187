"""Batches that are not drawn by coins are refused, honest ones never."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from audit.mitigation.keys import Keys
from audit.mitigation.preflight import PreflightError, check_sampling
from audit.mitigation.preflight.sampling import overlap_p_values, spread_p_values
from audit.mitigation.sampling import PoissonBatches
from audit.mitigation.values import Sampling

UNITS, RATE, STEPS = 1000, 0.032, 200


def drawn(units: int, rate: float, steps: int, seed: int) -> Iterator[list[int]]:
    batches = PoissonBatches([9] * units, Sampling(rate, steps, 1.0), Keys.of(seed))
    return (batches.draw(step) for step in range(steps))


def shuffled(units: int, size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """What a DataLoader with shuffle=True gives."""
    draws = np.random.default_rng(seed)
    while steps > 0:
        order = draws.permutation(units)
        for start in range(0, units, size):
            yield order[start : start + size].tolist()
            steps -= 1
            if steps == 0:
                return


def check(batches: object, units: int = UNITS, rate: float = RATE) -> None:
    check_sampling(batches, units=units, sampling=Sampling(rate, STEPS, 1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("units", "rate", "steps"),
    [(1000, 0.032, 200), (50, 0.5, 100), (20_000, 0.003, 100), (7, 0.1, 5), (3, 1.0, 4), (200, 0.001, 30), (1, 0.3, 9)],
)
def test_coins_pass(units: int, rate: float, steps: int) -> None:
    for seed in range(8):
        check(drawn(units, rate, steps, seed), units, rate)


@pytest.mark.parametrize(("units", "size", "steps"), [(1000, 32, 200), (240, 8, 100), (20_000, 64, 100), (60, 6, 100)])
def test_shuffled_batches_are_always_refused(units: int, size: int, steps: int) -> None:
    for seed in range(8):
        with pytest.raises(PreflightError, match="as where data is shuffled"):
            check(shuffled(units, size, steps, seed), units, size / units)


def test_batches_of_one_size_drawn_anew_each_time_are_refused() -> None:
    draws = np.random.default_rng(0)
    with pytest.raises(PreflightError, match="too even for coins"):
        check(draws.permutation(UNITS)[:32].tolist() for _ in range(STEPS))


def test_an_epoch_cut_by_random_sizes_is_refused() -> None:
    draws = np.random.default_rng(1)

    def cut() -> Iterator[list[int]]:
        for _ in range(7):
            order = draws.permutation(UNITS).tolist()
            while order:
                size = int(draws.binomial(UNITS, RATE))
                yield order[:size]
                order = order[size:]

    with pytest.raises(PreflightError, match="almost equally often"):
        check(cut())


def test_draws_without_what_the_last_one_took_are_refused() -> None:
    draws = np.random.default_rng(2)

    def apart() -> Iterator[list[int]]:
        last = np.zeros(UNITS, bool)
        for _ in range(STEPS):
            taken = (draws.random(UNITS) < RATE / (1 - RATE)) & ~last
            yield np.flatnonzero(taken).tolist()
            last = taken

    with pytest.raises(PreflightError, match="too little in common"):
        check(apart())


def test_draws_that_are_repeated_are_refused() -> None:
    def twice() -> Iterator[list[int]]:
        for batch in drawn(UNITS, RATE, STEPS // 2, 3):
            yield batch
            yield batch

    with pytest.raises(PreflightError, match=r"far more often than others|too much in common"):
        check(twice())


def test_a_half_of_the_data_that_is_never_taken_is_refused() -> None:
    with pytest.raises(PreflightError, match="far more often than others"):
        check(drawn(UNITS // 2, 2 * RATE, STEPS, 4))


def test_a_rate_that_changes_from_step_to_step_is_refused() -> None:
    draws = np.random.default_rng(5)
    with pytest.raises(PreflightError, match="differ more than coins"):
        check(np.flatnonzero(draws.random(UNITS) < RATE * (0.5 + step % 2)).tolist() for step in range(STEPS))


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_rate_that_is_a_fifth_off_is_always_refused(factor: float) -> None:
    for seed in range(8):
        with pytest.raises(PreflightError, match="is accounted for"):
            check(drawn(UNITS, RATE, STEPS, seed), rate=RATE * factor)


def test_a_unit_twice_in_a_batch_is_refused() -> None:
    with pytest.raises(PreflightError, match="batch 1 holds a unit twice"):
        check([[1, 2], [3, 3]])


@pytest.mark.parametrize("place", [-1, UNITS])
def test_a_unit_that_does_not_exist_is_refused(place: int) -> None:
    with pytest.raises(PreflightError, match=r"batch 0 names a unit beyond the 1,000"):
        check([[place]])


def test_no_batches_say_nothing() -> None:
    with pytest.raises(PreflightError, match="no batch was drawn"):
        check([])


def test_the_bounds_lie_above_the_true_tails() -> None:
    """Against simulation: a bound below the share of draws that are as extreme would refuse honest sampling."""
    draws = np.random.default_rng(6)
    units, rate, steps, tries = 30, 0.2, 12, 4000
    taken = draws.random((tries, steps, units)) < rate
    sizes = taken.sum(2)
    spread = ((sizes - units * rate) ** 2).sum(1)
    overlap = (taken[:, 1:] & taken[:, :-1]).sum((1, 2))
    for place in draws.integers(0, tries, 40):
        low, high = spread_p_values(sizes[place], units, rate)
        assert low >= (spread <= spread[place]).mean() - 0.02
        assert high >= (spread >= spread[place]).mean() - 0.02
        low, high = overlap_p_values(int(overlap[place]), steps, units, rate)
        assert low >= (overlap <= overlap[place]).mean() - 0.02
        assert high >= (overlap >= overlap[place]).mean() - 0.02
