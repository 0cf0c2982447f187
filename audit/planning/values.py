"""What a plan says: requests, work, and what each rule could find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one task and arm; a text that is sampled several times counts each time.

    ``sampled_tokens`` is the most that may be written, 0 where answers are read exactly.
    """

    task: str
    arm: str
    output_form: str
    requests: int
    prompt_tokens: int
    sampled_tokens: int


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens and time of a whole run.

    ``prompt_tokens`` is what the prompts hold, ``computed_tokens`` what the model must
    read when it reads shared beginnings once (None where the backend does not tell);
    ``seconds`` is rough, None where nothing is known. ``tokens_by`` and ``time_by`` say
    in words how they were found.
    """

    prompt_tokens: int
    computed_tokens: int | None
    sampled_tokens: int
    tokens_by: str
    seconds: float | None
    time_by: str


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One contrast that a rule covers.

    ``mde`` is the gap found with power .90 at the level that Holm leaves the smallest p,
    ``granted`` the smallest tolerance at which equivalence is granted with power .90
    when the true gap is 0, and ``can_pass`` whether the rule's own is as large.
    ``more_personas`` (a group) and ``more_templates`` are what it takes besides for both:
    to find a gap as large as the tolerance, and to grant equivalence at 0; of a contrast
    too small for a verdict, what it takes for one. ``sample`` is what ``run.sample`` must
    be raised to (0: all), None where it may stay. Where something cannot be said the
    figure is None and ``note`` says why.
    """

    rule: str
    level: str
    task: str
    metric: str
    cue_channel: str
    axis: str
    group: str
    reference: str
    scale: str
    tolerance: float
    templates: int
    personas: int
    cells: int
    se: float | None = None
    df: float | None = None
    mde: float | None = None
    granted: float | None = None
    can_pass: bool | None = None
    more_personas: int | None = None
    more_templates: int | None = None
    sample: int | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of a run. ``tests`` and ``claims`` are the sizes of the two Holm families.

    ``alpha`` is the level of a whole family, ``components_by`` says in words where
    the variance components come from.
    """

    model: str
    requests: tuple[Requests, ...]
    work: Work
    rules: tuple[RulePlan, ...]
    alpha: float
    tests: int
    claims: int
    components_by: str
    warnings: tuple[str, ...] = ()
