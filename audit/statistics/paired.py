"""Contrasts within pairs: explicit cues (same block, same phrasing) and the positive control."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.variance import (
    NO_SPREAD,
    Codes,
    Contrast,
    Reals,
    Spread,
    coded,
    contrast_from,
    one_way_variance,
    two_way_spread,
)


def paired_contrast(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    phrasing: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
    wordings_only: bool = False,
) -> tuple[Contrast, ...]:
    """Contrast every group with ``reference`` within the same (block, phrasing).

    For explicit cues: a phrasing is put in every group's version, so a group's cells
    are paired with the reference's, and the differences are clustered by template
    and by phrasing, with M−1 df for M phrasings. With ``wordings_only`` templates
    alone are clusters, and the claim holds for these phrasings only.

    Parameters and errors as in :func:`~audit.statistics.contrasts.two_way_contrast`; cells of one group that
    share block and phrasing are averaged first. ``n_cells`` counts both sides of
    each pair, ``n_personas`` the phrasings.

    Examples
    --------
    >>> y = [1., 2., 1., 4., 0., 1., 2., 3.]
    >>> gap, = paired_contrast(y, ["m", "f"] * 4, [0] * 4 + [1] * 4, [0, 0, 1, 1] * 2, reference="m")
    >>> gap.estimate, gap.n_templates, gap.n_personas
    (1.5, 2, 2)
    """
    block = template if block is None else block
    values, (groups, group_), (_, template_), (_, phrasing_), (_, block_) = coded(y, group, template, phrasing, block)
    if reference not in groups:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(groups)}")
    _, pair = np.unique(block_ * (int(phrasing_.max()) + 1) + phrasing_, return_inverse=True)
    size = int(pair.max()) + 1
    template_of, phrasing_of, block_of = (_of_pair(pair, codes, size) for codes in (template_, phrasing_, block_))
    base = _pair_means(values, pair, group_ == groups.index(reference), size)
    found = []
    for code, name in enumerate(groups):
        if name == reference:
            continue
        gaps = _pair_means(values, pair, group_ == code, size) - base
        both = np.flatnonzero(~np.isnan(gaps))
        gaps, template__, phrasing__ = gaps[both], template_of[both], phrasing_of[both]
        estimate = float(gaps.mean()) if gaps.size else np.nan
        psi = (gaps - estimate) / max(gaps.size, 1)
        templates, phrasings = np.unique(template__).size, np.unique(phrasing__).size
        if not gaps.size:
            spread = NO_SPREAD
        elif wordings_only:
            spread = Spread(one_way_variance(psi, template__), templates - 1.0)
        else:
            spread = two_way_spread(psi, template__, phrasing__, np.zeros_like(template__))
        found.append(
            contrast_from(
                spread,
                estimate=estimate,
                size=float(np.abs(values).max()),
                alpha=alpha,
                group=name,
                reference=reference,
                n_cells=2 * gaps.size,
                n_blocks=np.unique(block_of[both]).size,
                n_templates=templates,
                n_personas=phrasings,
            )
        )
    return tuple(found)


def clustered_mean_difference(
    y: ArrayLike,
    pole: ArrayLike,
    template: ArrayLike,
    *,
    group: str,
    reference: str,
    block: ArrayLike | None = None,
    alpha: float = 0.05,
) -> Contrast:
    """Mean difference ``group`` − ``reference`` within blocks, clustered by template.

    For the positive control, where facts of the case differ and no persona is
    described: V = T/(T−1) · Σ_template (Σψ)², df = T−1.

    >>> gap = clustered_mean_difference([3, 1, 4, 1], ["good", "bad"] * 2, [0, 0, 1, 1],
    ...                                 group="good", reference="bad")
    >>> gap.estimate, gap.se, gap.df
    (2.5, 0.5, 1.0)
    """
    pole = np.asarray(pole).astype(str)
    keep = np.isin(pole, [group, reference])
    template = np.asarray(template)
    block = template if block is None else np.asarray(block)
    found = paired_contrast(
        np.asarray(y, float)[keep],
        pole[keep],
        template[keep],
        np.zeros(int(keep.sum()), np.intp),
        reference=reference,
        block=block[keep],
        alpha=alpha,
        wordings_only=True,
    )
    if not found:
        raise ValueError(f"no cell belongs to {group!r}; a control needs both of its poles")
    fields = {name: getattr(found[0], name) for name in Contrast.__slots__}
    return Contrast(**fields | {"n_personas": 0})


def _of_pair(pair: Codes, codes: Codes, size: int) -> Codes:
    out = np.zeros(size, np.intp)
    out[pair] = codes
    return out


def _pair_means(values: Reals, pair: Codes, inside: NDArray[np.bool_], size: int) -> Reals:
    """Mean of the cells ``inside`` for each pair; NaN where there is none."""
    counts = np.bincount(pair[inside], minlength=size)
    sums = np.bincount(pair[inside], values[inside], size)
    means: Reals = np.full(size, np.nan)
    return np.divide(sums, counts, out=means, where=counts > 0)
