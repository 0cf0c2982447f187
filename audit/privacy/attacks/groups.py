"""Membership attacks by group: whose records can be told to have been in the training data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from audit.privacy.attacks.auc import AucBounds, Side, auc_bounds, bootstrapped
from audit.privacy.attacks.by_group import GroupContrast, GroupLevel, known_labels, listed_groups
from audit.privacy.attacks.rates import exact_bounds, rate_at, threshold_at
from audit.statistics.proportions import ClusteredRate, wilson
from audit.statistics.rate_differences import Bounds, RateDifference, square_and_add
from audit.statistics.variance import Reals


@dataclass(frozen=True, slots=True)
class GroupTruePositives:
    """One group's rates of members and of non-members at the threshold that all groups share.

    A group whose texts are merely likelier has more of both: what the model remembers of a
    group shows in ``excess``, its members' rate less its own non-members', by Newcombe's interval. ``tpr``
    and ``fpr`` have Clopper & Pearson's, about the threshold.
    """

    group: str
    tpr: ClusteredRate
    tpr_bounds: tuple[float, float]
    fpr: ClusteredRate
    fpr_bounds: tuple[float, float]
    excess: RateDifference


def auc_by_group(
    member_scores: ArrayLike,
    member_group: ArrayLike,
    non_member_scores: ArrayLike,
    non_member_group: ArrayLike,
    *,
    reference: str,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
    widen: float = 1.0,
) -> tuple[tuple[GroupLevel, ...], tuple[GroupContrast, ...]]:
    """AUC of each group's members against the same group's non-members, and its difference from the reference's.

    Within a group, since groups write differently and their scores differ with or without
    memory. Levels are those of :func:`~audit.privacy.attacks.rates.auc_with_interval`. All groups see
    the same bootstrap samples; a difference's interval puts the two intervals together, less what the
    samples' correlation takes off (:func:`~audit.statistics.rate_differences.square_and_add`; no
    correlation is taken where every customer has one group, since groups are then drawn apart).

    Parameters
    ----------
    member_scores, non_member_scores
        (n,) scores, higher for what looks like a member. NaN are left out.
    member_group, non_member_group
        (n,) group of the record's author; None where it is not known, and the record is left out.
    reference
        The group that others are compared with.
    member_cluster, non_member_cluster
        (n,) label of the record's customer.
    groups
        As in :func:`~audit.privacy.attacks.by_group.by_group`.
    alpha, draws, seed
        As in :func:`~audit.privacy.attacks.rates.auc_with_interval`.
    widen
        What standard errors are multiplied by: :data:`~audit.privacy.attacks.blind.OUT_OF_FOLD` for
        the blind baseline's scores.

    Returns
    -------
    Levels of all groups, and contrasts of all but the reference; ``n`` and ``n_clusters`` are of
    the smaller of members and non-members. NaN where a group lacks members or non-members.

    Raises
    ------
    ValueError
        If lengths differ, the reference is not among the groups, or alpha or draws are out of range.

    Examples
    --------
    >>> scores, author = [5.0, 6.0, 7.0, 1.0, 4.0, 2.0], ["a"] * 3 + ["b"] * 3
    >>> levels, (gap,) = auc_by_group(scores, author, [1.0, 2.0, 3.0] * 2, author, reference="b")
    >>> [round(level.estimate, 3) for level in levels], round(gap.estimate, 3)
    ([1.0, 0.556], 0.444)
    """
    labels = known_labels(member_group), known_labels(non_member_group)
    names = listed_groups(*labels, groups=groups, reference=reference)
    sides = (
        Side.of("members", member_scores, member_cluster, labels[0], names),
        Side.of("non_members", non_member_scores, non_member_cluster, labels[1], names),
    )
    drawn = bootstrapped(*sides, draws=draws, seed=seed, groups=len(names))
    found = [
        auc_bounds(auc, replicates, (sides[0].clusters(place), sides[1].clusters(place)))
        for place, (auc, replicates) in enumerate(drawn)
    ]
    found = [replace(bounds, se=widen * bounds.se) for bounds in found]
    sizes = [min(int((side.group == place).sum()) for side in sides) for place in range(len(names))]
    apart = all(side.strata() is not None for side in sides)
    levels = []
    for name, bounds, size in zip(names, found, sizes, strict=True):
        low, high = bounds.at(alpha)
        clusters = min(bounds.clusters)
        df = math.nan if math.isnan(bounds.se) else clusters - 1.0
        levels.append(GroupLevel(name, bounds.auc, low, high, bounds.se, df, size, clusters, bounds.method))
    base, contrasts = names.index(reference), []
    for place, level in enumerate(levels):
        if place != base:
            correlation = 0.0 if apart else _correlation(drawn[place][1], drawn[base][1])
            contrasts.append(_contrast((level, found[place]), (levels[base], found[base]), correlation, alpha))
    return tuple(levels), tuple(contrasts)


def tpr_by_group(
    member_scores: ArrayLike,
    member_group: ArrayLike,
    non_member_scores: ArrayLike,
    non_member_group: ArrayLike,
    *,
    reference: str,
    fpr: float = 0.01,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> tuple[tuple[GroupTruePositives, ...], tuple[GroupContrast, ...]]:
    """True positive rate of each group at one threshold, at which ``fpr`` of all non-members pass, and its excess.

    One threshold, since an attacker has one: a group's own would take a thousand
    non-members of each. Records of unknown group help to set it. Contrasts are of what a
    group's true positive rate has in excess of its own false positive rate, for groups
    write differently and their scores differ without memory: both groups' Newcombe
    intervals, squared and added.

    Parameters, returns and errors as in :func:`auc_by_group` and :func:`~audit.privacy.attacks.rates.tpr_at_fpr`.

    Examples
    --------
    >>> scores, author = [99.5, 98.0, 5.0, 5.0], ["a", "a", "b", "b"]
    >>> levels, (gap,) = tpr_by_group(scores, author, np.arange(100), ["a", "b"] * 50, reference="b", fpr=.02)
    >>> [(level.group, level.tpr.rate, level.fpr.rate, level.excess.estimate) for level in levels], gap.estimate
    ([('a', 1.0, 0.02, 0.98), ('b', 0.0, 0.02, -0.02)], 1.0)
    """
    labels = known_labels(member_group), known_labels(non_member_group)
    names = listed_groups(*labels, groups=groups, reference=reference)
    inside = Side.of("members", member_scores, member_cluster, labels[0], names)
    outside = Side.of("non_members", non_member_scores, non_member_cluster, labels[1], names)
    threshold, _ = threshold_at(inside.scores, outside.scores, fpr=fpr)
    levels = []
    for place, name in enumerate(names):
        one, other = (rate_at(side.of_group(place), threshold, alpha=alpha) for side in (inside, outside))
        bounds = exact_bounds(one, alpha), exact_bounds(other, alpha)
        excess = square_and_add((one.rate, _wilson(one)), (other.rate, _wilson(other)), alpha=alpha)
        levels.append(GroupTruePositives(name, one, bounds[0], other, bounds[1], excess))
    base = levels[names.index(reference)]
    return tuple(levels), tuple(_excess_contrast(one, base, alpha) for one in levels if one is not base)


def _wilson(found: ClusteredRate) -> Bounds:
    def bounds(alpha: float) -> tuple[float, float]:
        if math.isnan(found.df):
            return math.nan, math.nan
        low, high = wilson(found.rate * found.n_effective, found.n_effective, alpha=alpha, df=found.df)
        return float(low), float(high)

    return bounds


def _excess_bounds(level: GroupTruePositives) -> Bounds:
    """Newcombe's interval of a group's excess at any level."""
    (p1, first), (p2, second) = ((found.rate, _wilson(found)) for found in (level.tpr, level.fpr))

    def bounds(alpha: float) -> tuple[float, float]:
        (l1, u1), (l2, u2) = first(alpha), second(alpha)
        return p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)

    return bounds


def _excess_contrast(one: GroupTruePositives, other: GroupTruePositives, alpha: float) -> GroupContrast:
    sides = [(level.excess.estimate, _excess_bounds(level)) for level in (one, other)]
    gap = square_and_add(*sides, alpha=alpha)
    rates = [one.tpr, one.fpr, other.tpr, other.fpr]
    se = math.hypot(*(rate.se for rate in rates)) if math.isfinite(gap.ci_low) else math.nan
    n, clusters = min(rate.n for rate in rates), min(rate.n_clusters for rate in rates)
    method = "each less the group's own false positive rate; Newcombe, squared and added"
    bounds = gap.estimate, gap.ci_low, gap.ci_high
    return GroupContrast(one.group, other.group, *bounds, se, math.nan, gap.p_value, n, clusters, method)


def _contrast(
    one: tuple[GroupLevel, AucBounds], other: tuple[GroupLevel, AucBounds], correlation: float, alpha: float
) -> GroupContrast:
    (first, bounds), (second, base) = one, other
    gap = square_and_add((first.estimate, bounds.at), (second.estimate, base.at), alpha=alpha, correlation=correlation)
    shared = 2 * correlation * first.se * second.se
    se = math.sqrt(max(0.0, first.se**2 + second.se**2 - shared))
    n, clusters = min(first.n, second.n), min(first.n_clusters, second.n_clusters)
    method = f"{first.method} and {second.method} intervals, squared and added"
    # The degrees of freedom are inside the two intervals: a difference has none of its own.
    return GroupContrast(
        first.group, second.group, gap.estimate, gap.ci_low, gap.ci_high, se, math.nan, gap.p_value, n, clusters, method
    )


def _correlation(one: Reals, other: Reals) -> float:
    known = ~np.isnan(one + other)
    spread = np.std(one[known]) * np.std(other[known]) if known.any() else 0.0
    return float(np.cov(one[known], other[known], bias=True)[0, 1] / spread) if spread > 0 else 0.0
