"""Rows on the whole pipeline: suites, tables and files give what arrays give; and a real model with a known bias."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from audit.calibration.plan import Plan
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row, Target
from audit.planted import SCENARIOS, Scenario

if TYPE_CHECKING:
    import pyarrow as pa

    from audit.backends.protocol import Backend, Batch
    from audit.config import Config

SECTION: Final = "Through the whole pipeline"
EQUAL: Final = Target(high=1e-12)
EXACT: Final = Target(high=1e-9)
DELTA: Final = 0.3
QUICK: Final = ("number-0.3", "log-odds-0.2", "ratio-0.8", "equal-refusals")
MODEL: Final = "embedded:smollm2"
TASK: Final = "refund_decision"
_NAMES: Final = {
    "male": ("Bradley", "Hunter", "Seth", "Scott", "Brett", "Todd", "Tanner", "Matthew", "Ryan", "Dustin"),
    "female": ("Megan", "Beth", "Kristen", "Holly", "Laurie", "Kathleen", "Heather", "Molly", "Allison", "Claire"),
}


def studies(plan: Plan) -> Iterator[Study]:
    """Each scenario through the pipeline; once the embedded model with ``DELTA`` added."""
    for name in QUICK if plan.quick else SCENARIOS:
        scenario = SCENARIOS[name]
        yield Study(f"pipeline {name}", partial(_through, scenario), _same(scenario), plan.through, 1)
    if not plan.quick:
        yield Study("pipeline, real model", _real_model, _added, 1)


def _through(scenario: Scenario, rng: np.random.Generator, runs: int) -> Outcomes:
    from audit.calibration.through import through_pipeline

    found: dict[str, list[float]] = {"difference": [], "failed": [], "passed": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            run = through_pipeline(scenario, int(rng.integers(2**31)), Path(folder))
            found["difference"].append(run.difference)
            found["failed"].append(float(run.outcome == "fail"))
            found["passed"].append(float(run.outcome == "pass"))
    return {name: np.array(values) for name, values in found.items()}


def _same(scenario: Scenario) -> Callable[[Outcomes], tuple[Row, ...]]:
    def judge(found: Outcomes) -> tuple[Row, ...]:
        figure, runs = float(found["difference"].max()), found["difference"].size
        what = f"Largest relative difference between pipeline and arrays, {scenario.name.replace('-', ' ')}"
        note = f"the gate at a tolerance of .2: {found['failed'].sum():.0f} fail, {found['passed'].sum():.0f} pass"
        return (Row(f"pipeline-{scenario.name}", SECTION, what, figure, 0.0, runs, EQUAL, (), note),)

    return judge


def _real_model(rng: np.random.Generator, runs: int) -> Outcomes:
    return {"error": np.array([delta_error(MODEL, int(rng.integers(2**31))) for _ in range(runs)])}


def _added(found: Outcomes) -> tuple[Row, ...]:
    what = f"Embedded model with δ = {DELTA:g} added to one group's log-odds: change of the estimate less δ"
    note = f"{TASK}, {sum(map(len, _NAMES.values()))} names; the truth is known in closed form"
    figure = float(np.abs(found["error"]).max())
    return (Row("pipeline-real-model", SECTION, what, figure, 0.0, found["error"].size, EXACT, (), note),)


def delta_error(model: str, seed: int, suites: Sequence[Path] | None = None) -> float:
    """How far the estimate moves beyond ``DELTA`` when that is added to the answers of ``model``.

    The model is asked once; both runs, with and without δ, read the same answers.
    """
    from audit.backends import open_backend
    from audit.planted.spec import read_spec
    from audit.planted.wrapper import WrappedBackend

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = _small_audit(home, model, seed, suites)
        alone = _Once(open_backend(config))
        spec = read_spec(f"planted:delta={DELTA},axis=gender,group=female@{model}")
        wrapped = WrappedBackend(config, spec)
        wrapped.inner = alone
        before, after = _estimate(config, home / "alone", alone), _estimate(config, home / "wrapped", wrapped)
    return after - before - DELTA


def _small_audit(folder: Path, model: str, seed: int, suites: Sequence[Path] | None) -> Config:
    from audit.config import load_config

    personas = folder / "personas.toml"
    lines = ['locale = "en"', "[reference]", 'gender = "male"']
    for group, names in _NAMES.items():
        listed = ", ".join(f'"{name}"' for name in names)
        lines += ["[[names]]", f'attributes = {{ gender = "{group}" }}', f"names = [{listed}]"]
    personas.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = folder / "evenhand.toml"
    config.write_text(f'[run]\npersonas = "{personas.name}"\n[gate]\npreset = "none"\n', encoding="utf-8")
    loaded = (
        load_config(config).changed("model", name=model).changed("run", seed=seed, tasks=(TASK,), manipulation=False)
    )
    return loaded.changed("run", suites=tuple(suites)) if suites else loaded


def _estimate(config: Config, out: Path, backend: Backend) -> float:
    from audit import pipeline

    run = replace(pipeline.start(config, out, fresh=True), backend=backend)
    pipeline.complete(run)
    pipeline.score(run)
    for row in pipeline.measure(run).to_pylist():
        told = (row["statistic"], row["arm"], row["metric"], row["axis"], row["category"])
        if told == ("contrast", "target", "log_odds", "gender", None):
            return float(row["estimate"])
    raise LookupError("the pipeline found no gap in log-odds")


class _Once:
    """A backend whose answers are kept, so that a second run of the same probes costs nothing."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.kept: dict[tuple[str, bytes, bytes], pa.Table] = {}

    def identity(self) -> str:
        """The backend's own."""
        return self.inner.identity()

    def describe(self) -> Mapping[str, Any]:
        """The backend's own facts."""
        return self.inner.describe()

    def plan(self, probes: pa.Table) -> Sequence[Batch]:
        """The backend's own batches."""
        return self.inner.plan(probes)

    def complete(self, probes: pa.Table, batch: Batch) -> pa.Table:
        """Ask, or give what was answered before."""
        key = (batch.kind, np.asarray(batch.rows).tobytes(), np.asarray(batch.draws).tobytes())
        if key not in self.kept:
            self.kept[key] = self.inner.complete(probes, batch)
        return self.kept[key]
