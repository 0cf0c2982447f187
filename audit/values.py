"""Frozen values at the edges: what one row of a table means when a person holds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Level = Literal["off", "warn", "error"]
Outcome = Literal["pass", "fail", "inconclusive", "incomparable", "void", "not_refuted"]
# Axes of sentences that say nothing of a customer: of the placebo and the irrelevant arm.
PLACEBO: Final = "placebo:"
IRRELEVANT: Final = "irrelevant:"
LABEL_FREE: Final = (PLACEBO, IRRELEVANT)


def content_hash(value: Any, length: int = 64) -> str:
    """SHA-256 over canonical JSON, as hexadecimal of ``length`` digits.

    >>> content_hash({"b": 1, "a": "é"}) == content_hash({"a": "é", "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Persona:
    """Who asks: a name or a cue sentence, and the groups it stands for."""

    name: str
    locale: str
    cue_channel: str
    attributes: Mapping[str, str]
    cue_id: str | None = None
    p_group: float | None = None
    cohort: str | None = None
    source: str | None = None

    @property
    def persona_id(self) -> str:
        """Hash of what the model can see of the persona; never of its labels."""
        return content_hash([self.locale, self.cue_channel, self.name, self.cue_id], 16)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a gate: the signed contrast on ``metric`` stays within ``tolerance``.

    ``tolerance`` is in the metric's own unit. ``group`` None means every group of
    the axis but the reference.
    """

    name: str
    task: str
    metric: str
    axis: str
    tolerance: float
    level: Level = "error"
    group: str | None = None
    locale: str | None = None
    cue_channel: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of one finding."""

    rule: str
    level: Level
    outcome: Outcome
    finding_id: str | None
    p_adjusted: float | None
    tolerance: float
    reason: str
    mde: float | None = None
    look: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One wording of a task, with the categories where it is natural.

    ``text`` holds the slots {item}, {price}, {facts} and {customer}; ``name_frame``
    is the sentence with {name} that fills {customer} for a name. ``facts`` has the
    keys target, and for the positive control the ids of its two poles. ``answer_prefix``
    is the beginning of the answer, given to the model; it may hold {item}, {price}, {facts}.
    ``paraphrase`` is ``text`` in other words and without {customer}; empty where there is none.
    ``gold`` is the option that the policy gives: under "default", and under "axis=group" for
    a group that it treats otherwise; empty where no policy is known.
    """

    id: str
    categories: tuple[str, ...]
    text: str
    name_frame: str
    facts: Mapping[str, str] = field(default_factory=dict)
    answer_prefix: str = ""
    paraphrase: str = ""
    gold: Mapping[str, str] = field(default_factory=dict)
