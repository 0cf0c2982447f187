"""What an attack finds on a model beyond what it finds on the model from before, on the same records.

A split that is not random gives members away under either model; what the training added is
the difference. Both models are attacked in the same bootstrap samples, so that what the
samples have in common cancels draw by draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from audit.privacy.attacks.auc import AucBounds, Side, auc_bounds, bootstrapped
from audit.privacy.attacks.rates import threshold_at
from audit.statistics.bootstrap import bootstrap_weights
from audit.statistics.crossed import chunks
from audit.statistics.variance import Reals, t_quantile, two_sided_p

# Scores of members and of non-members.
Scores = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference after − before; ``clusters`` are the customers of the smaller side, df that less 1.

    NaN without an interval where a side has fewer than two customers, or nothing varies.
    """

    estimate: float
    ci_low: float
    ci_high: float
    se: float
    df: float
    p_value: float
    n_members: int
    n_non_members: int
    clusters: int


def auc_gap(
    after: Scores,
    before: Scores,
    *,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Gap:
    """AUC under the one model less that under the other, ± t · se of the differences draw by draw.

    A side that separates wholly has no spread in the bootstrap; in quadrature is added what its
    exact bound (:func:`~audit.privacy.attacks.auc.disjoint_pairs`) allows, in units of t.

    Parameters
    ----------
    after, before
        (n,) scores of members and (m,) of non-members, under either model in the same order. A record
        without a score under either is left out.
    member_cluster, non_member_cluster, alpha, draws, seed
        As in :func:`~audit.privacy.attacks.rates.auc_with_interval`.

    Examples
    --------
    >>> early = np.random.default_rng(0).normal(size=(2, 100))
    >>> gap = auc_gap((early[0] + 1, early[1]), (early[0], early[1]))
    >>> gap.estimate > .2 and gap.ci_low > .15, auc_gap(tuple(early), tuple(early)).estimate
    (True, 0.0)
    """
    sides, n = _sides(after, before, member_cluster, non_member_cluster)
    clusters = min(one.clusters() for one in sides[0])
    found = [bootstrapped(*model, draws=draws, seed=seed)[0] for model in sides]
    (first, drawn), (second, other) = found
    df = clusters - 1.0
    exact = 0.0
    for auc, replicates in found:
        bounds = auc_bounds(auc, replicates, (clusters, clusters))
        if bounds.method == "disjoint pairs":
            exact += _exact_error(bounds, alpha) ** 2
    return _gap(first - second, drawn - other, df, n, clusters, alpha, extra=exact)


def tpr_gap(
    after: Scores,
    before: Scores,
    *,
    fpr: float = 0.01,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Gap:
    """Share of members found under the one model less that under the other, each at its own threshold.

    Customers of members and of non-members are drawn with replacement, and every sample sets
    both thresholds anew: their noise is in the standard error. Parameters as in :func:`auc_gap` and
    :func:`~audit.privacy.attacks.rates.tpr_at_fpr`.

    Examples
    --------
    >>> early = np.random.default_rng(0).normal(size=(2, 500))
    >>> gap = tpr_gap((early[0] + 3, early[1]), (early[0], early[1]), fpr=.05)
    >>> .8 < gap.estimate < 1 and gap.ci_low > .7
    True
    """
    sides, n = _sides(after, before, member_cluster, non_member_cluster)
    clusters = min(one.clusters() for one in sides[0])
    rates = []
    for members, others in sides:
        threshold, _ = threshold_at(members.scores, others.scores, fpr=fpr)
        hits = members.scores >= threshold
        rates.append(float(hits.mean()) if hits.size and not math.isnan(threshold) else math.nan)
    estimate = rates[0] - rates[1]
    drawn = np.full(draws, np.nan)
    if not math.isnan(estimate):
        drawn = _drawn_gaps(sides, fpr, draws, seed)
    return _gap(estimate, drawn, clusters - 1.0, n, clusters, alpha)


def _drawn_gaps(sides: tuple[tuple[Side, Side], tuple[Side, Side]], fpr: float, draws: int, seed: int) -> Reals:
    rng, out = np.random.default_rng(seed), np.full(draws, np.nan)
    (members, others), _ = sides
    for part in chunks(draws, 4 * (members.scores.size + others.scores.size)):
        size = part.stop - part.start
        w, v = (bootstrap_weights(side.cluster, size, rng)[:, side.cluster] for side in (members, others))
        one, other = (_drawn_rates(inside.scores, outside.scores, w, v, fpr) for inside, outside in sides)
        out[part] = one - other
    return out


def _drawn_rates(members: Reals, others: Reals, w: Reals, v: Reals, fpr: float) -> Reals:
    """Weighted share of members above the first non-member too many, (draws,), for (draws, records) weights."""
    inside, outside = np.argsort(-members, kind="stable"), np.argsort(-others, kind="stable")
    found = np.zeros((w.shape[0], members.size + 1))
    np.cumsum(w[:, inside], axis=1, out=found[:, 1:])
    passed, total = np.cumsum(v[:, outside], axis=1), v.sum(1)
    allowed = np.floor(fpr * total + 1e-9)
    first = (passed > allowed[:, None]).argmax(1)
    above = np.searchsorted(-members[inside], -others[outside], side="left")  # members above each non-member
    hits = found[np.arange(w.shape[0]), above[first]]
    return np.where((allowed > 0) & (found[:, -1] > 0), hits / np.maximum(found[:, -1], 1.0), np.nan)


def _sides(
    after: Scores, before: Scores, member_cluster: ArrayLike | None, non_member_cluster: ArrayLike | None
) -> tuple[tuple[tuple[Side, Side], tuple[Side, Side]], tuple[int, int]]:
    """Both models' sides with the same records in the same order, and how many they are."""
    found: list[list[Side]] = [[], []]
    names = ("members", "non_members")
    for name, one, other, cluster in zip(names, after, before, (member_cluster, non_member_cluster), strict=True):
        scores = [np.asarray(one, float), np.asarray(other, float)]
        if scores[0].shape != scores[1].shape:
            raise ValueError(f"{name} must have a score under both models, in the same order")
        known = ~np.isnan(scores[0]) & ~np.isnan(scores[1])
        for place, values in enumerate(scores):
            found[place].append(Side.of(name, np.where(known, values, np.nan), cluster))
    first, second = ((model[0], model[1]) for model in found)
    return (first, second), (first[0].scores.size, first[1].scores.size)


def _exact_error(bounds: AucBounds, alpha: float) -> float:
    low, high = bounds.at(alpha)
    return max(bounds.auc - low, high - bounds.auc) / t_quantile(1 - alpha / 2, min(bounds.clusters) - 1.0)


def _gap(
    estimate: float, drawn: Reals, df: float, n: tuple[int, int], clusters: int, alpha: float, *, extra: float = 0.0
) -> Gap:
    known = drawn[~np.isnan(drawn)]
    if clusters < 2 or known.size < 2:
        return Gap(estimate, *(math.nan,) * 5, *n, clusters)
    variance = float(known.var(ddof=1)) * clusters / (clusters - 1) + extra
    se = math.sqrt(variance)
    half = t_quantile(1 - alpha / 2, df) * se
    p_value = two_sided_p(estimate, se, df) if se > 0 else math.nan
    low, high = (max(-1.0, estimate - half), min(1.0, estimate + half)) if se > 0 else (math.nan, math.nan)
    return Gap(estimate, low, high, se, df, p_value, *n, clusters)
