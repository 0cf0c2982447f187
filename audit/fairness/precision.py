"""Numerical noise: how far an exact answer is from the model's own, for the precision that it was read in.

The figures are those of ``scripts/measure_precision.py`` on the embedded model, written to
docs/benchmarks/precision.md: root mean square of the change of a decision's log-odds against
one prompt at a time in float64.
"""

from __future__ import annotations

import math
from typing import Final

from audit.statistics import Contrast, minimum_detectable_gap

# Root mean square a cell, in log-odds.
LOG_ODDS_NOISE: Final = {"float32": 1e-5, "float16": 0.007, "bfloat16": 0.07}

# Below this a cell's noise is far under any tolerance, and is not told.
NEGLIGIBLE: Final = 1e-3

# A probability moves by at most a quarter of what its log-odds do: dp/dlogit = p(1 − p).
_SHARE: Final = {"log_odds": 1.0, "p_favourable": 0.25}


def cell_noise(metric: str, output_form: str, precision: str) -> float:
    """Numerical noise of one cell, rms in the unit of ``metric``; 0 where it is negligible or was not measured.

    >>> cell_noise("log_odds", "decision", "bfloat16"), cell_noise("log_odds", "decision", "float32")
    (0.07, 0.0)
    >>> cell_noise("tone", "text", "bfloat16")
    0.0
    """
    if output_form != "decision":
        return 0.0
    noise = LOG_ODDS_NOISE.get(precision, 0.0) * _SHARE.get(metric, 0.0)
    return noise if noise >= NEGLIGIBLE else 0.0


def detectable_beside(gap: Contrast, noise: float) -> float:
    """The contrast's smallest detectable gap with the variance of numerical noise added.

    Var = se² + 4 · noise²/n, which is noise² · (1/n_g + 1/n_ref) for two groups of n/2 cells.
    What noise changes from cell to cell is in se already; noise that follows the wording,
    as rounding does, is not. So this is on the safe side by at most that share.

    >>> from audit.statistics import two_way_contrast
    >>> gap, = two_way_contrast([1., 2., 3., 5., 2., 3., 4., 7.], list("aabb" * 2), [0] * 4 + [1] * 4,
    ...                         list("klmn" * 2), reference="a")
    >>> detectable_beside(gap, 0.) == gap.mde, detectable_beside(gap, 10.) > gap.mde
    (True, True)
    """
    if noise <= 0 or not gap.se > 0:
        return gap.mde
    return minimum_detectable_gap(math.sqrt(gap.se**2 + 4 * noise**2 / gap.n_cells), gap.df)


def noise_words(noise: float) -> str:
    """What ``method`` says of it.

    >>> noise_words(.07), noise_words(0.)
    (', numerical noise .07 rms a cell', '')
    """
    return f", numerical noise {f'{noise:.2g}'.removeprefix('0')} rms a cell" if noise > 0 else ""
