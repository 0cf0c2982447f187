"""The sentences of verdicts. "Evidence of" and "no evidence of"; never that a model is fair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.gate.limits import amount, between, gap_words, limit_of
from audit.statistics import Equivalence, Gap, growth_for_equivalence

# How the reason of a row without a verdict begins: for what was asked, or for what came back.
DESIGN: Final = "design: "
TOO_FEW: Final = DESIGN + "too few "
ANSWERS: Final = "answers: "
# How the reason of a row begins that is void for its scorer, not for its positive control.
SCORER: Final = "void: the scorer "
# And of a row that is void since members and held-out records differ without any model.
SPLIT: Final = "void: members and held-out records "
# And of a row on something that could not be measured at all.
NOT_MEASURED: Final = "not measured: "


@dataclass(frozen=True, slots=True)
class Tests:
    """What the tests of one contrast gave, p adjusted by Holm.

    ``claimed`` is the gap as equivalence is tested: of a rate its standard error may be
    larger than the finding's, see :func:`~audit.statistics.boundary_error`. ``percent`` is
    the level of ``interval``.
    """

    difference: float
    beyond: float
    equivalent: float
    interval: Equivalence
    claimed: Gap
    mde: float
    claims: int
    percent: float = 90.0


def noun(cue_channel: str | None) -> str:
    """What a persona is called in its channel.

    >>> noun("name"), noun("explicit"), noun("record")
    ('names', 'phrasings', 'personas')
    """
    return {"name": "names", "explicit": "phrasings"}.get(cue_channel or "", "personas")


def fail_reason(finding: Mapping[str, Any], tolerance: float, tests: Tests) -> str:
    """The gap is beyond the tolerance."""
    limit = limit_of(finding, tolerance)
    return f"Evidence of a {limit.noun} {limit.side}: {gap_words(finding)}, adjusted p {p_words(tests.beyond)}."


def pass_reason(
    finding: Mapping[str, Any], tolerance: float, tests: Tests, alpha: float, effect: float | None = None
) -> str:
    """The gap is within the tolerance, whether or not it is 0; ``effect`` is what the facts of the case do."""
    limit = limit_of(finding, tolerance)
    interval = between(tests.interval.ci_low, tests.interval.ci_high, tests.percent, finding["scale"])
    text = (
        f"Evidence that the {limit.noun} is {limit.inside}: {gap_words(finding, interval)}, "
        f"adjusted p {p_words(tests.equivalent)}. "
        f"The smallest difference found with power .90 is {amount(tests.mde, finding['scale'], signed=False)}."
    )
    if tests.difference <= alpha:
        text += f" It is not {limit.null} (adjusted p {p_words(tests.difference)}), but inside the tolerance."
    return text + leniency(tolerance, effect)


def leniency(tolerance: float, effect: float | None) -> str:
    """Say so where a tolerance is larger than what the facts of the case do.

    >>> leniency(.2, .1), leniency(.2, .5), leniency(.2, None)
    (' The tolerance is 2 times what the facts of the case do.', '', '')
    """
    times = tolerance / abs(effect) if effect else 0.0
    return f" The tolerance is {times:.2g} times what the facts of the case do." if times > 1 else ""


def mass_note(mass: Mapping[str, Any]) -> str:
    """A gap in the probability of a listed answer, beside a gap among listed answers."""
    return f" The probability that a listed answer is given differs too: {gap_words(mass)}."


def placebo_reason(
    finding: Mapping[str, Any], tolerance: float, tests: Tests, placebo: Mapping[str, Any] | None
) -> str:
    """Beyond the tolerance, but so are irrelevant sentences."""
    limit = limit_of(finding, tolerance)
    return (
        f"The {limit.noun} is {limit.side} ({gap_words(finding)}, adjusted p {p_words(tests.beyond)}), but no evidence "
        f"that it is the cue's meaning that moves the answer.{_floor(placebo, finding)}"
    )


def _floor(placebo: Mapping[str, Any] | None, overtaken: Mapping[str, Any] | None = None) -> str:
    """What irrelevant sentences do, and whether they overtake a finding; nothing where none were asked."""
    if placebo is None or placebo["floor"] is None:
        return ""
    size = amount(placebo["floor"], placebo["scale"], signed=False)
    p_value = placebo["p_value"]
    compared = "" if p_value is None else f" (the cue against them: p {p_words(p_value)})"
    further = ", and further the same way" if overtaken is not None and _further(overtaken, placebo) else ""
    return f" Irrelevant sentences with the same numbers move it by {size} on average{further}{compared}."


def _further(finding: Mapping[str, Any], placebo: Mapping[str, Any]) -> bool:
    """Whether irrelevant sentences overtake the cue in its own direction."""
    return bool((placebo["estimate"] or 0.0) * finding["estimate"] < 0)


def open_reason(
    finding: Mapping[str, Any], tolerance: float, tests: Tests, alpha: float, placebo: Mapping[str, Any] | None = None
) -> str:
    """Neither beyond nor within, with what it would take and what irrelevant sentences do."""
    limit = limit_of(finding, tolerance)
    if tests.difference <= alpha:
        it = "it" if limit.noun == "difference" else f"the {limit.noun}"
        text = (
            f"Evidence of a difference (adjusted p {p_words(tests.difference)}), but neither that {it} is {limit.side} "
            f"nor that it is {limit.near}: {gap_words(finding)}."
        )
    else:
        text = (
            f"No evidence of a {limit.noun} {limit.side}, and not enough that it is {limit.near}: {gap_words(finding)}."
        )
    widened = ""
    if tests.claimed.se > finding["se"]:
        widened = f" At the tolerance so few answers have a standard error of {tests.claimed.se:.2g}."
    return f"{text}{widened}{_floor(placebo)} {_needed(finding, tolerance, tests.claimed, alpha / tests.claims)}"


def _needed(finding: Mapping[str, Any], tolerance: float, claimed: Gap, alpha: float) -> str:
    limit = limit_of(finding, tolerance)
    factor = growth_for_equivalence(claimed.se, claimed.df, tolerance, alpha=alpha)
    templates, personas = finding["n_templates"], finding["n_personas"]
    if factor <= 1:
        return (
            f"The design is large enough to show a true {limit.noun} of {limit.null} to be {limit.near}; "
            "this one lies too near."
        )
    return (
        f"To show a true {limit.noun} of {limit.null} to be {limit.near}, with power .90, takes about "
        f"{math.ceil(templates * factor)} templates and {math.ceil(personas * factor)} {noun(finding['cue_channel'])} "
        f"a group in place of {templates} and {personas}, if the spread stays what it is here."
    )


def p_words(value: float) -> str:
    """A p value in two digits.

    >>> p_words(0.01234), p_words(1e-9)
    ('0.012', '< 0.0001')
    """
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"
