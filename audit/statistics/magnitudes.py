"""Distances between names, and how much larger they are across groups than within one.

Swapping two names moves answers even where both are of one group. A distance has
that floor, and no sign in which it could cancel; so the distance across groups is
held against the distance within groups, on the same blocks and the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.crossed import Bools, Crossed, chunks, crossed
from audit.statistics.permutation import name_permutation
from audit.statistics.variance import ROUNDING, Reals, combined_spread, t_quantile

DISTANCES = ("absolute", "flip")


@dataclass(frozen=True, slots=True)
class Excess:
    """Distance between names across groups beside that within groups.

    ``cross`` is X, ``within`` W, both in the unit of the distance; ``excess`` is
    X − W and ``p_value`` that of "no larger than by chance". ``signal`` is X/W with
    the interval ``ci_low``, ``ci_high``; they are NaN unless ``p_value`` ≤ α, or
    where W is 0. With fewer than two names in a group W, and all that rests on it,
    is NaN.
    """

    group: str
    reference: str
    cross: float
    within: float
    excess: float
    p_value: float
    signal: float
    ci_low: float
    ci_high: float
    n_cells: int
    n_blocks: int
    n_templates: int
    n_personas: int


def excess(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    distance: str = "absolute",
    threshold: float = 0.5,
    permutations: int = 2000,
    seed: int = 0,
    alpha: float = 0.05,
) -> tuple[Excess, ...]:
    """Is the distance between names of two groups larger than between names of one?

    d_b(i, j) = distance of names i and j in block b; X = its mean over blocks and
    pairs across the groups; W = ½ (mean within the one + mean within the other),
    i ≠ j; E = X − W. A mean runs over every block in which both names of a pair were
    asked, so that a pair weighs by its number of shared blocks; a block that holds
    one of the two groups alone is left out. The p of E is by permutation of names
    (:func:`~audit.statistics.permutation.name_permutation`). The hypothesis is "no
    group effect in any block": effects that flip from block to block count.
    Permuting units is the analysis of distances by Anderson 2001, Austral Ecol. 26,
    32-46; that a swap within a group is the floor of a swap across is shown by Yang,
    Levy, Goldberg & Wallace 2026, arXiv 2605.01048.

    S = X/W gets an interval only where p ≤ α. It is exp(log S ± t · √V), with V and
    its degrees of freedom combined from three jackknifes of log S: templates,
    names within their group, and single template × name cells (Efron & Stein 1981,
    Ann. Stat. 9, 586-596), as V = max(V_T + V_P − V_TP, V_T, V_P). Being looked at
    only after a significant E, S is too large on average where power is low.

    Parameters and errors as in :func:`~audit.statistics.crossed.crossed`, and:

    distance : "absolute" is |y_i − y_j|; "flip" is 1 where one of the two is at or
        above ``threshold`` and the other below.
    permutations : number of random permutations where not all can be enumerated.
    alpha : largest p at which S is reported, and level of its interval.

    Examples
    --------
    >>> y = [0., 1., 4., 5.] * 2
    >>> found, = excess(y, ["a", "a", "b", "b"] * 2, [0] * 4 + [1] * 4, ["k", "l", "m", "n"] * 2, reference="a")
    >>> found.cross, found.within, found.excess, round(found.p_value, 3)  # p = 2/C(4, 2)
    (4.0, 1.0, 3.0, 0.333)
    """
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, but is {distance!r}")
    pairs = crossed(y, group, template, persona, reference=reference, block=block)
    cut = threshold if distance == "flip" else None
    return tuple(_compared(pair, cut, permutations, seed, alpha) for pair in pairs)


def excess_by_assignment(sums: ArrayLike, counts: ArrayLike) -> Callable[[Bools], Reals]:
    """E = X − W as a statistic of which names are put in the group.

    ``sums`` and ``counts`` are (names, names): a pair's distance summed over its
    shared blocks, and their number; both symmetric with a diagonal of 0. With z the
    mask of the group, within = zᵀDz, across = zᵀD1 − zᵀDz, and the rest is within
    the others.

    >>> sums = np.array([[0., 1., 4.], [1., 0., 4.], [4., 4., 0.]])
    >>> excess_by_assignment(sums, 1 - np.eye(3))(np.array([[True, True, False]])).tolist()
    [nan]
    >>> sums = np.array([[0., 1., 4., 4.], [1., 0., 4., 4.], [4., 4., 0., 2.], [4., 4., 2., 0.]])
    >>> excess_by_assignment(sums, 1 - np.eye(4))(np.array([[True, True, False, False]])).tolist()
    [2.5]
    """
    both = [np.asarray(one, float) for one in (sums, counts)]

    def statistic(inside: Bools) -> Reals:
        z = inside.astype(float)
        # (kinds of pair: across, within the group, within the others) × assignments
        total, number = (_by_kind(z, one) for one in both)
        return _excess(_means(total, number))

    return statistic


def _by_kind(z: Reals, table: Reals) -> Reals:
    rows = z @ table.sum(1)
    inside = ((z @ table) * z).sum(1)
    return np.stack([rows - inside, inside, table.sum() - 2 * rows + inside])


def _means(total: Reals, number: Reals) -> Reals:
    means: Reals = np.full(total.shape, np.nan)
    return np.divide(total, number, out=means, where=number > 0.5)


def _excess(means: Reals) -> Reals:
    return np.asarray(means[0] - (means[1] + means[2]) / 2, float)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Distances of all pairs of names, in sum and in number (the last axis: [sum, number]).

    ``between`` is (names, names, 2) over all blocks; ``crossing`` and ``inside`` are
    (templates, names, 2): a name's distances to the other group's names and to its own.
    """

    between: Reals
    crossing: Reals
    inside: Reals


def _pairs(pair: Crossed, cut: float | None) -> _Pairs:
    seen = pair.seen
    values = np.where(seen, pair.values, 0.0)
    size = ROUNDING * float(np.abs(values).max(initial=0.0))
    if cut is not None:
        values, size = (values >= cut).astype(float), 0.0
    blocks, names = values.shape
    sides = np.column_stack([pair.member, ~pair.member]).astype(float)
    between = np.zeros((2, names, names))
    to_side = np.zeros((2, blocks, names, 2))
    for part in chunks(blocks, 2 * names * names):
        both: NDArray[np.float64] = (seen[part, :, None] & seen[part, None, :]).astype(float)
        both[:, np.arange(names), np.arange(names)] = 0.0
        gaps = np.abs(values[part, :, None] - values[part, None, :])
        gaps[gaps <= size] = 0.0
        gaps *= both
        for kind, table in enumerate((gaps, both)):
            between[kind] += table.sum(0)
            to_side[kind, part] = table @ sides
    _, template = np.unique(pair.template, return_inverse=True)
    of_template = np.zeros((int(template.max()) + 1, names, 2, 2))
    np.add.at(of_template, template, to_side.transpose(1, 2, 3, 0))
    own = np.where(pair.member, 0, 1)
    every = np.arange(names)
    return _Pairs(between.transpose(1, 2, 0), of_template[:, every, 1 - own], of_template[:, every, own])


def _compared(pair: Crossed, cut: float | None, permutations: int, seed: int, alpha: float) -> Excess:
    cross = within = p = signal = low = high = np.nan
    if min(pair.sizes):
        pairs = _pairs(pair, cut)
        full = _left(pairs, pair.member, np.zeros((1, 3, 2)))
        cross, within = float(full[0, 0]), float((full[1, 0] + full[2, 0]) / 2)
        if min(pair.sizes) > 1:
            statistic = excess_by_assignment(pairs.between[..., 0], pairs.between[..., 1])
            p = name_permutation(statistic, pair.member, permutations=permutations, seed=seed).p_value
        if p <= alpha and within > 0:
            signal = cross / within
            low, high = _interval(pairs, pair, signal, alpha)
    return Excess(pair.group, pair.reference, cross, within, cross - within, p, signal, low, high, **pair.counts)


def _left(pairs: _Pairs, member: Bools, gone: Reals) -> Reals:
    """(3, n): mean distance of each kind of pair once ``gone`` (n, 3, [sum, number]) is taken away."""
    parts = (pairs.crossing[:, member], pairs.inside[:, member], pairs.inside[:, ~member])
    full = np.stack([part.sum((0, 1)) for part in parts])
    # A pair within a group stands in the sums of both of its names.
    rest = full - gone * np.array([1.0, 2.0, 2.0])[None, :, None]
    return _means(rest[..., 0].T, rest[..., 1].T)


def _interval(pairs: _Pairs, pair: Crossed, signal: float, alpha: float) -> tuple[float, float]:
    templates, member = pairs.crossing.shape[0], pair.member
    if templates < 2 or min(pair.sizes) < 3:  # a group needs two names when one is left out
        return np.nan, np.nan
    cells = np.stack([pairs.crossing, pairs.inside * member[:, None], pairs.inside * ~member[:, None]], axis=2)
    whole = cells[:, member].sum(1) + cells[:, ~member].sum(1) * np.array([0.0, 1.0, 1.0])[:, None]
    whole[:, 1:] /= 2  # each pair once, as in a name's own sums
    names = cells.sum(0)
    by_template = _log_ratio(_left(pairs, member, whole))
    by_name = _log_ratio(_left(pairs, member, names))
    held = np.any(cells[..., 1] > 0, axis=2)
    by_cell = _log_ratio(_left(pairs, member, cells[held]))
    spread = combined_spread(
        _jackknife(by_template),
        (_jackknife(by_name[member]), _jackknife(by_name[~member])),
        _jackknife(by_cell),
        templates=templates,
        personas=pair.sizes,
    )
    half = t_quantile(1 - alpha / 2, spread.df) * np.sqrt(spread.variance)
    return float(signal * np.exp(-half)), float(signal * np.exp(half))


def _log_ratio(means: Reals) -> Reals:
    within = (means[1] + means[2]) / 2
    ratios: Reals = np.full(within.shape, np.nan)
    usable = (within > 0) & (means[0] > 0)
    ratios[usable] = np.log(means[0][usable] / within[usable])
    return ratios


def _jackknife(estimates: Reals) -> float:
    """Variance from estimates that leave one out each: (n−1)/n · Σ(θ − mean θ)²."""
    n = estimates.size
    return float((n - 1) / n * ((estimates - estimates.mean()) ** 2).sum())
