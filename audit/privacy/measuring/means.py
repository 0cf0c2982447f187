"""Columns of a finding from arrays: means, rates, and what they are above their control."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from audit.privacy.measuring.rows import Subject, finding
from audit.statistics.proportions import ClusteredRate, cluster_rate
from audit.statistics.rate_differences import newcombe_difference, paired_rate_difference
from audit.statistics.variance import t_quantile, two_sided_p

Sample = tuple[ArrayLike, ArrayLike]


def mean_of(values: ArrayLike) -> dict[str, Any]:
    """Mean of independent values with Student's interval; NaN are left out.

    >>> found = mean_of([1.0, 2.0, 3.0])
    >>> found["estimate"], round(found["ci_low"], 3), found["n_cells"]
    (2.0, -0.484, 3)
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    n = known.size
    se = float(known.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return _with_interval(float(known.mean()) if n else math.nan, se, n - 1.0, n)


def difference_of(subject: Subject, first: ArrayLike, second: ArrayLike, control: str) -> dict[str, Any]:
    """Mean of the first less that of the second, both independent: Welch's interval; a row."""
    one, other = mean_of(first), mean_of(second)
    estimate, se, df = welch(one, other)
    columns = _with_interval(estimate, se, df, one["n_cells"])
    return finding(
        subject, "difference", method="Welch", reference=control, p_value=two_sided_p(estimate, se, df), **columns
    )


def welch(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, float, float]:
    """Difference of two means, its standard error and Welch & Satterthwaite's df."""
    parts = [side["se"] ** 2 for side in (one, other)]
    total = sum(parts)
    weights = sum(part**2 / max(1.0, side["df"]) for part, side in zip(parts, (one, other), strict=True))
    df = total**2 / weights if weights > 0 else math.inf
    return one["estimate"] - other["estimate"], math.sqrt(total), df


def rate_of(events: ArrayLike, cluster: ArrayLike) -> dict[str, Any]:
    """A rate with Wilson's interval on as many units as the customers amount to.

    >>> found = rate_of([1, 0, 0, 0], [0, 1, 2, 3])
    >>> found["estimate"], round(found["ci_high"], 3), found["n_personas"]
    (0.25, 0.699, 4)
    """
    return rate_columns(cluster_rate(events, cluster))


def rate_columns(found: ClusteredRate) -> dict[str, Any]:
    """The columns of a rate that was found."""
    return {
        "estimate": found.rate,
        "se": found.se,
        "df": found.df,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "n_cells": found.n,
        "n_personas": found.n_clusters,
    }


def minus_control(subject: Subject, inside: Sample, control: Sample, name: str) -> dict[str, Any]:
    """A rate less that of other units, as a row: Newcombe's interval on effective numbers."""
    sides = [cluster_rate(*side) for side in (inside, control)]
    sizes = [side.n_effective for side in sides]
    counts = [side.rate * side.n_effective for side in sides]
    found = newcombe_difference(counts[0], sizes[0], counts[1], sizes[1], df=(sides[0].df, sides[1].df))
    return finding(
        subject,
        "difference",
        method="Newcombe, by customer",
        reference=name,
        estimate=found.estimate,
        se=math.hypot(sides[0].se, sides[1].se),
        df=min(side.df for side in sides),
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_value=found.p_value,
        n_cells=min(side.n for side in sides),
        n_personas=min(side.n_clusters for side in sides),
    )


def minus_paired(
    subject: Subject, after: ArrayLike, before: ArrayLike, cluster: ArrayLike, name: str
) -> dict[str, Any]:
    """A rate less that of the same units under another model, as a row: Tango's interval."""
    found = paired_rate_difference(after, before, cluster)
    gaps = np.asarray(after, float) - np.asarray(before, float)
    customers = np.unique(np.asarray(cluster)).size
    # Of a sum within customers: units of one customer are not independent.
    sums = np.bincount(np.unique(np.asarray(cluster), return_inverse=True)[1], weights=gaps - gaps.mean())
    se = math.sqrt(float(sums @ sums) * customers / max(1, customers - 1)) / gaps.size
    return finding(
        subject,
        "difference",
        method="Tango, paired, by customer",
        reference=name,
        estimate=found.estimate,
        se=se,
        df=customers - 1.0,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_value=found.p_value,
        n_cells=gaps.size,
        n_personas=customers,
    )


def _with_interval(estimate: float, se: float, df: float, n: int) -> dict[str, Any]:
    half = t_quantile(0.975, df) * se if df > 0 and not math.isnan(se) else math.nan
    columns = {"estimate": estimate, "se": se, "df": df, "ci_low": estimate - half, "ci_high": estimate + half}
    return columns | {"n_cells": n, "n_personas": n}
