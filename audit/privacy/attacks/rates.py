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
from audit.statistics.proportions import clopper_pearson, cluster_rate
from audit.statistics.variance import Reals

# With fewer the threshold itself is a guess: at 1 % of 1,000 it is set by ten records.
ENOUGH_NON_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the ROC curve with its interval; ``method`` says which. NaN where nothing may be said.

    The counts are of records that have a score.
    """

    auc: float
    ci_low: float
    ci_high: float
    se: float
    n_members: int
    n_non_members: int
    method: str


@dataclass(frozen=True, slots=True)
class TruePositives:
    """True positive rate among members at ``threshold``, where ``fpr`` of non-members pass.

    ``note`` says why the figure is weak or missing, and is empty otherwise.
    """

    tpr: float
    ci_low: float
    ci_high: float
    threshold: float
    fpr: float
    n_members: int
    n_non_members: int
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
    return Auc(auc, low, high, found.se, members.scores.size, non_members.scores.size, found.method)


def tpr_at_fpr(
    members: ArrayLike,
    non_members: ArrayLike,
    *,
    fpr: float = 0.01,
    alpha: float = 0.05,
    member_cluster: ArrayLike | None = None,
) -> TruePositives:
    """Share of members at or above the lowest score that at most ``fpr`` of non-members reach.

    Clopper & Pearson's interval, about that threshold: it does not count in that another set
    of non-members would put the threshold elsewhere. With clusters it is that of Korn &
    Graubard (see :func:`~audit.statistics.proportions.clopper_pearson`).

    Parameters
    ----------
    members, non_members
        (n,) scores, higher for what looks like a member. NaN are left out.
    fpr
        Within (0, 1).
    alpha
        1 less the level.
    member_cluster
        (n,) label of the member's customer.

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
    inside, outside = Side.of("members", members, member_cluster), Side.of("non_members", non_members)
    threshold, reached = threshold_at(inside.scores, outside.scores, fpr=fpr)
    sizes = (inside.scores.size, outside.scores.size)
    note = ""
    if sizes[1] < ENOUGH_NON_MEMBERS:
        note = f"{sizes[1]:,} non-members; give {ENOUGH_NON_MEMBERS:,} or more for a threshold that holds"
    if math.isnan(threshold):
        least = math.ceil(1 / fpr - 1e-9)
        note = f"{sizes[1]:,} non-members cannot show a false positive rate of {fpr:g}; give {least:,} or more"
    rate, low, high = passing(inside, threshold, alpha)
    return TruePositives(rate, low, high, threshold, reached, *sizes, note)


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


def passing(side: Side, threshold: float, alpha: float) -> tuple[float, float, float]:
    """Share of a side's records at or above a threshold, with its bounds; NaN without a record or threshold."""
    if math.isnan(threshold):
        return math.nan, math.nan, math.nan
    found = cluster_rate(side.scores >= threshold, side.cluster, alpha=alpha)
    if math.isnan(found.df):
        return found.rate, math.nan, math.nan
    low, high = clopper_pearson(found.rate * found.n_effective, found.n_effective, alpha=alpha)
    return found.rate, float(low), float(high)
