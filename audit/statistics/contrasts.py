"""How far groups lie apart: signed contrasts of cell means, and what is random in them.

A cell is one block (template × category) answered for one persona. Blocks are
fixed effects; templates and personas are random, and the standard errors treat
both as clusters (see :mod:`audit.statistics.variance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.variance import NO_SPREAD, Codes, Contrast, Reals, coded, contrast_from, two_way_spread


def two_way_contrast(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
) -> tuple[Contrast, ...]:
    """Contrast every group with ``reference``, clustered by template and by persona.

    OLS of ``y`` on block fixed effects and group dummies, all groups in one fit;
    the influence of a cell is its contrast weight × its residual. Cells may be
    missing and groups unequal.

    With two groups this is the textbook case. With more, an incomplete design lends
    the other groups' cells a weight in the contrast (they carry part of what is
    known about a block), so Σ_g in V_P and in the Satterthwaite df runs over every
    group of the fit, each with its own K_g/(K_g−1); in a complete design those
    weights, and their terms, are 0. The lower bound of df uses only the two groups
    that are compared, and T is the number of templates in which the scarcer of the
    two occurs. A group with fewer than two personas is left out of the common fit
    and gets an estimate against the reference alone, without a standard error.

    Parameters
    ----------
    y : (n,) cell means; NaN is a missing cell.
    group, template, persona, block : (n,) labels. ``block`` is ``template`` when not given.
    reference : the group that the others are compared with.
    alpha : level of the two-sided interval.

    Returns
    -------
    One contrast for each other group, sorted by name; estimate = group − reference.

    Raises
    ------
    ValueError
        If lengths differ, no usable cell belongs to ``reference``, or one persona
        stands in two groups.

    Examples
    --------
    >>> y = [1., 2., 3., 5., 2., 3., 4., 7.]
    >>> group = ["a", "a", "b", "b"] * 2
    >>> gap, = two_way_contrast(y, group, [0] * 4 + [1] * 4, ["k", "l", "m", "n"] * 2, reference="a")
    >>> gap.estimate, gap.n_cells, gap.n_templates, gap.n_personas
    (2.75, 8, 2, 2)
    """
    block = template if block is None else block
    values, (groups, group_), (_, template_), (_, persona_), (_, block_) = coded(y, group, template, persona, block)
    if reference not in groups:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(groups)}")
    home = np.zeros(persona_.max() + 1, np.intp)
    home[persona_] = group_
    if np.any(home[persona_] != group_):
        raise ValueError("a persona stands in two groups; a persona has one group on an axis")
    cells = _Cells(values, group_, template_, persona_, block_)
    base = groups.index(reference)
    common = _common_fit(cells, base, len(groups))
    joint = _fit(cells, common, base)
    found = []
    for code, name in enumerate(groups):
        if code == base:
            continue
        fit = joint if code in common else _fit(cells, [base, code], base)
        found.append(_one_contrast(fit, code, base, name, reference, alpha))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Cells:
    values: Reals
    group: Codes
    template: Codes
    persona: Codes
    block: Codes

    def take(self, rows: NDArray[Any]) -> _Cells:
        return _Cells(self.values[rows], self.group[rows], self.template[rows], self.persona[rows], self.block[rows])


@dataclass(frozen=True, slots=True)
class _Fit:
    """Weights and residuals of one OLS; ``columns`` are the groups of its dummies."""

    cells: _Cells
    columns: Sequence[int]
    weights: Reals
    estimates: Reals
    residuals: Reals


def _present(cells: _Cells) -> NDArray[np.bool_]:
    """(blocks, groups): whether the group has a cell in the block."""
    present = np.zeros((int(cells.block.max()) + 1, int(cells.group.max()) + 1), bool)
    present[cells.block, cells.group] = True
    return present


def _informative(cells: _Cells, groups: Sequence[int]) -> _Cells:
    """The cells of ``groups`` in blocks that hold at least two of them."""
    inside = cells.take(np.isin(cells.group, groups))
    if not inside.values.size:
        return inside
    return inside.take(_present(inside).sum(1)[inside.block] > 1)


def _common_fit(cells: _Cells, base: int, count: int) -> list[int]:
    """The groups that shared blocks link with the reference, each with two or more personas."""
    groups = list(range(count))
    while True:
        kept = _informative(cells, groups)
        if not kept.values.size:
            return [base]
        present = _present(kept).astype(np.int64)
        linked = present.T @ present > 0
        reached: NDArray[np.bool_] = np.arange(linked.shape[0]) == base
        for _ in range(count if reached.any() else 0):
            reached = np.asarray(linked[reached].any(axis=0))
        personas = {g: np.unique(kept.persona[kept.group == g]).size for g in groups}
        smaller = [g for g in groups if g == base or (g < reached.size and reached[g] and personas[g] > 1)]
        if smaller == groups:
            return groups
        groups = smaller


def _fit(cells: _Cells, groups: Sequence[int], base: int) -> _Fit:
    """OLS on block effects and group dummies: both sides are centred within blocks (Frisch-Waugh-Lovell)."""
    kept = _informative(cells, groups)
    columns = [g for g in groups if g != base]
    if not kept.values.size or not columns:
        return _Fit(kept, columns, np.zeros((0, len(columns))), np.full(len(columns), np.nan), np.zeros(0))
    dummies = (kept.group[:, None] == np.asarray(columns)).astype(float)
    centred = np.column_stack([_centred(column, kept.block) for column in dummies.T])
    outcome = _centred(kept.values, kept.block)
    weights: Reals = np.asarray(np.linalg.solve(centred.T @ centred, centred.T).T, float)
    estimates: Reals = weights.T @ outcome
    return _Fit(kept, columns, weights, estimates, outcome - centred @ estimates)


def _one_contrast(fit: _Fit, code: int, base: int, name: str, reference: str, alpha: float) -> Contrast:
    cells, column = fit.cells, fit.columns.index(code)
    sides = [cells.group == code, cells.group == base]
    templates = min(np.unique(cells.template[side]).size for side in sides)
    personas = [np.unique(cells.persona[side]).size for side in sides]
    spread = NO_SPREAD
    if min(templates, *personas) > 1:
        psi = fit.weights[:, column] * fit.residuals
        spread = two_way_spread(psi, cells.template, cells.persona, cells.group, least=(templates, *personas))
    both = sides[0] | sides[1]
    return contrast_from(
        spread,
        estimate=float(fit.estimates[column]),
        size=float(np.abs(cells.values).max(initial=0.0)),
        alpha=alpha,
        group=name,
        reference=reference,
        n_cells=int(both.sum()),
        n_blocks=np.unique(cells.block[both]).size,
        n_templates=templates,
        n_personas=min(personas),
    )


def _centred(values: Reals, block: Codes) -> Reals:
    counts = np.maximum(np.bincount(block), 1)
    return values - (np.bincount(block, values) / counts)[block]
