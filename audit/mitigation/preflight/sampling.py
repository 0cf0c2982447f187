r"""Whether batches are drawn as the accounting says: each unit by a coin of its own, in every step anew.

The tests cost nothing but indices. Each compares one sum with what coins give, by a p-value that is exact or a bound
from above, so that honest sampling is refused with a probability of at most :data:`ALPHA` whatever the numbers are.
The bounds are Chernoff's, on exact moment generating functions: P(T ≥ a) ≤ min over t > 0 of e^{-ta} E e^{tT}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from audit.mitigation.preflight.errors import PreflightError
from audit.mitigation.values import Sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Honest sampling is refused at most once in so many trainings.
ALPHA: Final = 1e-9
# Tries of Chernoff's t, in units of 1 / the statistic's scale: any of them gives a valid bound.
_TILTS: Final = np.geomspace(1e-4, 1e4, 97)
_MEND: Final = "draw batches with audit.mitigation.sampling.PoissonBatches"


def check_sampling(batches: Iterable[Sequence[int]], *, units: int, sampling: Sampling) -> None:
    """Refuse batches that are not Poisson samples of ``units`` units at ``sampling.sample_rate``.

    Looked at are the number of inclusions in all (another q), the spread of the sizes (batches of one size), how
    often each unit was taken (each once an epoch) and the overlap of neighbouring batches (drawn without replacement
    from one another).

    Parameters
    ----------
    batches
        Places of units, a sequence for each step; 100 or more see what there is to see. Draw them from the very
        sampler that trains, at steps that it does not take: they are its coins, and coins tell nothing of the data.
    units
        How many units there are.

    Raises
    ------
    PreflightError
        If a unit stands in a batch twice or does not exist, or if a p-value is below :data:`ALPHA`.
    """
    sizes: list[int] = []
    counts = np.zeros(units, np.int64)
    overlap, before = 0, np.zeros(units, bool)
    for step, batch in enumerate(batches):
        places = np.asarray(batch, np.int64)
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < units:
            raise PreflightError(f"sampling: batch {step} names a unit beyond the {units:,} there are; {_MEND}")
        now = np.zeros(units, bool)
        now[places] = True
        if int(now.sum()) < len(places):
            raise PreflightError(f"sampling: batch {step} holds a unit twice, and each may count once; {_MEND}")
        counts += now
        overlap += int((now & before).sum())
        sizes.append(len(places))
        before = now
    _judge(np.array(sizes, np.int64), counts, overlap, sampling.sample_rate)


def _judge(sizes: NDArray[np.int64], counts: NDArray[np.int64], overlap: int, rate: float) -> None:
    from scipy.stats import binom

    steps, units, total = len(sizes), len(counts), int(sizes.sum())
    if min(steps, units) == 0:
        raise PreflightError("sampling: no batch was drawn; give 100 or more of them")
    trials = steps * units
    if 2 * min(binom.cdf(total, trials, rate), binom.sf(total - 1, trials, rate)) < ALPHA:
        raise PreflightError(
            f"sampling: units were taken at a rate of {total / trials:.3g}, and q = {rate:.3g} is accounted for; "
            f"give the accounting the rate that is drawn with, or {_MEND}"
        )
    if rate == 1:
        return
    low, high = spread_p_values(sizes, units, rate)
    if low < ALPHA:
        raise PreflightError(
            f"sampling: batches of {sizes.min()} to {sizes.max()} units are too even for coins, as where data is "
            f"shuffled and cut; ε would not hold for them; {_MEND}"
        )
    if high < ALPHA:
        raise PreflightError(f"sampling: the sizes of batches differ more than coins make them; {_MEND}")
    low, high = spread_p_values(counts, steps, rate)
    if low < ALPHA:
        raise PreflightError(
            f"sampling: each unit was taken almost equally often, as where data is shuffled once an epoch; "
            f"ε would not hold for it; {_MEND}"
        )
    if high < ALPHA:
        raise PreflightError(f"sampling: some units were taken far more often than others; {_MEND}")
    low, high = overlap_p_values(overlap, steps, units, rate)
    if low < ALPHA or high < ALPHA:
        word = "little" if low < ALPHA else "much"
        raise PreflightError(
            f"sampling: neighbouring batches have too {word} in common for coins, as where one draw depends on the "
            f"one before; ε would not hold for them; {_MEND}"
        )


def spread_p_values(values: NDArray[np.int64], trials: int, rate: float) -> tuple[float, float]:
    """Bounds of P(T ≤ observed) and P(T ≥ observed), T = Σ (x - np)² over independent x ~ Binomial(n, p).

    ``values`` are the observed x, ``trials`` is n and ``rate`` is p.

    >>> low, high = spread_p_values(np.full(40, 8), 64, 0.125)  # 40 batches of exactly 8
    >>> low < 1e-20, high
    (True, 1.0)
    >>> bool(min(spread_p_values(np.random.default_rng(0).binomial(64, 0.125, 40), 64, 0.125)) > 0.1)
    True
    """
    from scipy.special import logsumexp
    from scipy.stats import binom

    mean, variance = trials * rate, trials * rate * (1 - rate)
    # Beyond 40 standard deviations nothing is seen; what is left out there is below 1e-80.
    reach = 40 * np.sqrt(variance) + 80
    support = np.arange(max(0, int(mean - reach)), min(trials, int(mean + reach)) + 1)
    squares = (support - mean) ** 2 / variance
    weights = binom.logpmf(support, trials, rate)
    observed = float(((values - mean) ** 2).sum() / variance)

    def bound(sign: int) -> float:
        logs = logsumexp(weights + sign * _TILTS[:, None] * squares, axis=1)
        return float(np.exp(min(0.0, float((len(values) * logs - sign * _TILTS * observed).min()))))

    return bound(-1), bound(1)


def overlap_p_values(overlap: int, steps: int, units: int, rate: float) -> tuple[float, float]:
    """Bounds of P(O ≤ overlap) and P(O ≥ overlap), O = Σ over steps of the units that a batch shares with the last.

    A unit's presences are independent coins, and E e^{tO} of one unit is a product of 2 × 2 matrices: a run of
    presences gains e^t for each that follows another.

    >>> low, high = overlap_p_values(0, 200, 640, 0.1)  # 1,274 are expected
    >>> low < 1e-100, high
    (True, 1.0)
    """
    tilts = np.concatenate([-_TILTS, _TILTS[_TILTS < 50]])
    gains = np.exp(tilts)
    # (absent, present) at the last step, a row for each tilt; scaled to 1 on the way.
    state = np.tile([1 - rate, rate], (len(tilts), 1))
    logs = np.zeros(len(tilts))
    for _ in range(steps - 1):
        absent = (1 - rate) * state.sum(1)
        state = np.stack([absent, rate * (state[:, 0] + gains * state[:, 1])], 1)
        scale = state.sum(1)
        logs, state = logs + np.log(scale), state / scale[:, None]
    bounds = np.exp(np.minimum(0.0, units * logs - tilts * overlap))
    return float(bounds[tilts < 0].min()), float(bounds[tilts > 0].min())
