"""A run's folder: its tables, and the stages that write them only where something has changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.errors import ConfigError
from audit.manifest import Manifest, file_hash
from audit.progress import Progress

if TYPE_CHECKING:
    from audit.backends import Backend

RUNS: Final = Path(".evenhand") / "runs"
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
        return tables.read(kind_of(name), self.folder / f"{name}.parquet")


def stage(
    run: Run, name: str, key: Mapping[str, Any], outputs: tuple[str, ...], make: Callable[[], Mapping[str, pa.Table]]
) -> Mapping[str, pa.Table]:
    """Return the tables ``outputs`` of a stage; ``make`` makes them unless all that is in ``key`` is as it was."""
    began = time.monotonic()
    manifest = Manifest.load(run.folder)
    if manifest.fresh(name, key, outputs):
        run.progress.end(name, 0.0, True)
        return {output: run.table(output) for output in outputs}
    run.progress.begin(name, 0)
    made = make()
    seconds = time.monotonic() - began
    # `make` may have added to the manifest (the model's description): read it again.
    write(run, Manifest.load(run.folder), name, key, seconds, made)
    run.progress.end(name, seconds, False)
    return made


def write(
    run: Run, manifest: Manifest, stage: str, key: Mapping[str, Any], seconds: float, made: Mapping[str, pa.Table]
) -> None:
    """Write the tables ``made`` and note in the manifest what they were made from."""
    outputs = {
        name: (tables.write(kind_of(name), table, run.folder / f"{name}.parquet"), table.num_rows)
        for name, table in made.items()
    }
    manifest.record(stage, key, seconds, outputs)
    manifest.save()


def parents(manifest: Manifest, *names: str) -> dict[str, str]:
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
                tables.read(kind_of(parent), path)  # a damaged one says so itself
                verb = _VERBS.get(name, "run")
                raise ConfigError(
                    f"{manifest.folder}: {name}.parquet was made from another {parent}.parquet than lies there; "
                    f"run 'evenhand {verb}' first"
                )
    return {name: str(known) for name, known in found.items()}


def kind_of(name: str) -> str:
    """The table that a part is of: "completions-2" is one of completions."""
    return name.partition("-")[0]


def clear(folder: Path) -> None:
    """Remove what a run writes, and nothing else that lies in its folder."""
    for parts in folder.glob("*.parts-*"):
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
