"""Is a gap small enough, or too large? Two tests against one tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from scipy import special


class Estimate(Protocol):
    """What both tests read of a contrast."""

    @property
    def estimate(self) -> float:
        """The signed gap."""

    @property
    def se(self) -> float:
        """Its standard error."""

    @property
    def df(self) -> float:
        """Degrees of freedom of the standard error."""


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Outcome of the two one-sided tests: the larger p, and the 1−2α interval.

    At α = .05 the p is at most .05 exactly when the 90 % interval lies within ±tolerance.
    """

    p_value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A bare estimate with its standard error and degrees of freedom."""

    estimate: float
    se: float
    df: float


def equivalence(contrast: Estimate, tolerance: float, *, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests of |gap| ≥ ``tolerance`` (Schuirmann 1987).

    p = max{P(T ≥ (est + δ)/se), P(T ≤ (est − δ)/se)}. Without a spread (se 0 or NaN)
    everything is NaN: nothing is granted.

    >>> result = equivalence(Gap(.05, .05, 20), .2)
    >>> round(result.p_value, 4), round(result.ci_low, 3), round(result.ci_high, 3)
    (0.0035, -0.036, 0.136)
    >>> equivalence(Gap(0, 0, 20), .2).p_value
    nan
    """
    _check(tolerance)
    estimate, se, df = contrast.estimate, contrast.se, contrast.df
    if not (se > 0 and df > 0):
        return Equivalence(math.nan, math.nan, math.nan)
    above_low = special.stdtr(df, -(estimate + tolerance) / se)
    below_high = special.stdtr(df, (estimate - tolerance) / se)
    half = float(special.stdtrit(df, 1 - alpha)) * se
    return Equivalence(float(max(above_low, below_high)), estimate - half, estimate + half)


def exceeds(contrast: Estimate, tolerance: float) -> float:
    """p of "|gap| ≤ ``tolerance``": min(1, 2 · P(T ≥ (|est| − δ)/se)).

    The factor 2 makes rejection at .05 the same as a 95 % interval wholly beyond
    the tolerance, on either side. NaN without a spread.

    >>> round(exceeds(Gap(-.5, .1, 20), .2), 4)
    0.0071
    >>> exceeds(Gap(.1, .1, 20), .2)
    1.0
    """
    _check(tolerance)
    if not (contrast.se > 0 and contrast.df > 0):
        return math.nan
    return min(1.0, 2 * float(special.stdtr(contrast.df, -(abs(contrast.estimate) - tolerance) / contrast.se)))


def boundary_error(tolerance: float, cells: int) -> float:
    """Standard error that a difference of two rates has where equivalence is refuted: √(δ(1−δ)/n).

    What is rare need not have occurred, and then the spread seen says nothing: 0 of 28
    against 0 of 28 has none, yet at a true rate of .05 nothing occurs among 28 in a
    quarter of runs. The score test takes the variance not as seen but at the boundary
    of the hypothesis, where one rate is 0 and the other δ (Farrington & Manning 1990,
    Stat. Med. 9, 1447-1454); ``cells`` is n of the smaller of the two groups compared,
    so that other groups' spread cannot stand in for theirs. With δ above one half the
    variance is that of one half, the largest a rate has. Infinite without cells.

    >>> round(boundary_error(.05, 28), 4), round(boundary_error(.05, 400), 4)
    (0.0412, 0.0109)
    """
    _check(tolerance)
    rate = min(tolerance, 0.5)
    return math.sqrt(rate * (1 - rate) / cells) if cells > 0 else math.inf


def _check(tolerance: float) -> None:
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, but is {tolerance!r}")
