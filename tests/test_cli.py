from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit import cli, pipeline, tables
from audit.config import Config, parse
from audit.errors import BackendError, NothingEvaluatedError
from audit.gate import decide, overall
from audit.manifest import Manifest

VERBS = ("plan", "run", "score", "measure", "gate", "report", "list", "privacy", "calibrate", "finetune", "mitigate")
RULE = {"name": "refund", "task": "refund_decision", "metric": "log_odds", "axis": "gender", "tolerance": 0.2}
# Estimate and standard error of the gap, and the lower end of the control, that lead to each outcome.
FAIL, PASS, OPEN, DEAD = (0.8, 0.02, 0.4), (0.01, 0.01, 0.4), (0.1, 0.2, 0.4), (0.8, 0.02, -0.1)


@pytest.fixture(autouse=True)
def no_config_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in a folder without a config of its own."""
    monkeypatch.chdir(tmp_path)


def evenhand(*words: object) -> Result:
    return CliRunner().invoke(cli.main, list(map(str, words)), prog_name="evenhand")


def finding(kind: str, arm: str, group: str, reference: str, axis: str, **values: Any) -> dict[str, Any]:
    row = {
        "finding_id": f"{arm}-{kind}-{group}",
        "kind": kind,
        "statistic": "mean" if kind == "level" else kind,
        "domain": "fairness",
        "metric": "log_odds",
        "scale": "log-odds",
        "task": "refund_decision",
        "locale": "en",
        "cue_channel": "name" if arm == "target" else None,
        "axis": axis,
        "group": group,
        "reference": reference,
        "arm": arm,
        "n_cells": 960,
        "n_blocks": 24,
        "n_templates": 24,
        "n_personas": 20,
        "method": "made up",
    }
    return row | values


def write_findings(folder: Path, case: tuple[float, float, float] | None, level: str = "error") -> Path:
    """A run folder that holds findings and a manifest, as ``gate`` needs them."""
    from scipy import stats

    rows = []
    if case is not None:
        estimate, se, control = case
        reach = stats.t.ppf(0.975, 20) * se
        p_value = 2 * stats.t.sf(abs(estimate) / se, 20)
        spread = {"estimate": estimate, "se": se, "df": 20.0, "p_value": float(p_value)}
        ends = {"ci_low": estimate - reach, "ci_high": estimate + reach}
        rows.append(finding("contrast", "target", "female", "male", "gender", **spread, **ends))
        effect = {"estimate": control + 0.2, "se": 0.1, "df": 23.0, "ci_low": control, "ci_high": control + 0.4}
        rows.append(finding("contrast", "positive_control", "favourable", "unfavourable", "control", **effect))
    table = tables.from_rows("findings", rows)
    manifest = Manifest(folder)
    config = parse(Config, {"gate": {"preset": "none", "rules": [RULE | {"level": level}]}}, "test")
    manifest.data["config"] = json.loads(config.model_dump_json())
    path = tables.write("findings", table, folder / "findings.parquet")
    manifest.record("measure", {}, 0.0, {"findings": (path, table.num_rows)})
    manifest.save()
    return folder


@pytest.mark.parametrize(
    ("case", "level", "strict", "code", "word"),
    [
        (PASS, "error", False, 0, "PASS"),
        (FAIL, "error", False, 1, "FAIL"),
        (FAIL, "error", True, 1, "FAIL"),
        (FAIL, "warn", False, 0, "INCONCLUSIVE"),
        (OPEN, "error", False, 0, "INCONCLUSIVE"),
        (OPEN, "error", True, 4, "INCONCLUSIVE"),
        (DEAD, "error", False, 5, "NO VERDICT"),
        (DEAD, "error", True, 5, "NO VERDICT"),
        (None, "error", False, 5, "NO VERDICT"),
        (PASS, "off", False, 5, "NO VERDICT"),
    ],
)
def test_gate_exits_with_the_verdicts_code(
    case: tuple[float, float, float] | None, level: str, strict: bool, code: int, word: str, tmp_path: Path
) -> None:
    folder = write_findings(tmp_path / "run", case, level)
    done = evenhand("gate", folder, *(["--strict"] if strict else []))
    assert done.exit_code == code
    assert done.stdout.startswith(f"{word}: ")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    config = parse(Config, Manifest.load(folder).data["config"], "test")
    here = overall(decide(tables.read("findings", folder / "findings.parquet"), config), strict=strict)
    assert (here.exit_code, f"{here.sentence}\n") == (code, done.stdout)


def test_gate_prints_the_evidence_as_json(tmp_path: Path) -> None:
    folder = write_findings(tmp_path / "run", FAIL)
    done = evenhand("gate", folder, "--json")
    assert done.exit_code == 1
    assert done.stdout == (folder / "verdicts.json").read_text(encoding="utf-8")
    told = json.loads(done.stdout)
    assert (told["exit_code"], told["outcome"]) == (1, "fail")


def test_gate_exits_1_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = write_findings(tmp_path / "run", FAIL)
    command = [sys.executable, "-m", "evenhand", "gate", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAIL: ")


@pytest.mark.parametrize("kind", ["pass", "fail", "dead"])
def test_report_and_gate_tell_the_same(kind: str, tmp_path: Path) -> None:
    from tests.reports.conftest import write_run

    folder = write_run(tmp_path / "run", kind)
    done = evenhand("report", folder)
    assert (done.exit_code, done.stdout) == (0, f"{folder / 'report.html'}\n")
    done = evenhand("gate", folder, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == told["exit_code"]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert f'id="verdict" data-outcome="{told["outcome"]}" data-exit-code="{told["exit_code"]}"' in html
    rows = {(row["finding_id"], row["outcome"]) for row in told["verdicts"] if row["finding_id"]}
    assert set(re.findall(r'data-finding="(\w+)" data-outcome="(\w+)"', html)) == rows
    assert told["sentence"] in (folder / "summary.md").read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_every_verb_has_help(verb: str | None) -> None:
    done = evenhand(*([verb] if verb else []), "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: evenhand {verb or ''}".rstrip())
    assert done.stderr == ""


def test_help_names_every_verb_and_exit_code() -> None:
    text = evenhand("--help").stdout
    assert set(cli.main.commands) == set(VERBS)
    assert [verb for verb in VERBS if not re.search(rf"^  {verb}\b", text, re.MULTILINE)] == []
    assert [code for code in range(6) if not re.search(rf"\b{code}  \w", text)] == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["run", "--nonsense"], "No such option"),
        (["run", "--seed", "x"], "Invalid value for '--seed'"),
        (["gate", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(words: list[str], complaint: str) -> None:
    done = evenhand(*words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.startswith("evenhand: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_no_verb_shows_help_and_exits_2() -> None:
    done = evenhand()
    assert done.exit_code == 2
    assert "Usage: evenhand" in done.output


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], Result]:
    """Runs an audit in which something is raised."""

    def run(error: BaseException) -> Result:
        def fail(*args: Any, **options: Any) -> None:
            raise error

        monkeypatch.setattr(pipeline, "run_audit", fail)
        return evenhand("run", "--quiet")

    return run


def test_an_unexpected_error_exits_3_and_says_that_work_is_kept(failing: Callable[[BaseException], Result]) -> None:
    done = failing(ZeroDivisionError("oh"))
    assert done.exit_code == 3
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("evenhand: an error of evenhand's own (ZeroDivisionError)")
    assert "kept" in lines[-1]


@pytest.mark.parametrize(
    ("error", "code"), [(BackendError("the model is gone"), 3), (NothingEvaluatedError("nothing to ask"), 5)]
)
def test_an_expected_error_is_one_line_with_its_code(
    error: Exception, code: int, failing: Callable[[BaseException], Result]
) -> None:
    done = failing(error)
    assert (done.exit_code, done.stderr) == (code, f"evenhand: {error}\n")


def test_a_stop_by_the_person_is_one_line(failing: Callable[[BaseException], Result]) -> None:
    done = failing(KeyboardInterrupt())
    assert done.exit_code == 130
    assert done.stderr.strip() == "evenhand: stopped; what was finished is kept, the same command goes on from there"


def test_run_exits_0_whatever_the_verdict_unless_it_is_to_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = write_findings(tmp_path / "run", FAIL)
    monkeypatch.setattr(
        pipeline, "run_audit", lambda *args, **options: (folder, pipeline.gate(pipeline.resume(folder)))
    )
    monkeypatch.setattr(cli.runs, "render", lambda *args: folder / "report.html")
    codes = {option: evenhand("run", "--quiet", *option.split()).exit_code for option in ("", "--gate", "--strict")}
    assert codes == {"": 0, "--gate": 1, "--strict": 1}


def test_options_of_run_reach_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def audit(config: Config, out: Path | None, **options: Any) -> None:
        seen.update(options, config=config, out=out)
        raise NothingEvaluatedError("enough")

    monkeypatch.setattr(pipeline, "run_audit", audit)
    evenhand("run", "--model", "hf:a/b", "--seed", 3, "--sample", 0, "--task", "x", "--task", "y", "--out", "o")
    assert seen["config"].model.name == "hf:a/b"
    assert (seen["config"].run.seed, seen["config"].run.sample, seen["config"].run.tasks) == (3, 0, ("x", "y"))
    assert seen["out"] == Path("o")
    assert seen["fresh"] is False
    assert seen["command"] == "evenhand run --model hf:a/b --out o --seed 3 --sample 0 --task x --task y"


def test_list_shows_a_line_for_each_task() -> None:
    lines = evenhand("list").stdout.splitlines()
    assert {line.split("\t")[0] for line in lines} == {
        "refund_decision",
        "discount",
        "service_reply",
        "open_completion",
    }
    assert {len(line.split("\t")) for line in lines} == {5}


def test_gate_takes_the_newest_run_when_none_is_named() -> None:
    write_findings(Path(".evenhand/runs/one"), FAIL)
    assert evenhand("gate").exit_code == 1


def test_gate_judges_by_the_config_of_this_folder(tmp_path: Path) -> None:
    folder = write_findings(tmp_path / "run", FAIL)
    rule = "\n".join(f"{key} = {value!r}" for key, value in (RULE | {"tolerance": 2.0}).items())
    (tmp_path / "evenhand.toml").write_text(f"gate.preset = 'none'\n[[gate.rules]]\n{rule}\n", encoding="utf-8")
    assert evenhand("gate", folder).exit_code == 0


def test_score_and_measure_say_what_they_wrote(gpt2_folder: Path, tmp_path: Path) -> None:
    from audit.config import load_config
    from tests import tiny

    config = load_config(tiny.write_audit(tmp_path, gpt2_folder)).changed("run", tasks=["swap"])
    folder, _ = pipeline.run_audit(config, tmp_path / "run")
    for name in ("scores", "findings"):
        (folder / f"{name}.parquet").unlink()
    for verb, name in (("score", "scores"), ("measure", "findings")):
        done = evenhand(verb, folder)
        assert (done.exit_code, done.stdout) == (0, f"{folder / name}.parquet\n")
        assert tables.read(name, folder / f"{name}.parquet").num_rows
    shutil.rmtree(folder)
