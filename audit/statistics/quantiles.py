"""Differences of quantiles, such as the price that the worst-served tenth gets, by bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.bootstrap import bootstrap_weights
from audit.statistics.crossed import Crossed, chunks, crossed
from audit.statistics.variance import NO_SPREAD, Codes, Contrast, Reals, Spread, combined_spread, contrast_from


def quantile_contrast(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    q: float,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[Contrast, ...]:
    """Difference of the ``q`` quantiles of cells, every group less ``reference``.

    The quantile is the smallest cell at which the cumulative weight reaches q
    (Hyndman & Fan 1996, definition 1). Cells have the block weights of the mean
    contrast: in block b a group's cells share the weight n_g·n_ref/(n_g+n_ref)
    alike, so that both groups are looked at over the same mix of blocks although
    cells are missing. In a complete design all weights are equal.

    Three bootstraps give the variance: of templates; of names within their group; of
    names within template and group, each template apart, for the cells. Every draw
    recomputes that same weighted quantile, cells' shares in their block included.
    V_T and V_P,g are the bootstrap variances times T/(T−1) and K_g/(K_g−1), combined
    with V_TP as in :func:`~audit.statistics.variance.combined_spread`. Where most cells
    are tied at the quantile it does not move, the spread is 0, and nothing can be
    concluded.

    Returns
    -------
    One contrast for each other group, sorted by name; only its own cells and the
    reference's go into it.

    Raises
    ------
    ValueError
        As :func:`~audit.statistics.crossed.crossed`, and if q is not inside (0, 1).

    Examples
    --------
    >>> y = [1., 2., 3., 5., 2., 3., 4., 7.]
    >>> gap, = quantile_contrast(y, ["a", "a", "b", "b"] * 2, [0] * 4 + [1] * 4, ["k", "l", "m", "n"] * 2,
    ...                          reference="a", q=.9)
    >>> gap.estimate, gap.n_templates, gap.n_personas  # 7 − 3
    (4.0, 2, 2)
    """
    if not 0 < q < 1:
        raise ValueError(f"q must lie between 0 and 1, but is {q!r}")
    pairs = crossed(y, group, template, persona, reference=reference, block=block)
    return tuple(_quantile_contrast(pair, q, alpha, draws, seed) for pair in pairs)


@dataclass(frozen=True, slots=True)
class _Side:
    """One group's cells from the smallest to the largest, with their codes; ``seen`` is (blocks, names)."""

    values: Reals
    block: Codes
    persona: Codes
    cluster: Codes
    stratum: Codes
    seen: Reals

    @classmethod
    def of(cls, pair: Crossed, template: Codes, columns: NDArray[np.bool_]) -> _Side:
        seen = pair.seen[:, columns]
        block, persona = np.nonzero(seen)
        values = pair.values[:, columns][block, persona]
        order = np.argsort(values, kind="stable")
        block, persona = block[order], persona[order]
        _, cluster = np.unique(template[block] * seen.shape[1] + persona, return_inverse=True)
        return cls(values[order], block, persona, cluster, template[block], seen.astype(float))

    def quantile(self, q: float, share: Reals, counts: Reals | None = None) -> Reals:
        """(draws,) quantiles from the weight of a cell in each block, (blocks, draws), times counts, (cells, draws).

        Draws stand last, so that every step runs along memory.
        """
        weights = share[self.block]
        if counts is not None:
            weights *= counts
        reached = np.cumsum(weights, axis=0, out=weights)
        # Sums of shares round; a weight that should reach q exactly must not fall short of it by that.
        below = reached < q * (1 - 1e-12) * reached[-1]
        found: Reals = self.values[np.count_nonzero(below, axis=0)]
        return found

    def by_names(self, q: float, fixed: Reals, draws: int, rng: np.random.Generator) -> Reals:
        weights = np.ascontiguousarray(bootstrap_weights(np.arange(self.seen.shape[1]), draws, rng).T)
        return self.quantile(q, _shared(fixed, self.seen @ weights), weights[self.persona])

    def by_cells(self, q: float, fixed: Reals, draws: int, rng: np.random.Generator) -> Reals:
        weights = bootstrap_weights(self.cluster, draws, rng, strata=self.stratum).T[self.cluster]
        order = np.argsort(self.block, kind="stable")
        starts = np.searchsorted(self.block[order], np.arange(self.seen.shape[0]))
        return self.quantile(q, _shared(fixed, np.add.reduceat(weights[order], starts, axis=0)), weights)


def _shared(fixed: Reals, drawn: Reals) -> Reals:
    """The weight of a cell where ``drawn`` cells of a block share the block's weight; 0 where none was drawn."""
    return np.divide(fixed[:, None], drawn, out=np.zeros_like(drawn), where=drawn > 0)


def _quantile_contrast(pair: Crossed, q: float, alpha: float, draws: int, seed: int) -> Contrast:
    counts = pair.counts
    estimate, spread = np.nan, NO_SPREAD
    if min(pair.sizes):
        _, template = np.unique(pair.template, return_inverse=True)
        sides = [_Side.of(pair, template, columns) for columns in (pair.member, ~pair.member)]
        numbers = [side.seen.sum(1) for side in sides]
        fixed = numbers[0] * numbers[1] / (numbers[0] + numbers[1])
        shares = [(fixed / number)[:, None] for number in numbers]
        one, other = (float(side.quantile(q, share)[0]) for side, share in zip(sides, shares, strict=True))
        estimate = one - other
        if min(pair.sizes) > 1 and counts["n_templates"] > 1:
            spread = _quantile_spread(sides, shares, fixed, template, q=q, draws=draws, seed=seed)
    return contrast_from(
        spread,
        estimate=estimate,
        size=float(np.nanmax(np.abs(pair.values), initial=0.0)),
        alpha=alpha,
        group=pair.group,
        reference=pair.reference,
        **counts,
    )


def _quantile_spread(
    sides: list[_Side], shares: list[Reals], fixed: Reals, template: Codes, *, q: float, draws: int, seed: int
) -> Spread:
    rng = np.random.default_rng(seed)
    by_template, by_name, by_cell = np.empty((2, draws)), np.empty((2, draws)), np.empty((2, draws))
    for part in chunks(draws, 4 * max(side.values.size for side in sides)):
        size = part.stop - part.start
        drawn = bootstrap_weights(template, size, rng)[:, template].T
        for place, (side, share) in enumerate(zip(sides, shares, strict=True)):
            by_template[place, part] = side.quantile(q, share * drawn)
            by_name[place, part] = side.by_names(q, fixed, size, rng)
            by_cell[place, part] = side.by_cells(q, fixed, size, rng)
    templates, personas = int(template.max()) + 1, [side.seen.shape[1] for side in sides]
    return combined_spread(
        float(np.var(by_template[0] - by_template[1], ddof=1)) * templates / (templates - 1),
        tuple(float(row.var(ddof=1)) * k / (k - 1) for row, k in zip(by_name, personas, strict=True)),
        float(by_cell.var(axis=1, ddof=1).sum()),
        templates=templates,
        personas=tuple(personas),
    )
