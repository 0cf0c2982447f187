"""The whole pipeline on a planted scenario, beside the arrays: both must say the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit import pipeline
from audit.calibration.audits import contrast
from audit.calibration.suites import axis_of, config_for, form_of, unit_of, write_suite
from audit.planted import Scenario, draw
from audit.planted.backend import PlantedBackend
from audit.planted.spec import of_scenario
from audit.planted.texts import LABELS
from audit.statistics import Contrast

EQUAL: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Through:
    """One run of a scenario through the pipeline, on the scenario's scale.

    ``estimate`` to ``n_cells`` are the finding's; ``array`` is the contrast of the
    cell means themselves; ``size`` the largest absolute cell mean, the scale on which
    the two are compared; ``outcome`` what the gate said.
    """

    scenario: str
    seed: int
    estimate: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    n_cells: int
    outcome: str
    array: Contrast
    size: float

    @property
    def difference(self) -> float:
        """The largest difference between pipeline and array.

        Of estimate, se and interval relative to ``size``, of df relative to df, of p as it is; inf where
        one of the two has a figure and the other none, or the numbers of cells differ.
        """
        pairs = [
            (getattr(self, name), getattr(self.array, name), self.size)
            for name in ("estimate", "se", "ci_low", "ci_high")
        ]
        pairs += [(self.df, self.array.df, max(self.array.df, 1.0)), (self.p_value, self.array.p_value, 1.0)]
        if self.n_cells != self.array.n_cells:
            return float("inf")
        return max(_apart(ours, theirs) / scale for ours, theirs, scale in pairs)

    @property
    def equal(self) -> bool:
        """Whether the two agree to 1e-12."""
        return self.difference <= EQUAL


def through_pipeline(scenario: Scenario, seed: int, folder: Path, *, tolerance: float = 0.2) -> Through:
    """Audit the planted model of ``scenario`` from generated suites to the verdict.

    Parameters
    ----------
    scenario
        Any scenario; its world and design need not be those of the benchmark.
    seed
        Of the run, and of the cell means that are compared with it.
    folder
        Where suites and the run are written; the run is removed when it is read.
    tolerance
        Of the one rule that is judged, on the scenario's scale.

    Raises
    ------
    ConfigError
        If the pipeline refuses what was generated.
    LookupError
        If it made no finding of the scenario's metric.
    """
    suites = folder / "suites"
    write_suite(scenario, suites)
    config = config_for(scenario, seed, suites, tolerance)
    out = folder / f"run-{seed}"
    spec = replace(of_scenario(scenario), axis=axis_of(scenario), unit=unit_of(scenario))
    run = replace(pipeline.start(config, out, fresh=True), backend=PlantedBackend(config, spec))
    pipeline.complete(run)
    pipeline.score(run)
    findings = pipeline.measure(run)
    pipeline.gate(run)
    outcome = run.table("verdicts")["outcome"][0].as_py()
    shutil.rmtree(out)
    return _beside(scenario, seed, _finding(scenario, findings), outcome)


def _finding(scenario: Scenario, findings: pa.Table) -> dict[str, Any]:
    wanted = {
        "statistic": "contrast",
        "arm": "target",
        "metric": scenario.metric,
        "axis": axis_of(scenario),
        "group": LABELS[scenario.design.groups - 1],
        "category": None,
    }
    for row in findings.to_pylist():
        if all(row[column] == value for column, value in wanted.items()):
            return dict(row)
    raise LookupError(f"scenario {scenario.name}: the pipeline found nothing about {scenario.metric}")


def _beside(scenario: Scenario, seed: int, finding: dict[str, Any], outcome: str) -> Through:
    # Numbers of a ratio have no unit; the rest are put back on the scenario's scale.
    unit = unit_of(scenario) if form_of(scenario) == "number" else 1.0
    values = draw(scenario, seed)
    figures = {name: _real(finding[name]) / unit for name in ("estimate", "se", "ci_low", "ci_high")}
    return Through(
        scenario=scenario.name,
        seed=seed,
        df=_real(finding["df"]),
        p_value=_real(finding["p_value"]),
        n_cells=finding["n_cells"],
        outcome=outcome,
        array=contrast(scenario.metric, scenario.layout(), values),
        size=float(np.nanmax(np.abs(values))),
        **figures,
    )


def _real(value: float | None) -> float:
    return float("nan") if value is None else value


def _apart(first: float, second: float) -> float:
    if np.isnan(first) and np.isnan(second):
        return 0.0
    apart = abs(first - second)
    return float("inf") if np.isnan(apart) else apart
