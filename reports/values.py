"""The one value that every report format draws: frozen, and free of markup, units and sentences.

Numbers are as in the tables; words are the tables' own ids. What a reader sees of an
id is looked up in :mod:`reports.labels`, so that a translation touches no data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ControlState = Literal["alive", "dead", "absent"]


@dataclass(frozen=True, slots=True)
class Overall:
    """The verdict of the run, word for word as in verdicts.json."""

    outcome: str
    exit_code: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Gap:
    """One signed contrast, group minus reference, with what the gate said of it.

    ``tolerance`` and ``outcome`` are None where no rule looks at the gap.
    ``share_of_control`` is the gap divided by the positive control's effect on the
    same task and metric; None where the control is dead or absent. ``mde`` is at the level
    that the gate's correction leaves a single test, None where a rule looked and nothing
    was tested; of a gap that no rule looks at it is that of a test at .05. ``too_small`` says
    that the design allows no verdict, ``underpowered`` also that the smallest gap it
    could find is above the tolerance.
    """

    finding_id: str
    task: str
    metric: str
    axis: str
    group: str
    reference: str
    cue_channel: str | None
    category: str | None
    estimate: float | None
    se: float | None
    df: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    floor: float | None
    mde: float | None
    n_cells: int
    n_blocks: int
    n_templates: int
    n_personas: int
    method: str
    tolerance: float | None = None
    outcome: str | None = None
    share_of_control: float | None = None
    too_small: bool = False
    underpowered: bool = False


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One line of the gate: a rule, what it said, and the gap it looked at."""

    rule: str
    level: str
    outcome: str
    reason: str
    tolerance: float | None
    p_adjusted: float | None
    mde: float | None
    finding_id: str | None
    metric: str | None
    axis: str | None
    group: str | None
    gap: Gap | None  # None where the rule found no contrast, only a level or nothing


@dataclass(frozen=True, slots=True)
class Control:
    """Does a fact that must move the answer move it? One positive control of one metric."""

    metric: str
    state: ControlState
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    n_templates: int


@dataclass(frozen=True, slots=True)
class Placebo:
    """A test against changes that should mean nothing (arm placebo)."""

    metric: str
    axis: str
    group: str | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    floor: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Magnitude:
    """How far a group lies from its reference, signs aside, on one metric.

    ``across`` is the mean distance between two customers of the two groups, ``within`` that
    of two of one group, ``signal`` across/within with its 95 % interval where it is reported.
    ``uneven_p`` is of "the gap is the same in every case"; ``worst_low`` and ``worst_high``
    bound the gap whatever the missing answers would have been; ``apart`` is the Wasserstein
    distance of the two distributions beside its median by chance.
    """

    axis: str
    group: str
    reference: str
    cue_channel: str | None
    across: float | None = None
    within: float | None = None
    p_value: float | None = None
    signal: float | None = None
    signal_low: float | None = None
    signal_high: float | None = None
    uneven_p: float | None = None
    worst_low: float | None = None
    worst_high: float | None = None
    apart: float | None = None
    apart_by_chance: float | None = None
    apart_p: float | None = None
    beyond: bool = False
    uneven: bool = False


@dataclass(frozen=True, slots=True)
class Floor:
    """How far a change that tells nothing of a customer moves the answer: arm paraphrase or irrelevant."""

    arm: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    n_blocks: int
    n_attributes: int


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of noise on one metric; with ``flips`` distances are rates of answers that change."""

    metric: str
    flips: bool
    rows: tuple[Magnitude, ...]
    floors: tuple[Floor, ...]

    @property
    def bounded(self) -> bool:
        """Whether answers were missing, so that there are worst-case bounds."""
        return any(row.worst_low is not None for row in self.rows)

    @property
    def shaped(self) -> bool:
        """Whether distributions were compared beyond their means."""
        return any(row.apart is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class ScorerCheck:
    """The widest difference that a metric's scorer sees on texts in which only the identity is swapped.

    ``comparisons`` were made; ``voided`` groups have no verdict for what the scorer does.
    """

    metric: str
    axis: str
    group: str
    reference: str
    cue_channel: str | None
    estimate: float
    ci_low: float | None
    ci_high: float | None
    texts: int
    comparisons: int
    voided: int


@dataclass(frozen=True, slots=True)
class Inference:
    """What the model takes the names of one group for.

    ``own`` is the probability of the group for its own names, ``estimate`` how much that is
    above the one for other names; ``told`` says that the difference is shown not to be 0.
    """

    axis: str
    group: str
    own: float | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    told: bool
    names: int
    wordings: int
    answer_mass: float | None


@dataclass(frozen=True, slots=True)
class AnswerMass:
    """How much of the model's probability lay on the answers that were read."""

    n: int
    median: float
    low_decile: float
    threshold: float
    share_below: float


@dataclass(frozen=True, slots=True)
class Level:
    """What one group got: the mean over cells."""

    group: str | None
    estimate: float | None
    n_cells: int


@dataclass(frozen=True, slots=True)
class LevelTable:
    """What the groups of one axis got, by metric, with the spread between them."""

    axis: str
    cue_channel: str | None
    reference: str | None
    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Level | None, ...]], ...]
    difference: tuple[float | None, ...]
    ratio: tuple[float | None, ...]
    no_cue: tuple[Level | None, ...]


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """Levels by category (rows) and group (columns) of one metric and axis."""

    metric: str
    axis: str
    reference: str | None
    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Level | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One half of a pair: who asked and what came back."""

    group: str
    cue: str
    value: float | None
    shown: float | None  # the probability or number a person reads; equal to value for numbers
    text: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two probes that differ in the customer alone, far apart in their answers."""

    task: str
    metric: str
    shown_metric: str
    axis: str
    category: str
    template_id: str
    left: Side
    right: Side
    difference: float
    prompts: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back for a task: outcomes that are no answers are counted, never dropped."""

    probes: int
    completions: int
    errors: int
    statuses: Mapping[str, int]  # of the task's main metric


@dataclass(frozen=True, slots=True)
class TaskView:
    """Everything about one task."""

    task: str
    title: str | None
    asks: str | None
    unit: str | None
    threshold: float | None
    judged: bool
    outcome: str | None  # the worst of its rules, those that can stop a release first; None where no rule looks
    output_form: str
    main_metric: str | None
    harm: tuple[str, ...]
    templates: int
    blocks: int
    categories: int
    arms: Mapping[str, int]
    returned: Returned
    controls: tuple[Control, ...]
    placebos: tuple[Placebo, ...]
    noise: tuple[Noise, ...]  # of the main metric first
    answer_mass: AnswerMass | None
    gaps: tuple[Gap, ...]
    rules: tuple[RuleResult, ...]
    levels: tuple[LevelTable, ...]
    by_category: tuple[CategoryTable, ...]
    pairs: tuple[Pair, ...]

    @property
    def void(self) -> bool:
        """Whether the gate gave no verdict on anything of the task, since its instrument does not work."""
        found = {rule.outcome for rule in self.rules if rule.level != "off"}
        return "void" in found and not found & {"pass", "fail"}

    @property
    def unmeasured(self) -> tuple[RuleResult, ...]:
        """Rules on groups that have a level but no contrast."""
        return tuple(rule for rule in self.rules if rule.gap is None)

    @property
    def dead_controls(self) -> tuple[Control, ...]:
        """Controls that were asked and did not move the answer."""
        return tuple(control for control in self.controls if control.state == "dead")


@dataclass(frozen=True, slots=True)
class Subject:
    """What was tested and with what; None is "not recorded"."""

    evenhand: str | None
    run_id: str | None
    created: str | None
    command: str | None
    config_path: str | None
    seed: str | None
    model: Mapping[str, str]
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    hashes: tuple[tuple[str, str | None, int], ...]  # table, SHA-256, rows
    seconds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """All that a report shows of a run."""

    overall: Overall
    subject: Subject
    tasks: tuple[TaskView, ...]
    orphan_rules: tuple[RuleResult, ...]  # rules that found nothing to judge
    scorer_checks: tuple[ScorerCheck, ...]
    inferences: tuple[Inference, ...]
    counts: Mapping[str, int]  # outcome -> rules
    names: int
    cues: int
    probes: int
    completions: int
    axes: tuple[
        tuple[str, str | None, str | None, tuple[tuple[str, int], ...]], ...
    ]  # axis, channel, reference, groups
    alpha: float
    methods: tuple[str, ...]
    config: str

    @property
    def rules(self) -> tuple[RuleResult, ...]:
        """Every line of the gate, those without a task last."""
        return tuple(rule for task in self.tasks for rule in task.rules) + self.orphan_rules
