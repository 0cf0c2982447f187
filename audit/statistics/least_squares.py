"""Least squares with one factor absorbed: residual sums of squares, ranks and expected values.

Blocks are many and everything else is few. Blocks are therefore swept out by
centring (Frisch & Waugh 1933; Lovell 1963), and the other columns are sparse, so
that a hundred thousand cells take a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from audit.statistics.variance import Codes, Reals


@dataclass(frozen=True, slots=True)
class Fit:
    """What a regression leaves: residuals, their degrees of freedom, and one trace for each random factor.

    E[RSS] = σ² · df + Σ_k σ_k² · trace_k, where factor k has independent effects of
    variance σ_k² and trace_k = tr(Z_k' M Z_k), with M the projection on the residuals
    (Searle, Casella & McCulloch 1992, Variance Components, ch. 5, eq. 5.3).
    """

    residuals: Reals
    df: int
    traces: tuple[float, ...]

    @property
    def rss(self) -> float:
        """Residual sum of squares."""
        return float(self.residuals @ self.residuals)


def absorbed_fit(y: Reals, absorbed: Codes, columns: Any = None, random: Sequence[Any] = ()) -> Fit:
    """Regress ``y`` on one intercept for each level of ``absorbed`` and on ``columns``.

    Parameters
    ----------
    y : (n,) outcomes.
    absorbed : (n,) codes of the factor that is swept out.
    columns : (n, q) sparse matrix of further regressors, or None.
    random : sparse (n, z) matrices of the random factors whose traces are wanted.

    Examples
    --------
    Two blocks, two personas, residuals ±½, one degree of freedom:

    >>> import numpy as np
    >>> block, persona = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> fit = absorbed_fit(np.array([1., 2., 3., 6.]), block, indicators(persona))
    >>> round(fit.rss, 6), fit.df
    (1.0, 1)
    """
    levels = indicators(absorbed)
    counts = np.asarray(levels.sum(0)).ravel()
    empty = int((counts == 0).sum())
    share = np.divide(1.0, counts, out=np.zeros(counts.size), where=counts > 0)
    residuals = y - (share * (levels.T @ y))[absorbed]
    rank = counts.size - empty
    inverse = sums = None
    if columns is not None:
        sums = (levels.T @ columns).toarray()
        gram = (columns.T @ columns).toarray() - sums.T @ (share[:, None] * sums)
        inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
        rank += int(np.linalg.matrix_rank(gram, tol=1e-10 * max(float(np.abs(gram).max(initial=0.0)), 1.0)))
        fitted = columns @ (inverse @ (columns.T @ residuals))
        residuals = residuals - (fitted - (share * (levels.T @ fitted))[absorbed])
    traces = []
    for z in random:
        z_sums = levels.T @ z
        trace = float(z.multiply(z).sum() - share @ np.asarray(z_sums.multiply(z_sums).sum(axis=1)).ravel())
        if inverse is not None and sums is not None:
            cross = (columns.T @ z).toarray() - (z_sums.T @ (share[:, None] * sums)).T
            trace -= float((cross * (inverse @ cross)).sum())
        traces.append(trace)
    return Fit(residuals, y.size - rank, tuple(traces))


def indicators(codes: Codes, weight: Reals | None = None) -> Any:
    """(n, levels) sparse dummies of ``codes``, each row times its ``weight``.

    >>> import numpy as np
    >>> indicators(np.array([0, 1, 0])).toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    values = np.ones(codes.size) if weight is None else weight
    shape = (codes.size, int(codes.max(initial=-1)) + 1)
    return sparse.csr_array((values, (np.arange(codes.size), codes)), shape=shape)


def paired_codes(first: Codes, second: Codes) -> Codes:
    """Codes of the pairs of labels that occur.

    >>> import numpy as np
    >>> paired_codes(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0])).tolist()
    [0, 1, 2, 2]
    """
    _, codes = np.unique(first * (int(second.max(initial=0)) + 1) + second, return_inverse=True)
    return np.asarray(codes, np.intp)
