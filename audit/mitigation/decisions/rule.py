"""A rule that turns a model's log-odds into a decision: steps of a probability, for everyone or for each group."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from audit.config import Strict, parse
from audit.errors import ConfigError
from audit.mitigation.decisions.figures import Figure, Stage

Method = Literal["exponentiated-gradient", "threshold-optimizer"]
Constraint = Literal["demographic-parity", "true-positive-rate-parity", "equalized-odds"]
Labels = Literal["gold", "no-cue", "own"]

METHODS: Final[tuple[Method, ...]] = ("exponentiated-gradient", "threshold-optimizer")
CONSTRAINTS: Final[tuple[Constraint, ...]] = ("demographic-parity", "true-positive-rate-parity", "equalized-odds")
LABELS: Final[tuple[Labels, ...]] = ("gold", "no-cue", "own")
BY_GROUP: Final[Method] = "threshold-optimizer"
EVERYONE: Final = "everyone"
FORMAT: Final = "evenhand-decision-rule-1"


@dataclass(frozen=True, slots=True)
class Curve:
    """P(favourable) by log-odds: ``below`` up to the first threshold, then what stands beside the last one passed.

    Thresholds rise and so do the probabilities: a case that the model favours more never has less of a chance.
    A threshold is passed by what lies above it, not by what lies on it.

    >>> curve = Curve(0.0, ((-0.5, 0.25), (1.0, 1.0)))
    >>> [curve(x) for x in (-0.5, 0.0, 1.0, 1.5)]
    [0.0, 0.25, 0.25, 1.0]
    """

    below: float
    steps: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        chances = [self.below, *(chance for _, chance in self.steps)]
        thresholds = [threshold for threshold, _ in self.steps]
        if not all(0 <= chance <= 1 for chance in chances) or not all(map(math.isfinite, thresholds)):
            raise ConfigError("curves: a threshold must be finite and a probability within 0 and 1; fit the rule again")
        if sorted(chances) != chances or sorted(set(thresholds)) != thresholds:
            raise ConfigError("curves: thresholds and their probabilities must both rise; fit the rule again")

    def __call__(self, log_odds: float) -> float:
        """P(favourable) of a case.

        Raises
        ------
        ConfigError
            If ``log_odds`` is no number: such a case is not for a rule to decide.
        """
        if math.isnan(log_odds):
            raise ConfigError("log_odds: is no number; let a person decide where the model gave no answer")
        passed = [chance for threshold, chance in self.steps if log_odds > threshold]
        return passed[-1] if passed else self.below


def mixture(parts: Sequence[tuple[float, float]]) -> Curve:
    """The curve of a classifier that draws its threshold: ``parts`` are (weight, threshold), infinite ones allowed.

    >>> mixture([(1.0, float("-inf")), (3.0, 0.5)])
    Curve(below=0.25, steps=((0.5, 1.0),))
    """
    total = math.fsum(weight for weight, _ in parts)
    found: dict[float, float] = {}
    for weight, threshold in parts:
        if weight > 0:
            found[threshold] = found.get(threshold, 0.0) + weight / total
    below, never = found.pop(-math.inf, 0.0), found.pop(math.inf, 0.0)
    thresholds = sorted(found)
    so_far = [math.fsum([below, *(found[t] for t in thresholds[: place + 1])]) for place in range(len(thresholds))]
    if not never and thresholds:
        so_far[-1] = 1.0  # a sum of weights may miss it by a rounding error
    elif not never:
        below = 1.0
    return Curve(min(below, 1.0), tuple((t, min(chance, 1.0)) for t, chance in zip(thresholds, so_far, strict=True)))


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """What a service applies to the log-odds of the favourable option, and how far it was seen to mend.

    ``curves`` has one for :data:`EVERYONE`, or one for each of ``groups`` where the rule
    needs to know who asks. ``labels`` says what ``figures`` call accurate, and ``model``
    of whose answers the rule holds. ``salt`` sets apart the draws of different rules.
    """

    task: str
    locale: str
    axis: str
    groups: tuple[str, ...]
    reference: str
    favourable: str
    method: Method
    constraint: Constraint
    tolerance: float
    labels: Labels
    curves: Mapping[str, Curve]
    salt: str
    model: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = set(self.groups) if self.uses_protected_attribute else {EVERYONE}
        if set(self.curves) != wanted:
            raise ConfigError(f"curves: must be of {', '.join(sorted(wanted))}; fit the rule again")

    @property
    def uses_protected_attribute(self) -> bool:
        """Whether the rule has to be told the group of who asks."""
        return self.method == BY_GROUP

    def decide(self, log_odds: float, group: str | None = None) -> float:
        """P(favourable) of a case; ``group`` is read by rules that need it, and by no other.

        Raises
        ------
        ConfigError
            If the rule needs a group and none that it knows is given, or ``log_odds`` is no number.
        """
        if not self.uses_protected_attribute:
            return self.curves[EVERYONE](log_odds)
        if group is None or group not in self.curves:
            known = ", ".join(self.groups)
            raise ConfigError(f"group: {group!r} is none that this rule was fitted on; known are {known}")
        return self.curves[group](log_odds)

    def to_json(self) -> str:
        """The rule as a file holds it; the card describes the format."""
        data: dict[str, Any] = {"format": FORMAT}
        for name in ("task", "locale", "axis", "groups", "reference", "favourable", "method", "constraint"):
            data[name] = getattr(self, name)
        data |= {"uses_protected_attribute": self.uses_protected_attribute, "salt": self.salt}
        data["curves"] = {name: {"below": curve.below, "steps": curve.steps} for name, curve in self.curves.items()}
        data |= {"tolerance": self.tolerance, "labels": self.labels, "model": dict(self.model), "notes": self.notes}
        data["figures"] = [asdict(figure) for figure in self.figures]
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "rule.json") -> DecisionRule:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ConfigError
            If it is no such rule; ``where`` names the file.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{where}: not valid JSON ({error}); fit the rule again") from error
        if not isinstance(data, dict):
            raise ConfigError(f"{where}: is no rule; fit it again with 'evenhand mitigate decisions'")
        read = parse(_RuleFile, data, where)
        try:
            rule = cls(
                **{name: getattr(read, name) for name in _COPIED},
                curves={name: Curve(curve.below, curve.steps) for name, curve in read.curves.items()},
                figures=tuple(Figure(**figure.model_dump()) for figure in read.figures),
            )
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        if rule.uses_protected_attribute != read.uses_protected_attribute:
            raise ConfigError(f"{where}: uses_protected_attribute: does not fit the method; fit the rule again")
        return rule


def read_rule(path: Path) -> DecisionRule:
    """Read the rule in a file, or in the folder that one was exported to."""
    path = path / "rule.json" if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; 'evenhand mitigate decisions' writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); fit the rule again") from error
    return DecisionRule.from_json(text, str(path))


class _CurveFile(Strict):
    below: float
    steps: tuple[tuple[float, float], ...]


class _FigureFile(Strict):
    metric: str
    stage: Stage
    group: str | None
    reference: str | None
    cue_channel: str | None
    estimate: float
    ci_low: float | None
    ci_high: float | None
    n: int


class _RuleFile(Strict):
    format: Literal["evenhand-decision-rule-1"]
    task: str
    locale: str
    axis: str
    groups: tuple[str, ...]
    reference: str
    favourable: str
    method: Method
    constraint: Constraint
    tolerance: float
    labels: Labels
    uses_protected_attribute: bool
    curves: dict[str, _CurveFile] = Field(min_length=1)
    salt: str
    model: dict[str, Any]
    figures: tuple[_FigureFile, ...]
    notes: tuple[str, ...]


_COPIED: Final = (
    *("task", "locale", "axis", "groups", "reference", "favourable", "method", "constraint", "tolerance", "labels"),
    *("salt", "model", "notes"),
)
