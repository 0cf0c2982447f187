"""Rows on a gate that judges build after build: how often it is ever wrong, and when it sees a change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from audit import statistics
from audit.calibration.plan import Plan
from audit.calibration.rows import FIVE_PERCENT, rate_row
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row
from audit.planted import SCENARIOS, Layout, World, realise
from audit.statistics import Contrast, Gap
from audit.statistics.variance import Reals

SECTION: Final = "Build after build"
BUILDS: Final = 200
QUICK_BUILDS: Final = 50
CHANGE: Final = 30
AFTER: Final = 10
TOLERANCE: Final = 0.1
# Each of the two gates may spend half.
HALF: Final = 0.025


def studies(plan: Plan) -> Iterator[Study]:
    """An unchanged model over many builds, and one that changes at build 30."""
    scenario = SCENARIOS["build-30"]
    builds = QUICK_BUILDS if plan.quick else BUILDS
    runs = max(plan.runs // 4, 2) if plan.quick else plan.runs
    cells, before, after = scenario.layout(), scenario.world.at_build(0), scenario.world.at_build(CHANGE)
    unchanged = partial(_unchanged, before, cells, builds)
    yield Study(f"builds, {builds} without a change", unchanged, partial(_ever_wrong, builds), runs, 10)
    yield Study("builds, change at 30", partial(_changed, before, after, cells), _when_found, plan.runs, 50)


def _unchanged(world: World, cells: Layout, builds: int, rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs,) whether each gate ever fails over ``builds``; the naive ones also within 50."""
    names = ("regression", "absolute", "naive regression", "naive absolute", "naive 50", "exceeds", "naive exceeds")
    found = {name: np.zeros(runs) for name in names}
    for run in range(runs):
        for build in range(1, builds + 1):
            fresh, paired = _fresh(world, cells, rng), _against_baseline(world, world, cells, rng)
            beyond = statistics.exceeds(Gap(fresh.estimate + TOLERANCE, fresh.se, fresh.df), TOLERANCE)
            level = statistics.spend(build, HALF)
            failed = {
                "regression": paired.p_value <= level,
                "absolute": fresh.p_value <= level,
                "naive regression": paired.p_value <= 0.05,
                "naive absolute": fresh.p_value <= 0.05,
                "naive 50": build <= 50 and min(paired.p_value, fresh.p_value) <= 0.05,
                "exceeds": beyond <= statistics.spend(build),
                "naive exceeds": beyond <= 0.05,
            }
            for name, flag in failed.items():
                found[name][run] = max(found[name][run], float(flag))
    return found


def _changed(before: World, after: World, cells: Layout, rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs, builds since the change): whether each gate fails at builds 30 to 40."""
    found = {name: np.zeros((runs, AFTER + 1)) for name in ("regression", "absolute", "naive")}
    for run in range(runs):
        for place in range(AFTER + 1):
            fresh, paired = _fresh(after, cells, rng), _against_baseline(before, after, cells, rng)
            level = statistics.spend(CHANGE + place, HALF)
            found["regression"][run, place] = paired.p_value <= level
            found["absolute"][run, place] = fresh.p_value <= level
            found["naive"][run, place] = min(paired.p_value, fresh.p_value) <= 0.05
    return found


def _fresh(world: World, cells: Layout, rng: np.random.Generator) -> Contrast:
    """The absolute gate's contrast: wordings and names that no build before has seen."""
    return _contrast(realise(world, cells, rng), cells)


def _against_baseline(before: World, now: World, cells: Layout, rng: np.random.Generator) -> Contrast:
    """The regression gate's contrast, on differences from the frozen baseline asked again on the same probes.

    What wordings, names and their blocks do is the same on both sides and goes out of
    each difference; what is left is the decode noise of both, and the change.
    """
    noise = World(sigma=now.sigma, draws=now.draws)
    moved = World(sigma=now.sigma, draws=now.draws, effect=now.effect - before.effect)
    return _contrast(realise(moved, cells, rng) - realise(noise, cells, rng), cells)


def _contrast(y: Reals, cells: Layout) -> Contrast:
    return statistics.two_way_contrast(y, cells.group, cells.template, cells.persona, reference="0", block=cells.block)[
        -1
    ]


def _ever_wrong(builds: int, found: Outcomes) -> tuple[Row, ...]:
    either = np.maximum(found["regression"], found["absolute"])
    naive = np.maximum(found["naive regression"], found["naive absolute"])
    beside = {
        "regression gate alone": found["regression"],
        "absolute gate alone": found["absolute"],
        ".05 each build": naive,
        ".05 each build, 50 builds": found["naive 50"],
    }
    return (
        rate_row(
            "builds-ever-wrong",
            SECTION,
            f"Ever a false alarm over {builds} builds of a model that does not change: two gates on any difference",
            either,
            FIVE_PERCENT,
            rivals=beside,
            note="each gate spends α = .025 over all builds; tests of any difference, so each has its full size",
        ),
        rate_row(
            "builds-ever-beyond",
            SECTION,
            f"Ever a false alarm over {builds} builds whose gap is exactly the tolerance: the absolute gate",
            found["exceeds"],
            FIVE_PERCENT,
            rivals={".05 each build": found["naive exceeds"]},
            note=f"fails where the gap is beyond {TOLERANCE:g}; α = .05 spent over builds",
        ),
    )


def _when_found(found: Outcomes) -> tuple[Row, ...]:
    either = np.maximum(found["regression"], found["absolute"])
    rows = []
    for place in (0, 5, AFTER):
        until = slice(0, place + 1)
        beside = {
            "regression gate alone": found["regression"][:, until].max(axis=1),
            "absolute gate alone": found["absolute"][:, until].max(axis=1),
            ".05 each build": found["naive"][:, until].max(axis=1),
        }
        when = "at build 30 itself" if not place else f"by build {CHANGE + place}"
        what = f"Found: a change of .3 that comes with build 30, {when}"
        hits = either[:, until].max(axis=1)
        note = "the change adds .3 to one group's answers and moves nothing else"
        rows.append(rate_row(f"builds-found-{CHANGE + place}", SECTION, what, hits, None, rivals=beside, note=note))
    return tuple(rows)
