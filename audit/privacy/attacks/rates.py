"""How well a score tells members from non-members: AUC, and the true positive rate at a small false one.

An attack that is right about a few records with certainty has an AUC near one half, and yet
harms those few: hence both (Carlini et al. 2022, "Membership inference attacks from first
principles", arXiv 2112.03570).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from audit.privacy.attacks.auc import Side, auc_bounds, bootstrapped
from audit.privacy.attacks.odds import Found
from audit.statistics.proportions import ClusteredRate, clopper_pearson, cluster_rate
from audit.statistics.variance import Reals

# With fewer the threshold itself is a guess: at 1 % of 1,000 it is set by ten records.
ENOUGH_NON_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the ROC curve with its interval; ``method`` says which. NaN where nothing may be said.

    The counts are of records that have a score, ``n_clusters`` of customers on the smaller side.
    """

    auc: float
    ci_low: float
    ci_high: float
    se: float
    n_members: int
    n_non_members: int
    n_clusters: int
    method: str


@dataclass(frozen=True, slots=True)
class TruePositives:
    """True positive rate among members at ``threshold``, where ``fpr`` of non-members pass.

    ``n_effective`` independent members and non-members would say as much as those counted, which
    come in customers. ``note`` says why the figure is weak or missing, and is empty otherwise.
    """

    tpr: float
    ci_low: float
    ci_high: float
    threshold: float
    fpr: float
    n_members: int
    n_non_members: int
    n_effective: tuple[float, float]
    note: str


def auc_with_interval(
    members: ArrayLike,
    non_members: ArrayLike,
    *,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Auc:
    """P(member scores higher) + ½ P(both score the same), with a stratified bootstrap.

    Members and non-members are drawn with replacement apart, whole customers where clusters
    are given. The interval is that of logit AUC with the bootstrap's standard error
    (:func:`~audit.privacy.attacks.auc.auc_bounds`). Where every draw gives the same AUC (1, 0, or all
    scores equal) the bootstrap has no width, and the bound is an exact one, from pairs that
    share no record (:func:`~audit.privacy.attacks.auc.disjoint_pairs`).

    Parameters
    ----------
    members, non_members
        (n,) scores, higher for what looks like a member. NaN are left out.
    member_cluster, non_member_cluster
        (n,) label of the record's customer.
    alpha
        1 less the level.
    draws, seed
        Of the bootstrap.

    Raises
    ------
    ValueError
        If lengths differ, or alpha or draws are out of range.

    Examples
    --------
    Of six pairs five are in order and one is tied:

    >>> found = auc_with_interval([3.0, 4.0, 2.0], [1.0, 2.0])
    >>> round(found.auc, 4), found.n_members, found.n_non_members
    (0.9167, 3, 2)

    Complete separation is no proof of an AUC of 1:

    >>> found = auc_with_interval(np.arange(20, 40), np.arange(20))
    >>> found.auc, round(found.ci_low, 3), found.ci_high, found.method
    (1.0, 0.832, 1.0, 'disjoint pairs')
    """
    inside = Side.of("members", members, member_cluster)
    outside = Side.of("non_members", non_members, non_member_cluster)
    return auc_of_sides(inside, outside, alpha=alpha, draws=draws, seed=seed)


def auc_of_sides(members: Side, non_members: Side, *, alpha: float, draws: int, seed: int, widen: float = 1.0) -> Auc:
    """:func:`auc_with_interval` of sides made beforehand, with ``widen`` times the bootstrap's standard error."""
    ((auc, replicates),) = bootstrapped(members, non_members, draws=draws, seed=seed)
    found = auc_bounds(auc, replicates, (members.clusters(), non_members.clusters()))
    found = replace(found, se=widen * found.se)
    low, high = found.at(alpha)
    sizes = members.scores.size, non_members.scores.size
    return Auc(auc, low, high, found.se, *sizes, min(found.clusters), found.method)


def tpr_at_fpr(
    members: ArrayLike,
    non_members: ArrayLike,
    *,
    fpr: float = 0.01,
    alpha: float = 0.05,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
) -> TruePositives:
    """Share of members at or above the lowest score that at most ``fpr`` of non-members reach.

    The interval counts in that another set of non-members would put the threshold elsewhere
    (:class:`~audit.privacy.attacks.odds.Found`); records of one customer count as many as
    they amount to, on both sides.

    Parameters
    ----------
    members, non_members
        (n,) scores, higher for what looks like a member. NaN are left out.
    fpr
        Within (0, 1).
    alpha
        1 less the level.
    member_cluster, non_member_cluster
        (n,) label of the record's customer.

    Raises
    ------
    ValueError
        If lengths differ, or fpr or alpha are out of range.

    Examples
    --------
    One of 100 non-members may pass:

    >>> found = tpr_at_fpr([98.5, 50.0, 99.5, 97.0], np.arange(100))
    >>> found.tpr, found.threshold, found.fpr, found.note
    (0.5, 98.5, 0.01, '100 non-members; give 1,000 or more for a threshold that holds')
    """
    inside = Side.of("members", members, member_cluster)
    outside = Side.of("non_members", non_members, non_member_cluster)
    threshold, reached = threshold_at(inside.scores, outside.scores, fpr=fpr)
    sizes = (inside.scores.size, outside.scores.size)
    note = ""
    if sizes[1] < ENOUGH_NON_MEMBERS:
        note = f"{sizes[1]:,} non-members; give {ENOUGH_NON_MEMBERS:,} or more for a threshold that holds"
    if math.isnan(threshold):
        least = math.ceil(1 / fpr - 1e-9)
        note = f"{sizes[1]:,} non-members cannot show a false positive rate of {fpr:g}; give {least:,} or more"
    found, others = (rate_at(side, threshold) for side in (inside, outside))
    effective = independent(found), independent(others)
    low, high = math.nan, math.nan
    if not (math.isnan(found.df) or math.isnan(others.df)):
        low, high = Found(found.rate, effective[0], math.floor(effective[1]), fpr).interval(alpha)
    return TruePositives(found.rate, low, high, threshold, reached, *sizes, effective, note)


def threshold_at(members: Reals, non_members: Reals, *, fpr: float) -> tuple[float, float]:
    """Lowest score that at most ``fpr`` of non-members reach, and the share that does; infinite where none is.

    NaN with fewer than 1/fpr non-members.

    >>> threshold_at(np.array([2.0, 9.0]), np.arange(4.0), fpr=.25)
    (3.0, 0.25)
    """
    if not 0 < fpr < 1:
        raise ValueError(f"fpr must lie between 0 and 1, but is {fpr!r}")
    n = non_members.size
    allowed = math.floor(fpr * n + 1e-9)
    if not allowed:
        return math.nan, math.nan
    first_too_many = np.sort(non_members)[n - allowed - 1]
    higher = np.concatenate([members[members > first_too_many], non_members[non_members > first_too_many]])
    threshold = float(higher.min(initial=math.inf))
    return threshold, float((non_members >= threshold).mean()) if math.isfinite(threshold) else 0.0


def rate_at(side: Side, threshold: float, *, alpha: float = 0.05) -> ClusteredRate:
    """Share of a side's records at or above a threshold; NaN without a record or threshold."""
    hits = np.full(side.scores.size, np.nan) if math.isnan(threshold) else side.scores >= threshold
    return cluster_rate(hits, side.cluster, alpha=alpha)


def independent(found: ClusteredRate) -> float:
    """How many independent records a rate rests on; customers where nothing tells how alike their records are.

    >>> independent(cluster_rate([0, 0, 0, 0], [1, 1, 1, 2])), independent(cluster_rate([0, 1]))
    (2.0, 2.0)
    """
    return found.n_effective if 0 < found.rate < 1 else float(found.n_clusters)


def exact_bounds(found: ClusteredRate, alpha: float) -> tuple[float, float]:
    """Clopper & Pearson's interval about a fixed threshold; NaN where the rate has none."""
    if math.isnan(found.df):
        return math.nan, math.nan
    low, high = clopper_pearson(found.rate * found.n_effective, found.n_effective, alpha=alpha)
    return float(low), float(high)
