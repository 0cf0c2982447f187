"""Rows on what the obvious rules do, in the settings that are quoted of them; told, not judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from audit.calibration import rivals
from audit.calibration.plan import Plan
from audit.calibration.rows import mean_row, rate_row
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row

SECTION: Final = "The obvious rules"


def studies(plan: Plan) -> Iterator[Study]:
    """Max minus min of equal groups, and the four-fifths rule on equal rates."""
    yield Study("quoted max minus min", partial(_equal_groups, 8, 200, 0.3), _spread, plan.runs)
    for groups in (2, 8):
        run = partial(_equal_groups, groups, 50, 0.5)
        yield Study(f"quoted four fifths, {groups} groups", run, _four_fifths(groups), plan.runs)


def _equal_groups(groups: int, size: int, rate: float, rng: np.random.Generator, runs: int) -> Outcomes:
    """Independent yes/no answers at one rate in every group."""
    group = np.repeat(np.arange(groups), size)
    y = (rng.random((runs, group.size)) < rate).astype(float)
    means = rivals.group_means(y, group)
    boot = rivals.row_bootstrap(y, group, rng)
    return {
        "spread": means.max(axis=1) - means.min(axis=1),
        "excludes": (boot.spread_low > 0).astype(float),
        "four fifths": rivals.four_fifths(means).astype(float),
    }


def _spread(found: Outcomes) -> tuple[Row, ...]:
    words = "8 equal groups × 200 answers at a rate of .30"
    return (
        mean_row("quoted-max-min", SECTION, f"Mean of max − min, {words}", found["spread"], None),
        rate_row(
            "quoted-max-min-interval",
            SECTION,
            f"Bootstrap intervals of max − min that leave 0 out, {words}",
            found["excludes"],
            None,
            note="fairlearn's difference_ci; read as an interval for a gap it always sees one",
        ),
    )


def _four_fifths(groups: int) -> Callable[[Outcomes], tuple[Row, ...]]:
    def judge(found: Outcomes) -> tuple[Row, ...]:
        what = f"Flagged by the four-fifths rule as a point rule, {groups} equal groups × 50 answers at a rate of .5"
        return (rate_row(f"quoted-four-fifths-{groups}", SECTION, what, found["four fifths"], None),)

    return judge
