"""What a training spends: ε by two accountants, and the noise that keeps within a budget.

Steps take each unit with probability q and add noise of σ times the clipping norm; data sets are neighbours where one
has a unit more. 1,000 steps with σ = 1 and q = .01, at δ = 10⁻⁵:

>>> spent = cross_checked([(1.0, 0.01, 1000)], 1e-5)
>>> round(spent.epsilon, 2), [(found.name, round(found.epsilon, 2)) for found in spent.accountants]
(1.84, [('PRV', 1.84), ('PLD', 1.83)])

The noise for a budget, and δ from a number of units that may be known:

>>> from audit.mitigation.values import PrivacyBudget, Sampling
>>> auto_delta(50_000) < 1 / 50_000
True
>>> noise_for(PrivacyBudget(2.0, 1e-5), Sampling(sample_rate=0.01, steps=1000, divisor=64.0))
0.9614

Rényi DP is not offered, being loose, nor is Gaussian DP, which is no bound at all: it takes a central limit for
reached that is not. Here it says .46 where .72 is true:

>>> from opacus.accountants.analysis.gdp import compute_eps_poisson
>>> round(compute_eps_poisson(steps=100, noise_multiplier=1.0, sample_rate=0.01, delta=1e-5), 2)
0.46
>>> round(cross_checked([(1.0, 0.01, 100)], 1e-5).pld, 2)
0.72
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from audit.errors import ConfigError
from audit.mitigation import accountants
from audit.mitigation.accountants import STATED_ERROR, History, PrvFailed
from audit.mitigation.values import PrivacyBudget, Sampling

# Two sound accountants differ by what they state and a little: see docs/benchmarks/accountant.md.
_APART: Final = (2 * STATED_ERROR, 0.005)
# ε that can be asked for. Less drowns in what the accountants state; more is no promise, and slow to work out.
_BUDGETS: Final = (2 * STATED_ERROR, 200.0)
# Less noise is never given, however few the steps: one of them might be all that matters.
LEAST_NOISE: Final = 0.3
# Noise multipliers are settled to this share of themselves, and rounded up to four decimals.
_TOLERANCE: Final = 1e-4
# Where a first guess will do: PRV up to so many steps, beyond them PLD on a coarse grid (at ε below 1 the usual one is
# quick already).
_FEW_STEPS: Final = 2000
_COARSE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Reading:
    """An accountant, its package with version, and the ε it gives."""

    name: str
    version: str
    epsilon: float


@dataclass(frozen=True, slots=True)
class Accounted:
    """What was spent: ``epsilon`` at ``delta``, the larger of what the ``accountants`` give.

    ``stated_error`` is PRV's: its estimate lies so near to the smallest ε that holds, and the upper end is taken.
    ``note`` is empty, or says why there was but one accountant.
    """

    epsilon: float
    delta: float
    accountants: tuple[Reading, ...]
    stated_error: float = STATED_ERROR
    note: str = ""

    @property
    def pld(self) -> float:
        """What PLD gives."""
        return self.accountants[-1].epsilon

    @property
    def prv(self) -> float | None:
        """What PRV gives, its upper end; None where it gave nothing."""
        return self.accountants[0].epsilon if len(self.accountants) > 1 else None


def epsilon(history: History, delta: float) -> float:
    """Return ε at ``delta`` by PRV alone: an upper end, from 0 to twice :data:`STATED_ERROR` above the truth.

    Parameters
    ----------
    history
        (noise multiplier, sample rate, steps), in any order; equal ones are added up.

    Raises
    ------
    ConfigError
        If a value is out of its range, or PRV cannot do it: :func:`cross_checked` can.

    Examples
    --------
    >>> epsilon([], 1e-5), round(epsilon([(1.0, 0.01, 500), (1.0, 0.01, 500)], 1e-5), 2)
    (0.0, 1.84)
    """
    steps = _checked(history, delta)
    if not steps or steps[0][0] == 0:
        return math.inf if steps else 0.0
    try:
        return accountants.prv(steps, delta)
    except PrvFailed as error:
        raise ConfigError(
            f"PRV gives no epsilon for {_words(steps)} ({error}); take more noise or fewer steps"
        ) from error


def cross_checked(history: History, delta: float) -> Accounted:
    """Return ε at ``delta`` by PRV and by PLD, of which the larger counts; by PLD alone where PRV fails.

    Parameters
    ----------
    history
        (noise multiplier, sample rate, steps), in any order; equal ones are added up. Without noise ε is infinite.

    Raises
    ------
    ConfigError
        If a value is out of its range, dp-accounting is not installed, or the two are further apart than both being
        sound allows: one of them is broken.

    Examples
    --------
    >>> found = cross_checked([(0.4, 0.1, 20_000)], 1e-5)
    >>> found.prv, round(found.epsilon), found.note
    (None, 2859, 'PLD alone: PRV fails here (the grid would be too large)')
    """
    return _cross_checked(tuple(_checked(history, delta)), delta)


@lru_cache(maxsize=256)
def _cross_checked(steps: History, delta: float) -> Accounted:
    if not steps or steps[0][0] == 0:
        nothing = math.inf if steps else 0.0
        return Accounted(nothing, delta, (_reading("PRV", nothing), _reading("PLD", nothing)))
    second = _reading("PLD", accountants.pld(steps, delta))
    try:
        first = _reading("PRV", accountants.prv(steps, delta))
    except PrvFailed as error:
        return Accounted(second.epsilon, delta, (second,), note=f"PLD alone: PRV fails here ({error})")
    if abs(first.epsilon - second.epsilon) > _APART[0] + _APART[1] * second.epsilon:
        raise ConfigError(
            f"{first.version} gives epsilon {first.epsilon:.4g} (PRV) for {_words(steps)} at delta {delta:g}, and "
            f"{second.version} {second.epsilon:.4g} (PLD): one is wrong; install other versions of them"
        )
    return Accounted(max(first.epsilon, second.epsilon), delta, (first, second))


def noise_for(budget: PrivacyBudget, sampling: Sampling) -> float:
    """Return the smallest noise multiplier that keeps all steps within ``budget``, to 1 in 10,000 and rounded up.

    Never less than :data:`LEAST_NOISE`.

    Raises
    ------
    ConfigError
        If the budget is one that no noise can be shown to keep, or so large that it promises nothing.

    Examples
    --------
    >>> noise = noise_for(PrivacyBudget(1.0, 1e-6), Sampling(0.02, 300, 64.0))
    >>> noise, round(cross_checked([(noise, 0.02, 300)], 1e-6).epsilon, 3)
    (1.7389, 1.0)
    """
    if not _BUDGETS[0] <= budget.epsilon <= _BUDGETS[1]:
        why = "it promises nothing" if budget.epsilon > _BUDGETS[1] else f"accountants are exact to {STATED_ERROR:g}"
        raise ConfigError(
            f"epsilon: {budget.epsilon:g} cannot be planned for, since {why}; give one from {_BUDGETS[0]:g} to "
            f"{_BUDGETS[1]:g}, or a noise multiplier"
        )
    _checked([(1.0, sampling.sample_rate, sampling.steps)], budget.delta)

    def spends(noise: float) -> float:
        return cross_checked(_history(sampling, noise), budget.delta).epsilon

    noise = _search(budget, sampling, budget.epsilon)
    if noise > LEAST_NOISE:
        # The search asks a quick accountant; what it is off by here is what it is off by nearby.
        off = spends(noise) - _quick(_history(sampling, noise), budget.delta, budget.epsilon)
        noise = _search(budget, sampling, budget.epsilon - off, near=noise)
    while spends(noise) > budget.epsilon:
        noise = _rounded_up(noise * (1 + _TOLERANCE))
    return noise


def epsilon_over(
    sampling: Sampling, noise_multiplier: float, delta: float, points: int = 10
) -> list[tuple[int, float]]:
    """Return (steps taken, ε by then) at ``points`` places evenly apart; the last is that of :func:`cross_checked`.

    Those before are by one accountant, the quicker one.

    >>> [(step, round(spent, 1)) for step, spent in epsilon_over(Sampling(0.01, 1000, 64.0), 1.0, 1e-5, points=4)]
    [(250, 1.0), (500, 1.3), (750, 1.6), (1000, 1.8)]
    """
    whole = cross_checked(_history(sampling, noise_multiplier), delta).epsilon
    spent = []
    for step in sorted({max(1, sampling.steps * place // points) for place in range(1, points)} - {sampling.steps}):
        found = whole if math.isinf(whole) else _quick([(noise_multiplier, sampling.sample_rate, step)], delta, whole)
        spent.append((step, min(found, whole)))
    return [*spent, (sampling.steps, whole)]


def auto_delta(public_size: int) -> float:
    """δ = 1/N^1.1 for a public number of units N, so that it lies below 1/N.

    >>> f"{auto_delta(10_000):.3g}"
    '3.98e-05'
    """
    if public_size < 3:
        raise ConfigError(f"public_size: {public_size} units are too few for any privacy; give more records")
    return float(public_size**-1.1)


def check_delta(delta: float, public_size: int) -> None:
    """Refuse a δ that allows giving one unit away whole.

    Raises
    ------
    ConfigError
        If ``delta`` is 1/N or more.

    >>> check_delta(1e-5, 12_000)
    """
    if delta * public_size >= 1:
        raise ConfigError(
            f"delta: {delta:g} is 1/N or more for {public_size:,} units, which allows publishing one of them whole; "
            f"give less than {1 / public_size:.2g}, such as {auto_delta(public_size):.2g}"
        )


def public_size(units: int) -> int:
    """The number of units as it may be known: rounded down to two digits.

    >>> public_size(12_999), public_size(99), public_size(7)
    (12000, 99, 7)
    """
    scale: int = 10 ** max(0, len(str(units)) - 2)
    return units // scale * scale


def _search(budget: PrivacyBudget, sampling: Sampling, wanted: float, near: float | None = None) -> float:
    """The noise multiplier at which a quick accountant gives ``wanted``, not less than that."""
    from scipy.optimize import brentq

    @cache
    def beyond(log_noise: float) -> float:
        spent = _quick(_history(sampling, math.exp(log_noise)), budget.delta, budget.epsilon)
        return math.log(max(spent, 1e-9) / wanted)

    least = math.log(LEAST_NOISE)
    here = max(least, math.log(near or _central_limit(budget, sampling)))
    there = here
    # ε falls at least as fast as σ rises, so that this goes beyond the root, nearly always at the first try.
    while (beyond(here) > 0) == (beyond(there) > 0):
        here, there = there, max(least, there + 1.1 * beyond(there) + math.copysign(_TOLERANCE, beyond(there)))
        if here == there == least:
            return LEAST_NOISE
    return _rounded_up(math.exp(float(brentq(beyond, here, there, xtol=_TOLERANCE / 10))))


def _central_limit(budget: PrivacyBudget, sampling: Sampling) -> float:
    """A noise multiplier to begin the search at: by Gaussian DP, too small as a rule (Dong et al. 2022, section 5).

    >>> round(_central_limit(PrivacyBudget(8.0, 1e-5), Sampling(0.01, 1000, 64.0)), 2)
    0.55
    """
    from scipy.optimize import brentq
    from scipy.special import log_ndtr, ndtr

    def beyond(log_mu: float) -> float:
        mu = math.exp(log_mu)
        a, b = mu / 2, budget.epsilon / mu
        return float(ndtr(a - b) - math.exp(min(0.0, budget.epsilon + float(log_ndtr(-a - b))))) - budget.delta

    mu = math.exp(float(brentq(beyond, math.log(1e-9), math.log(1e4))))
    return 1 / math.sqrt(math.log1p(mu**2 / (sampling.sample_rate**2 * sampling.steps)))


def _quick(history: History, delta: float, about: float) -> float:
    """Nearly the ε that :func:`cross_checked` gives, which is ``about`` so much, in a tenth of the time."""
    if sum(steps for _, _, steps in history) <= _FEW_STEPS:
        with suppress(PrvFailed):
            return accountants.prv(history, delta)
    return accountants.pld(history, delta, _COARSE if about >= 1 else _COARSE / 10) + STATED_ERROR


def _history(sampling: Sampling, noise: float) -> History:
    return [(noise, sampling.sample_rate, sampling.steps)]


def _rounded_up(noise: float) -> float:
    return math.ceil(round(noise * 1e4, 6)) / 1e4


def _checked(history: History, delta: float) -> list[tuple[float, float, int]]:
    """The history with equal entries added up, least noise first."""
    for noise, rate, steps in history:
        if not 0 <= noise < math.inf:
            raise ConfigError(f"noise_multiplier: {noise:g} is none; it lies at 0 or above")
        if not 0 < rate <= 1:
            raise ConfigError(f"sample_rate: {rate:g} is none; it lies above 0 and at most at 1")
        if steps < 0:
            raise ConfigError(f"steps: {steps} are too few; take 0 or more")
    if not accountants.LEAST_DELTA <= delta < 1:
        raise ConfigError(
            f"delta: {delta:g} cannot be accounted for; give one from {accountants.LEAST_DELTA:g} to 1, such as 1e-5"
        )
    return sorted(accountants.merged(history))


def _reading(name: str, found: float) -> Reading:
    return Reading(name, accountants.version({"PRV": "opacus", "PLD": "dp-accounting"}[name]), found)


def _words(history: Sequence[tuple[float, float, int]]) -> str:
    return ", ".join(f"{steps:,} steps with noise {noise:g} at rate {rate:g}" for noise, rate, steps in history)
