"""Looking early: confidence sequences, e-processes, planned looks, and α over builds.

When these hold. A confidence sequence and an e-process may be read after every step
and stopped at will, provided that every step is a fresh draw given the past: a
FRESH TEMPLATE AND FRESH NAMES each time, on an outcome whose bounds were fixed in
advance. With names shared between steps, or with templates that come again, their
error is not α but 19-49 %; then the claim holds for these names and templates only,
and a run with planned looks at α/3 is the way.

Sources: Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables
by betting", J. R. Stat. Soc. B 86(1); Chugg, Cortes-Gomez, Wilder & Ramdas 2023,
"Auditing fairness by betting", NeurIPS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.variance import Reals

# A bet never risks more than this share of the wealth (Waudby-Smith & Ramdas 2024, eq. 26).
SHARE = 0.5
CHUNK = 2048
# Outcomes may leave their bounds by this share of the width: what rounding makes of a sum.
OVER = 1e-9
# Logarithm of the largest fortune that is told.
CEILING = 700.0


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Bounds on a mean after each observation; all of them hold at once with probability 1−α.

    ``lower`` and ``upper`` are (n,), monotone (running intersections), in the unit of
    the outcome; ``mean`` is the plain running mean. Should the intersection become
    empty, both bounds stay at the last interval.
    """

    lower: Reals
    upper: Reals
    mean: Reals


def confidence_sequence(
    x: ArrayLike, *, alpha: float = 0.05, bounds: tuple[float, float] = (0.0, 1.0), grid: int = 1000
) -> ConfidenceSequence:
    """Hedged betting confidence sequence of a bounded mean (Waudby-Smith & Ramdas 2024, theorem 3).

    For each candidate mean m two bettors start with ½: K⁺_t = Π(1 + λ⁺_i (x_i − m)) and
    K⁻_t = Π(1 − λ⁻_i (x_i − m)), with λ⁺_i = min(λ_i, c/m), λ⁻_i = min(λ_i, c/(1−m)) and the
    predictable plug-in λ_i = √(2 log(2/α) / (σ̂²_{i−1} i log(1+i))). A candidate is out once
    either fortune reaches 1/α. Between grid points the outer one is taken, so
    that the interval is too wide by at most (high − low)/``grid`` and never too narrow.

    Valid only where each step is a fresh template and fresh names; see the module.

    Parameters
    ----------
    x : (n,) outcomes in the order of the steps, none missing, all within ``bounds``.
    alpha : probability that the mean is ever outside.
    bounds : the least and the largest value that an outcome can have, fixed in advance.
    grid : number of steps between candidate means.

    Examples
    --------
    >>> found = confidence_sequence([1, 0, 1, 1] * 100)
    >>> round(float(found.lower[-1]), 2), round(float(found.upper[-1]), 2)
    (0.67, 0.82)
    """
    values, (low, high) = _scaled(x, bounds), bounds
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, but is {alpha!r}")
    bets = _bets(values, alpha)
    candidates = np.linspace(0, 1, grid + 1)
    up, down = np.zeros(grid + 1), np.zeros(grid + 1)
    lower, upper = np.zeros(values.size), np.ones(values.size)
    limit = math.log(2 / alpha)
    for start in range(0, values.size, CHUNK):
        part = slice(start, start + CHUNK)
        gains, losses = _log_factors(values[part], bets[part], candidates)
        ups, downs = up + np.cumsum(gains, axis=0), down + np.cumsum(losses, axis=0)
        up, down = ups[-1], downs[-1]
        # K⁺ falls in m and K⁻ rises: what is out lies at either end.
        below = (ups >= limit).sum(axis=1)
        above = (downs >= limit).sum(axis=1)
        lower[part] = candidates[np.maximum(below - 1, 0)]
        upper[part] = candidates[np.minimum(grid + 1 - above, grid)]
    lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper)
    empty = np.flatnonzero(lower > upper)
    if empty.size:
        last = max(int(empty[0]) - 1, 0)
        lower[last:], upper[last:] = lower[last], upper[last]
    width = high - low
    running = np.cumsum(values) / np.arange(1, values.size + 1)
    return ConfidenceSequence(low + width * lower, low + width * upper, low + width * running)


def e_process(x: ArrayLike, *, mean: float, bounds: tuple[float, float] = (0.0, 1.0), alpha: float = 0.05) -> Reals:
    """Evidence against "the mean is ``mean``" after each observation: reject at α once it reaches 1/α.

    The average of the two one-sided fortunes, ½K⁺ + ½K⁻, with the bets of
    :func:`confidence_sequence` (Chugg et al. 2023, sec. 3). For a gap, ``x`` is the
    difference of two outcomes in one step, ``mean`` is 0 and ``bounds`` are those of
    the difference. Under the hypothesis it is a nonnegative martingale that starts
    at 1, so that P(it ever reaches 1/α) ≤ α (Ville 1939). ``alpha`` only tunes the bets.
    Either fortune is told up to e^700 ≈ 10³⁰⁴, the most that a float holds, less a little.

    Valid only where each step is a fresh template and fresh names; see the module.

    >>> evidence = e_process([.6, -.2, .5, .4, .1, .7] * 10, mean=0, bounds=(-1, 1))
    >>> evidence.shape, bool(evidence[-1] > 20)
    ((60,), True)
    """
    values, (low, high) = _scaled(x, bounds), bounds
    if not low <= mean <= high:
        raise ValueError(f"the mean to test, {mean!r}, lies outside the bounds {bounds!r}")
    candidate = np.array([(mean - low) / (high - low)])
    gains, losses = _log_factors(values, _bets(values, alpha), candidate)
    up, down = (np.exp(np.minimum(np.cumsum(steps, axis=0)[:, 0], CEILING)) for steps in (gains, losses))
    return np.asarray((up + down) / 2, float)


def looks(n: int, minimum: int, count: int = 3) -> tuple[int, ...]:
    """Cumulative sizes at which a run looks: ``count`` equal parts of ``n``, the first at ``minimum`` or later.

    Each look is tested at α/``count`` (Bonferroni), also when fewer are left.

    >>> looks(60, 12), looks(30, 12), looks(14, 12), looks(8, 12)
    ((20, 40, 60), (12, 20, 30), (12, 14), (8,))
    """
    if n < 1 or count < 1:
        raise ValueError("a run has one or more templates and one or more looks")
    sizes = {min(n, max(minimum, math.ceil(n * k / count))) for k in range(1, count + 1)}
    return tuple(sorted(sizes))


def spend(build: int, alpha: float = 0.05) -> float:
    """Level of the ``build``-th test, the first being 1: α · 6/(π²k²), which adds up to α.

    >>> round(spend(1), 4), round(spend(2), 4), round(sum(spend(k) for k in range(1, 10_000)), 4)
    (0.0304, 0.0076, 0.05)
    """
    if build < 1:
        raise ValueError(f"builds are counted from 1, but this one is {build!r}")
    return alpha * 6 / (math.pi * build) ** 2


def _scaled(x: ArrayLike, bounds: tuple[float, float]) -> Reals:
    """The outcomes on [0, 1]."""
    values, (low, high) = np.asarray(x, float), bounds
    if values.ndim != 1 or not values.size:
        raise ValueError("x must be one-dimensional and not empty")
    if not low < high:
        raise ValueError(f"bounds must be (low, high) with low below high, but are {bounds!r}")
    slack = OVER * (high - low)
    if not ((values >= low - slack) & (values <= high + slack)).all():
        raise ValueError(f"an outcome is missing or lies outside the bounds {bounds!r}; they must be fixed in advance")
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0), float)


def _bets(values: Reals, alpha: float) -> Reals:
    """Predictable plug-in λ_t of the past alone (Waudby-Smith & Ramdas 2024, eqs. 15 and 26)."""
    steps = np.arange(1, values.size + 1)
    means = (0.5 + np.cumsum(values)) / (steps + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (steps + 1)
    past = np.concatenate(([0.25], variances[:-1]))
    return np.asarray(np.sqrt(2 * math.log(2 / alpha) / (past * steps * np.log1p(steps))), float)


def _log_factors(values: Reals, bets: Reals, candidates: Reals) -> tuple[Reals, Reals]:
    """(steps, candidates) logarithms of what each bettor's fortune is multiplied by."""
    with np.errstate(divide="ignore"):
        on_more = np.minimum(bets[:, None], SHARE / candidates)
        on_less = np.minimum(bets[:, None], SHARE / (1 - candidates))
    away = values[:, None] - candidates
    return np.log1p(on_more * away), np.log1p(-on_less * away)
