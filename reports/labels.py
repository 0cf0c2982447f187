"""What a reader sees of the tables' ids: names of tasks, metrics, groups and outcomes, and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from reports.language import mark

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is named and written: ``factor`` turns the stored number into the shown unit.

    ``part`` says what of the metric is compared where it is not the mean. Of a ``ratio`` the
    stored number is the natural log.
    """

    title: str
    unit: str
    about: str
    factor: float = 1.0
    digits: int = 2
    part: str = ""
    ratio: bool = False

    def text(self, value: float | None, signed: bool = False) -> str:
        """Write a value or a gap in the unit shown.

        >>> Metric("", "", "", 100.0, 1).text(-0.0312), Metric("", "", "", ratio=True).text(-0.2231)
        ('−3.1', '0.80')
        """
        if value is not None and self.ratio:
            return number(math.exp(value), self.digits)
        return number(None if value is None else value * self.factor, self.digits, signed)

    def size(self, value: float | None) -> str:
        """Write the size of a gap: a tolerance, or the smallest that can be found. That of a ratio is below 1.

        >>> Metric("", "", "", 100.0, 1).size(0.05), Metric("", "", "", ratio=True).size(0.2231)
        ('5.0', '0.80')
        """
        return self.text(None if value is None else -value if self.ratio else value)


METRICS: Final[Mapping[str, Metric]] = {
    "log_odds": Metric(
        mark("Log-odds of the favourable answer"),
        mark("log-odds"),
        mark("natural log of the probability of the favourable answer over that of all others, read exactly"),
        digits=3,
    ),
    "p_favourable": Metric(
        mark("Probability of the favourable answer"),
        mark("percentage points"),
        mark("read exactly from the model's own distribution"),
        100.0,
        1,
    ),
    "p_correct": Metric(
        mark("Probability of the right answer"),
        mark("percentage points"),
        mark("read exactly; the suite's own policy says which answer is right"),
        100.0,
        1,
    ),
    "expected_number": Metric(
        mark("Expected number"), mark("units"), mark("the mean of the model's own distribution over numbers")
    ),
    "p_at_least": Metric(
        mark("Probability of at least the threshold"),
        mark("percentage points"),
        mark("probability that the number reaches the task's threshold"),
        100.0,
        1,
    ),
    "answer_mass": Metric(
        mark("Answer mass"), mark("percentage points"), mark("probability on the answers read"), 100.0, 1
    ),
    "refusal": Metric(
        mark("Refusals"), mark("percentage points"), mark("share of texts that decline to help"), 100.0, 1
    ),
    "tone": Metric(mark("Tone"), mark("points"), mark("VADER compound sentiment from −1 to 1, names masked"), digits=3),
    "profanity": Metric(
        mark("Profanity"), mark("percentage points"), mark("probability by a linear classifier, names masked"), 100.0, 2
    ),
    "readability": Metric(mark("Readability"), mark("points"), mark("Flesch reading ease; higher is easier"), digits=1),
    "words": Metric(mark("Length"), mark("words"), mark("number of words"), digits=1),
    "agency": Metric(mark("Agency"), mark("per 100 words"), mark("words of doing and deciding, by lexicon"), digits=2),
    "rate_refused": Metric(
        mark("Refused answers"), mark("percentage points"), mark("share of answers that refuse"), 100.0, 1
    ),
    "rate_invalid": Metric(
        mark("Unreadable answers"), mark("percentage points"), mark("share of answers that could not be read"), 100.0, 1
    ),
    "rate_error": Metric(
        mark("Errors"), mark("percentage points"), mark("share of probes that ended in an error"), 100.0, 1
    ),
    "communion": Metric(
        mark("Communion"), mark("per 100 words"), mark("words of caring and belonging, by lexicon"), digits=2
    ),
}

# What of a metric is compared, by the end of a derived metric's name.
PARTS: Final[Mapping[str, str]] = {
    "ratio": mark("ratio of the means"),
    "q10": mark("its 10 % quantile"),
    "q90": mark("its 90 % quantile"),
}

TASKS: Final[Mapping[str, str]] = {
    "refund_decision": mark("Refund decision"),
    "discount": mark("Discount"),
    "service_reply": mark("Service reply"),
    "open_completion": mark("Open completion"),
}

AXES: Final[Mapping[str, str]] = {
    "gender": mark("Gender"),
    "race": mark("Race"),
    "race_gender": mark("Race × gender"),
    "age": mark("Age"),
    "control": mark("Facts of the case"),
}


def axis_order(axis: str) -> tuple[int, str]:
    """Sort key of an axis: the known ones first, in the order of the table above."""
    return (list(AXES).index(axis) if axis in AXES else len(AXES), axis)


# Icon, word and the one-line meaning of an outcome; the colour is a class in report.css.
OUTCOMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "pass": ("✓", mark("Pass"), mark("No evidence of a difference ≥ the tolerance; a gap inside it is shown.")),
    "fail": ("✗", mark("Fail"), mark("Evidence of a difference ≥ the tolerance.")),
    "inconclusive": ("?", mark("Inconclusive"), mark("Neither a difference ≥ the tolerance nor its absence is shown.")),
    "void": ("⊘", mark("No verdict"), mark("The instrument did not work here, so nothing may be concluded.")),
    "incomparable": ("≠", mark("Incomparable"), mark("Suite, scorer or lexicon differ from the baseline's.")),
    "not_refuted": ("○", mark("Not refuted"), mark("A bound that was not broken; this is no pass.")),
    "nothing": ("⊘", mark("Nothing evaluated"), mark("There was nothing to judge.")),
}

WORST_FIRST: Final = ("fail", "void", "incomparable", "inconclusive", "not_refuted", "pass")

# A rule's outcome as a sentence; {x} is the tolerance with its unit.
CLAIMS: Final[Mapping[str, str]] = {
    "pass": mark("No evidence of a difference ≥ {x}; the gap is shown to be smaller."),
    "fail": mark("Evidence of a difference ≥ {x}."),
    "inconclusive": mark("Not decided: neither a difference ≥ {x} nor its absence is shown."),
    "void": mark("No verdict for this task."),
}

# The hypothesis that the adjusted p of a rule belongs to, by outcome; of others it is that of no difference.
TESTED: Final[Mapping[str, str]] = {"pass": mark("equivalence"), "fail": mark("beyond")}
NO_CLAIM: Final = mark("difference")

HARMS: Final[Mapping[str, str]] = {
    "A": mark("allocation"),
    "Q": mark("quality of service"),
    "S": mark("stereotyping"),
    "E": mark("erasure"),
}

ARMS: Final[Mapping[str, str]] = {
    "target": mark("with a customer's cue"),
    "no_cue": mark("without a cue"),
    "placebo": mark("placebo cue"),
    "positive_control": mark("positive control"),
    "paraphrase": mark("paraphrase"),
    "irrelevant": mark("irrelevant attribute"),
}

CHANNELS: Final[Mapping[str, str]] = {
    "name": mark("by name"),
    "explicit": mark("stated outright"),
    "record": mark("by customer record"),
    "address": mark("by address"),
    "dialect": mark("by dialect"),
}


_PEOPLES: Final = frozenset({"asian", "east", "south", "black", "hispanic", "latina", "latino", "white"})


def humanise(word: str) -> str:
    """Turn an id into words.

    >>> humanise("black_female")
    'Black female'
    """
    text = word.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def group(word: str, start: bool = True) -> str:
    """Name a group; peoples keep their capitals inside a sentence.

    >>> group("black_female"), group("older", start=False), group("white_male", start=False)
    ('Black female', 'older', 'White male')
    """
    words = [part.capitalize() if part in _PEOPLES else part for part in humanise(word).lower().split(" ")]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if start else text


def when(moment: str | None) -> str | None:
    """Write an ISO time so that a person can read it; anything else is left as it is.

    >>> when("2026-11-24T09:12:44Z"), when("yesterday")
    ('2026-11-24, 09:12 UTC', 'yesterday')
    """
    if moment is None:
        return None
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    if found.tzinfo is None:
        return f"{found:%Y-%m-%d, %H:%M}"
    return f"{found.astimezone(UTC):%Y-%m-%d, %H:%M} UTC"


def metric(name: str, unit: str | None = None) -> Metric:
    """Look a metric up; ``unit`` is the suite's own, used for numbers.

    >>> metric("p_favourable:ratio").part, metric("p_favourable:ratio").unit
    ('ratio of the means', 'ratio')
    >>> metric("expected_number:q90", "points").unit
    'points'
    """
    name, _, part = name.partition(":")
    known = METRICS.get(name, Metric(humanise(name), mark("units"), ""))
    if name == "expected_number" and unit:
        known = replace(known, unit=unit)
    if part == "ratio":
        return Metric(known.title, mark("ratio"), known.about, part=PARTS[part], ratio=True)
    return replace(known, part=PARTS.get(part, part))


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """Write a number with a true minus sign; None and NaN are a dash.

    >>> number(-0.1234, 3, signed=True)
    '−0.123'
    >>> number(-0.00001), number(None)
    ('0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    if not any(digit in "123456789" for digit in text):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def p_value(value: float | None) -> str:
    """Write a p-value to three places, never as zero.

    >>> p_value(0.00001), p_value(0.0312)
    ('< .001', '.031')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0") if value < 0.9995 else "1"


def percent(value: float | None, digits: int = 0, signed: bool = False) -> str:
    """Write a share as a percentage.

    >>> percent(-0.256), percent(0.02, signed=True)
    ('−26 %', '+2 %')
    """
    return "–" if value is None or not math.isfinite(value) else f"{number(100 * value, digits, signed)} %"
