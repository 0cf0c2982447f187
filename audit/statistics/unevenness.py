"""How far the gap in a block lies from that in others, for every way to permute labels or signs.

S = Σ_b w_b (g_b − ḡ)² with the gap g_b of block b, its weight w_b, and the weighted mean
ḡ. Sums and numbers of cells stand in (blocks, units) tables, so that all permutations
take one matrix product each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audit.statistics.crossed import Bools
from audit.statistics.variance import Reals

Statistic = Callable[[Bools], Reals]


def unevenness_of_gaps(sums: Reals, counts: Reals) -> Statistic:
    """S of an assignment of names to the group, where g_b is group − reference.

    w_b = n_bg n_br / (n_bg + n_br), the information on a difference of two means; 0 where a
    permutation leaves one group without cells. In a complete design all w_b are equal.

    Parameters
    ----------
    sums, counts : (blocks, names) sums of the values of a name in a block, and how many they are.

    Returns
    -------
    A function of an (assignments, names) mask, true where the name is put in the group.

    Examples
    --------
    Two names a group; the gap is +1 in one block and −1 in the other, w = 2 · 2/4:

    >>> sums = np.array([[0., 0., 1., 1.], [1., 1., 0., 0.]])
    >>> unevenness_of_gaps(sums, np.ones((2, 4)))(np.array([[False, False, True, True]])).tolist()
    [2.0]
    """
    total, cells = sums.sum(axis=1), counts.sum(axis=1)

    def statistic(inside: Bools) -> Reals:
        mask = inside.astype(float)
        first, n_first = mask @ sums.T, mask @ counts.T
        n_second = cells - n_first
        gap = first / np.maximum(n_first, 1) - (total - first) / np.maximum(n_second, 1)
        return _unevenness(gap, n_first * n_second / cells)

    return statistic


def unevenness_of_signs(sums: Reals, counts: Reals) -> Statistic:
    """S of a choice of phrasings that change sign; g_b is the mean of the block's differences, w_b their number.

    Parameters
    ----------
    sums, counts : (blocks, phrasings) sums of the differences, and how many they are.

    Returns
    -------
    A function of a (choices, phrasings) mask, true where the phrasing changes its sign.

    >>> sums = np.array([[1., 1.], [-1., -1.]])
    >>> unevenness_of_signs(sums, np.ones((2, 2)))(np.array([[False, False], [False, True]])).tolist()
    [4.0, 0.0]
    """
    pairs = counts.sum(axis=1)

    def statistic(flipped: Bools) -> Reals:
        return _unevenness((1.0 - 2.0 * flipped) @ sums.T / pairs, np.broadcast_to(pairs, (len(flipped), pairs.size)))

    return statistic


def _unevenness(gap: Reals, weight: Reals) -> Reals:
    total = weight.sum(axis=1, keepdims=True)
    mean = (weight * gap).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
    return np.asarray((weight * (gap - mean) ** 2).sum(axis=1), float)
