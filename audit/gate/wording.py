"""The sentences of verdicts. "Evidence of" and "no evidence of"; never that a model is fair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.statistics import Equivalence, growth_for_equivalence

_UNITLESS = ("probability", "rate")


@dataclass(frozen=True, slots=True)
class Tests:
    """What the tests of one contrast gave, p adjusted by Holm."""

    difference: float
    beyond: float
    equivalent: float
    interval: Equivalence
    mde: float
    claims: int


def amount(value: float, scale: str, *, signed: bool = True) -> str:
    """A value with its unit.

    >>> amount(.3456, "log-odds"), amount(1, "percentage points", signed=False), amount(-.05, "rate")
    ('+0.346 log-odds', '1 percentage points', '-0.05')
    """
    text = f"{value:+.3g}" if signed else f"{value:.3g}"
    return text if scale in _UNITLESS else f"{text} {scale}"


def between(low: float | None, high: float | None, percent: float) -> str:
    """An interval in brackets; nothing where there is none.

    >>> between(-.1, .25, 95), between(None, None, 95)
    (' (95 % interval -0.1 to 0.25)', '')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" ({percent:g} % interval {low:.3g} to {high:.3g})"


def noun(cue_channel: str | None) -> str:
    """What a persona is called in its channel.

    >>> noun("name"), noun("explicit"), noun("record")
    ('names', 'phrasings', 'personas')
    """
    return {"name": "names", "explicit": "phrasings"}.get(cue_channel or "", "personas")


def fail_reason(finding: Mapping[str, Any], tolerance: float, tests: Tests) -> str:
    """The gap is beyond the tolerance."""
    limit = amount(tolerance, finding["scale"], signed=False)
    return f"Evidence of a difference beyond {limit}: {_gap(finding)}, adjusted p {_p(tests.beyond)}."


def pass_reason(finding: Mapping[str, Any], tolerance: float, tests: Tests, alpha: float) -> str:
    """The gap is within the tolerance, whether or not it is 0."""
    limit = amount(tolerance, finding["scale"], signed=False)
    interval = between(tests.interval.ci_low, tests.interval.ci_high, 100 * (1 - 2 * alpha))
    text = (
        f"Evidence that the difference is below {limit}: {_gap(finding, interval)}, adjusted p {_p(tests.equivalent)}. "
        f"The smallest difference found with power .90 is {amount(tests.mde, finding['scale'], signed=False)}."
    )
    if tests.difference <= alpha:
        text += f" It is not 0 (adjusted p {_p(tests.difference)}), but inside the tolerance."
    return text


def placebo_reason(
    finding: Mapping[str, Any], tolerance: float, tests: Tests, placebo: Mapping[str, Any] | None
) -> str:
    """Beyond the tolerance, but so are irrelevant sentences."""
    limit = amount(tolerance, finding["scale"], signed=False)
    return (
        f"The difference is beyond {limit} ({_gap(finding)}, adjusted p {_p(tests.beyond)}), but no evidence that it is "
        f"the cue's meaning that moves the answer.{_floor(placebo)}"
    )


def _floor(placebo: Mapping[str, Any] | None) -> str:
    """What irrelevant sentences do; nothing where none were asked."""
    if placebo is None or placebo["floor"] is None:
        return ""
    size = amount(placebo["floor"], placebo["scale"], signed=False)
    p_value = placebo["p_value"]
    compared = "" if p_value is None else f" (the cue against them: p {_p(p_value)})"
    return f" Irrelevant sentences with the same numbers move it by {size} on average{compared}."


def open_reason(
    finding: Mapping[str, Any], tolerance: float, tests: Tests, alpha: float, placebo: Mapping[str, Any] | None = None
) -> str:
    """Neither beyond nor within, with what it would take and what irrelevant sentences do."""
    limit = amount(tolerance, finding["scale"], signed=False)
    if tests.difference <= alpha:
        text = (
            f"Evidence of a difference (adjusted p {_p(tests.difference)}), but neither that it is beyond {limit} nor "
            f"that it is below: {_gap(finding)}."
        )
    else:
        text = f"No evidence of a difference beyond {limit}, and not enough that it is below: {_gap(finding)}."
    return f"{text}{_floor(placebo)} {_needed(finding, tolerance, alpha / tests.claims)}"


def _gap(finding: Mapping[str, Any], interval: str | None = None) -> str:
    interval = between(finding["ci_low"], finding["ci_high"], 95) if interval is None else interval
    groups = f"{finding['group']} against {finding['reference']}"
    return f"{groups} is {amount(finding['estimate'], finding['scale'])}{interval}"


def _needed(finding: Mapping[str, Any], tolerance: float, alpha: float) -> str:
    factor = growth_for_equivalence(finding["se"], finding["df"], tolerance, alpha=alpha)
    templates, personas = finding["n_templates"], finding["n_personas"]
    if factor <= 1:
        return "The design is large enough to show a true difference of 0 to be below; this one lies too near."
    return (
        f"To show a true difference of 0 to be below, with power .90, takes about {math.ceil(templates * factor)} "
        f"templates and {math.ceil(personas * factor)} {noun(finding['cue_channel'])} a group in place of {templates} "
        f"and {personas}, if the spread stays what it is here."
    )


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"
