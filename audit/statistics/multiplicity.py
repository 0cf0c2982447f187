"""Many tests at once: the family-wise error, or the false discovery rate, stays at α."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjusted p, in the order given (Holm 1979, Scand. J. Stat. 6, 65-70).

    With p sorted, p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) · p_(j)). A test that could
    not be done (NaN) stays NaN and does not count in m.

    >>> holm([.04, .01, .03]).tolist()
    [0.06, 0.03, 0.06]
    >>> holm([.01, float("nan"), .03]).tolist()
    [0.02, nan, 0.03]
    """
    p = np.asarray(p_values, float)
    _check(p)
    adjusted = np.full(p.shape, np.nan)
    done = np.flatnonzero(~np.isnan(p))
    order = done[np.argsort(p[done], kind="stable")]
    steps = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * p[order]))
    return adjusted


def benjamini_hochberg(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p that keep the false discovery rate, in the order given.

    With p sorted, p̃_(i) = min_{j ≥ i} min(1, m/j · p_(j)) (Benjamini & Hochberg 1995, J. R.
    Stat. Soc. B 57, 289-300). For exploration: it bounds the share of false findings
    among the findings, not the chance of any. NaN as in :func:`holm`.

    >>> benjamini_hochberg([.04, .01, .03]).tolist()
    [0.04, 0.03, 0.04]
    >>> benjamini_hochberg([.01, float("nan"), .03]).tolist()
    [0.02, nan, 0.03]
    """
    p = np.asarray(p_values, float)
    _check(p)
    adjusted = np.full(p.shape, np.nan)
    done = np.flatnonzero(~np.isnan(p))
    order = done[np.argsort(-p[done], kind="stable")]
    steps = order.size / np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps * p[order]))
    return adjusted


def _check(p: NDArray[np.float64]) -> None:
    if np.any((p < 0) | (p > 1)):
        raise ValueError("a p-value must lie between 0 and 1")
