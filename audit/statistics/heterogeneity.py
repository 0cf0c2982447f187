"""Does the gap differ between blocks? A sign flip hides in a mean of 0.

Exact decisions belong here on the log-odds scale, where a constant effect is no
interaction; on the scale of rates the same effect is larger in the middle.

F is the statistic, but its textbook distribution holds only where all blocks have one
spread. Answers to one question scatter more than those to another, and a name may count
for more in one of them: then F with normal residuals is wrong in 13-23 % of runs [sim]. p is
therefore taken from names, which are alike under the null whatever the blocks are: what
is left of each name's cells after the effects of blocks and names keeps together and
changes group (differences within phrasings: changes sign). A constant gap is part of the
names' own effects, so that it is gone from what is permuted and need not be known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from audit.statistics.least_squares import Fit, absorbed_fit, indicators, paired_codes
from audit.statistics.permutation import Permutation, name_permutation, sign_permutation
from audit.statistics.two_groups import Cells, differences, two_groups
from audit.statistics.unevenness import Statistic, unevenness_of_gaps, unevenness_of_signs
from audit.statistics.variance import ROUNDING, Reals, coded

WORST_SHARE = 0.1
PERMUTATIONS = 2000


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """F test of "the gap is the same in every block"; NaN where nothing is left to test it by.

    ``p_value`` is by permutation of names, or of the signs of phrasings, and
    ``permutations`` says of how many; ``p_parametric`` is that of F(df1, df2), which is
    right only where residuals have one spread. ``spread`` is the standard deviation of
    the gap over blocks that F implies, beyond what residuals make of it, in the unit of
    the outcome.
    """

    group: str
    reference: str
    f: float
    df1: int
    df2: int
    p_value: float
    p_parametric: float
    permutations: int
    spread: float
    n_cells: int
    n_blocks: int


@dataclass(frozen=True, slots=True)
class BlockGap:
    """The plain gap in one block: mean of ``group`` − mean of ``reference``."""

    group: str
    reference: str
    block: str
    gap: float
    n_cells: int


def block_heterogeneity(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[Heterogeneity, ...]:
    """Test block:group of each group against ``reference``, in blocks that hold both.

    F = MS(block:group) / MS(residual), after the effects of blocks and of personas, so
    that neither name noise nor a constant gap counts; what is left over is
    persona:block. Both sums of squares are reductions in nested regressions, and the
    degrees of freedom are ranks: (B−1) and 2(B−1)(K−1) in a complete design with K
    personas a group, where this is the textbook test of a split-plot (Searle 1971,
    Linear Models, ch. 7).

    p is by permutation of the names' residuals of the additive fit, r, the same
    permutation in every block (:func:`~audit.statistics.permutation.name_permutation`),
    of S = Σ_b w_b (g_b − ḡ)², where g_b is the gap of r in block b,
    w_b = n_bg n_br/(n_bg + n_br) with the numbers of cells, and ḡ the weighted mean.
    In a complete design F is a monotone function of S, because no permutation changes Σr².
    With missing cells, which go with their name, S is the statistic that is permuted;
    a block in which a permutation leaves one group without cells has no weight in it.
    K names a group cannot give a p below 2/C(2K, K).

    Parameters and errors as in :func:`~audit.statistics.contrasts.two_way_contrast`;
    ``permutations`` and ``seed`` as in :func:`~audit.statistics.permutation.name_permutation`.

    Returns
    -------
    One for each other group, sorted by name.

    Examples
    --------
    The gap is +2 in one block and −2 in the other; residuals are ±½:

    >>> y = [0., 1., 3., 2., 3., 2., 0., 1.]
    >>> group, persona = ["a", "a", "b", "b"] * 2, ["k", "l", "m", "n"] * 2
    >>> found, = block_heterogeneity(y, group, [0] * 4 + [1] * 4, persona, reference="a")
    >>> round(found.f, 6), found.df1, found.df2, round(found.p_parametric, 4)
    (8.0, 1, 2, 0.1056)
    >>> round(found.p_value, 4), found.permutations  # 2/C(4, 2)
    (0.3333, 6)
    """
    found = []
    for cells in two_groups(y, group, template, persona, reference=reference, block=block):
        own = indicators(cells.persona)
        both = absorbed_fit(cells.values, paired_codes(cells.block, cells.second), own)
        by_block = indicators(cells.block, cells.second.astype(float))
        additive = absorbed_fit(cells.values, cells.block, own, [by_block])
        member = np.zeros(int(cells.persona.max(initial=-1)) + 1, bool)
        member[cells.persona] = cells.second == 1
        compare = partial(name_permutation, member=member, permutations=permutations, seed=seed)
        found.append(_tested(cells, additive, both, unevenness_of_gaps, compare))
    return tuple(found)


def paired_heterogeneity(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    phrasing: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[Heterogeneity, ...]:
    """As :func:`block_heterogeneity` for explicit cues: from differences within (block, phrasing).

    F = MS(block) / MS(residual) of the differences after phrasings, with (B−1) and
    (B−1)(M−1) degrees of freedom when no pair is missing. p is by changes of sign of
    whole phrasings (:func:`~audit.statistics.permutation.sign_permutation`) in what
    their differences are beyond their own mean, with w_b the pairs of block b. M
    phrasings cannot give a p below 2/2^M.

    >>> gaps = [0., 1., 4., 6., 1., 0.]  # of three blocks, two phrasings each
    >>> y = [value for gap in gaps for value in (0., gap)]
    >>> blocks, phrasings = [0] * 4 + [1] * 4 + [2] * 4, [0, 0, 1, 1] * 3
    >>> found, = paired_heterogeneity(y, ["a", "b"] * 6, blocks, phrasings, reference="a")
    >>> round(found.f, 4), found.df1, found.df2, found.p_value, found.permutations  # 2/2²
    (11.5714, 2, 2, 0.5, 4)
    """
    found = []
    for cells in two_groups(y, group, template, phrasing, reference=reference, block=block, crossed=True):
        pairs = differences(cells)
        own, whole = indicators(pairs.persona), np.zeros(pairs.values.size, np.intp)
        both = absorbed_fit(pairs.values, pairs.block, own)
        additive = absorbed_fit(pairs.values, whole, own, [indicators(pairs.block)])
        size = int(pairs.persona.max(initial=-1)) + 1
        compare = partial(sign_permutation, size=size, permutations=permutations, seed=seed)
        found.append(_tested(pairs, additive, both, unevenness_of_signs, compare, sides=2))
    return tuple(found)


def worst_blocks(
    y: ArrayLike, group: ArrayLike, block: ArrayLike, *, reference: str, share: float = WORST_SHARE
) -> tuple[BlockGap, ...]:
    """The tenth of the blocks where a group lies furthest from ``reference``, on either side.

    To be shown, not tested: the extremes of B noisy gaps are far from 0 when nothing
    is there. At least one block a group, sorted by group and then by size of the gap.

    >>> y, group, block = [1., 2., 1., 5., 1., 0.], ["a", "b"] * 3, [0, 0, 1, 1, 2, 2]
    >>> [(worst.block, worst.gap) for worst in worst_blocks(y, group, block, reference="a", share=.5)]
    [('1', 4.0), ('0', 1.0)]
    """
    values, (groups, group_), (blocks, block_) = coded(y, group, block)
    if reference not in groups:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(groups)}")
    counts = np.zeros((len(groups), len(blocks)))
    sums = np.zeros_like(counts)
    np.add.at(counts, (group_, block_), 1)
    np.add.at(sums, (group_, block_), values)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    base, found = groups.index(reference), []
    for code, name in enumerate(groups):
        gaps = means[code] - means[base]
        known = np.flatnonzero(~np.isnan(gaps))
        if code == base or not known.size:
            continue
        order = known[np.argsort(-np.abs(gaps[known]), kind="stable")][: max(1, math.ceil(share * known.size))]
        found += [
            BlockGap(name, reference, blocks[b], float(gaps[b]), int(counts[code, b] + counts[base, b])) for b in order
        ]
    return tuple(found)


def _tested(
    cells: Cells,
    additive: Fit,
    both: Fit,
    unevenness: Callable[[Reals, Reals], Statistic],
    compare: Callable[..., Permutation],
    *,
    sides: int = 1,
) -> Heterogeneity:
    df1, df2 = additive.df - both.df, both.df
    f = p = parametric = spread = math.nan
    looked_at = 0
    if df1 > 0 and df2 > 0:
        between, within = (additive.rss - both.rss) / df1, both.rss / df2
        size = float(np.abs(cells.values).max(initial=0.0))
        if math.sqrt(within) > ROUNDING * size:
            f = max(0.0, between / within)
            parametric = float(special.fdtrc(df1, df2, f))
            shape = int(cells.block.max()) + 1, int(cells.persona.max()) + 1
            place, size = cells.block * shape[1] + cells.persona, shape[0] * shape[1]
            sums, counts = (
                np.asarray(np.bincount(place, column, size), float).reshape(shape)
                for column in (additive.residuals, np.ones(place.size))
            )
            found = compare(unevenness(sums, counts), width=2 * shape[0])
            p, looked_at = found.p_value, found.assignments
        spread = math.sqrt(max(0.0, (between - within) * df1 / additive.traces[0]))
    return Heterogeneity(
        cells.group,
        cells.reference,
        f,
        df1,
        df2,
        p,
        parametric,
        looked_at,
        spread,
        sides * cells.values.size,
        np.unique(cells.block).size,
    )
