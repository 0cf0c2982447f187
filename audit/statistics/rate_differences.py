"""Differences of two rates: of other units, and of the same units under two models.

Where events are rare, estimate ± 1.96 se has no use (0 of 28 against 0 of 28 has no spread);
these intervals keep a width, stay within −1 and 1, and come with the p-values of the same
inversion, so that what is shown and what is decided cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from audit.statistics.proportions import design_effect, wilson

# A level 1 − alpha in, the bounds of one estimate out.
Bounds = Callable[[float], tuple[float, float]]
# Normal quantile past which no p-value can be told from 0.
_FARTHEST = 37.0
_WHOLE = math.nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class RateDifference:
    """A difference first − second with interval and p-values, all about one ``limit``.

    ``p_above`` is of "the difference is ``limit`` or less" and small where it lies above;
    ``p_below`` the reverse; ``p_value`` is two-sided, of "it is ``limit``", and below alpha
    exactly where the interval leaves the limit out. All NaN where nothing may be concluded.
    """

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    p_above: float
    p_below: float


def newcombe_difference(
    k1: float,
    n1: float,
    k2: float,
    n2: float,
    *,
    alpha: float = 0.05,
    limit: float = 0.0,
    df: tuple[float, float] = (math.inf, math.inf),
) -> RateDifference:
    """k1/n1 − k2/n2 of independent units, by squaring and adding Wilson's intervals.

    Method 10 of Newcombe 1998, Stat. Med. 17, 873-890: with d = p₁ − p₂ and Wilson's
    (l, u) of each, from d − √((p₁−l₁)² + (u₂−p₂)²) to d + √((u₁−p₁)² + (p₂−l₂)²).
    p-values invert it.

    Parameters
    ----------
    k1, n1, k2, n2
        Events and units; effective ones where units come in clusters.
    alpha
        1 less the level.
    limit
        What the p-values are about, within (−1, 1).
    df
        Of each side's variance, as :class:`~audit.statistics.proportions.ClusteredRate` has it.

    Raises
    ------
    ValueError
        If a count is impossible, or alpha or limit out of range.

    Examples
    --------
    The first of the paper's examples:

    >>> found = newcombe_difference(56, 70, 48, 80)
    >>> round(found.estimate, 4), round(found.ci_low, 4), round(found.ci_high, 4), round(found.p_value, 4)
    (0.2, 0.0524, 0.3339, 0.0081)
    """
    sides: list[tuple[float, Bounds]] = []
    for k, n, free in ((k1, n1, df[0]), (k2, n2, df[1])):

        def bounds(level: float, k: float = k, n: float = n, free: float = free) -> tuple[float, float]:
            low, high = wilson(k, n, alpha=level, df=free)
            return float(low), float(high)

        sides.append((k / n if n > 0 else math.nan, bounds))
    return square_and_add(*sides, alpha=alpha, limit=limit)


def square_and_add(
    first: tuple[float, Bounds],
    second: tuple[float, Bounds],
    *,
    alpha: float = 0.05,
    limit: float = 0.0,
    correlation: float = 0.0,
) -> RateDifference:
    """Difference of two estimates that have intervals of their own, of any kind.

    With (l, u) of each at 1 − alpha and correlation r the lower bound is
    d − √((p₁−l₁)² + (u₂−p₂)² − 2r(p₁−l₁)(u₂−p₂)), the upper its mirror (Zou & Donner
    2008, Stat. Med. 27, 1693-1702). A p is the alpha at which a bound meets the limit.

    Parameters
    ----------
    first, second
        Estimate, and a function that gives its bounds for an alpha.
    alpha, limit
        As in :func:`newcombe_difference`.
    correlation
        Of the two estimates.

    Examples
    --------
    >>> side = lambda p: (p, lambda level: (p + special.ndtri(level / 2), p - special.ndtri(level / 2)))
    >>> found = square_and_add(side(3.0), side(0.0), limit=.5)
    >>> round(found.ci_low, 4), round(found.p_above, 4)  # 3 − 1.96 √2, and P(Z > 2.5/√2)
    (0.2282, 0.0385)
    """
    if not (0 < alpha < 1 and -1 < limit < 1):
        raise ValueError(f"alpha must lie between 0 and 1 and limit between -1 and 1, but are {alpha!r}, {limit!r}")
    (p1, bounds1), (p2, bounds2) = first, second
    estimate = p1 - p2

    def bound(z: float, sign: int) -> float:
        level = min(2 * float(special.ndtr(-z)), _WHOLE)
        (l1, u1), (l2, u2) = bounds1(level), bounds2(level)
        one, other = (p1 - l1, u2 - p2) if sign < 0 else (u1 - p1, p2 - l2)
        return estimate + sign * math.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other))

    z = -float(special.ndtri(alpha / 2))
    low, high = bound(z, -1), bound(z, 1)
    if not (math.isfinite(low) and math.isfinite(high)):
        return RateDifference(estimate, *(math.nan,) * 5)
    sign = -1 if estimate >= limit else 1
    reach = _root(lambda at: sign * (bound(at, sign) - limit), 0.0, _FARTHEST)
    return _difference(estimate, low, high, -sign * reach)


def tango_difference(
    b: float, c: float, n: float, *, alpha: float = 0.05, limit: float = 0.0, df: float = math.inf
) -> RateDifference:
    """(b − c)/n of pairs, where b have the event only first and c only second: the score interval.

    T(δ) = (b − c − nδ)/√(n(2q̃ + δ(1−δ))), with q̃ the larger root of 2n q² + B q + C,
    B = (2n − b + c)δ − b − c, C = −cδ(1−δ); the interval is where |T| ≤ z. At δ = 0 T² is
    McNemar's statistic. Pairs that agree on both sides count in n alone.

    Parameters
    ----------
    b, c, n
        Effective ones where pairs come in clusters, with their ``df``.
    alpha, limit
        As in :func:`newcombe_difference`.

    Notes
    -----
    Tango 1998, Stat. Med. 17, 891-908; recommended by Fagerland, Lydersen & Laake 2014,
    Stat. Med. 33, 2850-2875.

    Examples
    --------
    One child of 21 has the condition only before treatment, seven only after it:

    >>> found = tango_difference(1, 7, 21)
    >>> round(found.estimate, 4), round(found.ci_low, 4), round(found.ci_high, 4), round(found.p_value, 4)
    (-0.2857, -0.5172, -0.026, 0.0339)
    """
    if not (b >= 0 and c >= 0 and b + c <= n * (1 + 1e-9) and math.isfinite(n)):
        raise ValueError(f"pairs must have b, c >= 0 and b + c <= n, but are {b!r}, {c!r}, {n!r}")
    if not (0 < alpha < 1 and -1 < limit < 1):
        raise ValueError(f"alpha must lie between 0 and 1 and limit between -1 and 1, but are {alpha!r}, {limit!r}")
    if not (n > 0 and df > 0):
        return RateDifference((b - c) / n if n > 0 else math.nan, *(math.nan,) * 5)

    def statistic(delta: float) -> float:
        linear = (2 * n - b + c) * delta - b - c
        constant = -c * delta * (1 - delta)
        # Scaled before it is squared: a limit of 1e-200 is as good as 0, and must not vanish on the way.
        size = abs(linear)
        inner = 1 - 8 * n * (constant / size) / size if size else -8 * n * constant
        root = (size or 1.0) * math.sqrt(max(0.0, inner))
        nuisance = (root - linear) / (4 * n) if linear < 0 else -2 * constant / ((linear + root) or 1.0)
        spread = n * (2 * nuisance + delta * (1 - delta))
        distance = b - c - n * delta
        if spread > 0:
            return distance / math.sqrt(spread)
        return math.copysign(math.inf, distance) if distance else 0.0

    estimate = (b - c) / n
    z = -float(special.ndtri(alpha / 2) if math.isinf(df) else special.stdtrit(df, alpha / 2))
    low = _root(lambda at: z - statistic(at), -1.0, estimate)
    high = _root(lambda at: -z - statistic(at), estimate, 1.0)
    return _difference(estimate, low, high, statistic(limit), df)


def paired_rate_difference(
    first: ArrayLike,
    second: ArrayLike,
    cluster: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    limit: float = 0.0,
) -> RateDifference:
    """Rate of the event under one model less that under another, on the same units: :func:`tango_difference`.

    Parameters
    ----------
    first, second
        (n,) booleans: whether the unit has the event. A pair of which one is NaN is left out.
    cluster
        (n,) label of the unit's customer or prompt. Counts are then divided by the
        :func:`~audit.statistics.proportions.design_effect` of the differences, and t at
        C−1 df stands for z. All units in one cluster give NaN.

    Raises
    ------
    ValueError
        If lengths differ, or an event is neither 0 nor 1.

    Examples
    --------
    >>> target, base = [True] * 7 + [False] * 14, [False] * 7 + [True] + [False] * 13
    >>> paired_rate_difference(target, base) == tango_difference(7, 1, 21)
    True
    """
    sides = [np.asarray(side, float) for side in (first, second)]
    labels = np.arange(sides[0].size) if cluster is None else np.asarray(cluster)
    if sides[0].ndim != 1 or any(one.shape != sides[0].shape for one in (sides[1], labels)):
        raise ValueError("first, second and cluster must be one-dimensional and of one length")
    keep = ~np.isnan(sides[0] + sides[1])
    one, other = (side[keep] for side in sides)
    if not (np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all()):
        raise ValueError("events must be 0 or 1")
    gaps, n = one - other, one.size
    clusters = np.unique(labels[keep]).size
    effect = design_effect(gaps, labels[keep]) if n else 1.0
    df = math.inf if clusters == n else clusters - 1.0
    b, c = float((gaps > 0).sum()), float((gaps < 0).sum())
    return tango_difference(b / effect, c / effect, n / effect, alpha=alpha, limit=limit, df=df)


def _difference(estimate: float, low: float, high: float, score: float, df: float = math.inf) -> RateDifference:
    above, below = (float(special.ndtr(z) if math.isinf(df) else special.stdtr(df, z)) for z in (-score, score))
    return RateDifference(estimate, low, high, min(1.0, 2 * min(above, below)), above, below)


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where an increasing function passes 0, by halving; the end that is nearer where it does not."""
    for _ in range(80):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2
