"""What a calibration finds: rows of figures, each with its error and the target it must reach."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

# In quick mode a figure may miss its target by as many Monte-Carlo standard errors as chance alone would explain.
QUICK_SLACK: Final = 3.0


@dataclass(frozen=True, slots=True)
class Target:
    """The range a figure must lie in; an end that is None is open.

    ``slack`` is how many Monte-Carlo standard errors the figure may lie beyond an end;
    one is taken to be at least ``least``, since a rate of 0 or 1 shows none of its own.

    >>> Target(high=.06).reached(.061, .005), Target(high=.06, slack=1.96).reached(.061, .005)
    (False, True)
    >>> Target(.93, .97).words(), Target(high=.05, slack=1.96).words()
    ('.93 to .97', '≤ .05 + 1.96 MC SE')
    """

    low: float | None = None
    high: float | None = None
    slack: float = 0.0
    least: float = 0.0

    def reached(self, figure: float, se: float) -> bool:
        """Say whether ``figure`` lies in the range; one that could not be computed (NaN) does not."""
        if math.isnan(figure) or (self.slack and math.isnan(se)):
            return False
        reach = self.slack * max(se, self.least) if self.slack else 0.0
        return (self.low is None or figure >= self.low - reach) and (self.high is None or figure <= self.high + reach)

    def widened(self, slack: float, least: float) -> Target:
        """Return the target with at least ``slack`` standard errors of at least ``least``."""
        return replace(self, slack=max(self.slack, slack), least=max(self.least, least))

    def words(self) -> str:
        """The target as a person reads it."""
        extra = f"{self.slack:g} MC SE"
        if self.low is not None and self.high is not None:
            return f"{short(self.low)} to {short(self.high)}" + (f" ± {extra}" if self.slack else "")
        if self.high is not None:
            return f"≤ {short(self.high)}" + (f" + {extra}" if self.slack else "")
        if self.low is not None:
            return f"≥ {short(self.low)}" + (f" − {extra}" if self.slack else "")
        return "any"


@dataclass(frozen=True, slots=True)
class Rival:
    """What another rule does on the same data, with its Monte-Carlo standard error."""

    name: str
    figure: float
    se: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the benchmark.

    ``figure`` is a rate, a share or a difference, as ``what`` says; ``se`` its
    Monte-Carlo standard error over ``runs`` simulated audits. ``target`` is None
    where the figure is told for information.
    """

    id: str
    section: str
    what: str
    figure: float
    se: float
    runs: int
    target: Target | None = None
    rivals: tuple[Rival, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        return None if self.target is None else self.target.reached(self.figure, self.se)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """All rows of one calibration, and under what they were found."""

    rows: tuple[Row, ...]
    mode: str
    seed: int
    seconds: float
    commit: str | None
    versions: tuple[tuple[str, str], ...]
    machine: tuple[tuple[str, str], ...]
    command: str

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that miss their target."""
        return tuple(row for row in self.rows if row.passed is False)

    @property
    def judged(self) -> tuple[Row, ...]:
        """The rows that have a target."""
        return tuple(row for row in self.rows if row.target is not None)

    @property
    def sentence(self) -> str:
        """The outcome in one line."""
        if not self.failed:
            rough = " Few runs: this finds gross errors only." if self.mode == "quick" else ""
            return f"PASS: all {len(self.judged)} judged figures reach their targets.{rough}"
        names = ", ".join(row.id for row in self.failed[:3])
        more = f" and {len(self.failed) - 3} more" if len(self.failed) > 3 else ""
        return f"FAIL: {len(self.failed)} of {len(self.judged)} judged figures miss their targets: {names}{more}."


def short(value: float) -> str:
    """Write a number without a leading zero.

    >>> short(.05), short(-.3), short(1.0), short(1e-12), short(.975)
    ('.05', '−.3', '1', '1e−12', '.975')
    """
    text = f"{value:g}".replace("-", "−")
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text
