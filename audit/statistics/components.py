"""Variance components of a gap as a run estimates them, with limits to plan with.

The model and the components' meaning stand in :mod:`audit.statistics.design`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, special

from audit.statistics.design import Components, design_error
from audit.statistics.least_squares import Fit, absorbed_fit, indicators, paired_codes
from audit.statistics.two_groups import Cells, averaged, differences, two_groups

__all__ = [
    "Components",
    "EstimatedComponents",
    "Moment",
    "design_error",
    "estimate",
    "estimate_paired",
    "upper",
]


@dataclass(frozen=True, slots=True)
class Moment:
    """A mean square with E = ``rest`` + ``scale`` · (variance component).

    ``df`` 0 means that the run cannot tell this component; it then counts as 0 here
    and is part of another one.
    """

    mean_square: float
    df: float
    rest: float
    scale: float

    def variance(self, level: float = math.nan) -> float:
        """The component, at least 0; with ``level`` the upper limit of that confidence."""
        if not self.df > 0:
            return 0.0
        stretch = 1.0 if math.isnan(level) else self.df / float(special.chdtri(self.df, level))
        return max(0.0, (self.mean_square * stretch - self.rest) / self.scale)


UNTOLD = Moment(0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class EstimatedComponents:
    """What a run says of the components of one contrast, each with its degrees of freedom."""

    group: str
    reference: str
    template: Moment
    template_category: Moment
    persona: Moment
    persona_block: Moment
    noise: Moment

    @property
    def components(self) -> Components:
        """The estimates as standard deviations; a negative variance counts as 0."""
        return _deviations(self, math.nan)


def upper(estimated: EstimatedComponents, *, level: float = 0.8) -> Components:
    """Every component at its upper ``level`` limit: what to plan with.

    The limit s²·df/χ²_{1−level,df} is taken of the mean square that carries the
    component, and what else that mean square carries is then taken away. A
    component whose estimate is 0 so gets a limit above 0.
    """
    return _deviations(estimated, level)


def estimate(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    draws: ArrayLike | None = None,
) -> tuple[EstimatedComponents, ...]:
    """Components of every gap with ``reference``, from the cells of a run.

    Method of moments on reductions in sums of squares (Henderson 1953, Biometrics 9,
    method 3): persona, block:group, and template:group, each after all that is
    nested above it. Cells may be missing. Rows that share block and persona are draws
    of one cell, and tell σ from ν_b. Without such rows both are in one: everything is
    booked as noise, right for plans with the same draws and too hopeful for plans
    with more. With one block a template τ_TC is part of τ_T.

    Parameters
    ----------
    y : (n,) cell means or single draws; NaN is missing.
    group, template, persona, block : (n,) labels. ``block`` is ``template`` when not given.
    reference : the group that the others are compared with.
    draws : (n,) or one number: draws behind each row, 1 when not given.

    Returns
    -------
    One for each other group, sorted by name. A group that cannot be compared (fewer
    than two personas, or two templates, shared with the reference) is left out.

    Raises
    ------
    ValueError
        If lengths differ, no usable cell belongs to ``reference``, or one persona
        stands in two groups.

    Examples
    --------
    The gap is 1 in one template and 2 in the other, and nothing else varies:

    >>> found, = estimate([0, 0, 1, 1, 5, 5, 7, 7], [*"aabb"] * 2, [0] * 4 + [1] * 4, [*"klmn"] * 2, reference="a")
    >>> found.template.variance(), found.template.df, found.persona.variance(), found.noise.variance()
    (0.5, 1, 0.0, 0.0)
    """
    found = []
    for rows in two_groups(y, group, template, persona, reference=reference, block=block, draws=draws):
        cells, variance, df = averaged(rows)
        personas = [np.unique(cells.persona[cells.second == side]).size for side in (0, 1)]
        if min(*personas, np.unique(cells.template).size) > 1:
            found.append(_assembled(cells, _name_fits(cells), variance, df))
    return tuple(found)


def estimate_paired(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    phrasing: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    draws: ArrayLike | None = None,
) -> tuple[EstimatedComponents, ...]:
    """As :func:`estimate` for explicit cues: from differences within (block, phrasing).

    A difference's variance is 2ν² + 2ν_b² + 2σ²/R beside that of the gap, so that
    :func:`design_error` with ``paired`` reads the result unchanged.
    """
    found = []
    rows_of = two_groups(y, group, template, phrasing, reference=reference, block=block, draws=draws, crossed=True)
    for rows in rows_of:
        _, variance, df = averaged(rows)
        pairs = differences(rows)
        if min(np.unique(pairs.template).size, np.unique(pairs.persona).size) > 1:
            found.append(_assembled(pairs, _pair_fits(pairs), variance, df, sides=2))
    return tuple(found)


def _name_fits(cells: Cells) -> tuple[Fit, Fit, Fit, Fit]:
    """Residuals of four nested models: block:group + persona, block:group, + template:group, neither."""
    own = indicators(cells.persona)
    slope = indicators(cells.template, cells.second.astype(float))
    block_slope = indicators(cells.block, cells.second.astype(float))
    both = paired_codes(cells.block, cells.second)
    return (
        absorbed_fit(cells.values, both, own),
        absorbed_fit(cells.values, both, random=[own]),
        absorbed_fit(cells.values, cells.block, sparse.hstack([own, slope], format="csr"), [block_slope]),
        absorbed_fit(cells.values, cells.block, own, [block_slope, slope]),
    )


def _pair_fits(pairs: Cells) -> tuple[Fit, Fit, Fit, Fit]:
    """The same for differences: block + phrasing, block, template + phrasing, phrasing."""
    own, by_block, by_template = (indicators(codes) for codes in (pairs.persona, pairs.block, pairs.template))
    whole = np.zeros(pairs.values.size, np.intp)
    return (
        absorbed_fit(pairs.values, pairs.block, own),
        absorbed_fit(pairs.values, pairs.block, random=[own]),
        absorbed_fit(pairs.values, pairs.template, own, [by_block]),
        absorbed_fit(pairs.values, whole, own, [by_block, by_template]),
    )


def _assembled(
    cells: Cells, fits: tuple[Fit, Fit, Fit, Fit], within: float, within_df: int, *, sides: int = 1
) -> EstimatedComponents:
    """Solve the expected sums of squares from the residual upwards; ``sides`` cells make one value."""
    full, no_persona, no_block, no_template = fits
    cell = full.rss / full.df if full.df > 0 else 0.0
    persona_df, block_df, template_df = (
        no_persona.df - full.df,
        no_block.df - full.df,
        no_template.df - no_block.df,
    )
    persona = _moment(no_persona.rss - full.rss, persona_df, cell, no_persona.traces[0] * sides)
    block = _moment(no_block.rss - full.rss, block_df, cell, no_block.traces[0])
    per_block = (block.mean_square - block.rest) / block.scale
    shared = per_block * (no_template.traces[0] - no_block.traces[0])
    template = _moment(
        no_template.rss - no_block.rss, template_df, cell + shared / max(template_df, 1), no_template.traces[1]
    )
    one_over = float((1 / cells.draws).mean())
    if within_df:
        noise = Moment(within, within_df, 0.0, 1.0)
        own = Moment(cell, full.df, sides * within * one_over, sides)
    else:
        noise, own = Moment(cell, full.df, 0.0, sides * one_over), UNTOLD
    return EstimatedComponents(cells.group, cells.reference, template, block, persona, own, noise)


def _moment(reduction: float, df: int, cell: float, trace: float) -> Moment:
    """A reduction in sums of squares as a mean square; UNTOLD when it has no degree of freedom."""
    if df <= 0 or trace <= 1e-9:
        return UNTOLD
    return Moment(reduction / df, df, cell, trace / df)


def _deviations(estimated: EstimatedComponents, level: float) -> Components:
    return Components(
        *(
            math.sqrt(moment.variance(level))
            for moment in (
                estimated.template,
                estimated.template_category,
                estimated.persona,
                estimated.persona_block,
                estimated.noise,
            )
        )
    )
