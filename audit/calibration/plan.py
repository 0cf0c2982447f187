"""How much a calibration simulates: the full benchmark, or the quick one for every change."""

from __future__ import annotations

from dataclasses import dataclass

QUICK_RUNS = 200
FULL_RUNS = 2000


@dataclass(frozen=True, slots=True)
class Plan:
    """``runs`` simulated audits a row, ``through`` runs of each scenario through the pipeline."""

    runs: int
    through: int
    quick: bool

    def times(self, factor: int) -> int:
        """More runs, where a figure lies near its target and chance must not decide; not in the quick mode."""
        return self.runs if self.quick else self.runs * factor


def plan_for(quick: bool, runs: int | None) -> Plan:
    """The plan of a mode; ``runs`` replaces the number of simulated audits.

    >>> plan_for(True, None).runs, plan_for(False, None).runs, plan_for(False, 500).runs
    (200, 2000, 500)
    """
    return Plan(runs or (QUICK_RUNS if quick else FULL_RUNS), 1 if quick else 20, quick)
