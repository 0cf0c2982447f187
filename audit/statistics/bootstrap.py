"""The cluster bootstrap as weight matrices: one row of weights a draw, never a table a draw.

To draw clusters with replacement is to give every cluster a count (Efron 1979, Ann.
Stat. 7, 1-26; for clusters Davison & Hinkley 1997, section 3.8). All draws together
are a (draws, clusters) matrix, and a mean in all of them is a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.crossed import chunks
from audit.statistics.variance import Codes, Reals


def bootstrap_weights(
    cluster_codes: ArrayLike, draws: int, rng: np.random.Generator, *, strata: ArrayLike | None = None
) -> NDArray[np.float64]:
    """How often each cluster is drawn, in each of ``draws`` samples with replacement.

    Parameters
    ----------
    cluster_codes : (n,) integer codes of the rows' clusters, 0 to C−1, each occurring.
    draws : number of samples.
    strata : (n,) integer codes within which clusters are drawn: a group's names stay as
        many as they are. All clusters are drawn together when not given.

    Returns
    -------
    (draws, C) multinomial counts, as reals for the products that they go into. The
    counts of a stratum sum to its number of clusters.

    Raises
    ------
    ValueError
        If a code is missing, or a cluster lies in two strata.

    Examples
    --------
    >>> weights = bootstrap_weights([0, 0, 1, 2], 3, np.random.default_rng(0), strata=[0, 0, 1, 1])
    >>> weights[:, 0].tolist(), weights[:, 1:].sum(1).tolist()
    ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    """
    codes = np.asarray(cluster_codes, np.intp)
    present = np.bincount(codes)
    if not present.all():
        raise ValueError("cluster codes must be 0 to C-1 and all occur")
    n = present.size
    if strata is None:
        picked = rng.integers(0, n, (draws, n))
    else:
        strata = np.asarray(strata, np.intp)
        of = np.zeros(n, np.intp)
        of[codes] = strata
        if np.any(of[codes] != strata):
            raise ValueError("a cluster lies in two strata; it is drawn in one")
        order = np.argsort(of, kind="stable")
        _, start, size = np.unique(of[order], return_index=True, return_counts=True)
        picked = order[np.repeat(start, size) + rng.integers(0, np.repeat(size, size), (draws, n))]
    picked += n * np.arange(draws)[:, None]
    return np.bincount(picked.ravel(), minlength=draws * n).reshape(draws, n).astype(float)


@dataclass(frozen=True, slots=True, eq=False)
class GroupMeans:
    """Mean of every group, (groups,), and in every draw, (draws, groups).

    A group none of whose clusters was drawn has NaN there.
    """

    groups: tuple[str, ...]
    means: Reals
    replicates: Reals

    @property
    def difference(self) -> float:
        """Largest less smallest mean: a description, since it is above 0 with no true gap."""
        return float(self.means.max() - self.means.min())

    @property
    def difference_replicates(self) -> Reals:
        """(draws,): the same in every draw."""
        return np.asarray(np.nanmax(self.replicates, 1) - np.nanmin(self.replicates, 1), float)


def group_means(
    y: ArrayLike,
    group: ArrayLike,
    cluster: ArrayLike,
    *,
    persona: ArrayLike | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> GroupMeans:
    """Bootstrap the means of all groups by clusters, or by clusters and personas at once.

    Rows are summed into cells once. Then, for cluster weights U (draws, C), persona
    weights R (draws, P), cell sums S and cell counts N (C, P), a group's mean in all
    draws is Σ_p ((U·S) ∘ R) / Σ_p ((U·N) ∘ R) over its personas: the product weights of
    Owen 2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1, 386-411. With clusters
    alone it is U·S / U·N. Clusters that each lie in one group are drawn within it.

    Parameters
    ----------
    y : (n,) values; NaN is left out.
    group, cluster, persona : (n,) labels; integers are fastest. A persona lies in one group.

    Raises
    ------
    ValueError
        If lengths differ, no value is left, or a persona stands in two groups.

    Examples
    --------
    >>> found = group_means([1., 2., 3., 6.], ["a", "a", "b", "b"], [0, 1, 0, 1], draws=4)
    >>> found.groups, found.means.tolist(), found.difference, found.replicates.shape
    (('a', 'b'), [1.5, 4.5], 3.0, (4, 2))
    """
    values = np.asarray(y, float)
    given = [np.asarray(one) for one in (group, cluster, *([] if persona is None else [persona]))]
    if values.ndim != 1 or any(one.shape != values.shape for one in given):
        raise ValueError("y and its labels must be one-dimensional and of one length")
    keep = ~np.isnan(values)
    if not keep.all():
        values, given = values[keep], [one[keep] for one in given]
    if not values.size:
        raise ValueError("every value is missing; there is nothing to average")
    (names, group_), (clusters, cluster_), *rest = (_codes(one) for one in given)
    rng = np.random.default_rng(seed)
    column, count = (group_, len(names)) if persona is None else (rest[0][1], len(rest[0][0]))
    shape = len(clusters), count
    place = cluster_ * count + column
    sums = np.bincount(place, values, shape[0] * count).reshape(shape)
    numbers = np.bincount(place, minlength=shape[0] * count).reshape(shape).astype(float)
    home = np.arange(count)
    if persona is not None:
        home = np.zeros(count, np.intp)
        home[column] = group_
        if np.any(home[column] != group_):
            raise ValueError("a persona stands in two groups; a persona has one group on an axis")
    of_group = (home[:, None] == np.arange(len(names))).astype(float)
    held = (numbers @ of_group) > 0
    inside = np.nonzero(held)[1] if np.all(held.sum(1) == 1) else None
    replicates = np.empty((draws, len(names)))
    for part in chunks(draws, 2 * shape[0] + 4 * count):
        size = part.stop - part.start
        weights = bootstrap_weights(np.arange(shape[0]), size, rng, strata=inside)
        totals, weighed = weights @ sums, weights @ numbers
        if persona is not None:
            second = bootstrap_weights(np.arange(count), size, rng, strata=home)
            totals, weighed = (totals * second) @ of_group, (weighed * second) @ of_group
        replicates[part] = np.divide(totals, weighed, out=np.full_like(totals, np.nan), where=weighed > 0)
    means = (sums.sum(0) @ of_group) / (numbers.sum(0) @ of_group)
    return GroupMeans(tuple(str(name) for name in names), means, replicates)


def _codes(labels: NDArray[np.generic]) -> tuple[NDArray[np.generic], Codes]:
    """Sorted labels and their codes; small non-negative integers are counted instead of sorted."""
    if labels.dtype.kind in "iu" and labels.size and labels.min() >= 0 and labels.max() < 4 * labels.size:
        found = np.bincount(labels) > 0
        return np.flatnonzero(found), (np.cumsum(found) - 1)[labels]
    names, codes = np.unique(labels, return_inverse=True)
    return names, codes
