"""What is known of each metric: its unit, its bottom, its bounds, and how derived metrics are named."""

from __future__ import annotations

from typing import Final

# The unit of each metric; a number's comes from its suite.
SCALES: Final = {
    "log_odds": "log-odds",
    "p_favourable": "probability",
    "p_correct": "probability",
    "p_at_least": "probability",
    "answer_mass": "probability",
    "infers": "probability",
    "refusal": "rate",
    "tone": "VADER compound",
    "profanity": "probability",
    "readability": "Flesch reading ease",
    "words": "words",
    "agency": "per 100 words",
    "communion": "per 100 words",
    "rate_refused": "rate",
    "rate_invalid": "rate",
    "rate_error": "rate",
}

# A metric with the rate of one status: how often an answer has it.
RATES: Final = {"rate_refused": "refused", "rate_invalid": "invalid", "rate_error": "error"}

# What can be measured of each output form.
METRICS: Final = {
    "decision": frozenset({"log_odds", "p_favourable", "p_correct", "answer_mass", *RATES}),
    "number": frozenset({"expected_number", "p_at_least", "answer_mass", *RATES}),
    "text": frozenset({"refusal", "tone", "profanity", "readability", "words", "agency", "communion", *RATES}),
}

# Metrics read once a probe from the probabilities of its answers; every other one is a scorer's of sampled texts.
EXACT: Final = frozenset(
    {"log_odds", "p_favourable", "p_correct", "p_at_least", "expected_number", "answer_mass", "infers"}
)

# A ratio means something only where 0 is the bottom of the scale.
FROM_ZERO: Final = frozenset(
    {"p_favourable", "p_correct", "p_at_least", "answer_mass", "expected_number", "refusal", "profanity", "words"}
    | {"agency", "communion", *RATES}
)

# Metrics whose ratio of group means is a finding of its own, by which a rule may go.
WITH_RATIO: Final = frozenset({"p_favourable", "p_at_least", "expected_number", "refusal", *RATES})

# The metrics of which magnitudes are tested too: the distance between two names' answers.
DISTANCES: Final = {
    "log_odds": "absolute",
    "p_favourable": "flip",
    "expected_number": "absolute",
    "tone": "absolute",
}

# The metrics whose distributions are compared beyond their means.
WITH_SHAPE: Final = ("expected_number", "tone")

# Metrics that cannot leave these bounds, whatever an answer that is missing would have been.
BOUNDS: Final = {
    "p_favourable": (0.0, 1.0),
    "p_correct": (0.0, 1.0),
    "p_at_least": (0.0, 1.0),
    "answer_mass": (0.0, 1.0),
    "refusal": (0.0, 1.0),
    "profanity": (0.0, 1.0),
    "tone": (-1.0, 1.0),
}

RATIO: Final = "ratio"
QUANTILES: Final = {"q10": 0.1, "q90": 0.9}
RATIO_SCALE: Final = "log-ratio"


def derived(metric: str, what: str) -> str:
    """Name of a metric made from another: ``what`` is "ratio", "q10" or "q90".

    >>> derived("p_favourable", RATIO)
    'p_favourable:ratio'
    """
    return f"{metric}:{what}"


# Every metric that is made from another.
DERIVED: Final = frozenset(
    {derived(metric, RATIO) for metric in WITH_RATIO} | {derived(metric, q) for metric in WITH_SHAPE for q in QUANTILES}
)


def base_metric(metric: str) -> str:
    """The metric of which cells have a value, for one that is made from it.

    >>> base_metric("p_favourable:ratio"), base_metric("tone")
    ('p_favourable', 'tone')
    """
    return metric.partition(":")[0]
