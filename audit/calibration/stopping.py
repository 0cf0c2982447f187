"""Rows on runs that stop at their verdict: three planned looks, and steps of fresh stimuli, through the gate itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from scipy import special

from audit import statistics, tables
from audit.calibration.plan import Plan
from audit.calibration.rows import FALSE_ALARMS, rate_row
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row
from audit.config import Config, GateConfig, RuleConfig
from audit.fairness.rows import Subject, contrast_row
from audit.fairness.terms import Terms
from audit.gate import decide_looks, decide_steps
from audit.planted import SCENARIOS, Layout, World, realise
from audit.statistics import Contrast
from audit.statistics.variance import Reals

SECTION: Final = "Stopping early"
TOLERANCE: Final = 0.2
LOOKS: Final = (20, 40, 60)
STEPS: Final = 300
# Beta distributions of this concentration: answers from 0 to 1, most of them in between.
CONCENTRATION: Final = 6.0

_TERMS: Final = Terms({"group": "0"}, units={"planted": "number"})
_PLACE: Final = {"task": "planted", "locale": "en", "axis": "group", "group": "1", "reference": "0"}


def studies(plan: Plan) -> Iterator[Study]:
    """A gap that is exactly the tolerance, where a fail and a pass are both wrong; and no gap at all."""
    edge = SCENARIOS["number-0.2"]
    none = replace(edge.world, effect=0.0)
    at_edge, without = partial(_looks, edge.world, edge.layout()), partial(_looks, none, edge.layout())
    yield Study("stopping, looks at the tolerance", at_edge, _looks_at_edge, plan.runs, 25)
    yield Study("stopping, looks without a gap", without, _looks_without, plan.runs, 25)
    yield Study("stopping, steps at the tolerance", _steps, _steps_at_edge, plan.runs, 50)


def _looks(world: World, cells: Layout, rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs,) what the gate says after three looks at α/3, and after three looks each at α."""
    config = _config("expected_number", "number")
    found = {name: np.zeros(runs) for name in ("fail", "pass", "naive fail", "naive pass", "last pass")}
    for run in range(runs):
        y = realise(world, cells, rng)
        looks = [_findings(_contrast(y, cells, size), "expected_number", "number") for size in LOOKS]
        for name, shown, planned in (("", looks, 3), ("naive ", looks, 1), ("last ", looks[-1:], 1)):
            outcomes = decide_looks(shown, config, planned=planned)[0]["outcome"].to_pylist()
            for outcome in ("fail", "pass"):
                if name + outcome in found:
                    found[name + outcome][run] = outcome in outcomes
    return found


def _steps(rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs,) what the gate says of steps whose mean difference is exactly the tolerance."""
    config = _config("p_favourable", "decision")
    beside = _findings(_some_contrast(), "p_favourable", "decision")
    found = {name: np.zeros(runs) for name in ("fail", "pass", "t fail", "t pass")}
    for run in range(runs):
        high, low = (rng.beta(mean * CONCENTRATION, (1 - mean) * CONCENTRATION, STEPS) for mean in (0.6, 0.4))
        gaps = high - low
        outcomes = decide_steps(_table(gaps), beside, config)[0]["outcome"].to_pylist()
        found["fail"][run], found["pass"][run] = "fail" in outcomes, "pass" in outcomes
        found["t fail"][run], found["t pass"][run] = _by_t(gaps)
    return found


def _looks_at_edge(found: Outcomes) -> tuple[Row, ...]:
    note = f"{LOOKS[0]}, {LOOKS[1]} and {LOOKS[2]} wordings × 10 names, the gap and the tolerance {TOLERANCE:g}"
    return tuple(
        rate_row(
            f"looks-false-{outcome}",
            SECTION,
            f"A {outcome} at any of three planned looks, the gap being exactly the tolerance",
            found[outcome],
            FALSE_ALARMS,
            rivals={"three looks at .05": found[f"naive {outcome}"]},
            note=note,
        )
        for outcome in ("fail", "pass")
    )


def _looks_without(found: Outcomes) -> tuple[Row, ...]:
    what = "A pass at any of three planned looks, there being no gap"
    beside = {"one look at the end at .05": found["last pass"]}
    return (rate_row("looks-right-pass", SECTION, what, found["pass"], None, rivals=beside),)


def _steps_at_edge(found: Outcomes) -> tuple[Row, ...]:
    return tuple(
        rate_row(
            f"steps-false-{outcome}",
            SECTION,
            f"A {outcome} at any of {STEPS} steps of fresh stimuli, the mean difference being exactly the tolerance",
            found[outcome],
            FALSE_ALARMS,
            rivals={"t-test after every step": found[f"t {outcome}"]},
            note="probabilities of a decision, beta distributed; confidence sequences through the gate",
        )
        for outcome in ("fail", "pass")
    )


def _contrast(y: Reals, cells: Layout, templates: int) -> Contrast:
    """The contrast on the first wordings."""
    asked = cells.template < templates
    codes = (cells.group[asked], cells.template[asked], cells.persona[asked])
    return statistics.two_way_contrast(y[asked], *codes, reference="0", block=cells.block[asked])[-1]


def _config(metric: str, form: str) -> Config:
    rule = RuleConfig(name=form, task="planted", metric=metric, axis="group", tolerance=TOLERANCE)
    return Config(gate=GateConfig(preset="none", rules=(rule,)))


def _findings(gap: Contrast, metric: str, form: str) -> pa.Table:
    """The findings of a run with one comparison and a control that is alive."""
    about = Subject("planted", "en", metric, form, "target", "name", "group")
    alive = replace(gap, group="favourable", reference="unfavourable", estimate=3.0, ci_low=2.0, ci_high=4.0)
    control = Subject("planted", "en", metric, form, "positive_control", None, "control")
    rows = [contrast_row(about, gap, _TERMS, "planted"), contrast_row(control, alive, _TERMS, "planted")]
    return tables.from_rows("findings", rows)


def _some_contrast() -> Contrast:
    """What stands in the findings beside the steps: enough names and wordings, and a spread."""
    counts: Mapping[str, Any] = {"n_cells": 2 * STEPS, "n_blocks": STEPS, "n_templates": STEPS, "n_personas": STEPS}
    ends: Mapping[str, Any] = {"estimate": 0.0, "se": 0.1, "df": 50.0, "ci_low": -0.2, "ci_high": 0.2}
    return Contrast(group="1", reference="0", p_value=1.0, mde=0.3, **ends, **counts)


def _table(gaps: Reals) -> pa.Table:
    common = _PLACE | {"metric": "p_favourable", "low": -1.0, "high": 1.0}
    rows = [common | {"step": n, "template_id": str(n), "value": float(gap)} for n, gap in enumerate(gaps, 1)]
    return tables.from_rows("steps", rows)


def _by_t(gaps: Reals) -> tuple[bool, bool]:
    """Whether a t-test after every step, from the tenth on, ever finds the gap beyond, or within, the tolerance."""
    n = np.arange(1, gaps.size + 1)
    mean = np.cumsum(gaps) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt((np.cumsum(gaps**2) / n - mean**2) / (n - 1))
    late = slice(9, None)
    t = (mean[late] - TOLERANCE) / se[late]
    return bool((t > special.stdtrit(n[late] - 1, 0.975)).any()), bool((t < special.stdtrit(n[late] - 1, 0.05)).any())
