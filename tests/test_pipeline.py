from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from audit import pipeline, run_folder, tables
from audit.backends.local import LocalBackend
from audit.config import Config, load_config
from audit.errors import BackendError, ConfigError
from audit.gate import overall
from audit.manifest import Manifest
from tests import tiny

STAGES = ("complete", "score", "measure", "gate")
TABLES = ("personas", "probes", "completions", "scores", "findings", "verdicts")
# So small that the small audit takes more than a dozen batches.
SMALL = "batch_tokens = 64\nbatch_size = 4\n"


class Recorder:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.skipped: dict[str, bool] = {}
        self.advances: list[tuple[int, str]] = []
        self.warnings: list[str] = []

    def begin(self, stage: str, total: int) -> None:
        pass

    def advance(self, done: int, note: str, left: float | None) -> None:
        assert left is None or left >= 0
        self.advances.append((done, note))

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        self.skipped[stage] = skipped

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(scope="module")
def config_path(tmp_path_factory: pytest.TempPathFactory, gpt2_folder: Path) -> Path:
    return tiny.write_audit(tmp_path_factory.mktemp("audit"), gpt2_folder)


@pytest.fixture(scope="module")
def finished(config_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the small audit, made by the command line in a process of its own."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    done = evenhand("run", "--config", config_path, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"report  {out / 'report.html'}\nrun     {out}\n"
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def evenhand(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evenhand", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def audit(config: Config, out: Path) -> Recorder:
    told = Recorder()
    pipeline.run_audit(config, out, progress=told)
    return told


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}


def manifest(folder: Path) -> dict[str, Any]:
    return Manifest.load(folder).data


def test_an_audit_leaves_valid_tables_a_verdict_and_reports(finished: Path) -> None:
    for name in TABLES:
        assert tables.read(name, finished / f"{name}.parquet").num_rows
    assert {path.name for path in finished.iterdir()} == {
        *(f"{name}.parquet" for name in TABLES),
        "checks.parquet",
        "manifest.json",
        "verdicts.json",
        "report.html",
        "summary.md",
    }


def test_every_probe_is_answered_once_in_the_order_of_the_probes(finished: Path) -> None:
    probes, completions = (tables.read(name, finished / f"{name}.parquet") for name in ("probes", "completions"))
    assert completions["probe_id"].equals(probes["probe_id"])
    assert completions["error"].null_count == completions.num_rows
    exact = completions.filter(pc.equal(completions["mode"], "exact"))
    assert all(sum(probs) == pytest.approx(1.0) for probs in exact["probs"].to_pylist())


def test_the_manifest_says_what_was_audited(finished: Path, gpt2_folder: Path) -> None:
    data = manifest(finished)
    assert data["model"]["name"] == str(gpt2_folder)
    assert data["model"]["chat_template"] is False
    assert data["model"]["decision_precision"] == "float32"
    assert data["seed"] == 0
    assert set(data["stages"]) == {"expand", *STAGES}
    assert data["command"].startswith("evenhand run --config ")
    for name in TABLES:
        assert data["tables"][name]["rows"] == tables.read(name, finished / f"{name}.parquet").num_rows


def test_each_table_names_the_hashes_of_what_it_was_made_from(finished: Path) -> None:
    made = manifest(finished)["tables"]
    parents = {
        "completions": ["probes"],
        "scores": ["completions", "personas", "probes"],
        "checks": ["completions", "personas", "probes"],
        "findings": ["checks", "personas", "probes", "scores"],
        "verdicts": ["findings"],
    }
    for name, names in parents.items():
        assert made[name]["parents"] == {parent: made[parent]["sha256"] for parent in names}


def test_the_same_seed_gives_the_same_bytes_in_python(finished: Path, config_path: Path, tmp_path: Path) -> None:
    told = audit(load_config(config_path), tmp_path / "again")
    assert told.skipped == dict.fromkeys(["model", *STAGES], False)
    assert contents(tmp_path / "again") == contents(finished)


def test_another_seed_writes_other_texts_and_reads_the_same_decisions(
    finished: Path, config_path: Path, tmp_path: Path
) -> None:
    config = load_config(config_path).changed("run", seed=1)
    pipeline.complete(pipeline.start(config, tmp_path / "other"))
    first, second = (tables.read("completions", f / "completions.parquet") for f in (finished, tmp_path / "other"))
    known = dict(zip(first["probe_id"].to_pylist(), first.to_pylist(), strict=True))
    both = [(known[row["probe_id"]], row) for row in second.to_pylist() if row["probe_id"] in known]
    texts = [(old["text"], new["text"]) for old, new in both if old["mode"] == "sampled"]
    assert sum(old != new for old, new in texts) > len(texts) / 2
    assert all(old["probs"] == new["probs"] for old, new in both if old["mode"] == "exact")


def test_a_second_call_asks_nothing_and_changes_nothing(copied: Path, config_path: Path) -> None:
    before = contents(copied)
    told = audit(load_config(config_path), copied)
    assert told.skipped == dict.fromkeys(STAGES, True)
    assert told.advances == []
    assert contents(copied) == before


def test_other_rules_only_judge_again(copied: Path, config_path: Path, tmp_path: Path) -> None:
    text = config_path.read_text(encoding="utf-8").replace("tolerance = 0.2", "tolerance = 9.0")
    other = config_path.with_name("other.toml")
    other.write_text(text, encoding="utf-8")
    told = audit(load_config(other), copied)
    assert told.skipped == {"complete": True, "score": True, "measure": True, "gate": False}
    assert 9.0 in tables.read("verdicts", copied / "verdicts.parquet")["tolerance"].to_pylist()


def test_another_reference_measures_again_and_asks_nothing(copied: Path, config_path: Path) -> None:
    config = load_config(config_path).model_copy(update={"reference": {"gender": "female"}})
    told = audit(config, copied)
    assert told.skipped == {"complete": True, "score": True, "measure": False, "gate": False}
    findings = tables.read("findings", copied / "findings.parquet").to_pylist()
    assert {row["reference"] for row in findings if row["axis"] == "gender" and row["kind"] == "contrast"} == {"female"}


def test_a_reference_in_the_persona_file_counts_as_well(gpt2_folder: Path, tmp_path: Path) -> None:
    config = load_config(tiny.write_audit(tmp_path, gpt2_folder)).changed("run", tasks=["swap"])
    audit(config, tmp_path / "out")
    people = tmp_path / "personas.toml"
    text = people.read_text(encoding="utf-8")
    people.write_text(
        text.replace('reference = { gender = "male"', 'reference = { gender = "female"'), encoding="utf-8"
    )
    told = audit(config, tmp_path / "out")
    assert told.skipped == {"complete": True, "score": True, "measure": False, "gate": False}


def test_a_new_label_for_a_name_does_not_ask_the_model_again(gpt2_folder: Path, tmp_path: Path) -> None:
    # A sample of texts is balanced over the groups: other groups, another sample. Decisions are asked of everybody.
    config = load_config(tiny.write_audit(tmp_path, gpt2_folder)).changed("run", tasks=["swap", "rebate"])
    audit(config, tmp_path / "out")
    before = contents(tmp_path / "out")
    people = tmp_path / "personas.toml"
    relabelled = people.read_text(encoding="utf-8").replace("female", "woman").replace('"male"', '"man"')
    people.write_text(relabelled, encoding="utf-8")
    told = audit(config, tmp_path / "out")
    assert told.skipped["complete"] is True
    after = contents(tmp_path / "out")
    assert {name for name in TABLES if before[name] == after[name]} >= {"probes", "completions"}
    assert before["personas"] != after["personas"]


def test_a_model_that_was_saved_again_is_asked_again(gpt2_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(gpt2_folder, tmp_path / "model"))
    config = load_config(tiny.write_audit(tmp_path, model)).changed("run", tasks=["swap"])
    audit(config, tmp_path / "out")
    tiny.save(model, "GPT2", tiny.tokenizer(), seed=5)
    assert audit(config, tmp_path / "out").skipped["complete"] is False


def test_a_table_that_was_changed_by_hand_is_not_taken_for_fresh(copied: Path, config_path: Path) -> None:
    run = pipeline.resume(copied, progress=(told := Recorder()))
    completions = run.table("completions")
    tables.write("completions", completions.slice(0, completions.num_rows - 1), copied / "completions.parquet")
    pipeline.score(run)
    assert told.skipped == {"score": False}


def test_findings_of_other_scores_are_not_judged(copied: Path) -> None:
    scores = tables.read("scores", copied / "scores.parquet")
    tables.write("scores", scores.slice(1), copied / "scores.parquet")
    before = (copied / "verdicts.json").read_bytes()
    done = evenhand("gate", copied)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run 'evenhand measure' first" in done.stderr
    assert (copied / "verdicts.json").read_bytes() == before


def test_scorers_are_checked_and_names_are_asked_about_in_a_run_with_texts(finished: Path) -> None:
    checks = tables.read("checks", finished / "checks.parquet")
    assert {"tone", "words", "refusal"} <= set(checks["metric"].to_pylist())
    findings = tables.read("findings", finished / "findings.parquet").to_pylist()
    biases = [row for row in findings if row["statistic"] == "scorer_bias"]
    assert {(row["axis"], row["group"], row["cue_channel"]) for row in biases} == {
        ("gender", "female", "name"),
        ("age", "older", "explicit"),
    }
    inferred = [row for row in findings if row["statistic"] == "inference"]
    assert {(row["axis"], row["group"]) for row in inferred} == {("gender", "female"), ("gender", "male")}
    ruled = {row["finding_id"] for row in tables.read("verdicts", finished / "verdicts.parquet").to_pylist()}
    assert not ruled & {row["finding_id"] for row in (*biases, *inferred)}
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "What names are taken for" in page and "Scorers on identical texts" in page
    assert "infer_gender" not in page and "Infer gender" not in page


def test_checks_that_were_changed_by_hand_are_not_taken_for_fresh(copied: Path) -> None:
    checks = tables.read("checks", copied / "checks.parquet")
    tables.write("checks", checks.slice(7), copied / "checks.parquet")
    run = pipeline.resume(copied, progress=(told := Recorder()))
    pipeline.score(run)
    pipeline.measure(run)
    assert told.skipped == {"score": False, "measure": True}
    assert tables.read("checks", copied / "checks.parquet").num_rows == checks.num_rows


def test_a_run_without_texts_or_the_switch_has_neither(gpt2_folder: Path, tmp_path: Path) -> None:
    config = load_config(tiny.write_audit(tmp_path, gpt2_folder)).changed("run", tasks=["swap"], manipulation=False)
    audit(config, tmp_path / "out")
    assert not (tmp_path / "out" / "checks.parquet").exists()
    findings = tables.read("findings", tmp_path / "out" / "findings.parquet").to_pylist()
    assert not {row["statistic"] for row in findings} & {"scorer_bias", "inference"}


def test_a_chat_model_goes_through_the_whole_audit(llama_folder: Path, tmp_path: Path) -> None:
    config = load_config(tiny.write_audit(tmp_path, llama_folder))
    folder, verdict = pipeline.run_audit(config, tmp_path / "out")
    assert manifest(folder)["model"]["chat_template"] is True
    assert verdict.sentence


def test_the_shipped_suites_take_a_model_without_a_chat_template(gpt2_folder: Path, tmp_path: Path) -> None:
    tiny.write_audit(tmp_path, gpt2_folder)
    config = Config().changed("model", name=str(gpt2_folder), threads=1)
    config = config.changed("run", personas=tmp_path / "personas.toml", sample=6, max_new_tokens=3)
    folder, verdict = pipeline.run_audit(config, tmp_path / "out")
    completions = tables.read("completions", folder / "completions.parquet")
    assert completions["error"].null_count == completions.num_rows
    assert set(tables.read("probes", folder / "probes.parquet")["task"].to_pylist()) == {
        "refund_decision",
        "discount",
        "service_reply",
        "open_completion",
        "infer_gender",
    }
    assert verdict.exit_code == 5, "three names a group are too few for the default rules"


# ---------------------------------------------------------------- one verdict, told by all


def shown(folder: Path) -> dict[str, Any]:
    """What the report says: outcome, exit code, and each finding's outcomes."""
    html = (folder / "report.html").read_text(encoding="utf-8")
    hero = re.search(r'id="verdict" data-outcome="(\w+)" data-exit-code="(\d)"', html)
    assert hero
    rows = re.findall(r'data-finding="(\w+)" data-outcome="(\w+)"', html)
    return {"outcome": hero[1], "exit_code": int(hero[2]), "findings": set(rows)}


@pytest.mark.parametrize("rules", ["", "tolerance = 9.0", "min_templates = 9"])
def test_command_python_file_and_report_tell_the_same_verdict(rules: str, copied: Path, config_path: Path) -> None:
    text = config_path.read_text(encoding="utf-8")
    key = rules.partition(" =")[0]
    changed = re.sub(rf"{key} = .*", rules, text) if rules else text
    other = config_path.with_name("judging.toml")
    other.write_text(changed, encoding="utf-8")
    done = evenhand("gate", copied, "--config", other, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"]
    assert (copied / "verdicts.json").read_text(encoding="utf-8") == done.stdout
    verdicts = tables.read("verdicts", copied / "verdicts.parquet")
    here = overall(verdicts)
    assert {key: told[key] for key in ("outcome", "exit_code", "sentence")} == {
        "outcome": here.outcome,
        "exit_code": here.exit_code,
        "sentence": here.sentence,
    }
    report = shown(copied)
    assert (report["outcome"], report["exit_code"]) == (here.outcome, here.exit_code)
    judged = {(row["finding_id"], row["outcome"]) for row in verdicts.to_pylist() if row["finding_id"]}
    assert judged
    assert report["findings"] == judged
    assert pipeline.gate(pipeline.resume(copied)) == here, "without a config the last rules hold"
    assert manifest(copied)["config"]["gate"] == json.loads(load_config(other).gate.model_dump_json())


# ---------------------------------------------------------------- stopped and started again


class FailingBackend:
    """Answers so many batches, then fails as a model does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left = after
        self.asked = 0
        original = LocalBackend.complete

        def complete(backend: LocalBackend, *args: Any) -> Any:
            if self.left == 0:
                raise BackendError("the model stopped answering")
            self.left -= 1
            self.asked += 1
            return original(backend, *args)

        monkeypatch.setattr(LocalBackend, "complete", complete)


@pytest.fixture(scope="module")
def in_batches(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The small audit in many batches: its config, and the folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("batches")
    path = tiny.write_audit(folder, gpt2_folder, settings=SMALL)
    pipeline.complete(pipeline.start(load_config(path), folder / "whole"))
    return path, folder / "whole"


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("completions.parts-*/[0-9]*.parquet"))


def test_a_model_that_fails_loses_no_answered_batch(
    in_batches: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = in_batches
    config, out = load_config(path), tmp_path / "out"
    failing = FailingBackend(monkeypatch, after=5)
    with pytest.raises(BackendError, match="stopped answering"):
        pipeline.complete(pipeline.start(config, out))
    assert len(parts(out)) == 5
    failing.left, failing.asked = -1, 0
    told = Recorder()
    pipeline.complete(pipeline.start(config, out, progress=told))
    assert told.advances[0] == (5, "found on disk")
    assert failing.asked == told.advances[-1][0] - 5
    assert parts(out) == []
    assert (out / "completions.parquet").read_bytes() == (whole / "completions.parquet").read_bytes()


def test_a_batch_that_was_cut_off_on_disk_is_asked_again(
    in_batches: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = in_batches
    out = tmp_path / "out"
    failing = FailingBackend(monkeypatch, after=4)
    with pytest.raises(BackendError):
        pipeline.complete(pipeline.start(load_config(path), out))
    first, second, *_ = parts(out)
    first.write_bytes(first.read_bytes()[:100])
    second.unlink()
    failing.left = -1
    told = Recorder()
    pipeline.complete(pipeline.start(load_config(path), out, progress=told))
    assert told.advances[0] == (2, "found on disk")
    assert (out / "completions.parquet").read_bytes() == (whole / "completions.parquet").read_bytes()


def test_answered_batches_outlive_a_stop_just_before_the_manifest_vouches_for_them(
    in_batches: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = in_batches
    out = tmp_path / "out"
    run = pipeline.start(load_config(path), out)
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pipeline.complete(run)
    failing = FailingBackend(monkeypatch, after=0)
    pipeline.complete(pipeline.start(load_config(path), out))
    assert failing.asked == 0
    assert (out / "completions.parquet").read_bytes() == (whole / "completions.parquet").read_bytes()


def test_answers_of_other_settings_are_not_mixed_in(
    in_batches: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = in_batches
    out = tmp_path / "out"
    FailingBackend(monkeypatch, after=5)
    with pytest.raises(BackendError):
        pipeline.complete(pipeline.start(load_config(path), out))
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        pipeline.start(load_config(path).changed("run", seed=4), out)
    assert len(parts(out)) == 5


def test_answers_of_a_model_that_was_saved_again_are_not_mixed_in(
    gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path(shutil.copytree(gpt2_folder, tmp_path / "model"))
    config, out = load_config(tiny.write_audit(tmp_path, model, settings=SMALL)), tmp_path / "out"
    failing = FailingBackend(monkeypatch, after=5)
    with pytest.raises(BackendError):
        pipeline.complete(pipeline.start(config, out))
    tiny.save(model, "GPT2", tiny.tokenizer(), seed=5)
    failing.left, told = -1, Recorder()
    pipeline.complete(pipeline.start(config, out, progress=told))
    assert told.advances[0] == (0, "")


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(
    in_batches: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = in_batches
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert evenhand("run", "--config", path, "--out", whole).returncode == 0
    kill_after_parts(path, killed, 3)
    flushed = parts(killed)
    assert len(flushed) >= 3
    assert not (killed / "completions.parquet").exists()

    marked = Path(shutil.copytree(killed, tmp_path / "marked"))
    for part in parts(marked):
        mark(part)
    told = audit(load_config(path), marked)
    assert told.advances[0] == (len(flushed), "found on disk")
    rows = tables.read("completions", marked / "completions.parquet").to_pylist()
    kept = sum(tables.read("completions", part).num_rows for part in flushed)
    assert sum(row["completion_tokens"] == MARK for row in rows) == kept, "a flushed batch was asked again"

    assert evenhand("run", "--config", path, "--out", killed).returncode == 0
    assert contents(killed) == contents(whole)
    assert parts(killed) == []


MARK = 777_777


def mark(part: Path) -> None:
    table = tables.read("completions", part)
    place = table.schema.get_field_index("completion_tokens")
    column = pc.add(pc.multiply(table["completion_tokens"], 0), MARK).cast("int32")
    tables.write("completions", table.set_column(place, table.schema.field(place), column), part)


def kill_after_parts(config: Path, out: Path, count: int) -> None:
    """Start an audit in a process of its own and kill it, children and all, once ``count`` batches are on disk."""
    command = [sys.executable, "-m", "evenhand", "run", "--config", str(config), "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        end = time.monotonic() + 60
        while len(parts(out)) < count:
            assert process.poll() is None, f"it ended before it could be killed: {process.stderr.read()!r}"
            assert time.monotonic() < end
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_fresh_throws_away_the_run_and_nothing_else(copied: Path, config_path: Path) -> None:
    (copied / "notes.txt").write_text("mine", encoding="utf-8")
    told = Recorder()
    pipeline.complete(pipeline.start(load_config(config_path), copied, progress=told, fresh=True))
    assert told.skipped == {"model": False, "complete": False}
    assert (copied / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert not (copied / "report.html").exists()


@pytest.mark.parametrize("model", ["nonsense", "hf:no/such"])
def test_a_model_that_is_not_there_throws_nothing_away(
    model: str, copied: Path, config_path: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in copied.iterdir()}
    config = load_config(config_path).changed("model", name=model)
    with pytest.raises(ConfigError, match=f"model '{model}'"):
        pipeline.start(config, copied, fresh=True)
    with pytest.raises(ConfigError, match=f"model '{model}'"):
        pipeline.start(config, tmp_path / "new")
    assert {path: path.read_bytes() for path in copied.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_runs_lie_under_a_hidden_folder_and_the_newest_is_found(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no run yet"):
        run_folder.latest()
    config = load_config(config_path)
    first = pipeline.start(config).folder
    second = pipeline.start(config.changed("run", seed=9)).folder
    os.utime(first / "manifest.json", (1, 1))
    assert run_folder.latest() == second
    assert first.parent == second.parent == Path(".evenhand/runs")
    assert pipeline.start(config).folder == first, "the same settings find their own run"


def test_stages_before_must_have_run(config_path: Path, tmp_path: Path) -> None:
    run = pipeline.start(load_config(config_path), tmp_path / "out")
    stages: list[tuple[Callable[[pipeline.Run], Any], str]] = [
        (pipeline.score, "completions"),
        (pipeline.measure, "scores"),
        (pipeline.gate, "findings"),
    ]
    for stage, missing in stages:
        with pytest.raises(ConfigError, match=f"has no {missing} yet; run the stages before"):
            stage(run)
