"""The floor of explicit cues: what irrelevant attributes in the same syntax do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.statistics.variance import t_quantile, two_sided_p

MIN_PLACEBOS = 10


@dataclass(frozen=True, slots=True)
class Placebo:
    """How an effect lies among those of irrelevant attributes; NaN with fewer than ten."""

    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    n_placebos: int
    floor: float


def placebo_test(target: float, placebos: Sequence[float] | NDArray[np.float64], *, alpha: float = 0.05) -> Placebo:
    """Compare an explicit cue's effect with the effects of J irrelevant attributes.

    t = (Δ_target − mean Δ_placebo) / (s_placebo · √(1 + 1/J)), J−1 df, J ≥ 10: the
    prediction interval of one more irrelevant attribute. ``floor`` is mean |Δ_placebo|.

    >>> result = placebo_test(3., [-1., 1.] * 5)
    >>> round(result.estimate / result.se, 3), result.df, result.floor
    (2.714, 9.0, 1.0)
    >>> placebo_test(3., [-1., 1.]).p_value
    nan
    """
    effects = np.asarray(placebos, float)
    effects = effects[~np.isnan(effects)]
    count = effects.size
    floor = float(np.abs(effects).mean()) if count else np.nan
    estimate = float(target - effects.mean()) if count else np.nan
    se = float(effects.std(ddof=1) * np.sqrt(1 + 1 / count)) if count >= MIN_PLACEBOS else np.nan
    df = count - 1.0 if se > 0 else np.nan
    half = t_quantile(1 - alpha / 2, df) * se
    p = two_sided_p(estimate, se, df)
    return Placebo(estimate, se, df, estimate - half, estimate + half, p, count, floor)
