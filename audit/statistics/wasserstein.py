"""Wasserstein-1: how far one group's answers would have to travel to be the other's.

Two samples of one distribution never have distance 0, so the distance has no
interval at zero and says nothing on its own: beside it stand its median under
permuted names, and the p of the permutation test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.crossed import Bools, Crossed, crossed
from audit.statistics.permutation import name_permutation
from audit.statistics.variance import Codes, Reals


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """Distance between two groups' answers, in the unit of the outcome.

    ``floor`` is the median distance when names are put in groups at random, and
    ``p_value`` of "as large by chance". The floor is shown beside the distance,
    never subtracted: it grows with the effect.
    """

    group: str
    reference: str
    distance: float
    floor: float
    p_value: float
    n_cells: int
    n_blocks: int
    n_templates: int
    n_personas: int


def wasserstein_gap(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    permutations: int = 2000,
    seed: int = 0,
) -> tuple[Wasserstein, ...]:
    """Wasserstein-1 between the block-adjusted cells of every group and of ``reference``.

    Blocks differ far more than groups do, and a design with missing cells asks the
    groups in different blocks. So the distance is that of y − block effect, the
    block effects of the additive fit y = block + name: "how far above or below the
    block's usual answer". That fit knows no group, so the adjusted cells are the
    same under every permutation, which is what makes the test over names exact; and
    it does not take part of a group's effect for the block's where a block holds
    more names of one group. A constant shift δ gives distance δ. The distance is
    never below the absolute mean difference of the adjusted cells; it also sees a
    wider spread and a tail. It does not see effects that flip between blocks and
    leave the distribution over blocks alone: these are the excess's.

    Permutation as in :func:`~audit.statistics.permutation.name_permutation`; only the
    two groups' names are permuted. Parameters and errors as in
    :func:`~audit.statistics.crossed.crossed`.

    Examples
    --------
    >>> y = [1., 1., 2., 2., 5., 5., 6., 6.]
    >>> gap, = wasserstein_gap(y, ["a", "a", "b", "b"] * 2, [0] * 4 + [1] * 4, ["k", "l", "m", "n"] * 2, reference="a")
    >>> gap.distance, gap.floor, round(gap.p_value, 3)  # p = 2/C(4, 2)
    (1.0, 0.0, 0.333)
    """
    return tuple(
        _compared(pair, permutations, seed)
        for pair in crossed(y, group, template, persona, reference=reference, block=block)
    )


def block_adjusted(values: Reals) -> Reals:
    """A (blocks, names) table less its block effects, those of y = block + name by OLS.

    In a complete table that is each block less its mean; with missing cells the
    names present in a block are allowed for.

    >>> block_adjusted(np.array([[1., 3.], [6., 8.], [np.nan, 9.]])).round(12).tolist()
    [[-1.0, 1.0], [-1.0, 1.0], [nan, 1.0]]
    """
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    weight = 1 / np.maximum(seen.sum(1), 1)
    counts = seen.astype(float)
    # Names' normal equations once the blocks are swept out; singular by the constant, hence the least-norm solution.
    left = np.diag(counts.sum(0)) - counts.T @ (weight[:, None] * counts)
    names = np.linalg.pinv(left, hermitian=True) @ (filled.sum(0) - counts.T @ (weight * filled.sum(1)))
    blocks = ((filled - seen * names).sum(1)) * weight
    return np.asarray(values - blocks[:, None], float)


def distance_by_assignment(values: Reals, name: Codes) -> Callable[[Bools], Reals]:
    """Wasserstein-1 as a statistic of which names are put in the group.

    ∫ |F_group − F_others| over the sorted ``values``, whose names are the codes
    ``name`` (Ramdas, Garcia Trillos & Cuturi 2017, Entropy 19(2), 47, prop. 1).

    >>> distance_by_assignment(np.array([0., 3., 1.]), np.array([0, 1, 1]))(np.array([[True, False]])).tolist()
    [2.0]
    """
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order])
    # (names, cells): how many of a name's cells are no larger than this one.
    reached = np.cumsum(name[order][:-1] == np.arange(int(name.max()) + 1)[:, None], axis=1, dtype=float)
    cells = np.bincount(name).astype(float)

    def statistic(inside: Bools) -> Reals:
        size = inside @ cells
        gaps = np.where(inside, 1 / size[:, None], -1 / (cells.sum() - size)[:, None]) @ reached
        return np.asarray(np.abs(gaps, out=gaps) @ steps, float)

    return statistic


def _compared(pair: Crossed, permutations: int, seed: int) -> Wasserstein:
    distance = floor = p = np.nan
    if min(pair.sizes):
        rows, names = np.nonzero(pair.seen)
        statistic = distance_by_assignment(block_adjusted(pair.values)[rows, names], names)
        found = name_permutation(statistic, pair.member, permutations=permutations, seed=seed, width=2 * names.size)
        distance, floor, p = found.observed, found.median, found.p_value
    return Wasserstein(pair.group, pair.reference, distance, floor, p, **pair.counts)
