"""Rows on many hypotheses at once: family-wise error under Holm, false discoveries under Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from audit import statistics
from audit.calibration.plan import Plan
from audit.calibration.rows import FIVE_PERCENT, mean_row, rate_row
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Rival, Row
from audit.planted import SCENARIOS, Design, World, realise
from audit.statistics.variance import Reals

SECTION: Final = "Many hypotheses"
# Twelve tasks, each with five groups against one reference: 60 hypotheses, dependent as in a real audit.
TASKS: Final = 12
DESIGN: Final = Design(24, 24, 10, groups=6)
AFFECTED: Final = 6
EFFECT: Final = 0.5
ALPHA: Final = 0.05


def studies(plan: Plan) -> Iterator[Study]:
    """All 60 null, and a tenth of them planted."""
    spec = SCENARIOS["number-0.3"].world
    null, planted = replace(spec, effect=0.0), replace(spec, effect=EFFECT, shape="one_intersection")
    yield Study("many, all null", partial(_simulate, (null,) * TASKS), _all_null, plan.runs, 25)
    worlds = (planted,) * AFFECTED + (null,) * (TASKS - AFFECTED)
    yield Study("many, a tenth planted", partial(_simulate, worlds), _tenth_planted, plan.runs, 25)


def _simulate(worlds: tuple[World, ...], rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs,) family-wise errors, shares of false discoveries and of planted effects found, by procedure."""
    cells = DESIGN.layout()
    true = np.zeros((len(worlds), DESIGN.groups - 1), bool)
    true[:, -1] = [world.effect != 0 for world in worlds]
    rows: list[dict[str, float]] = []
    for _ in range(runs):
        p = [
            gap.p_value
            for world in worlds
            for gap in statistics.two_way_contrast(
                realise(world, cells, rng), cells.group, cells.template, cells.persona, reference="0"
            )
        ]
        rows.append(_tally(np.array(p), true.ravel()))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _tally(p: Reals, true: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> dict[str, float]:
    found = {}
    for name, adjusted in (("holm", statistics.holm(p)), ("bh", statistics.benjamini_hochberg(p)), ("none", p)):
        hits = adjusted <= ALPHA
        false = int((hits & ~true).sum())
        found[f"{name}:any"] = float(false > 0)
        found[f"{name}:share"] = false / max(int(hits.sum()), 1)
        found[f"{name}:power"] = float(hits[true].mean()) if true.any() else 0.0
    return found


def _all_null(found: Outcomes) -> tuple[Row, ...]:
    return _rows(found, "null", "60 hypotheses, all null")


def _tenth_planted(found: Outcomes) -> tuple[Row, ...]:
    rows = _rows(found, "planted", f"60 hypotheses, 6 planted at d = {EFFECT:g}")
    power = mean_row(
        "many-power-holm",
        SECTION,
        "Share of the 6 planted effects that Holm finds",
        found["holm:power"],
        None,
        rivals=_beside(found, "power", {"Benjamini-Hochberg": "bh", "uncorrected .05": "none"}),
    )
    return (*rows, power)


def _rows(found: Outcomes, id: str, words: str) -> tuple[Row, ...]:
    note = f"{TASKS} tasks × 5 groups against one reference, {DESIGN.templates} wordings × {DESIGN.personas} names"
    naive = {"uncorrected .05": found["none:any"]}
    return (
        rate_row(
            f"many-fwer-{id}",
            SECTION,
            f"Family-wise error under Holm, {words}",
            found["holm:any"],
            FIVE_PERCENT,
            rivals=naive,
            note=note,
        ),
        mean_row(
            f"many-fdr-{id}",
            SECTION,
            f"False discovery rate under Benjamini-Hochberg, {words}",
            found["bh:share"],
            FIVE_PERCENT,
            rivals=_beside(found, "share", {"uncorrected .05": "none"}),
        ),
    )


def _beside(found: Outcomes, what: str, names: dict[str, str]) -> tuple[Rival, ...]:
    values = {name: found[f"{key}:{what}"] for name, key in names.items()}
    return tuple(Rival(name, float(v.mean()), float(v.std(ddof=1)) / v.size**0.5) for name, v in values.items())
