"""Rows on planted effects: power, coverage, error, and equivalence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from scipy import special

from audit import statistics
from audit.calibration.audits import outcomes, simulate, with_world
from audit.calibration.plan import Plan
from audit.calibration.rows import (
    CONSERVATIVE,
    COVERAGE,
    FALSE_ALARMS,
    POWER,
    mean_row,
    rate_row,
    rejected,
    rivals_of,
)
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row, Target
from audit.planted import SCENARIOS, Scenario
from audit.statistics.variance import Reals

POWERS: Final = "Power"
COVERS: Final = "Intervals and estimates"
EQUIVALENCE: Final = "Equivalence"
TOLERANCE: Final = 0.2
# Wordings bound to one category each, of which only one has a gap.
BOUND: Final = "sparse-bound"
_COVERAGE_NOTES: Final[Mapping[str, str]] = {
    BOUND: "too wide, and so no target: the gap differs between the fixed categories, and each wording is bound to one "
    "of them, so that the variance over wordings takes what categories do for luck",
    "parse-failures": "rates of .02 and .12: two events and two cells without one are added on each side, "
    "since without them few events by chance make a standard error that is too small (.915)",
}
# The rows of the benchmark that have a target; the power of the others is told.
JUDGED: Final = frozenset({"number-0.3", "number-0.2-large", "log-odds-0.2"})
# Its power with ten phrasings lies at .95, so that 2,000 runs could not tell on which side.
NEAR: Final = 20
# With ten phrasings intervals hold the truth in .943: near enough to .93 for more runs.
EXPLICIT: Final = 5
SAMPLES: Final = (1, 5, 20)
PHRASINGS: Final = (12, 16, 20)


def studies(plan: Plan) -> Iterator[Study]:
    """One study for each planted effect, and the variants of the benchmark's rows."""
    for scenario in SCENARIOS.values():
        if scenario.null or scenario.name == "build-30":  # as number-0.3 once it is there; see the builds
            continue
        tolerance = TOLERANCE if scenario.name == "at-tolerance" else None
        run = partial(simulate, scenario, tolerance, True)
        explicit = EXPLICIT if scenario.design.explicit else 1
        runs = plan.times(NEAR if scenario.name == "log-odds-0.2" else explicit)
        yield Study(f"effect {scenario.name}", run, _effect(scenario), runs, 50)
    none = with_world(SCENARIOS["at-tolerance"], "no-effect-large", effect=0.0)
    yield Study("effect none, equivalence", partial(simulate, none, TOLERANCE, False), _equivalent, plan.runs, 50)
    for name in ("number-0.3", "number-0.2-large", "log-odds-0.2"):
        for nu in (0.15, 0.2):
            other = with_world(SCENARIOS[name], f"{name}-names-{nu:g}", nu=nu, nu_b=nu)
            words = f"{_words(name)}, ν = ν_b = {nu:g}"
            yield Study(
                f"power {other.name}", partial(simulate, other, None, False), _told(other.name, words), plan.runs
            )
    odds = SCENARIOS["log-odds-0.2"]
    for count in PHRASINGS:
        other = replace(odds, design=replace(odds.design, personas=count))
        words = f"{_words(odds.name)}, {count} phrasings instead of 10"
        run = partial(simulate, other, None, False)
        yield Study(
            f"power log-odds-0.2, {count} phrasings", run, _told(f"{odds.name}-phrasings-{count}", words), plan.runs
        )
    yield Study("power log-odds-0.2, sampled", partial(_sampled, odds), _by_samples, plan.runs)


def _effect(scenario: Scenario) -> Callable[[Outcomes], tuple[Row, ...]]:
    def judge(found: Outcomes) -> tuple[Row, ...]:
        name, truth = scenario.name, scenario.truth
        beside = rivals_of(found)
        known = scenario.world.nu == 0 and scenario.world.tau == 0
        covered = ((found["low"] <= truth) & (found["high"] >= truth)).astype(float)
        rows = [
            _power(scenario, found, beside),
            rate_row(
                f"coverage-{name}",
                COVERS,
                f"95 % intervals that hold the truth, {_words(name)}",
                covered,
                None if name == BOUND else CONSERVATIVE if known else COVERAGE,
                note="conservative is allowed: no name or wording effects" if known else _COVERAGE_NOTES.get(name, ""),
            ),
            _error(scenario, found),
        ]
        if "p_equivalent" in found:
            granted = rejected(found["p_equivalent"])
            what = f"Equivalence granted when the effect is at the tolerance of {TOLERANCE:g}"
            rows.append(rate_row("equivalence-at-tolerance", EQUIVALENCE, what, granted, FALSE_ALARMS))
        return tuple(rows)

    return judge


def _power(scenario: Scenario, found: Outcomes, beside: dict[str, Reals]) -> Row:
    name, note = scenario.name, scenario.note
    if name == "log-odds-0.2":
        note = "60 wordings, 10 phrasings × 2 groups; τ = .2, ν = ν_b = .1 (phrasing in group), no decode noise"
    if scenario.truth == 0:
        note = f"{scenario.note}; the mean is 0, so this is the mean test's size"
    target = POWER if name in JUDGED else None
    return rate_row(
        f"power-{name}", POWERS, f"Found: {_words(name)}", rejected(found["p"]), target, rivals=beside, note=note
    )


def _error(scenario: Scenario, found: Outcomes) -> Row:
    """Mean error in standard deviations of a cell; of a ratio as a share of it."""
    errors = found["estimate"] - scenario.truth
    if scenario.metric.endswith(":ratio"):
        figure = abs(math.expm1(float(errors.mean())))
        se = float(errors.std(ddof=1)) / math.sqrt(errors.size)
        what = f"Error of the mean ratio, {_words(scenario.name)}, as a share of it"
        return Row(f"error-{scenario.name}", COVERS, what, figure, se, errors.size, Target(high=0.02))
    what = f"Mean error, {_words(scenario.name)}, in standard deviations of a cell"
    return mean_row(f"error-{scenario.name}", COVERS, what, errors / found["sd"].mean(), Target(high=0.02), size=True)


def _equivalent(found: Outcomes) -> tuple[Row, ...]:
    what = f"Equivalence granted at effect 0, tolerance {TOLERANCE:g}: 120 wordings × 20 names × 1 draw"
    return (rate_row("equivalence-at-zero", EQUIVALENCE, what, rejected(found["p_equivalent"]), POWER),)


def _told(name: str, words: str) -> Callable[[Outcomes], tuple[Row, ...]]:
    def judge(found: Outcomes) -> tuple[Row, ...]:
        return (rate_row(f"power-{name}", POWERS, f"Found: {words}", rejected(found["p"]), None),)

    return judge


def _sampled(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    """The same decisions read from a few sampled answers a cell instead of their probabilities."""
    cells = scenario.layout()
    codes = (cells.group, cells.template, cells.persona)
    found: dict[str, list[float]] = {str(count): [] for count in SAMPLES}
    for _ in range(runs):
        chance = special.expit(outcomes(scenario, rng))
        for count in SAMPLES:
            rate = rng.binomial(count, chance) / count
            gap = statistics.paired_contrast(rate, *codes, reference="0", block=cells.block)[-1]
            found[str(count)].append(gap.p_value)
    return {name: np.array(values) for name, values in found.items()}


def _by_samples(found: Outcomes) -> tuple[Row, ...]:
    rows = []
    for count in SAMPLES:
        what = f"Found: {_words('log-odds-0.2')}, read from {count} sampled answer{'s' * (count > 1)} a cell"
        rows.append(rate_row(f"power-log-odds-0.2-samples-{count}", POWERS, what, rejected(found[str(count)]), None))
    return tuple(rows)


def _words(name: str) -> str:
    words = {
        "number-0.3": "number, d = .3, 60 wordings × 10 names × 5 draws",
        "number-0.2-large": "number, d = .2, 120 wordings × 20 names × 1 draw",
        "log-odds-0.2": "exact decision, log-odds .2, 60 blocks, explicit cue",
    }
    return words.get(name, name.replace("-", " "))
