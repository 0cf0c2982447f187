"""Runs the stages in order in one folder, skips what is fresh, goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit import tables
from audit.asking import ask, in_order
from audit.config import Config, parse
from audit.errors import ConfigError, NothingEvaluatedError
from audit.manifest import Manifest, code_hash, machine, now, versions
from audit.progress import Progress, Silent
from audit.run_folder import JUDGED, RUNS, Run, clear, parents, stage, write
from audit.values import content_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.backends import Backend
    from audit.gate import Overall
    from audit.probes import Suite

_COMPLETE: Final = ("seed", "draws", "max_new_tokens", "temperature", "top_p", "number_mass")


def run_audit(
    config: Config,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
    fresh: bool = False,
    command: str = "",
    strict: bool = False,
) -> tuple[Path, Overall]:
    """Audit a model from the probes to the verdict.

    Parameters
    ----------
    config
        What to ask of whom, and what to judge by.
    out
        The run folder; by default one under ``.evenhand/runs`` named after the model
        and the settings, so that the same command finds its own unfinished run.
    fresh
        Throw away what the folder holds and begin anew.
    command
        The command to write into the report, so that a reader can run it again.
    strict
        Let an inconclusive error-level rule be an exit code of its own.

    Returns
    -------
    (Path, Overall)
        The run folder and the overall verdict.
    """
    run = start(config, out, progress=progress, fresh=fresh, command=command)
    if config.run.until_verdict == "no":
        complete(run)
    else:
        from audit.sequential import until_verdict

        until_verdict(run)
    score(run)
    measure(run)
    return run.folder, gate(run, strict=strict)


def start(
    config: Config, out: Path | None = None, *, progress: Progress | None = None, fresh: bool = False, command: str = ""
) -> Run:
    """Make or find the run folder and write personas and probes into it.

    Nothing is written, and nothing thrown away, before the suites were read and a
    model that has to answer was loaded.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings, or cannot be written.
    NothingEvaluatedError
        If the suites give no probe.
    """
    from audit.backends import open_backend
    from audit.gate import check_rules
    from audit.probes import design_warnings, expand, load_personas, load_suites, references, suite_warnings

    if config.run.until_verdict == "steps":  # a step chooses its cells itself
        config = config.model_copy(update={"run": config.run.model_copy(update={"sample": 0})})
    references(config)  # a mistake there, or in a rule, would show only when everything was asked
    check_rules(config)
    personas, probes = expand(config)
    if not probes.num_rows:
        raise NothingEvaluatedError("the suites give no probe; name tasks that 'evenhand list' shows in [run] tasks")
    if config.run.until_verdict != "no":
        from audit.sequential import check_plan

        check_plan(probes, personas, config)
    folder = out or RUNS / run_id(config)
    manifest = Manifest.load(folder)
    asked = _asked(config)
    if manifest.data and manifest.data.get("asked") != asked and not fresh:
        raise ConfigError(f"{folder}: holds a run with other settings; name another folder with --out, or add --fresh")
    progress = progress or Silent()
    backend = _opened(config, progress) if fresh or not manifest.data else open_backend(config)
    if fresh and manifest.data:
        clear(folder)
        manifest = Manifest(folder)
    run = Run(folder, config, progress, backend)
    people = load_personas(config)
    for line in (*design_warnings(people, config), *suite_warnings(load_suites(config), people)):
        run.progress.warn(line)
    manifest.data |= {
        "evenhand": metadata.version("evenhand"),
        "run_id": run_id(config),
        "created": manifest.data.get("created", now()),
        "asked": asked,
        "config": json.loads(config.model_dump_json()),
        "suites": {suite.task: _facts(suite) for suite in load_suites(config)},
        "seed": config.run.seed,
        "command": command or manifest.data.get("command", ""),
        "versions": versions(),
        "machine": machine(),
    }
    write(run, manifest, "expand", {"code": code_hash("probes")}, 0.0, {"personas": personas, "probes": probes})
    return run


def _opened(config: Config, progress: Progress) -> Backend:
    """Open the backend and load its model, which may have to be fetched first."""
    from audit.backends import open_backend

    began = time.monotonic()
    progress.begin("model", 0)
    backend = open_backend(config)
    backend.describe()
    progress.end("model", time.monotonic() - began, False)
    return backend


def resume(folder: Path, config: Config | None = None, *, progress: Progress | None = None) -> Run:
    """Open an earlier run; ``config`` may bring other gate rules and references.

    Raises
    ------
    ConfigError
        If the folder is not a run.
    """
    manifest = Manifest.load(folder)
    if not manifest.data:
        raise ConfigError(f"{folder}: not a run folder (it has no manifest.json); 'evenhand run' makes one")
    recorded = parse(Config, manifest.data.get("config", {}), str(folder / "manifest.json"))
    if config is not None:
        recorded = recorded.model_copy(update={"gate": config.gate, "reference": config.reference})
    return Run(folder, recorded, progress or Silent())


def run_id(config: Config) -> str:
    """Name a run after its model and what is asked of it."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in config.model.name.rpartition(":")[2])
    return f"{letters.strip('-')[-40:]}-{content_hash(_asked(config), 8)}"


def _asked(config: Config) -> dict[str, Any]:
    """Settings that decide what the model is asked and how."""
    found: dict[str, Any] = json.loads(config.model_dump_json(include={"model", "run"}))
    return found


def complete(run: Run) -> pa.Table:
    """Let the model answer every probe; answered batches are on disk at once and never asked again."""
    return complete_part(run, "")


def complete_part(run: Run, part: str, rows: NDArray[np.int64] | None = None) -> pa.Table:
    """Let the model answer some ``rows`` of the probes (None: all) into the table ``completions`` + ``part``."""
    from audit.backends import open_backend

    manifest = Manifest.load(run.folder)
    name = f"completions{part}"
    backend = run.backend or open_backend(run.config)
    key: dict[str, Any] = {
        "settings": {"model": _asked(run.config)["model"], "run": _pick(_asked(run.config)["run"], _COMPLETE)},
        "identity": content_hash(backend.identity()),
        "code": code_hash("backends"),
        "parents": parents(manifest, "probes"),
    }
    if rows is not None:
        key["rows"] = content_hash(rows.tolist())
    made = stage(
        run, f"complete{part}", key, (name,), lambda: {name: ask(run.folder, backend, key, run.progress, rows)}
    )
    for parts in run.folder.glob("completions.parts-*"):  # only now does the manifest vouch for the whole
        shutil.rmtree(parts)
    return made[name]


def join_parts(run: Run, parts: Sequence[str]) -> pa.Table:
    """Write ``completions`` from the tables ``completions`` + part, in the order of the probes."""
    names = [f"completions{part}" for part in parts]
    key = {"parents": parents(Manifest.load(run.folder), *names)}

    def make() -> Mapping[str, pa.Table]:
        return {"completions": in_order(pa.concat_tables(map(run.table, names)), run.table("probes"))}

    return stage(run, "complete", key, ("completions",), make)["completions"]


def score(run: Run) -> pa.Table:
    """Score the completions; costs no inference."""
    manifest = Manifest.load(run.folder)
    if manifest.data.get("kind") == "privacy":
        raise ConfigError(f"{run.folder}: is a privacy audit, which has no scores; 'evenhand measure' measures again")
    key = {
        "code": code_hash("scorers", "probes"),
        "suites": [_file_hash(path) for path in run.config.run.suites],
        "parents": parents(manifest, "completions", "probes", "personas"),
    }

    outputs = ("scores", "checks") if _checked(run) else ("scores",)
    return stage(run, "score", key, outputs, lambda: _scored(run, run.table("completions")))["scores"]


def _scored(run: Run, completions: pa.Table) -> Mapping[str, pa.Table]:
    from audit.scorers import score as apply
    from audit.scorers import score_checks

    probes, personas = run.table("probes"), run.table("personas")
    made = {"scores": apply(completions, probes, personas, run.config)}
    return made | ({"checks": score_checks(probes, personas)} if _checked(run) else {})


def _checked(run: Run) -> bool:
    """Whether the run has texts, so that their scorers are checked too."""
    from audit.scorers import checked_locales

    return bool(checked_locales(run.table("probes")))


def measure(run: Run) -> pa.Table:
    """Measure levels and contrasts between groups; of a privacy audit, what leaks and about whom."""
    from audit.fairness import measure as apply
    from audit.fairness.terms import Terms

    manifest = _with_setting(run, "reference")
    if manifest.data.get("kind") == "privacy":
        from audit.privacy.run import measure as measure_privacy

        return measure_privacy(run)
    for number in range(1, _looks_made(manifest) + 1):
        measure_look(run, number)
    _measure_steps(run, manifest)
    checks = ["checks"] if _checked(run) else []
    key = {
        "settings": asdict(Terms.of(run.config)),
        "code": code_hash("fairness", "statistics", "probes"),
        "parents": parents(manifest, "scores", *checks, "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        beside = run.table("checks") if checks else None
        scores, probes, personas = (run.table(name) for name in ("scores", "probes", "personas"))
        return {"findings": apply(scores, probes, personas, run.config, checks=beside)}

    return stage(run, "measure", key, ("findings",), make)["findings"]


def _measure_steps(run: Run, manifest: Manifest) -> None:
    """Write each step's differences, where the run went in steps of fresh stimuli."""
    if "steps" not in manifest.data:
        return
    from audit.probes import references
    from audit.sequential import plan_steps, step_differences

    known = references(run.config)
    key = {
        "settings": {"references": known, "needs": manifest.data["steps"]["needs"]},
        "code": code_hash("sequential"),
        "parents": parents(manifest, "scores", "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        needs = {(task, axis) for task, axis in manifest.data["steps"]["needs"]}
        steps = plan_steps(run.table("probes"), run.table("personas"), needs, known, run.config.run.seed)
        return {"steps": step_differences(run.table("scores"), run.table("probes"), steps, known)}

    stage(run, "steps", key, ("steps",), make)


def measure_look(run: Run, number: int) -> pa.Table:
    """Measure what had been asked by look ``number`` into the table ``findings-NUMBER``."""
    from audit.fairness import measure as apply
    from audit.fairness.terms import Terms

    name, parts = f"findings-{number}", [f"completions-{look}" for look in range(1, number + 1)]
    key = {
        "settings": asdict(Terms.of(run.config)),
        "code": code_hash("scorers", "fairness", "statistics", "probes"),
        "parents": parents(Manifest.load(run.folder), *parts, "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        completions = in_order(pa.concat_tables(map(run.table, parts)), run.table("probes"))
        made = _scored(run, completions)
        beside = made.get("checks")
        found = apply(made["scores"], run.table("probes"), run.table("personas"), run.config, checks=beside)
        return {f"scores-{number}": made["scores"], name: found}

    return stage(run, f"measure-{number}", key, (f"scores-{number}", name), make)[name]


def gate(run: Run, *, strict: bool = False) -> Overall:
    """Judge the findings by the rules; writes verdicts.parquet and verdicts.json."""
    from audit.gate import DIFFERENCES, LEAKS, overall, to_json

    manifest = _with_setting(run, "gate")
    private = manifest.data.get("kind") == "privacy"
    looks = [f"findings-{number}" for number in range(1, _looks_made(manifest) + 1)]
    steps = ["steps"] if "steps" in manifest.data.get("tables", {}) else []
    key = {
        "settings": json.loads(run.config.gate.model_dump_json()),
        "code": code_hash("gate", "statistics", "presets", "fairness/metrics.py"),
        "parents": parents(manifest, "findings", *looks, *steps),
    }
    if private:
        key["claimed"] = [run.config.privacy.claimed_epsilon, run.config.privacy.fpr, manifest.data["not_measured"]]
    outputs = ("verdicts", JUDGED) if looks or steps else ("verdicts",)
    verdicts = stage(run, "gate", key, outputs, lambda: _judged(run, looks, steps))["verdicts"]
    found = overall(verdicts, strict=strict, claims=LEAKS if private else DIFFERENCES)
    with tables.replacing(run.folder / "verdicts.json") as temporary:
        shown = run.table(JUDGED if JUDGED in outputs else "findings")
        temporary.write_text(to_json(verdicts, shown, found), encoding="utf-8")
    return found


def _judged(run: Run, looks: Sequence[str], steps: Sequence[str]) -> Mapping[str, pa.Table]:
    """Judge a run by what it holds: steps of fresh stimuli, looks, or all at once."""
    from audit.gate import decide, decide_looks, decide_steps

    data = Manifest.load(run.folder).data
    if data.get("kind") == "privacy":
        from audit.gate import check_privacy_rules, decide_privacy

        check_privacy_rules(run.config)
        return {"verdicts": decide_privacy(run.table("findings"), run.config, unmeasured=data["not_measured"])}
    if steps:
        verdicts, judged = decide_steps(run.table("steps"), run.table("findings"), run.config)
        return {"verdicts": verdicts, JUDGED: judged}
    if looks:
        planned = data["looks"]["planned"]
        verdicts, judged = decide_looks([run.table(name) for name in looks], run.config, planned=planned)
        return {"verdicts": verdicts, JUDGED: judged}
    return {"verdicts": decide(run.table("findings"), run.config)}


def _looks_made(manifest: Manifest) -> int:
    return int(manifest.data.get("looks", {}).get("made", 0))


def _with_setting(run: Run, section: str) -> Manifest:
    """Note the ``section`` that a stage goes by, so that the report shows what was judged by."""
    manifest = Manifest.load(run.folder)
    config = manifest.data.setdefault("config", {})
    setting = json.loads(run.config.model_dump_json(include={section}))[section]
    if config.get(section) != setting:
        config[section] = setting
        manifest.save()
    return manifest


def _facts(suite: Suite) -> dict[str, Any]:
    """What a reader of the report must know of a suite."""
    return {
        "title": suite.title,
        "asks": suite.asks,
        "harm": list(suite.harm),
        "harm_note": suite.harm_note,
        "threshold": suite.threshold,
        "judged": suite.judged,
    }


def _pick(data: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in keys}


def _file_hash(path: Path) -> list[tuple[str, str]]:
    files = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
    return [(file.name, content_hash(file.read_text(encoding="utf-8", errors="replace"))) for file in files]
