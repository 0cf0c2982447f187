"""Rows on false alarms: every null, and the ways that go wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from audit import statistics
from audit.calibration.audits import of_contrasts, outcomes, simulate, with_world
from audit.calibration.plan import Plan
from audit.calibration.rows import FALSE_ALARMS, rate_row, rejected, rivals_of
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row, Target
from audit.planted import SCENARIOS, Scenario
from audit.statistics import Contrast

SECTION = "False alarms"
# Without masking the scorer trap must be seen by anyone who looks at the row.
VISIBLE = Target(low=0.5)
# With ten phrasings the size lies at .058: 2,000 runs could not tell that from .06.
EXPLICIT_TIMES = 10


def studies(plan: Plan) -> Iterator[Study]:
    """One study for each null, one more for each wrong way shown beside it."""
    for scenario in SCENARIOS.values():
        if scenario.null:
            runs = plan.times(EXPLICIT_TIMES if scenario.design.explicit else 1)
            yield Study(f"null {scenario.name}", partial(simulate, scenario, None, True), _size(scenario), runs)
    six = SCENARIOS["six-wordings"]
    yield Study("null six-wordings, blocks as clusters", partial(_blocks_as_clusters, six), _wrong_clusters, plan.runs)
    trap = with_world(SCENARIOS["scorer-trap"], "scorer-trap-unmasked", masked=False)
    yield Study("null scorer-trap without masking", partial(simulate, trap, None, True), _unmasked, plan.runs)


def _size(scenario: Scenario) -> Callable[[Outcomes], tuple[Row, ...]]:
    def judge(found: Outcomes) -> tuple[Row, ...]:
        what = f"False alarms, {scenario.name.replace('-', ' ')}: {scenario.note}"
        hits, beside = rejected(found["p"]), rivals_of(found)
        return (rate_row(f"null-{scenario.name}", SECTION, what, hits, FALSE_ALARMS, rivals=beside),)

    return judge


def _blocks_as_clusters(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    cells = scenario.layout()
    gaps: list[Contrast] = []
    for _ in range(runs):
        y = outcomes(scenario, rng)
        gaps += statistics.two_way_contrast(y, cells.group, cells.block, cells.persona, reference="0")
    return of_contrasts(gaps)


def _wrong_clusters(found: Outcomes) -> tuple[Row, ...]:
    what = "False alarms if 6 wordings over 8 categories are taken for 48 clusters"
    return (
        rate_row("null-48-clusters", SECTION, what, rejected(found["p"]), None, note="the wrong way, for comparison"),
    )


def _unmasked(found: Outcomes) -> tuple[Row, ...]:
    what = "Scorer trap without masking: the same texts read with names and identity words in them"
    hits = rejected(found["p"])
    note = "must fail visibly: that is what the mask is for"
    return (rate_row("null-scorer-trap-unmasked", SECTION, what, hits, VISIBLE, rivals=rivals_of(found), note=note),)
