"""Leakage by group: what each group of authors lost, and how much more than the reference group.

A model may keep the average record to itself and give away those of a minority. Every figure
of the audit is therefore taken within each group as well; a group that is too small for one is
listed with NaN instead of being left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.proportions import ClusteredRate, cluster_rate
from audit.statistics.rate_differences import newcombe_difference
from audit.statistics.variance import ROUNDING, Reals, one_way_variance, t_quantile, two_sided_p

Labels = NDArray[np.object_]
_Parts = list[tuple[Reals, Any]]
_Found = tuple[tuple["GroupLevel", ...], Callable[[int, int], "GroupContrast"]]


@dataclass(frozen=True, slots=True)
class GroupLevel:
    """One group's figure with its interval; NaN where it has none. ``n`` counts records with a value."""

    group: str
    estimate: float
    ci_low: float
    ci_high: float
    se: float
    df: float
    n: int
    n_clusters: int
    method: str


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """``group`` less ``reference`` with its interval and two-sided p of "no difference".

    The p is below alpha exactly where the interval leaves 0 out. ``n`` and ``n_clusters`` are
    of the smaller of the two groups.
    """

    group: str
    reference: str
    estimate: float
    ci_low: float
    ci_high: float
    se: float
    df: float
    p_value: float
    n: int
    n_clusters: int
    method: str


def by_group(
    values: ArrayLike,
    group: ArrayLike,
    *,
    reference: str,
    kind: Literal["rate", "mean"] = "rate",
    cluster: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> tuple[tuple[GroupLevel, ...], tuple[GroupContrast, ...]]:
    """Level of each group, and its contrast with the reference.

    * ``rate``: Wilson's interval and Newcombe's of differences, with effective counts where
      records come in clusters (:func:`~audit.statistics.proportions.cluster_rate`,
      :func:`~audit.statistics.rate_differences.newcombe_difference`).
    * ``mean``: t intervals with V = C/(C−1) Σ_c (Σ (y − ȳ)/n)² at C−1 df, which is s²/n where each
      record is a cluster; contrasts add the two V, with the df of Welch 1947 (Biometrika 34, 28-35).

    Parameters
    ----------
    values
        (n,) 0 and 1 for a rate, any numbers for a mean. NaN is a record without a value.
    group
        (n,) label of the author's group; None where it is not known, and the record is left out.
    reference
        The group that others are compared with.
    kind
        As above.
    cluster
        (n,) label of the record's customer. Groups are compared as independent, as they
        are where a customer has one group.
    groups
        All groups that are to be listed, in this order; those that occur, sorted, when not given.
    alpha
        1 less the level.

    Returns
    -------
    Levels of all groups, and contrasts of all but the reference. A mean of fewer than two
    clusters or of values that are all equal has no interval; neither has a contrast with it.

    Raises
    ------
    ValueError
        If lengths differ, the reference is not among the groups, a value is infinite, or a rate's
        value lies outside [0, 1].

    Examples
    --------
    >>> leaked, author = [1] * 9 + [0] * 21 + [1] * 3 + [0] * 57, ["a"] * 30 + ["b"] * 60
    >>> levels, (gap,) = by_group(leaked, author, reference="b")
    >>> [(level.group, round(level.estimate, 2), round(level.ci_low, 3), round(level.ci_high, 3)) for level in levels]
    [('a', 0.3, 0.167, 0.479), ('b', 0.05, 0.017, 0.137)]
    >>> round(gap.estimate, 2), round(gap.ci_low, 3), round(gap.ci_high, 3), round(gap.p_value, 4)
    (0.25, 0.091, 0.432, 0.0016)
    """
    if kind not in ("rate", "mean"):
        raise ValueError(f"kind must be 'rate' or 'mean', but is {kind!r}")
    numbers, labels = np.asarray(values, float), known_labels(group)
    clusters = np.arange(numbers.size) if cluster is None else np.asarray(cluster)
    if numbers.ndim != 1 or labels.shape != numbers.shape or clusters.shape != numbers.shape:
        raise ValueError("values, group and cluster must be one-dimensional and of one length")
    if np.isinf(numbers).any():
        raise ValueError("a value is infinite; give NaN for a record without a usable value")
    names = listed_groups(labels, groups=groups, reference=reference)
    parts = [(numbers[mine], clusters[mine]) for mine in ((labels == name) & ~np.isnan(numbers) for name in names)]
    of = _rates if kind == "rate" else _means
    levels, contrast = of(names, parts, alpha)
    base = names.index(reference)
    return levels, tuple(contrast(place, base) for place in range(len(names)) if place != base)


def known_labels(group: ArrayLike) -> Labels:
    """Groups as text, and None for what a table may have where no group is known: None or NaN.

    >>> known_labels(["a", None, float("nan"), 3]).tolist()
    ['a', None, None, '3']
    """
    given = np.asarray(group, object)
    if given.ndim != 1:
        raise ValueError(f"group must be one-dimensional, but has the shape {given.shape}")
    unknown = [one is None or one != one for one in given.tolist()]
    return np.array([None if none else str(one) for one, none in zip(given.tolist(), unknown, strict=True)], object)


def listed_groups(*labels: Labels, groups: Sequence[str] | None, reference: str) -> list[str]:
    """The groups to list: those asked for, or all that occur, sorted.

    >>> listed_groups(known_labels(["b", None, "a"]), known_labels(["c"]), groups=None, reference="a")
    ['a', 'b', 'c']
    """
    found = {one for column in labels for one in column.tolist() if one is not None}
    names = sorted(found) if groups is None else list(dict.fromkeys(groups))
    if reference not in names:
        raise ValueError(
            f"no record belongs to the reference group {reference!r}; there are {', '.join(names) or 'none'}"
        )
    return names


def _rates(names: list[str], parts: _Parts, alpha: float) -> _Found:
    rates = [cluster_rate(values, clusters, alpha=alpha) for values, clusters in parts]
    method = "Wilson" if all(rate.n_clusters == rate.n for rate in rates) else "Wilson, effective sample size"

    def level(name: str, rate: ClusteredRate) -> GroupLevel:
        return GroupLevel(name, rate.rate, rate.ci_low, rate.ci_high, rate.se, rate.df, rate.n, rate.n_clusters, method)

    def contrast(one: int, other: int) -> GroupContrast:
        return rate_contrast_of((names[one], rates[one]), (names[other], rates[other]), alpha=alpha)

    return tuple(level(*each) for each in zip(names, rates, strict=True)), contrast


def rate_contrast_of(
    one: tuple[str, ClusteredRate], other: tuple[str, ClusteredRate], *, alpha: float = 0.05
) -> GroupContrast:
    """Newcombe's contrast of two groups' rates; NaN where one has no interval.

    >>> rates = ("a", cluster_rate([1, 0, 0, 0])), ("b", cluster_rate([0, 0, 0, 0]))
    >>> round(rate_contrast_of(*rates).ci_low, 3), round(rate_contrast_of(*rates).ci_high, 3)
    (-0.281, 0.699)
    """
    (group, first), (reference, second) = one, other
    least = min(first.n, second.n), min(first.n_clusters, second.n_clusters)
    se, df = _welch((first.se, first.df), (second.se, second.df))
    if math.isnan(first.df) or math.isnan(second.df):
        return _no_contrast(group, reference, first.rate - second.rate, least, "Newcombe")
    sides = [(rate.rate * rate.n_effective, rate.n_effective) for rate in (first, second)]
    gap = newcombe_difference(*sides[0], *sides[1], alpha=alpha, df=(first.df, second.df))
    return GroupContrast(
        group, reference, gap.estimate, gap.ci_low, gap.ci_high, se, df, gap.p_value, *least, "Newcombe"
    )


def _means(names: list[str], parts: _Parts, alpha: float) -> _Found:
    levels = []
    for name, (values, clusters) in zip(names, parts, strict=True):
        codes = np.unique(clusters, return_inverse=True)[1]
        size = int(codes.max(initial=-1)) + 1
        mean = float(values.mean()) if values.size else math.nan
        se = math.sqrt(one_way_variance((values - mean) / values.size, codes)) if size > 1 else math.nan
        if size > 1 and se <= ROUNDING * float(np.abs(values).max()):
            se = math.nan
        df = size - 1.0 if se > 0 else math.nan
        half = t_quantile(1 - alpha / 2, df) * se
        levels.append(GroupLevel(name, mean, mean - half, mean + half, se, df, values.size, size, "t"))

    def contrast(one: int, other: int) -> GroupContrast:
        first, second = levels[one], levels[other]
        least = min(first.n, second.n), min(first.n_clusters, second.n_clusters)
        gap = first.estimate - second.estimate
        se, df = _welch((first.se, first.df), (second.se, second.df))
        if not se > 0:
            return _no_contrast(first.group, second.group, gap, least, "Welch")
        half = t_quantile(1 - alpha / 2, df) * se
        p = two_sided_p(gap, se, df)
        return GroupContrast(first.group, second.group, gap, gap - half, gap + half, se, df, p, *least, "Welch")

    return tuple(levels), contrast


def _welch(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Standard error of a difference and its df, (V₁+V₂)²/(V₁²/df₁ + V₂²/df₂)."""
    squares = one[0] ** 2, other[0] ** 2
    total = squares[0] + squares[1]
    below = squares[0] ** 2 / one[1] + squares[1] ** 2 / other[1]
    return math.sqrt(total), total**2 / below if below > 0 else (math.inf if below == 0 else math.nan)


def _no_contrast(group: str, reference: str, gap: float, least: tuple[int, int], method: str) -> GroupContrast:
    return GroupContrast(group, reference, gap, *(math.nan,) * 5, *least, method)
