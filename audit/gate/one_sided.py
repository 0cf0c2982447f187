"""Is a figure above its limit, or below? Two one-sided tests on what a finding holds.

A finding without any spread, no leak of a thousand or a leak of every one, has a standard
error of 0. That is neither a proof nor nothing: what it shows is worked out exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy import special

from audit.privacy.attacks.auc import AucBounds
from audit.privacy.attacks.odds import Found
from audit.statistics import boundary_error
from audit.statistics.proportions import below_limit, exceeds_limit

Row = Mapping[str, Any]
RATE = "rate"
AUC = "auc"


@dataclass(frozen=True, slots=True)
class Sides:
    """p of "the value is at most the limit" (``above``) and of "it is at least the limit" (``below``).

    Small ``above``: evidence of a leak; small ``below``: evidence that there is no such leak. Both
    NaN where the finding allows no test.
    """

    above: float
    below: float


def one_sided(finding: Row, limit: float, units: float, *, fpr: float | None = None) -> Sides:
    """Test a finding against a limit from both sides.

    * A rate: exact binomial tails on as many independent units as its standard error amounts to,
      :func:`effective_units`.
    * Members found at a false positive rate: :func:`members_found`, as non-members fix the threshold.
    * A difference of rates: t, with a standard error that for the claim "below" is at least that
      of the limit itself (:func:`~audit.statistics.boundary_error`), as rare events need not have
      occurred.
    * An AUC: by the bounds that its interval has, :class:`~audit.privacy.attacks.auc.AucBounds`.
    * Anything else (bits, a difference of AUCs): t; without a standard error of its own no claim "below".

    A difference of rates that every unit shows alike, all of one side and none of the other, has
    p = ((1 + limit)/2)ⁿ at most; of other figures, AUCs aside, n units on one side of the limit have 2⁻ⁿ.

    Parameters
    ----------
    finding : a row of the table; read are scale, statistic, estimate, se, df, n_cells, n_personas.
    limit : in the unit of the metric.
    units : independent units of a difference, of its smaller side.
    fpr : the false positive rate, where the finding is a rate of members found at it.

    Examples
    --------
    No leak of 1,000 customers, and 30, where 1 % is allowed:

    >>> none = {"scale": "rate", "statistic": "mean", "category": "member", "estimate": 0.0, "se": 0.0, "df": None,
    ...         "n_cells": 1000, "n_personas": 1000}
    >>> found = one_sided(none, .01, 1000)
    >>> found.above, round(found.below, 6)  # .99¹⁰⁰⁰
    (1.0, 4.3e-05)
    >>> round(one_sided(none | {"estimate": .03, "se": .0054}, .01, 1000).above, 8)
    2.1e-07
    """
    if finding["scale"] == RATE and finding["statistic"] == "mean":
        return _of_rate(finding, limit) if fpr is None else members_found(finding, limit, fpr)
    if finding["scale"] == AUC and finding["statistic"] == "mean":
        return _of_auc(finding, limit, units)
    estimate, se = finding["estimate"], finding["se"]
    if estimate is None or se is None or math.isnan(se):
        return Sides(math.nan, math.nan)
    is_rate, df = finding["scale"] == RATE, _df(finding)
    if se > 0:
        above = _tail((estimate - limit) / se, df)
    elif estimate <= limit:
        above = 1.0
    else:
        above = math.pow((1 + limit) / 2 if is_rate else 0.5, units)
    least = boundary_error(limit, math.floor(units)) if is_rate and limit > 0 else 0.0
    spread = max(se, least)
    return Sides(above, _tail((limit - estimate) / spread, df) if spread > 0 else 1.0)


def members_found(finding: Row, limit: float, fpr: float) -> Sides:
    """Test a share of members found at a false positive rate, whose threshold non-members set: ``Found``.

    Members and non-members count as many as they amount to: records of one customer come together on
    either side (:class:`~audit.privacy.attacks.odds.Found`). Read are estimate, se, and n_blocks: the
    effective non-members, as many as the members where it is 0.

    >>> row = {"estimate": .01, "se": .00315, "n_cells": 1000, "n_personas": 1000, "n_blocks": 1000, "df": None,
    ...         "category": "member", "scale": "rate", "statistic": "mean"}
    >>> found = members_found(row, .05, .01)
    >>> round(found.above, 4), round(found.below, 4)
    (0.9999, 0.0002)
    """
    rate, size = finding["estimate"], effective_units(finding) if finding["estimate"] is not None else 0.0
    if not size > 0:
        return Sides(math.nan, math.nan)
    found = Found(rate, size, float(finding["n_blocks"] or finding["n_cells"]), fpr)
    return Sides(found.above(limit), found.below(limit))


def effective_units(finding: Row) -> float:
    """How many independent units a rate rests on: p(1 − p)/se², and never more than were counted.

    Without a standard error above 0 nothing tells how much alike the units of a cluster are. Records
    of one customer then count as one. Texts drawn from one prompt count each: the rate is
    one over the prompts that were asked, and draws are independent of each other.

    >>> row = {"estimate": .1, "se": .02, "n_cells": 1000, "n_personas": 300, "category": "member"}
    >>> effective_units(row), effective_units(row | {"estimate": 0., "se": 0.})
    (225.0, 300.0)
    """
    rate, se, n = finding["estimate"], finding["se"], float(finding["n_cells"])
    if se and 0 < rate < 1:
        return min(n, round(float(rate * (1 - rate) / se**2), 6))
    return float(clusters(finding))


def clusters(finding: Row) -> int:
    """Customers where their records were counted, else what was counted."""
    n, customers = int(finding["n_cells"]), int(finding["n_personas"])
    return n if finding["category"] == "generation" or not 0 < customers < n else customers


def _of_auc(finding: Row, limit: float, units: float) -> Sides:
    """The df tell how many customers the smaller side has; ``units`` where there are none."""
    auc, se, df = finding["estimate"], finding["se"], finding["df"]
    count = math.floor(units) if df is None else round(df) + 1
    if auc is None or se is None or math.isnan(se) or count < 2:
        return Sides(math.nan, math.nan)
    method = "bootstrap" if se > 0 and 0 < auc < 1 else "disjoint pairs"
    bounds = AucBounds(auc, se, (count, count), method)
    return Sides(bounds.above(limit), bounds.below(limit))


def _of_rate(finding: Row, limit: float) -> Sides:
    rate, size = finding["estimate"], 0.0
    if rate is not None:
        size = effective_units(finding)
    if not size > 0:
        return Sides(math.nan, math.nan)
    # A count by itself has no variance that was estimated.
    df = _df(finding) if size < finding["n_cells"] else math.inf
    return Sides(exceeds_limit(rate, size, min(limit, 1.0), df=df), below_limit(rate, size, min(limit, 1.0), df=df))


def _df(finding: Row) -> float:
    return float(finding["df"]) if finding["df"] is not None else math.inf


def _tail(z: float, df: float) -> float:
    return float(special.ndtr(-z) if math.isinf(df) else special.stdtr(df, -z))
