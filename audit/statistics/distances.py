"""The mean size of a change that should mean nothing: the floor under distances between groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.variance import ROUNDING, one_way_variance, t_quantile


@dataclass(frozen=True, slots=True)
class MeanDistance:
    """Mean of distances, each between two answers of one block.

    ``se``, ``df`` and the interval are NaN with fewer than two templates or where all
    distances are the same. ``ci_low`` is never below 0: no distance is.
    """

    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    n_pairs: int
    n_templates: int


def mean_distance(distance: ArrayLike, template: ArrayLike, *, alpha: float = 0.05) -> MeanDistance:
    """Mean distance with a t interval clustered by template.

    m = mean of d; V = T/(T−1) · Σ_template (Σ (d − m)/n)²; df = T − 1. It is an
    interval for the mean distance of such a change, not a test that the distance is 0,
    which no change leaves it (Liang & Zeger 1986, Biometrika 73, 13-22, for the mean).

    Parameters
    ----------
    distance
        (n,) not negative; NaN are left out.
    template
        (n,) its cluster.
    alpha
        1 less the level of the interval.

    Raises
    ------
    ValueError
        If the arrays differ in length, a distance is negative, or none is left.

    Examples
    --------
    >>> found = mean_distance([1, 1, 3, 3], ["t", "t", "u", "u"])
    >>> found.estimate, found.se, found.df, found.ci_low
    (2.0, 1.0, 1.0, 0.0)
    """
    values, labels = np.asarray(distance, float), np.asarray(template)
    if values.ndim != 1 or values.shape != labels.shape:
        raise ValueError("distance and template must be one-dimensional and of one length")
    keep = ~np.isnan(values)
    values = values[keep]
    if not values.size:
        raise ValueError("every distance is missing; there is no mean of none")
    if values.min() < 0:
        raise ValueError("a distance is negative; give sizes of changes, without their sign")
    names, codes = np.unique(labels[keep], return_inverse=True)
    estimate = float(values.mean())
    se, df = float(np.sqrt(one_way_variance((values - estimate) / values.size, codes))), names.size - 1.0
    if not se > ROUNDING * values.max():
        se = df = float("nan")
    half = t_quantile(1 - alpha / 2, df) * se
    return MeanDistance(
        estimate=estimate,
        se=se,
        df=df,
        ci_low=max(0.0, estimate - half) if half == half else half,
        ci_high=estimate + half,
        n_pairs=int(values.size),
        n_templates=int(names.size),
    )
