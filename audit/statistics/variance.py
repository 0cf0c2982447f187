"""The two-way (template × persona) cluster-robust variance of a weighted sum of cells.

Templates and personas are both drawn from larger populations, so both are
clusters; a cell shares its template with some cells and its persona with others.
Source: Cameron, Gelbach & Miller 2011, "Robust inference with multiway
clustering", J. Bus. Econ. Stat. 29(2), eq. 2.3, with the finite-cluster factors
K/(K−1) and a Satterthwaite approximation (Biometrics Bulletin 1946) of the
degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from audit.statistics.power import minimum_detectable_gap

Reals = NDArray[np.float64]
Codes = NDArray[np.intp]

# Below this share of the outcome's own size a standard error is rounding, not spread.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Contrast:
    """A signed gap between ``group`` and ``reference``, with what it rests on.

    ``estimate``, ``se``, ``ci_low``, ``ci_high`` and ``mde`` are in the unit of
    the outcome. ``p_value`` is of "the gap is 0" and two-sided. Where there are
    fewer than two clusters ``se`` is NaN; where nothing varies it is 0; in both
    cases ``df``, the interval, ``p_value`` and ``mde`` are NaN, so that no
    comparison with them can succeed. ``n_personas`` is that of the smaller group
    (phrasings for explicit cues, 0 where there is no persona).
    """

    group: str
    reference: str
    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    n_cells: int
    n_blocks: int
    n_templates: int
    n_personas: int
    mde: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A variance and its degrees of freedom; NaN where there are too few clusters."""

    variance: float
    df: float


NO_SPREAD = Spread(np.nan, np.nan)


def two_way_spread(
    psi: ArrayLike, template: ArrayLike, persona: ArrayLike, part: ArrayLike, *, least: tuple[int, ...] | None = None
) -> Spread:
    """Two-way clustered variance of the sum of ``psi``.

    V_T = T/(T−1) · Σ_template (Σψ)²; V_P = Σ_g V_P,g with
    V_P,g = K_g/(K_g−1) · Σ_name (Σψ)²; V_TP = Σ_{template∩name} (Σψ)²;
    V = max(V_T + V_P − V_TP, V_T, V_P);
    df = max{V² / [V_T²/(T−1) + Σ_g V_P,g²/(K_g−1)], least count − 1}.

    Parameters
    ----------
    psi : (n,) influence of each cell: contrast weight × residual.
    template, persona, part : (n,) integer codes of the cell's template, of its
        persona, and of the persona's group g.
    least : the cluster counts of which the smallest, less one, bounds df from
        below: (T, K_g, K_ref). All counts when not given. Its first entry is also
        the T of the formulas.

    Examples
    --------
    Two templates and two names of one group, every cell its own residual:

    >>> spread = two_way_spread([2, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0])
    >>> spread.variance  # V_T = V_P = 2·(3² + 1²) = 20, V_TP = 4 + 1 + 1 + 0 = 6
    34.0
    >>> spread.df  # 34² / (20² + 20²)
    1.445
    """
    psi = np.asarray(psi, float)
    template, persona, part = (np.asarray(codes, np.intp) for codes in (template, persona, part))
    parts = np.unique(part)
    sizes = np.array([np.unique(persona[part == g]).size for g in parts])
    counts = least or (np.unique(template).size, *sizes.tolist())
    if min(counts) < 2 or sizes.min() < 2:
        return NO_SPREAD
    by_persona = np.bincount(persona, psi) ** 2
    part_of = np.zeros(by_persona.size, np.intp)
    part_of[persona] = np.searchsorted(parts, part)
    by_part = sizes / (sizes - 1) * np.bincount(part_of, by_persona, parts.size)
    v_t = one_way_variance(psi, template, counts[0])
    v_tp = float((_cluster_sums(psi, template, persona) ** 2).sum())
    return combined_spread(v_t, by_part.tolist(), v_tp, templates=counts[0], personas=sizes.tolist(), least=min(counts))


def combined_spread(
    v_template: float,
    v_persona: Sequence[float],
    v_cell: float,
    *,
    templates: int,
    personas: Sequence[int],
    least: int | None = None,
) -> Spread:
    """Two-way variance from its three one-way parts, with Satterthwaite's degrees of freedom.

    V = max(V_T + V_P − V_TP, V_T, V_P) with V_P = Σ_g V_P,g;
    df = max{V² / [V_T²/(T−1) + Σ_g V_P,g²/(K_g−1)], ``least`` − 1}, ``least`` being
    min(T, K_g) when not given (Cameron, Gelbach & Miller 2011, eq. 2.3; Satterthwaite 1946).

    >>> combined_spread(20., (12., 8.), 6., templates=5, personas=(4, 4))
    Spread(variance=34.0, df=6.82...)
    """
    least = min(templates, *personas) if least is None else least
    if least < 2 or not np.all(np.isfinite([v_template, *v_persona, v_cell])):
        return NO_SPREAD
    v_p = sum(v_persona)
    variance = max(v_template + v_p - v_cell, v_template, v_p)
    squares = [v_template**2 / (templates - 1)]
    squares += [v**2 / (size - 1) for v, size in zip(v_persona, personas, strict=True)]
    satterthwaite = variance**2 / sum(squares) if sum(squares) > 0 else 0.0
    return Spread(float(variance), float(max(satterthwaite, least - 1.0)))


def one_way_variance(psi: ArrayLike, cluster: ArrayLike, count: int | None = None) -> float:
    """Variance of the sum of ``psi`` under one kind of cluster: n/(n−1) · Σ_cluster (Σψ)².

    >>> one_way_variance([1, 1, -1, -1], [0, 0, 1, 1])
    16.0
    >>> one_way_variance([1, 1], [0, 0])
    nan
    """
    cluster = np.asarray(cluster, np.intp)
    n = np.unique(cluster).size if count is None else count
    if n < 2:
        return float("nan")
    return float(n / (n - 1) * (np.bincount(cluster, np.asarray(psi, float)) ** 2).sum())


def contrast_from(spread: Spread, *, estimate: float, size: float, alpha: float, **fields: Any) -> Contrast:
    """Put interval, p and smallest detectable gap beside an estimate.

    ``size`` is the largest absolute outcome: a standard error that is rounding
    beside it counts as 0.
    """
    se, df = float(np.sqrt(spread.variance)), spread.df
    if se <= ROUNDING * size:
        se, df = 0.0, np.nan
    half = t_quantile(1 - alpha / 2, df) * se
    return Contrast(
        estimate=float(estimate),
        se=se,
        df=float(df),
        ci_low=float(estimate - half),
        ci_high=float(estimate + half),
        p_value=two_sided_p(estimate, se, df),
        mde=minimum_detectable_gap(se, df, alpha=alpha),
        **fields,
    )


def two_sided_p(estimate: float, se: float, df: float) -> float:
    """p of "the estimate is 0" under Student's t; NaN without a spread.

    >>> round(two_sided_p(2.228139, 1, 10), 6)
    0.05
    >>> two_sided_p(1, 0, 10)
    nan
    """
    if not (se > 0 and df > 0):
        return float("nan")
    return float(2 * special.stdtr(df, -abs(estimate) / se))


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t with real ``df``; NaN where df is not positive.

    >>> round(t_quantile(.975, 10), 6)
    2.228139
    """
    return float(special.stdtrit(df, probability)) if df > 0 else float("nan")


def coded(y: ArrayLike, *labels: ArrayLike) -> tuple[Any, ...]:
    """The cells that have a value, each kind of label as (names, codes); raises ValueError on infinite values."""
    values = np.asarray(y, float)
    columns = [np.asarray(column) for column in labels]
    if values.ndim != 1 or any(column.shape != values.shape for column in columns):
        raise ValueError("y and its labels must be one-dimensional and of one length")
    if np.isinf(values).any():
        raise ValueError("y holds an infinite value; give NaN where a cell has no usable value")
    keep = ~np.isnan(values)
    if not keep.any():
        raise ValueError("every cell is missing; there is nothing to compare")
    parts = []
    for column in columns:
        parts.append(_names_and_codes(column[keep]))
    return values[keep], *parts


def _names_and_codes(labels: NDArray[Any]) -> tuple[list[str], Codes]:
    """The labels that occur as sorted text, and the place of each cell's."""
    if labels.dtype.kind not in "iu":
        names, codes = np.unique(labels.astype(str), return_inverse=True)
        return names.tolist(), codes
    # Only the few distinct numbers become text: turning every cell's into text took longer than the fit.
    numbers, places = np.unique(labels, return_inverse=True)
    texts = numbers.astype(str)
    order = np.argsort(texts)
    rank = np.empty(order.size, np.intp)
    rank[order] = np.arange(order.size)
    return texts[order].tolist(), rank[places]


def _cluster_sums(psi: Reals, first: Codes, second: Codes) -> Reals:
    """Sums of ``psi`` over the pairs of labels that occur."""
    key = first * (int(second.max()) + 1) + second
    _, code = np.unique(key, return_inverse=True)
    return np.asarray(np.bincount(code, psi), float)
