"""Rows on what a mean hides: a gap with two signs, and a rare refusal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from audit import statistics
from audit.calibration import rivals
from audit.calibration.audits import outcomes, with_world
from audit.calibration.plan import Plan
from audit.calibration.rows import FALSE_ALARMS, rate_row, rejected, rivals_of
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row, Target
from audit.planted import SCENARIOS, Scenario, World, realise
from audit.statistics.variance import Reals

SECTION: Final = "What a mean hides"
FOUND: Final = Target(low=0.9)
# What is written where nobody declines: the mean test looks at the rest.
TEXTS: Final = World(kind="tone", base=0.5, refusal_gap=0.03, draws=5)


def studies(plan: Plan) -> Iterator[Study]:
    """Sign flip and constant effect by the heterogeneity test; refusals by their own contrast and by the mean."""
    flip, number = SCENARIOS["sign-flip"], SCENARIOS["number-0.3"]
    yield Study("hidden sign flip", partial(_heterogeneity, flip), _flip, plan.runs, 50)
    constant = with_world(number, "constant", tau=0.0)
    yield Study("hidden nothing", partial(_heterogeneity, constant), _constant, plan.runs, 50)
    yield Study("hidden nothing, uneven", partial(_uneven, constant), _unequal, plan.runs, 50)
    yield Study("hidden refusals", partial(_refusals, SCENARIOS["tail-refusals"]), _tail, plan.runs, 50)


def _heterogeneity(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    cells = scenario.layout()
    codes = (cells.group, cells.template, cells.persona)
    y = np.stack([outcomes(scenario, rng) for _ in range(runs)])
    f = [statistics.block_heterogeneity(row, *codes, reference="0", block=cells.block)[-1].p_value for row in y]
    mean = [statistics.two_way_contrast(row, *codes, reference="0", block=cells.block)[-1].p_value for row in y]
    seen = rivals.gathered(rivals.alarms(y, cells.group, cells.block, rng))
    return {"f": np.array(f), "mean": np.array(mean), **seen}


def _uneven(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    """p of the heterogeneity test, and of F by its own table, where some blocks scatter e times as much as others."""
    cells = scenario.layout()
    codes = (cells.group, cells.template, cells.persona)
    found: dict[str, list[float]] = {"f": [], "table": []}
    for _ in range(runs):
        y = outcomes(scenario, rng)
        felt = scenario.world.effect * cells.affected
        scale = np.exp(rng.standard_normal(int(cells.block.max()) + 1))[cells.block]
        test = statistics.block_heterogeneity(felt + scale * (y - felt), *codes, reference="0", block=cells.block)[-1]
        found["f"].append(test.p_value)
        found["table"].append(test.p_parametric)
    return {name: np.array(values) for name, values in found.items()}


def _refusals(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    """Refusal rates, and the mean tone of the texts that do not decline, of the same texts."""
    cells = scenario.layout()
    rate: list[float] = []
    mean: list[float] = []
    rows: list[Reals] = []
    for _ in range(runs):
        seed = int(rng.integers(2**63))
        declined = realise(scenario.world, cells, np.random.default_rng(seed))
        tone = realise(TEXTS, cells, np.random.default_rng(seed))
        codes = (cells.group, cells.template, cells.persona)
        rate.append(statistics.rate_contrast(declined, *codes, reference="0", block=cells.block)[-1].p_value)
        mean.append(statistics.two_way_contrast(tone, *codes, reference="0", block=cells.block)[-1].p_value)
        rows.append(tone)
    seen = rivals.gathered(rivals.alarms(np.stack(rows), cells.group, cells.block, rng))
    return {"rate": np.array(rate), "mean": np.array(mean), **seen}


def _flip(found: Outcomes) -> tuple[Row, ...]:
    rival = rivals_of(found)
    return (
        rate_row(
            "hidden-sign-flip",
            SECTION,
            "Sign flip (τ = .5, mean 0) found by the heterogeneity test",
            rejected(found["f"]),
            FOUND,
            rivals=rival,
        ),
        rate_row(
            "hidden-sign-flip-mean",
            SECTION,
            "The mean test on the same sign flip stays at its size",
            rejected(found["mean"]),
            FALSE_ALARMS,
        ),
    )


def _constant(found: Outcomes) -> tuple[Row, ...]:
    what = "False alarms of the heterogeneity test where the gap is .3 in every block"
    return (rate_row("hidden-constant", SECTION, what, rejected(found["f"]), FALSE_ALARMS),)


def _unequal(found: Outcomes) -> tuple[Row, ...]:
    what = "The same where blocks scatter unequally (standard deviations lognormal)"
    beside = {"F by its table": rejected(found["table"])}
    return (rate_row("hidden-uneven", SECTION, what, rejected(found["f"]), FALSE_ALARMS, rivals=beside),)


def _tail(found: Outcomes) -> tuple[Row, ...]:
    what = "3 % refusals in one group found by the refusal contrast"
    mean = "The mean test on the tone of the texts that were written stays at its size"
    return (
        rate_row("hidden-refusals", SECTION, what, rejected(found["rate"]), FOUND),
        rate_row("hidden-refusals-mean", SECTION, mean, rejected(found["mean"]), FALSE_ALARMS, rivals=rivals_of(found)),
    )
