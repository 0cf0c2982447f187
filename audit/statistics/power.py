"""What a design can find: the smallest detectable gap, and how much more it would take."""

from __future__ import annotations

import math

from scipy import special


def minimum_detectable_gap(se: float, df: float, *, alpha: float = 0.05, power: float = 0.9, tests: int = 1) -> float:
    """Gap that a two-sided t-test finds with probability ``power``, in the unit of ``se``.

    MDE = (t_{1−α'/2,df} + t_{power,df}) · SE with α' = α/``tests`` (Bonferroni, what
    Holm leaves its smallest p). With df below 10 the sum of two t quantiles is too
    small, and the non-centrality that reaches the power is solved for (Cohen 1988,
    ch. 2; Johnson, Kotz & Balakrishnan 1995, ch. 31). NaN without a spread.

    >>> round(minimum_detectable_gap(1, 1e9), 2)
    3.24
    >>> round(minimum_detectable_gap(1, 5), 2)  # the two quantiles would give 4.05
    4.09
    >>> round(minimum_detectable_gap(.1, 20, tests=10), 4)
    0.4479
    >>> minimum_detectable_gap(0, 20)
    nan
    """
    if not (se > 0 and df > 0):
        return math.nan
    critical = float(special.stdtrit(df, 1 - alpha / tests / 2))
    if df < 10:
        return float(special.nctdtrinc(df, 1 - power, critical)) * se
    return (critical + float(special.stdtrit(df, power))) * se


def smallest_equivalence_tolerance(se: float, df: float, *, alpha: float = 0.05, power: float = 0.9) -> float:
    """Tolerance for which equivalence is granted with probability ``power`` when the gap is 0.

    Both one-sided tests must reject, each with probability (1+power)/2:
    (t_{1−α,df} + t_{(1+power)/2,df}) · SE, which is 2 · t_{.95,df} · SE at α = .05 and
    power .90 (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657-680).

    >>> round(smallest_equivalence_tolerance(.1, 30), 4) == round(2 * 1.697261 * .1, 4)
    True
    """
    if not (se > 0 and df > 0):
        return math.nan
    return float(special.stdtrit(df, 1 - alpha) + special.stdtrit(df, (1 + power) / 2)) * se


def growth_for_equivalence(
    se: float, df: float, tolerance: float, *, alpha: float = 0.05, power: float = 0.9, caution: float = 0.8
) -> float:
    """Factor by which templates and personas must grow for equivalence at a true gap of 0.

    The variance is taken to fall as 1/factor and df to rise with it, when templates
    and personas grow alike. The variance is not known but estimated: it is set to
    its upper ``caution`` limit, s² · df / χ²_{1−caution,df}, because plans on the plain
    estimate come out too small in a quarter or more of pilots. At least 1; NaN
    without a spread.

    >>> round(growth_for_equivalence(.1, 30, .1), 1)
    14.0
    >>> growth_for_equivalence(.01, 30, 1.)
    1.0
    """
    if not (se > 0 and df > 0 and tolerance > 0):
        return math.nan
    upper = se * math.sqrt(df / float(special.chdtri(df, caution)))
    factor = 1.0
    for _ in range(100):
        wanted = smallest_equivalence_tolerance(upper, df * factor, alpha=alpha, power=power) / tolerance
        step = max(1.0, wanted**2)
        if math.isclose(step, factor, rel_tol=1e-9):
            break
        factor = math.sqrt(step * factor)
    return factor
