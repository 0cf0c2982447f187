"""Ratios of group means on the log scale, and rules such as four fifths on interval ends."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.least_squares import paired_codes
from audit.statistics.two_groups import Cells, two_groups
from audit.statistics.variance import NO_SPREAD, Codes, Contrast, Reals, contrast_from, two_way_spread


def ratio_contrast(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
) -> tuple[Contrast, ...]:
    """log(mean of group / mean of ``reference``), clustered by template and by persona.

    The means are standardised to the same blocks: μ_g = (1/B) Σ_b ȳ_bg over the B blocks
    that hold both groups. So a group whose cells are missing where prices are high is
    not taken for a cheap one, and no model of how a ratio varies over blocks is
    needed. (Least squares on block effects would add what should multiply.)

    Delta method: with u = y/μ_g, the outcome relative to its own group, a cell's influence
    is ψ = ±(u − c_b) / (B·n_bg), c_b halfway between the two groups' means of u in the
    block. Its sum over a template is how far the ratio there is from the common one
    (the linearised ratio estimator, Cochran 1977, Sampling Techniques, sec. 6.3);
    its sum over a persona is how far that persona is from its group. A cell carries
    both groups' uncertainty: the reference's mean is estimated too. V and df are
    those of :func:`~audit.statistics.variance.two_way_spread`.

    Parameters
    ----------
    y : (n,) nonnegative cell means (rates, prices, probabilities); NaN is a missing cell.
    group, template, persona, block : (n,) labels. ``block`` is ``template`` when not given.
    reference : the group that the others are compared with, registered before the
        run: never the largest mean that was seen.
    alpha : level of the two-sided interval.

    Returns
    -------
    One contrast for each other group, sorted by name, on the log scale: 0 is "equal",
    log(.8) four fifths. Where a mean is 0 the logarithm has no value and everything
    is NaN.

    Raises
    ------
    ValueError
        If an outcome is negative, lengths differ, no usable cell belongs to
        ``reference``, or one persona stands in two groups.

    Examples
    --------
    >>> y = [10., 10., 8., 8., 20., 20., 16., 16.]
    >>> group, persona = ["a", "a", "b", "b"] * 2, ["k", "l", "m", "n"] * 2
    >>> gap, = ratio_contrast(y, group, [0] * 4 + [1] * 4, persona, reference="a")
    >>> round(math.exp(gap.estimate), 6), gap.n_blocks
    (0.8, 2)
    """
    _check(y)
    return tuple(
        _contrast(cells, cells.block, cells.second, alpha)
        for cells in two_groups(y, group, template, persona, reference=reference, block=block)
    )


def paired_ratio_contrast(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    phrasing: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
) -> tuple[Contrast, ...]:
    """As :func:`ratio_contrast` for explicit cues: over the (block, phrasing) that hold both groups.

    Every pair weighs the same, clusters are templates and phrasings, and phrasings
    have M−1 degrees of freedom.

    >>> y, group = [10., 8., 20., 16., 10., 8., 20., 16.], ["a", "b"] * 4
    >>> gap, = paired_ratio_contrast(y, group, [0] * 4 + [1] * 4, [0, 0, 1, 1] * 2, reference="a")
    >>> round(math.exp(gap.estimate), 6), gap.n_personas
    (0.8, 2)
    """
    _check(y)
    found = []
    for cells in two_groups(y, group, template, phrasing, reference=reference, block=block, crossed=True):
        pair = paired_codes(cells.block, cells.persona)
        both = np.isin(pair, np.intersect1d(pair[cells.second == 0], pair[cells.second == 1]))
        kept = cells.take(both)
        _, stratum = np.unique(pair[both], return_inverse=True)
        found.append(_contrast(kept, stratum, np.zeros_like(kept.second), alpha))
    return tuple(found)


def judge_ratio(contrast: Contrast, ratio: float = 0.8) -> Literal["below", "above", "open"]:
    """Where the ratio's interval lies: wholly "below" ``ratio``, wholly "above", or "open".

    A rule on the point estimate flags equal groups most of the time when groups are
    many and cells are few; an interval end does not. NaN is "open".

    >>> from audit.statistics.variance import Contrast
    >>> def of(low, high):
    ...     counts = dict(n_cells=0, n_blocks=0, n_templates=0, n_personas=0)
    ...     values = dict(estimate=0., se=.1, df=9., p_value=.5, mde=.3)
    ...     return Contrast(group="b", reference="a", ci_low=low, ci_high=high, **values, **counts)
    >>> judge_ratio(of(-.5, -.3)), judge_ratio(of(-.2, .1)), judge_ratio(of(-.3, .1))
    ('below', 'above', 'open')
    """
    if not ratio > 0:
        raise ValueError(f"ratio must be above 0, but is {ratio!r}")
    if contrast.ci_high < math.log(ratio):
        return "below"
    return "above" if contrast.ci_low > math.log(ratio) else "open"


def _check(y: ArrayLike) -> None:
    if np.any(np.asarray(y, float) < 0):
        raise ValueError("a ratio of means needs outcomes of 0 or more; compare differences instead")


def _contrast(cells: Cells, stratum: Codes, part: Codes, alpha: float) -> Contrast:
    """The log-ratio over ``stratum`` (block, or pair), with personas of one ``part`` drawn together."""
    estimate, psi = _influences(cells.values, cells.second, stratum)
    sizes = [np.unique(cells.persona[cells.second == side]).size for side in (0, 1)]
    templates = np.unique(cells.template).size
    spread = NO_SPREAD
    if math.isfinite(estimate) and min(templates, *sizes) > 1:
        spread = two_way_spread(psi, cells.template, cells.persona, part, least=(templates, *sizes))
    return contrast_from(
        spread,
        estimate=estimate,
        size=1.0,
        alpha=alpha,
        group=cells.group,
        reference=cells.reference,
        n_cells=cells.values.size,
        n_blocks=np.unique(cells.block).size,
        n_templates=templates,
        n_personas=min(sizes),
    )


def _influences(values: Reals, second: Codes, stratum: Codes) -> tuple[float, Reals]:
    """The log-ratio of standardised means, and each cell's influence on it; NaN where a mean is 0."""
    if not values.size:
        return math.nan, values
    count = int(stratum.max()) + 1
    cells = np.bincount(2 * stratum + second, minlength=2 * count)
    means = (np.bincount(2 * stratum + second, values, 2 * count) / cells).reshape(count, 2)
    overall = means.mean(axis=0)
    if not overall.min() > 0:
        return math.nan, np.zeros_like(values)
    common = (means / overall).mean(axis=1)
    relative = values / overall[second] - common[stratum]
    weight = np.where(second == 1, 1.0, -1.0) / (count * cells[2 * stratum + second])
    return float(np.log(overall[1] / overall[0])), np.asarray(weight * relative, float)
