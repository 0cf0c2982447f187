"""Permutation of group labels over names: what a statistic is when names have no group.

Names are what the labels belong to, so names are what is permuted, each with all of
its cells: the same permutation in every block. To shuffle labels inside each block
on its own is invalid. A name that is answered differently from others, for whatever
reason, is so in every block; shuffling inside blocks lets that idiosyncrasy average
out in the permuted data but not in the observed, and takes it for a group effect.
The exchangeable unit is the name (Winkler et al. 2015, NeuroImage 123, 253-268, on
permuting whole blocks).

The hypothesis is that a name's answers have the same joint distribution in both
groups, missing cells included. It is about every block at once, so that heterogeneity
counts, and so does a difference in how much names of one group scatter. The test is
exact for any number of names where the statistic treats the cells without regard to
labels; in a run so thin that blocks lose one group wholly, and are left out for it,
it is close.

Where cells are differences within a phrasing there are no labels left to permute. A
phrasing's differences then keep or change their signs, all together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.crossed import Bools, chunks
from audit.statistics.variance import Reals

EXACT_LIMIT = 20_000

# Two assignments whose statistics differ by less than this share of the largest are tied.
TIE = 1e-10


@dataclass(frozen=True, slots=True)
class Permutation:
    """An observed statistic among those of permuted labels.

    ``p_value`` is of values at least as large as the observed, ``median`` the
    statistic's median under permutation, ``assignments`` how many were looked at,
    ``exact`` whether these are all there are.
    """

    observed: float
    p_value: float
    median: float
    assignments: int
    exact: bool


def name_permutation(
    statistic: Callable[[Bools], Reals],
    member: ArrayLike,
    *,
    permutations: int = 2000,
    seed: int = 0,
    exact_limit: int = EXACT_LIMIT,
    width: int = 1,
) -> Permutation:
    """Compare ``statistic`` under the observed labels with its values under permuted ones.

    With n_g and n_ref names there are C(n_g + n_ref, n_g) assignments. Where these
    are at most ``exact_limit``, all are enumerated and p = share that is at least as
    large as observed. Otherwise ``permutations`` are drawn and p = (1 + b)/(1 + B),
    which is never 0 and never too small (Phipson & Smyth 2010, Stat. Appl. Genet.
    Mol. Biol. 9, 39, eq. 2). The smallest p that a design can give is
    1/C(2K, K), and twice that where the statistic stays the same when the two groups
    swap labels, as every distance does: K = 4 cannot go below .029, and only from
    K = 7 on is it below .001, so that something is left after Holm.

    Parameters
    ----------
    statistic : takes an (assignments, names) mask, true where the name is put in the
        group, and gives the (assignments,) values; large must speak against the null.
        For a two-sided test give it an absolute value.
    member : (names,) mask of the names in the group. Names of other groups stay out.
    width : numbers that ``statistic`` holds for each assignment, to bound the memory.

    Examples
    --------
    >>> means = np.array([1., 2., 3., 7., 8., 9.])
    >>> found = name_permutation(mean_gap(means), means > 5)
    >>> found.observed, found.p_value, found.median, found.exact  # p = 2/C(6, 3)
    (6.0, 0.1, 2.0, True)
    """
    member = np.asarray(member, bool)
    inside, total = int(member.sum()), member.size
    if not 0 < inside < total:
        raise ValueError("a permutation needs at least one name in the group and one in the reference")
    exact = math.comb(total, inside) <= exact_limit
    if not exact and permutations < 1:
        raise ValueError(f"permutations must be at least 1, but is {permutations!r}")
    others = every_assignment(total, inside) if exact else _drawn(total, inside, permutations, seed)
    return _compared(statistic, member, others, exact=exact, width=max(width, total))


def sign_permutation(
    statistic: Callable[[Bools], Reals],
    size: int,
    *,
    permutations: int = 2000,
    seed: int = 0,
    exact_limit: int = EXACT_LIMIT,
    width: int = 1,
) -> Permutation:
    """Compare ``statistic`` of ``size`` units as they are with its values where some change their sign.

    Exact where a unit's errors are symmetric about 0 and units are independent; errors
    may have another spread in every unit and in every part of one (Winkler et al.
    2014, NeuroImage 92, 381-397, on sign flipping). All 2^size choices are looked at
    where these are at most ``exact_limit``, else ``permutations`` are drawn.
    The smallest p is 2^−size, and twice that where the statistic stays the same when
    all signs change.

    Parameters
    ----------
    statistic : takes a (choices, units) mask, true where the unit changes its sign, and
        gives the (choices,) values; large must speak against the null.
    permutations, seed, exact_limit, width : as in :func:`name_permutation`.

    Examples
    --------
    >>> values = np.array([1., 2., 3.])
    >>> found = sign_permutation(lambda flips: np.abs((1 - 2. * flips) @ values), 3)
    >>> found.observed, found.p_value, found.exact  # p = 2/2³
    (6.0, 0.25, True)
    """
    if size < 1:
        raise ValueError("a change of signs needs at least one unit")
    exact = size < 63 and 2**size <= exact_limit
    if not exact and permutations < 1:
        raise ValueError(f"permutations must be at least 1, but is {permutations!r}")
    if exact:
        others = np.array(list(product((False, True), repeat=size)))
    else:
        others = np.random.default_rng(seed).random((permutations, size)) < 0.5
    return _compared(statistic, np.zeros(size, bool), others, exact=exact, width=max(width, size))


def _compared(
    statistic: Callable[[Bools], Reals], own: Bools, others: Bools, *, exact: bool, width: int
) -> Permutation:
    observed = float(statistic(own[None])[0])
    values = np.concatenate([statistic(others[part]) for part in chunks(len(others), width)])
    if np.isnan(observed) or np.isnan(values).any():
        return Permutation(observed, math.nan, math.nan, len(others), exact)
    slack = TIE * max(abs(observed), float(np.abs(values).max()))
    larger = int((values >= observed - slack).sum())
    p = larger / len(values) if exact else (1 + larger) / (1 + len(values))
    return Permutation(observed, p, float(np.median(values)), len(values), exact)


def mean_gap(means: ArrayLike) -> Callable[[Bools], Reals]:
    """|Mean of the group's names − mean of the others|, as a statistic of an assignment.

    ``means`` are the names' own means, freed of block effects where names were asked
    in different blocks.

    >>> mean_gap([1., 2., 6.])(np.array([[False, False, True]])).tolist()
    [4.5]
    """
    means = np.asarray(means, float)

    def statistic(inside: Bools) -> Reals:
        size = inside.sum(1)
        sums = inside @ means
        gap: Reals = np.abs(sums / size - (means.sum() - sums) / (means.size - size))
        return gap

    return statistic


@lru_cache(maxsize=8)
def every_assignment(total: int, inside: int) -> Bools:
    """All C(total, inside) ways to put ``inside`` of ``total`` names in the group, a row each.

    >>> every_assignment(3, 2).astype(int).tolist()
    [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    """
    count = math.comb(total, inside)
    chosen = np.fromiter(chain.from_iterable(combinations(range(total), inside)), np.intp, count * inside)
    rows = np.zeros((count, total), bool)
    rows[np.repeat(np.arange(count), inside), chosen] = True
    rows.flags.writeable = False  # one array serves every caller
    return rows


def _drawn(total: int, inside: int, permutations: int, seed: int) -> Bools:
    keys = np.random.default_rng(seed).random((permutations, total))
    chosen = np.argpartition(keys, inside - 1, axis=1)[:, :inside]
    rows = np.zeros((permutations, total), bool)
    np.put_along_axis(rows, chosen, True, axis=1)
    return rows
