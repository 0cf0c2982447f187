from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from audit import cli, statistics
from audit.calibration import Benchmark, Plan, Row, Target, benchmark, calibrate, plan_for, to_json
from audit.calibration.pipelines import delta_error
from audit.calibration.studies import Study, run_studies
from audit.planted import SCENARIOS

CHOSEN = (
    "null name-noise-0.1",
    "null scorer-trap",
    "null scorer-trap without masking",
    "null six-wordings, blocks as clusters",
    "effect number-0.3",
    "effect ratio-0.8",
    "effect tail-refusals",
    "hidden sign flip",
    "hidden refusals",
    "many, a tenth planted",
    "exact against sampled",
    "quoted four fifths, 8 groups",
)


def studies(plan: Plan, *names: str) -> list[Study]:
    """The studies of these names."""
    known = {study.id: study for study in benchmark.studies_of(plan)}
    return [known[name] for name in names]


@pytest.fixture(scope="module")
def found() -> Benchmark:
    plan = plan_for(True, 30)
    return calibrate(plan, seed=1, jobs=1, studies=studies(plan, *CHOSEN))


def row(found: Benchmark, name: str) -> Row:
    return next(row for row in found.rows if row.id == name)


def test_few_runs_give_what_many_would(found: Benchmark) -> None:
    assert found.failed == ()
    assert row(found, "null-name-noise-0.1").figure < 0.2
    assert row(found, "power-number-0.3").figure > 0.9
    assert row(found, "coverage-number-0.3").figure > 0.8
    assert row(found, "error-ratio-0.8").figure < 0.02
    assert row(found, "hidden-sign-flip").figure > 0.9
    assert row(found, "hidden-refusals").figure > 0.9
    assert row(found, "many-power-holm").figure > 0.8
    assert row(found, "quoted-four-fifths-8").figure > 0.7
    assert 0 < row(found, "exact-against-sampled").figure < 3


def test_what_goes_wrong_on_purpose_visibly_does(found: Benchmark) -> None:
    assert row(found, "null-scorer-trap").figure < 0.2
    assert row(found, "null-scorer-trap-unmasked").figure > 0.9
    assert row(found, "null-48-clusters").figure > row(found, "null-name-noise-0.1").figure
    beside = {rival.name: rival.figure for rival in row(found, "null-name-noise-0.1").rivals}
    assert beside["fairlearn bootstrap"] == 1
    assert beside["row-wise Welch"] > row(found, "null-name-noise-0.1").figure


def test_figures_do_not_depend_on_the_number_of_processes() -> None:
    plan = plan_for(True, 6)
    chosen = [replace(study, chunk=2) for study in studies(plan, "null name-noise-0.1", "effect log-odds-0.2")]
    one, two = (run_studies(chosen, 3, jobs, benchmark.Silent()) for jobs in (1, 2))
    for study in chosen:
        assert one[study.id].keys() == two[study.id].keys()
        for name, values in one[study.id].items():
            assert np.array_equal(values, two[study.id][name], equal_nan=True), name


def test_figures_follow_from_the_seed() -> None:
    plan = plan_for(True, 4)
    chosen = studies(plan, "null name-noise-0.1")
    first, again, other = (run_studies(chosen, seed, 1, benchmark.Silent())[chosen[0].id] for seed in (1, 1, 2))
    assert np.array_equal(first["estimate"], again["estimate"])
    assert not np.isin(first["estimate"], other["estimate"]).any()


def test_another_study_beside_it_changes_no_figure() -> None:
    plan = plan_for(True, 4)
    alone = studies(plan, "null name-noise-0.1")
    beside = studies(plan, "null pure-noise", "null name-noise-0.1")
    first, second = (run_studies(chosen, 1, 1, benchmark.Silent())["null name-noise-0.1"] for chosen in (alone, beside))
    assert np.array_equal(first["estimate"], second["estimate"])


def test_every_row_of_the_specification_is_there() -> None:
    ids = {study.id for study in benchmark.studies_of(plan_for(False, None))}
    for name, scenario in SCENARIOS.items():
        assert name == "build-30" or f"{'null' if scenario.null else 'effect'} {name}" in ids
        assert f"pipeline {name}" in ids
    assert {"pipeline, real model", "builds, 200 without a change", "builds, change at 30"} <= ids
    assert {"many, all null", "many, a tenth planted", "effect none, equivalence", "exact against sampled"} <= ids


def test_full_mode_has_no_widened_target() -> None:
    plan = Plan(10, 1, False)
    chosen = studies(plan, "null name-noise-0.1", "effect log-odds-0.1")
    rows = calibrate(plan, jobs=1, studies=chosen).rows
    assert {row.target for row in rows if row.target} == {Target(high=0.06), Target(0.93, 0.97), Target(high=0.02)}


def test_planted_delta_on_a_real_model_is_found_exactly(gpt2_folder: Path, tmp_path: Path) -> None:
    assert abs(delta_error(str(gpt2_folder), 0)) <= 1e-9


def evenhand(*words: object) -> Result:
    return CliRunner().invoke(cli.main, list(map(str, words)), prog_name="evenhand")


@pytest.fixture
def short_benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A benchmark of two studies, and a folder for it."""
    monkeypatch.chdir(tmp_path)
    everything = benchmark.studies_of

    def few(plan: Plan) -> list[Study]:
        return [study for study in everything(plan) if study.id in ("null name-noise-0.2", "effect number-0.5")]

    monkeypatch.setattr(benchmark, "studies_of", few)
    return tmp_path


def test_command_writes_the_same_rows_in_three_formats(short_benchmark: Path) -> None:
    done = evenhand("calibrate", "--quick", "--runs", 50, "--jobs", 1, "--seed", 5)
    assert done.exit_code == 0
    folder = short_benchmark / ".evenhand" / "calibration"
    told = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    page, text = ((folder / f"calibration.{form}").read_text(encoding="utf-8") for form in ("html", "md"))
    assert done.stdout.splitlines() == [told["sentence"], f"report  {Path('.evenhand/calibration/calibration.html')}"]
    assert (told["seed"], told["mode"], told["command"]) == (
        5,
        "quick",
        "evenhand calibrate --quick --seed 5 --runs 50",
    )
    assert told["passed"] is True
    for row in told["rows"]:
        assert f'data-row="{row["id"]}" data-passed="{str(row["passed"]).lower() if row["target"] else ""}"' in page
    tables = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Figure")]
    assert len(tables) == len(told["rows"])
    assert text.count("✓ pass") == sum(row["passed"] is True for row in told["rows"]) > 2


def test_a_wrong_statistic_fails_the_command(short_benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = statistics.two_way_contrast

    def rows_for_clusters(*args: Any, **options: Any) -> Any:
        """The cells taken for independent: the standard error of names and wordings is lost."""
        return tuple(replace(gap, p_value=gap.p_value**4, ci_low=gap.estimate) for gap in real(*args, **options))

    monkeypatch.setattr(statistics, "two_way_contrast", rows_for_clusters)
    done = evenhand("calibrate", "--quick", "--runs", 60, "--jobs", 1, "--out", "out", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert done.stdout == (short_benchmark / "out" / "calibration.json").read_text(encoding="utf-8")
    missed = {row["id"] for row in told["rows"] if row["passed"] is False}
    assert missed == {"null-name-noise-0.2", "coverage-number-0.5"}
    assert told["sentence"] == (
        f"FAIL: 2 of {sum(row['target'] is not None for row in told['rows'])} judged figures miss their targets: "
        "null-name-noise-0.2, coverage-number-0.5."
    )


def test_a_folder_that_cannot_be_written_is_told_before_the_work(short_benchmark: Path) -> None:
    (short_benchmark / "taken").write_text("", encoding="utf-8")
    done = evenhand("calibrate", "--quick", "--out", "taken")
    assert done.exit_code == 2
    assert done.stderr.startswith("evenhand: --out taken: cannot be written to (")
    assert done.stderr.count("\n") == 1


def test_what_could_not_be_computed_is_null_and_fails(found: Benchmark) -> None:
    broken = replace(row(found, "null-name-noise-0.1"), figure=float("nan"))
    told = json.loads(to_json(replace(found, rows=(broken,))))
    assert (told["rows"][0]["figure"], told["rows"][0]["passed"], told["passed"]) == (None, False, False)


def test_ctrl_c_stops_all_processes_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evenhand", "calibrate", "--jobs", "2", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True, "start_new_session": True}
    # Tests that run in the background may have been told to ignore it, which a child inherits.
    options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stderr=subprocess.PIPE, **options) as process:
        # Two workers, and the process by which Python keeps track of what they share.
        assert eventually(lambda: len(members(process.pid)) == 4), "no worker started"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "evenhand: stopped; nothing was written\n"
    assert list((tmp_path / "out").iterdir()) == []
    assert eventually(lambda: members(process.pid) == [])


def members(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.1)
    return False
