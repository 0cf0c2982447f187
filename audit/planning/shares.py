"""How much of each variance component a planned design lets into a gap, whatever cells it has.

The gap is a weighted sum of cells. With the weights w of the contrast that will be
computed, an effect that some cells share enters with the square of their summed weight:

    Var(gap) = τ_T²·a_T + τ_TC²·a_B + ν²·a_P + (ν_b² + σ²/R)·a_C

with a_T = ½ Σ_{template, group} (Σw)², a_B = ½ Σ_{block, group} (Σw)², a_P = Σ_persona (Σw)²
and a_C = Σ w². A complete design gives 1/T, 1/B, 2/K and 2/(BK), the formula of
:func:`~audit.statistics.design_error`; a sample of cells and unequal groups have their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics import Components

Reals = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a design. ``persona``, ``cell`` and ``sizes`` have an entry for each group of the fit.

    ``sizes`` are personas; none at all means that personas are not resampled (explicit
    cues of few phrasings). ``templates`` and ``personas`` are those of the scarcer of the
    two groups compared, ``cells`` those of the smaller.
    """

    group: str
    template: float
    block: float
    persona: tuple[float, ...]
    cell: tuple[float, ...]
    sizes: tuple[int, ...]
    templates: int
    personas: int
    cells: int

    @property
    def all_cells(self) -> float:
        """a_C, over all groups."""
        return sum(self.cell)


def name_shares(
    group: ArrayLike, template: ArrayLike, persona: ArrayLike, block: ArrayLike, *, reference: str
) -> tuple[Shares, ...]:
    """Shares of every contrast with ``reference`` that two_way_contrast would make of these cells.

    Parameters
    ----------
    group, template, persona, block : (n,) labels of the cells that will be asked.

    Examples
    --------
    Two templates, three names a group, all cells:

    >>> cells = [(t, g, p) for t in "12" for g in "ab" for p in "xyz"]
    >>> template, group, name = zip(*cells)
    >>> found, = name_shares(group, template, [g + n for g, n in zip(group, name)], template, reference="a")
    >>> round(found.template, 4), round(sum(found.persona), 4), round(found.all_cells, 4)  # 1/2, 2/3, 2/6
    (0.5, 0.6667, 0.3333)
    """
    groups, code = np.unique(np.asarray(group).astype(str), return_inverse=True)
    template_, persona_, block_ = (_codes(column) for column in (template, persona, block))
    sizes = np.array([np.unique(persona_[code == g]).size for g in range(groups.size)])
    kept = np.flatnonzero((sizes > 1)[code])
    if reference not in groups or not kept.size:
        return ()
    base = groups.tolist().index(reference)
    code, template_, persona_, block_ = code[kept], template_[kept], persona_[kept], block_[kept]
    columns = [g for g in range(groups.size) if g != base and sizes[g] > 1]
    if sizes[base] < 2 or not columns:
        return ()
    dummies = (code[:, None] == np.asarray(columns)).astype(float)
    centred = (
        dummies - np.stack([np.bincount(block_, d) / np.maximum(np.bincount(block_), 1) for d in dummies.T], 1)[block_]
    )
    weights = centred @ np.linalg.pinv(centred.T @ centred)
    parts = [base, *columns]
    found = []
    for place, g in enumerate(columns):
        w = weights[:, place]
        sides = [code == g, code == base]
        found.append(
            Shares(
                group=str(groups[g]),
                template=_squares(w, template_ * groups.size + code) / 2,
                block=_squares(w, block_ * groups.size + code) / 2,
                persona=tuple(_squares(w[code == part], persona_[code == part]) for part in parts),
                cell=tuple(float((w[code == part] ** 2).sum()) for part in parts),
                sizes=tuple(int(sizes[part]) for part in parts),
                templates=min(np.unique(template_[side]).size for side in sides),
                personas=int(min(sizes[g], sizes[base])),
                cells=int(min(side.sum() for side in sides)),
            )
        )
    return tuple(found)


def pair_shares(
    group: ArrayLike,
    template: ArrayLike,
    phrasing: ArrayLike,
    block: ArrayLike,
    *,
    reference: str,
    wordings_only: bool = False,
) -> tuple[Shares, ...]:
    """Shares of the contrasts that paired_contrast would make: the mean difference within (block, phrasing).

    >>> cells = [(t, g, p) for t in "12" for g in "ab" for p in "xyz"]
    >>> template, group, phrasing = zip(*cells)
    >>> found, = pair_shares(group, template, phrasing, template, reference="a")
    >>> found.template, round(sum(found.persona), 4), found.personas
    (0.5, 0.6667, 3)
    """
    groups, code = np.unique(np.asarray(group).astype(str), return_inverse=True)
    template_, phrasing_, block_ = (_codes(column) for column in (template, phrasing, block))
    if reference not in groups:
        return ()
    base = groups.tolist().index(reference)
    pair = block_ * (int(phrasing_.max()) + 1) + phrasing_
    found = []
    for g, name in enumerate(groups):
        if g == base:
            continue
        both, rows = np.unique(pair[code == g], return_index=True)
        rows = np.flatnonzero(code == g)[rows][np.isin(both, pair[code == base])]
        if not rows.size:
            continue
        w = np.full(rows.size, 1 / rows.size)
        phrasings = np.unique(phrasing_[rows]).size
        by_phrasing = 2 * _squares(w, phrasing_[rows])
        found.append(
            Shares(
                group=str(name),
                template=_squares(w, template_[rows]),
                block=_squares(w, block_[rows]),
                persona=() if wordings_only else (by_phrasing,),
                cell=(2 / rows.size,),
                sizes=() if wordings_only else (phrasings,),
                templates=np.unique(template_[rows]).size,
                personas=phrasings,
                cells=rows.size,
            )
        )
    return tuple(found)


def expected_error(
    components: Components, shares: Shares, *, draws: int = 1, templates: float = 1.0, personas: float = 1.0
) -> tuple[float, float]:
    """Standard error of the gap in a design, and the degrees of freedom that its contrast will have.

    ``templates`` and ``personas`` are factors by which the design grows in either, its
    shape staying what it is. df is that of
    :func:`~audit.statistics.two_way_spread` at the expected values.

    In a complete design this is :func:`~audit.statistics.design_error`:

    >>> from audit.statistics import design_error
    >>> cells = [(t, g, g + p) for t in "1234" for g in "ab" for p in "xyz"]
    >>> template, group, name = zip(*cells)
    >>> shares, = name_shares(group, template, name, template, reference="a")
    >>> parts = Components(template=.2, persona=.1, noise=.5)
    >>> here, there = expected_error(parts, shares), design_error(parts, templates=4, blocks=4, personas=3)
    >>> bool(np.allclose(here, there, rtol=1e-12))
    True
    """
    own = components.persona_block**2 + components.noise**2 / draws
    rests = [own * share / (templates * personas) for share in shares.cell]
    rest = sum(rests)
    by_template = (
        components.template**2 * shares.template + components.template_category**2 * shares.block
    ) / templates
    by_template += rest
    by_persona = [
        components.persona**2 * share / personas + mine for share, mine in zip(shares.persona, rests, strict=False)
    ]
    variance = by_template + sum(by_persona) - (rest if shares.persona else 0.0)
    counts = [size * personas for size in shares.sizes]
    spread = by_template**2 / (shares.templates * templates - 1)
    spread += sum(part**2 / (count - 1) for part, count in zip(by_persona, counts, strict=True))
    if not shares.persona:
        return math.sqrt(variance), shares.templates * templates - 1
    least = min(shares.templates * templates, shares.personas * personas) - 1
    return math.sqrt(variance), max(variance**2 / spread, least) if spread > 0 else least


def between(now: Shares, whole: Shares, cells: int) -> Shares:
    """Shares of a sample of ``cells`` cells of the smaller group: more than ``now``, and at most all, ``whole``.

    Every share falls with 1/cells, so that it is read off the straight line between the two.

    >>> now, whole = (Shares("b", a, a, (a,), (a,), (3, 3), 2, 3, n) for a, n in ((.4, 3), (.2, 6)))
    >>> round(between(now, whole, 4).template, 4)  # halfway from 1/3 to 1/6
    0.3
    """
    if whole.cells <= now.cells:
        return whole
    kept = (1 / cells - 1 / whole.cells) / (1 / now.cells - 1 / whole.cells)

    def mixed(here: float, there: float) -> float:
        return there + kept * (here - there)

    return replace(
        whole,
        cells=cells,
        template=mixed(now.template, whole.template),
        block=mixed(now.block, whole.block),
        persona=tuple(mixed(*pair) for pair in zip(now.persona, whole.persona, strict=True)),
        cell=tuple(mixed(*pair) for pair in zip(now.cell, whole.cell, strict=True)),
    )


def _codes(column: ArrayLike) -> Codes:
    return np.asarray(np.unique(np.asarray(column).astype(str), return_inverse=True)[1], np.intp)


def _squares(weights: Reals, clusters: Codes | Sequence[int]) -> float:
    return float((np.bincount(clusters, weights) ** 2).sum())
