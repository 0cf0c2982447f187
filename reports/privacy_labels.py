"""What a reader sees of the privacy audit's ids: metrics, types of personal information, topics, whose figure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reports.labels import Metric, humanise
from reports.language import mark

FAMILIES: Final[Mapping[str, Metric]] = {
    "exposure": Metric(mark("Exposure of canaries"), mark("bits"), mark("log₂ of how many guesses the model saves")),
    "exposure_extrapolated": Metric(
        mark("Exposure, extrapolated"), mark("bits"), mark("beyond the ranks, by a skew-normal fit to the references")
    ),
    "auc": Metric(mark("Membership, AUC"), mark("AUC"), mark("0.5 is guessing, 1 is certainty"), digits=3),
    "tpr_at_fpr": Metric(
        mark("Members found at few false alarms"), mark("%"), mark("at the false positive rate that is set"), 100.0, 1
    ),
    "extraction": Metric(
        mark("Extractable records"), mark("%"), mark("share of records whose suffix comes back"), 100.0, 1
    ),
    "identifier": Metric(
        mark("Extractable identifiers"), mark("%"), mark("share of the authors' own values that come back"), 100.0, 1
    ),
    "pii_rate": Metric(
        mark("Identifiers in outputs"), mark("per 1,000 generations"), mark("texts with at least one"), 1000.0, 1
    ),
    "leaked_customers": Metric(
        mark("Customers whose own value was emitted"), mark("%"), mark("of customers in the training data"), 100.0, 1
    ),
    "canaries_emitted": Metric(
        mark("Canaries whose secret was emitted"),
        mark("%"),
        mark("of canaries, in texts that no one asked it for"),
        100.0,
        1,
    ),
    "pii_recall": Metric(
        mark("Recall of the detector"), mark("%"), mark("share of labelled values that it finds"), 100.0, 1
    ),
    "epsilon_lower_bound": Metric(mark("Lower bound of ε"), mark("ε"), mark("from one training run")),
}

# The attack, the way of extracting or the kind of count: what follows the metric's name.
PARTS: Final[Mapping[str, str]] = {
    "blind": mark("blind baseline"),
    "loss": mark("loss"),
    "zlib": mark("loss over zlib length"),
    "reference": mark("loss against the base model"),
    "min_k": mark("Min-K %"),
    "min_k_plus": mark("Min-K %++"),
    "greedy": mark("greedy"),
    "discoverable": mark("discoverable"),
    "black_box": mark("by sampling"),
    "any": mark("any"),
    "in_training": mark("from the training data"),
    "learned": mark("learned"),
}
ATTACKS: Final = ("loss", "zlib", "reference", "min_k", "min_k_plus")
WAYS: Final = ("greedy", "discoverable", "black_box")
COUNTS: Final = ("any", "in_training", "learned")

WAYS_ABOUT: Final[Mapping[str, str]] = {
    "greedy": mark("the likeliest text after a prefix of the record is the record itself"),
    "discoverable": mark("one of n samples after the prefix is the record with probability p or more"),
    "black_box": mark("a sampled text holds it; nothing is read from inside the model"),
}
COUNTS_ABOUT: Final[Mapping[str, str]] = {
    "any": mark("Any identifier, made up or not"),
    "in_training": mark("Stands in the training data and not in the prompt"),
    "learned": mark("The same, and the other model does not emit it"),
}

TYPES: Final[Mapping[str, str]] = {
    "PERSON": mark("name"),
    "EMAIL_ADDRESS": mark("e-mail address"),
    "PHONE_NUMBER": mark("phone number"),
    "STREET_ADDRESS": mark("street address"),
    "ORDER_NUMBER": mark("order number"),
    "TRACKING_NUMBER": mark("tracking number"),
    "GIFT_CARD": mark("gift card"),
    "LOYALTY_NUMBER": mark("loyalty number"),
    "CREDIT_CARD": mark("credit card"),
    "IP_ADDRESS": mark("IP address"),
    "US_SSN": mark("US social security number"),
    "CN_ID": mark("Chinese identity number"),
    "CN_PLATE": mark("Chinese number plate"),
}

TOPICS: Final[Mapping[str, str]] = {
    "exposure": mark("Exposure of canaries"),
    "membership": mark("Membership inference"),
    "extraction": mark("Extraction"),
    "pii": mark("Personal information in outputs"),
    "epsilon_lower_bound": mark("Empirical ε"),
    "tpr_at_fpr": mark("Members found at few false alarms"),
    "pii_in_training": mark("Values of the training data in outputs"),
    "base": mark("What the model knew before"),
}

ROLES: Final[Mapping[str, str]] = {
    "member": mark("records the model was trained on"),
    "held_out": mark("records held out of the training"),
    "canary": mark("canaries, each inserted or not by a coin of its own"),
    "reference": mark("reference canaries that were never candidates"),
}

CATEGORIES: Final[Mapping[str, str]] = {
    "inserted": mark("inserted canaries"),
    "not_inserted": mark("canaries never inserted"),
    "member": mark("members"),
    "held_out": mark("held-out records"),
    "generation": mark("generations"),
    "detector": mark("labelled texts"),
}
CONTROLS: Final[Mapping[str, str]] = {
    "base": mark("the base model"),
    "held_out": mark("held-out records"),
    "not_inserted": mark("canaries never inserted"),
}
MODELS: Final[Mapping[str, str]] = {"target": mark("audited model"), "base": mark("base model")}
KINDS: Final[Mapping[str, str]] = {
    "suffix": mark("Rest of a record"),
    "identifier": mark("Identifier of its author"),
    "canary": mark("Canary"),
}

# A privacy rule's outcome in a sentence.
CLAIMS: Final[Mapping[str, str]] = {
    "pass": mark("Evidence that the figure lies below its limit; below the limit is not zero."),
    "fail": mark("Evidence that the figure lies above its limit."),
    "inconclusive": mark("Neither above nor below the limit is shown."),
    "not_refuted": mark("No evidence against the claimed ε. This is no pass: it is not shown to hold."),
    "void": mark("No verdict: the instrument did not work here."),
    "incomparable": mark("Not comparable with the baseline."),
}


def privacy_metric(name: str) -> Metric:
    """Look a metric of the audit up: its unit, factor and digits.

    >>> privacy_metric("pii_rate:any").text(0.0042), privacy_metric("auc:loss").text(0.5)
    ('4.2', '0.500')
    """
    family, _, part = name.partition(":")
    known = FAMILIES.get(family, Metric(humanise(family), "", ""))
    return replace(known, part=part)


def kind_of_type(name: str) -> str:
    """Name a type that the table above does not have.

    >>> kind_of_type("SHOE_SIZE")
    'shoe size'
    """
    return TYPES.get(name, humanise(name.lower()).lower())
