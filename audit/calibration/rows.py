"""From the outcomes of many audits to rows: rates and means with their Monte-Carlo errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from audit.calibration.studies import Outcomes
from audit.calibration.values import Rival, Row, Target
from audit.statistics.variance import Reals

FALSE_ALARMS: Final = Target(high=0.06)
COVERAGE: Final = Target(low=0.93, high=0.97)
CONSERVATIVE: Final = Target(low=0.93)
POWER: Final = Target(low=0.95)
# "+ MC" of the benchmark: the upper end of the 95 % Monte-Carlo interval of a true .05.
FIVE_PERCENT: Final = Target(high=0.05, slack=1.96)


def rate_error(rate: float, runs: int) -> float:
    """Monte-Carlo standard error of a rate: √(p(1−p)/n).

    >>> round(rate_error(.05, 2000), 4)
    0.0049
    """
    return math.sqrt(rate * (1 - rate) / runs) if runs else math.nan


def rate_row(
    id: str,
    section: str,
    what: str,
    hits: ArrayLike,
    target: Target | None,
    *,
    rivals: Mapping[str, ArrayLike] | None = None,
    note: str = "",
) -> Row:
    """A row on how often something happened, ``hits`` (runs,); rivals may have other runs."""
    figure, se, runs = _rate(hits)
    beside = tuple(Rival(name, *_rate(values)[:2]) for name, values in (rivals or {}).items())
    return Row(id, section, what, figure, se, runs, target, beside, note)


def mean_row(
    id: str, section: str, what: str, values: Reals, target: Target | None, *, size: bool = False, **fields: Any
) -> Row:
    """A row on a mean, (runs,); with ``size`` on how far it is from 0, on either side."""
    figure, se = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    return Row(id, section, what, abs(figure) if size else figure, se, values.size, target, **fields)


def rejected(p_values: Reals, alpha: float = 0.05) -> Reals:
    """1 where a test rejects; a test that could not be done (NaN) does not."""
    return (p_values <= alpha).astype(float)


def rivals_of(found: Outcomes) -> dict[str, Reals]:
    """What was gathered of the other rules."""
    return {name.removeprefix("rival:"): values for name, values in found.items() if name.startswith("rival:")}


def _rate(hits: ArrayLike) -> tuple[float, float, int]:
    values = np.asarray(hits, float)
    rate = float(values.mean())
    return rate, rate_error(rate, values.size), values.size
