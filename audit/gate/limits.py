"""How a limit and a gap read: a difference in the metric's unit, or the ratio of two means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.fairness.metrics import RATIO_SCALE

_UNITLESS: Final = ("probability", "rate")


@dataclass(frozen=True, slots=True)
class Limit:
    """Words for one finding and its tolerance.

    ``noun`` is what is judged and ``null`` its value where groups are treated alike;
    ``side`` lies beyond the limit, on the side of the estimate, ``inside`` within it, and
    ``near`` is that where the limit was just named.
    """

    noun: str
    null: str
    side: str
    inside: str
    near: str


def limit_of(finding: Mapping[str, Any], tolerance: float) -> Limit:
    """Words for a limit: of a log-ratio they are those of the ratio itself.

    >>> limit_of({"scale": "log-odds", "estimate": .5}, .2).side
    'beyond 0.2 log-odds'
    >>> limit = limit_of({"scale": "log-ratio", "estimate": -.3}, -math.log(.8))
    >>> limit.side, limit.inside
    ('below 0.8', 'between 0.8 and 1.25')
    """
    if finding["scale"] != RATIO_SCALE:
        size = amount(tolerance, finding["scale"], signed=False)
        return Limit("difference", "0", f"beyond {size}", f"below {size}", "below")
    low, high = (f"{math.exp(end):.3g}" for end in (-tolerance, tolerance))
    side = f"above {high}" if (finding["estimate"] or 0.0) > 0 else f"below {low}"
    return Limit("ratio", "1", side, f"between {low} and {high}", f"between {low} and {high}")


def amount(value: float, scale: str, *, signed: bool = True) -> str:
    """A value with its unit; a log-ratio as the ratio, without a sign the one below 1.

    >>> amount(.3456, "log-odds"), amount(1, "percentage points", signed=False), amount(-.05, "rate")
    ('+0.346 log-odds', '1 percentage points', '-0.05')
    >>> amount(math.log(1.25), "log-ratio"), amount(math.log(1.25), "log-ratio", signed=False)
    ('a ratio of 1.25', 'a ratio of 0.8')
    """
    if scale == RATIO_SCALE:
        return f"a ratio of {math.exp(value if signed else -abs(value)):.3g}"
    text = f"{value:+.3g}" if signed else f"{value:.3g}"
    return text if scale in _UNITLESS else f"{text} {scale}"


def between(low: float | None, high: float | None, percent: float, scale: str = "") -> str:
    """An interval in brackets; nothing where there is none.

    >>> between(-.1, .25, 95), between(None, None, 95), between(math.log(.5), 0., 95, "log-ratio")
    (' (95 % interval -0.1 to 0.25)', '', ' (95 % interval 0.5 to 1)')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if scale == RATIO_SCALE:
        low, high = math.exp(low), math.exp(high)
    return f" ({percent:g} % interval {low:.3g} to {high:.3g})"


def gap_words(finding: Mapping[str, Any], interval: str | None = None) -> str:
    """A gap with its interval, the 95 % one unless another is given.

    >>> ratio = {"estimate": math.log(.72), "ci_low": math.log(.65), "ci_high": math.log(.79), "scale": "log-ratio"}
    >>> gap_words(ratio | {"group": "female", "reference": "male"})
    'the ratio of female to male is 0.72 (95 % interval 0.65 to 0.79)'
    """
    scale = finding["scale"]
    interval = between(finding["ci_low"], finding["ci_high"], 95, scale) if interval is None else interval
    group, reference, estimate = finding["group"], finding["reference"], finding["estimate"]
    if scale == RATIO_SCALE:
        return f"the ratio of {group} to {reference} is {math.exp(estimate):.3g}{interval}"
    return f"{group} against {reference} is {amount(estimate, scale)}{interval}"
