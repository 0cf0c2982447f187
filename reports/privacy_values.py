"""What a privacy report draws: frozen, free of markup, and free of raw values unless they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.values import Overall, Subject


@dataclass(frozen=True, slots=True)
class Measure:
    """One finding of the audit: a level, a difference from a control, a contrast of groups, or a bound.

    ``arm`` is the model (target, base); ``category`` is whose figure it is: of canaries
    (inserted, not_inserted), of records (member, held_out), of generations or of the detector.
    """

    finding_id: str
    statistic: str
    metric: str
    scale: str
    axis: str | None
    group: str | None
    reference: str | None
    category: str | None
    arm: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n_cells: int
    n_personas: int
    n_templates: int
    method: str

    @property
    def family(self) -> str:
        """What is measured, without the attack, the way of extracting or the type."""
        return self.metric.partition(":")[0]

    @property
    def of_group(self) -> bool:
        """Whether it is of one group of authors."""
        return self.axis is not None and self.group is not None


@dataclass(frozen=True, slots=True)
class PrivacyRule:
    """One line of the gate: a figure that must not lie above a limit."""

    rule: str
    level: str
    outcome: str
    reason: str
    limit: float | None
    metric: str | None
    measure: Measure | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Exposures of one kind of canary under one model, sorted."""

    arm: str
    category: str
    bits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """How many members an attack finds at a share of false alarms, one point a step."""

    attack: str
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, plain or of a type of personal information; ``masked`` if only its shape is left."""

    text: str
    type: str | None = None
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Leak:
    """Something learnt by heart. Masked, prefix and leaked text are shapes without letters."""

    kind: str
    type: str | None
    prefix: str
    leaked: str
    n_chars: int
    probability: float
    greedy: bool
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """A generated text with personal information in it; a shape and without its prompt unless values are revealed."""

    place: str
    pieces: tuple[Piece, ...]
    types: tuple[str, ...]
    learned: bool
    in_training: bool
    owners: int
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Attacker:
    """The settings that say what an attacker may do, as far as they are recorded."""

    prefix: int | None
    suffix: int | None
    n: int | None
    p: float | None
    fpr: float | None
    beta: float | None
    claimed_epsilon: float | None
    claimed_delta: float | None


@dataclass(frozen=True, slots=True)
class PrivacyView:
    """All that a report shows of a privacy audit."""

    overall: Overall
    subject: Subject
    base: Mapping[str, str]
    records: tuple[tuple[str, int], ...]  # role, number
    customers: int | None
    generations: int | None  # of the target
    truncated: int | None  # records that were cut at the most tokens
    files: tuple[tuple[str, str], ...]  # setting, file name
    not_measured: tuple[tuple[str, str], ...]  # topic, why
    notes: tuple[str, ...]
    attacker: Attacker
    measures: tuple[Measure, ...]
    rules: tuple[PrivacyRule, ...]
    distributions: tuple[Distribution, ...]
    curves: tuple[Curve, ...]
    leaks: tuple[Leak, ...]
    examples: tuple[Generation, ...]
    revealed: bool
    config: str

    def level(self, metric: str, category: str | None = None, arm: str = "target") -> Measure | None:
        """Return the level of ``metric`` over all authors."""
        return self._one("mean", metric, category, arm)

    def difference(self, metric: str, category: str | None, reference: str) -> Measure | None:
        """Return what of ``metric`` lies above a control, over all authors."""
        return self._one("difference", metric, category, "target", reference)

    @property
    def bound(self) -> Measure | None:
        """The empirical lower bound of epsilon."""
        return self._one("bound", "epsilon_lower_bound", None, "target")

    def _one(
        self, statistic: str, metric: str, category: str | None, arm: str, reference: str | None = None
    ) -> Measure | None:
        for found in self.measures:
            same = (found.statistic, found.metric, found.arm) == (statistic, metric, arm)
            wanted = category in (None, found.category) and reference in (None, found.reference)
            if same and wanted and found.axis is None and found.group is None:
                return found
        return None

    def whole(self, family: str) -> tuple[Measure, ...]:
        """Return all levels of a family over all authors."""
        return tuple(m for m in self.measures if m.family == family and m.statistic == "mean" and m.axis is None)

    def split(self) -> tuple[str, ...]:
        """Return the metrics that are known by group of the author, in the order of the findings."""
        levels = (m for m in self.measures if m.of_group and m.statistic in ("mean", "bound"))
        known = (m.metric for m in levels if m.category != "detector")
        return tuple(dict.fromkeys(known))
