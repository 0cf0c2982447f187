"""Runs the stages in order in one folder, skips what is fresh, goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit import tables
from audit.asking import ask, in_order
from audit.config import Config, parse
from audit.errors import ConfigError, NothingEvaluatedError
from audit.manifest import Manifest, code_hash, file_hash, machine, now, versions
from audit.progress import Progress, Silent
from audit.values import content_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.backends import Backend
    from audit.gate import Overall
    from audit.probes import Suite

RUNS: Final = Path(".evenhand") / "runs"
_COMPLETE: Final = ("seed", "draws", "max_new_tokens", "temperature", "top_p", "number_mass")
# Of a run that may stop early: the findings as they were when they were judged.
JUDGED: Final = "findings-judged"
_VERBS: Final = {"scores": "score", "checks": "score", "findings": "measure"}


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its folder, its config, whom to tell how far it is, and the model if it was opened."""

    folder: Path
    config: Config
    progress: Progress
    backend: Backend | None = None

    def table(self, name: str) -> pa.Table:
        """Read a table of the run."""
        return tables.read(_kind(name), self.folder / f"{name}.parquet")


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
    from audit.probes import design_warnings, expand, load_personas, load_suites, references, suite_warnings

    if config.run.until_verdict == "steps":  # a step chooses its cells itself
        config = config.model_copy(update={"run": config.run.model_copy(update={"sample": 0})})
    references(config)  # a mistake there would show only when everything was asked
    personas, probes = expand(config)
    if not probes.num_rows:
        raise NothingEvaluatedError("the suites give no probe; name tasks that 'evenhand list' shows in [run] tasks")
    folder = out or RUNS / run_id(config)
    manifest = Manifest.load(folder)
    asked = _asked(config)
    if manifest.data and manifest.data.get("asked") != asked and not fresh:
        raise ConfigError(f"{folder}: holds a run with other settings; name another folder with --out, or add --fresh")
    progress = progress or Silent()
    backend = _opened(config, progress) if fresh or not manifest.data else open_backend(config)
    if fresh and manifest.data:
        _clear(folder)
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
    _write(run, manifest, "expand", {"code": code_hash("probes")}, 0.0, {"personas": personas, "probes": probes})
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


def _clear(folder: Path) -> None:
    """Remove what a run writes, and nothing else that lies in its folder."""
    for parts in folder.glob("completions.parts-*"):
        shutil.rmtree(parts)
    for name in (
        "manifest.json",
        "verdicts.json",
        "report.html",
        "summary.md",
        *(f"{n}.parquet" for n in tables.SCHEMAS),
    ):
        (folder / name).unlink(missing_ok=True)
    for name in tables.SCHEMAS:
        for path in folder.glob(f"{name}-*.parquet"):
            path.unlink()


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


def latest() -> Path:
    """Return the newest run under ``.evenhand/runs``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = sorted(RUNS.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ConfigError(f"{RUNS}: there is no run yet; 'evenhand run' makes one")
    return found[-1].parent


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
        "parents": _parents(manifest, "probes"),
    }
    if rows is not None:
        key["rows"] = content_hash(rows.tolist())
    made = _stage(
        run, f"complete{part}", key, (name,), lambda: {name: ask(run.folder, backend, key, run.progress, rows)}
    )
    for parts in run.folder.glob("completions.parts-*"):  # only now does the manifest vouch for the whole
        shutil.rmtree(parts)
    return made[name]


def join_parts(run: Run, parts: Sequence[str]) -> pa.Table:
    """Write ``completions`` from the tables ``completions`` + part, in the order of the probes."""
    names = [f"completions{part}" for part in parts]
    key = {"parents": _parents(Manifest.load(run.folder), *names)}

    def make() -> Mapping[str, pa.Table]:
        return {"completions": in_order(pa.concat_tables(map(run.table, names)), run.table("probes"))}

    return _stage(run, "complete", key, ("completions",), make)["completions"]


def score(run: Run) -> pa.Table:
    """Score the completions; costs no inference."""
    manifest = Manifest.load(run.folder)
    key = {
        "code": code_hash("scorers", "probes"),
        "suites": [_file_hash(path) for path in run.config.run.suites],
        "parents": _parents(manifest, "completions", "probes", "personas"),
    }

    outputs = ("scores", "checks") if _checked(run) else ("scores",)
    return _stage(run, "score", key, outputs, lambda: _scored(run, run.table("completions")))["scores"]


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
    """Measure levels and contrasts between groups."""
    from audit.fairness import measure as apply
    from audit.fairness.terms import Terms

    manifest = _with_setting(run, "reference")
    for number in range(1, _looks_made(manifest) + 1):
        measure_look(run, number)
    _measure_steps(run, manifest)
    checks = ["checks"] if _checked(run) else []
    key = {
        "settings": asdict(Terms.of(run.config)),
        "code": code_hash("fairness", "statistics", "probes"),
        "parents": _parents(manifest, "scores", *checks, "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        beside = run.table("checks") if checks else None
        scores, probes, personas = (run.table(name) for name in ("scores", "probes", "personas"))
        return {"findings": apply(scores, probes, personas, run.config, checks=beside)}

    return _stage(run, "measure", key, ("findings",), make)["findings"]


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
        "parents": _parents(manifest, "scores", "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        needs = {(task, axis) for task, axis in manifest.data["steps"]["needs"]}
        steps = plan_steps(run.table("probes"), run.table("personas"), needs, known, run.config.run.seed)
        return {"steps": step_differences(run.table("scores"), run.table("probes"), steps, known)}

    _stage(run, "steps", key, ("steps",), make)


def measure_look(run: Run, number: int) -> pa.Table:
    """Measure what had been asked by look ``number`` into the table ``findings-NUMBER``."""
    from audit.fairness import measure as apply
    from audit.fairness.terms import Terms

    name, parts = f"findings-{number}", [f"completions-{look}" for look in range(1, number + 1)]
    key = {
        "settings": asdict(Terms.of(run.config)),
        "code": code_hash("scorers", "fairness", "statistics", "probes"),
        "parents": _parents(Manifest.load(run.folder), *parts, "probes", "personas"),
    }

    def make() -> Mapping[str, pa.Table]:
        completions = in_order(pa.concat_tables(map(run.table, parts)), run.table("probes"))
        made = _scored(run, completions)
        beside = made.get("checks")
        found = apply(made["scores"], run.table("probes"), run.table("personas"), run.config, checks=beside)
        return {f"scores-{number}": made["scores"], name: found}

    return _stage(run, f"measure-{number}", key, (f"scores-{number}", name), make)[name]


def gate(run: Run, *, strict: bool = False) -> Overall:
    """Judge the findings by the rules; writes verdicts.parquet and verdicts.json."""
    from audit.gate import overall, to_json

    manifest = _with_setting(run, "gate")
    looks = [f"findings-{number}" for number in range(1, _looks_made(manifest) + 1)]
    steps = ["steps"] if "steps" in manifest.data.get("tables", {}) else []
    key = {
        "settings": json.loads(run.config.gate.model_dump_json()),
        "code": code_hash("gate", "statistics", "presets", "fairness/metrics.py"),
        "parents": _parents(manifest, "findings", *looks, *steps),
    }
    outputs = ("verdicts", JUDGED) if looks or steps else ("verdicts",)
    verdicts = _stage(run, "gate", key, outputs, lambda: _judged(run, looks, steps))["verdicts"]
    found = overall(verdicts, strict=strict)
    with tables.replacing(run.folder / "verdicts.json") as temporary:
        shown = run.table(JUDGED if JUDGED in outputs else "findings")
        temporary.write_text(to_json(verdicts, shown, found), encoding="utf-8")
    return found


def _judged(run: Run, looks: Sequence[str], steps: Sequence[str]) -> Mapping[str, pa.Table]:
    """Judge a run by what it holds: steps of fresh stimuli, looks, or all at once."""
    from audit.gate import decide, decide_looks, decide_steps

    if steps:
        verdicts, judged = decide_steps(run.table("steps"), run.table("findings"), run.config)
        return {"verdicts": verdicts, JUDGED: judged}
    if looks:
        planned = Manifest.load(run.folder).data["looks"]["planned"]
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


def _stage(
    run: Run, name: str, key: Mapping[str, Any], outputs: tuple[str, ...], make: Callable[[], Mapping[str, pa.Table]]
) -> Mapping[str, pa.Table]:
    began = time.monotonic()
    manifest = Manifest.load(run.folder)
    if manifest.fresh(name, key, outputs):
        run.progress.end(name, 0.0, True)
        return {output: run.table(output) for output in outputs}
    run.progress.begin(name, 0)
    made = make()
    seconds = time.monotonic() - began
    # `make` may have added to the manifest (the model's description): read it again.
    _write(run, Manifest.load(run.folder), name, key, seconds, made)
    run.progress.end(name, seconds, False)
    return made


def _write(
    run: Run, manifest: Manifest, stage: str, key: Mapping[str, Any], seconds: float, made: Mapping[str, pa.Table]
) -> None:
    outputs = {
        name: (tables.write(_kind(name), table, run.folder / f"{name}.parquet"), table.num_rows)
        for name, table in made.items()
    }
    manifest.record(stage, key, seconds, outputs)
    manifest.save()


def _kind(name: str) -> str:
    """The table that a part is of: "completions-2" is one of completions."""
    return name.partition("-")[0]


def _parents(manifest: Manifest, *names: str) -> dict[str, str]:
    """Hashes of the tables as they lie there, so that one that was changed or damaged is never taken for fresh."""
    found = {name: file_hash(manifest.folder / f"{name}.parquet") for name in names}
    missing = [name for name, known in found.items() if known is None]
    if missing:
        raise ConfigError(f"{manifest.folder}: has no {missing[0]} yet; run the stages before, or 'evenhand run'")
    for name in names:
        made_from = manifest.data.get("tables", {}).get(name, {}).get("parents", {})
        for parent, known in made_from.items():
            path = manifest.folder / f"{parent}.parquet"
            if file_hash(path) != known:
                tables.read(_kind(parent), path)  # a damaged one says so itself
                verb = _VERBS.get(name, "run")
                raise ConfigError(
                    f"{manifest.folder}: {name}.parquet was made from another {parent}.parquet than lies there; "
                    f"run 'evenhand {verb}' first"
                )
    return {name: str(known) for name, known in found.items()}


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
