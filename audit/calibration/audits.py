"""Simulated audits: cell means of a planted world, and what our statistics make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit import statistics
from audit.calibration import rivals
from audit.calibration.studies import Outcomes
from audit.fairness.gaps import RATE
from audit.fairness.metrics import SCALES
from audit.planted import Layout, Scenario, realise
from audit.statistics import Contrast
from audit.statistics.variance import Reals

# Metrics that are rates, for which people use the four-fifths rule.
RATES = frozenset({"p_favourable", "p_favourable:ratio", "refusal", "rate_invalid"})


def outcomes(scenario: Scenario, rng: np.random.Generator) -> Reals:
    """One audit of ``scenario``: cell means on its metric's scale, (n,); NaN where a cell is missing."""
    values = realise(scenario.world, scenario.layout(), rng)
    return np.isnan(values).astype(float) if scenario.metric == "rate_invalid" else values


def contrast(metric: str, cells: Layout, values: Reals) -> Contrast:
    """The primary contrast of the last group with the reference, by the function that ``measure`` would use."""
    codes = (cells.group, cells.template, cells.persona)
    if metric.endswith(":ratio"):
        of = statistics.paired_ratio_contrast if cells.explicit else statistics.ratio_contrast
    elif SCALES.get(metric) == RATE:
        of = statistics.paired_rate_contrast if cells.explicit else statistics.rate_contrast
    else:
        of = statistics.paired_contrast if cells.explicit else statistics.two_way_contrast
    return of(values, *codes, reference="0", block=cells.block)[-1]


def simulate(
    scenario: Scenario, tolerance: float | None, beside: bool, rng: np.random.Generator, runs: int
) -> Outcomes:
    """Audit ``scenario`` many times.

    Returns
    -------
    (runs,) arrays: ``estimate``, ``se``, ``low``, ``high``, ``p`` of the contrast; ``sd``,
    the spread of cells within the two groups; with a ``tolerance`` ``p_equivalent``; and,
    where rivals stand ``beside``, ``rival:NAME``, 1 where that rule sees a gap.
    """
    cells = scenario.layout()
    y = np.stack([outcomes(scenario, rng) for _ in range(runs)])
    gaps = [contrast(scenario.metric, cells, row) for row in y]
    found = of_contrasts(gaps)
    sides = [np.nanvar(y[:, cells.group == group], axis=1) for group in (0, cells.groups - 1)]
    found["sd"] = np.sqrt(np.mean(sides, axis=0))
    if tolerance is not None:
        found["p_equivalent"] = np.array([statistics.equivalence(gap, tolerance).p_value for gap in gaps])
    if beside:
        two = (cells.group == 0) | (cells.group == cells.groups - 1)
        group = (cells.group[two] > 0).astype(np.intp)
        seen = rivals.alarms(y[:, two], group, cells.block[two], rng, rates=scenario.metric in RATES)
        found |= rivals.gathered(seen)
    return found


def of_contrasts(gaps: list[Contrast]) -> dict[str, Reals]:
    """Arrays (runs,) of contrasts."""
    return {
        "estimate": np.array([gap.estimate for gap in gaps]),
        "se": np.array([gap.se for gap in gaps]),
        "low": np.array([gap.ci_low for gap in gaps]),
        "high": np.array([gap.ci_high for gap in gaps]),
        "p": np.array([gap.p_value for gap in gaps]),
    }


def with_world(scenario: Scenario, name: str, **changes: object) -> Scenario:
    """The scenario with another world, under another name."""
    return replace(scenario, name=name, world=replace(scenario.world, **changes))  # type: ignore[arg-type]
