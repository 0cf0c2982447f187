"""The table ``frontier``: what each finished cell is like and how it differs from others, made from their folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from audit import tables
from audit.errors import ConfigError
from audit.manifest import NAME, Manifest, code_hash, file_hash
from audit.mitigation.changes.rows import Row, missing, row
from audit.mitigation.variants import Cell, Domain
from audit.progress import Progress, Silent
from audit.run_folder import Run, parents, stage
from audit.values import content_hash

KIND: Final = "mitigation"
# Where a training leaves its model, in the folder of its cell.
MODEL: Final = "model"
_BUDGET: Final = {"epsilon": "epsilon", "delta": "probability", "noise_multiplier": "clipping norms"}
_CODE: Final = ("mitigation/changes", "mitigation/frontier.py", "mitigation/utility.py", "mitigation/held_out.py")
_STAGE: Final[Mapping[Domain, str]] = {
    "fairness": "fairness",
    "privacy": "privacy",
    "utility": "utility",
    "budget": "trained",
}
_SORTED: Final = ("domain", "metric", "task", "locale", "axis", "group", "reference", "category", "versus")


def frontier(out: Path, *, progress: Progress | None = None) -> pa.Table:
    """Build ``frontier.parquet`` from what is finished; cells that have not changed are not measured again.

    What is not there is a row too: status "unfinished" with the reason for each domain of a cell that was not
    audited yet, and for each comparison of which a side is missing; "unmeasured" for what cannot be.

    Raises
    ------
    ConfigError
        If ``out`` is not the folder of a mitigation.
    """
    from audit.config import Config

    progress, began = progress or Silent(), time.monotonic()
    entries = {entry["cell"]: entry for entry in recorded(out)}
    run = Run(out, Config(), Silent())
    progress.begin("frontier", 0)
    made = [_of_cell(run, entry, entries) for entry in entries.values()]
    key = {"parents": parents(Manifest.load(out), *(f"frontier-{name}" for name in entries))}
    with tables.for_owner_alone():
        table = stage(run, "frontier", key, ("frontier",), lambda: {"frontier": pa.concat_tables(made)})["frontier"]
    progress.end("frontier", time.monotonic() - began, False)
    return table


def recorded(out: Path) -> list[dict[str, Any]]:
    """The cells that the manifest of a mitigation names, in the order in which they are done.

    Raises
    ------
    ConfigError
        If there is no such manifest.
    """
    data = Manifest.load(out).data
    if data.get("kind") != KIND:
        raise ConfigError(f"{out / NAME}: not the folder of a mitigation; 'evenhand mitigate' makes one")
    found: list[dict[str, Any]] = data["cells"]
    return found


def cell_of(entry: Mapping[str, Any]) -> Cell:
    """The cell that an entry of the manifest is about."""
    return Cell(entry["cell"], entry["variant"], epsilon=entry["epsilon"], prompt=entry["prompt"])


def opened(out: Path, entry: Mapping[str, Any], domain: Domain) -> Run | None:
    """The run of a cell for a domain that is done, or None: an older one may be of another model."""
    from audit import pipeline

    folder = out / entry["cell"] / domain
    if (
        state(entry, domain)[0] != "done"
        or "findings" not in Manifest.load(folder).data.get("tables", {})
        or not (folder / "findings.parquet").is_file()
    ):
        return None
    return pipeline.resume(folder)


def _of_cell(run: Run, entry: dict[str, Any], entries: Mapping[str, dict[str, Any]]) -> pa.Table:
    """Rows of one cell, in a table of its own: an attack's bootstrap takes seconds, and cells are many."""
    cell = cell_of(entry)
    others = [entries[name] for name in entry["versus"] if name in entries]
    name = f"frontier-{cell.name}"
    key = {
        "cell": [cell.name, cell.variant, cell.epsilon],
        "made_from": {each["cell"]: _fingerprint(run.folder, each) for each in (entry, *others)},
        "code": code_hash(*_CODE, "fairness", "privacy/measuring", "privacy/attacks", "statistics"),
    }

    def make() -> Mapping[str, pa.Table]:
        rows = sorted(
            _rows(run.folder, entry, others), key=lambda row: tuple(str(row.get(column) or "") for column in _SORTED)
        )
        return {name: tables.from_rows("frontier", rows)}

    with tables.for_owner_alone():
        return stage(run, name, key, (name,), make)[name]


def _place(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(column) or "") for column in _SORTED)


def _fingerprint(out: Path, entry: Mapping[str, Any]) -> list[Any]:
    """What a cell's rows are made from: the tables of its runs, what its training spent, and what is missing why."""
    folder = out / entry["cell"]
    tables_of = [Manifest.load(folder / part).data.get("tables", {}) for part in ("fairness", "privacy", "utility")]
    hashes = [content_hash({name: found["sha256"] for name, found in one.items()}) for one in tables_of]
    reasons = {stage: found.get("reason") for stage, found in entry["stages"].items()}
    return [*hashes, file_hash(folder / MODEL / "privacy.json"), reasons]


def _rows(out: Path, entry: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[Row]:
    cell = cell_of(entry)
    for domain in cell.domains:
        levels, changes = _DOMAINS[domain]
        found = list(levels(out, cell, entry))
        yield from found
        if changes is None:
            continue
        for other in others:
            between = list(changes(out, cell, cell_of(other), entry, other))
            yield from between or _not_compared(cell, domain, entry, other, measured=bool(found))


def _not_compared(
    cell: Cell, domain: Domain, entry: dict[str, Any], other: dict[str, Any], *, measured: bool
) -> Iterator[Row]:
    if domain not in cell_of(other).domains:
        return
    lacking = [each for each in (entry, other) if state(each, domain)[0] != "done"]
    if lacking:
        status, reason = _absent(lacking[0], domain)
        yield missing(cell, domain, status, f"{lacking[0]['cell']}: {reason}", versus=other["cell"])
    elif measured:
        yield missing(cell, domain, "unmeasured", "the two have nothing of it in common", versus=other["cell"])


def state(entry: Mapping[str, Any], domain: Domain) -> tuple[str, str]:
    """How a domain of a cell stands, and why: done, failed, unfinished, waiting or off."""
    found = entry["stages"].get(_STAGE[domain])
    return (found["status"], found.get("reason") or "") if found else ("off", "was not asked for")


def _absent(entry: Mapping[str, Any], domain: Domain) -> tuple[str, str]:
    """Status and reason of a row that stands for what is not there."""
    status, reason = state(entry, domain)
    return ("unmeasured" if status == "off" else "unfinished"), reason or "has not been done yet"


def _fairness(out: Path, cell: Cell, entry: dict[str, Any]) -> Iterator[Row]:
    from audit.mitigation.changes.fairness import gap_rows

    run = opened(out, entry, "fairness")
    yield from gap_rows(cell, run) if run else (missing(cell, "fairness", *_absent(entry, "fairness")),)


def _fairness_changes(
    out: Path, cell: Cell, versus: Cell, entry: dict[str, Any], other: dict[str, Any]
) -> Iterator[Row]:
    from audit.mitigation.changes.fairness import gap_changes

    after, before = (opened(out, one, "fairness") for one in (entry, other))
    if after and before:
        yield from gap_changes(cell, after, before, versus.name)


def _privacy(out: Path, cell: Cell, entry: dict[str, Any]) -> Iterator[Row]:
    from audit.mitigation.changes.privacy import leak_rows

    run = opened(out, entry, "privacy")
    if run is None:
        yield missing(cell, "privacy", *_absent(entry, "privacy"))
    else:
        yield from leak_rows(cell, run, Manifest.load(run.folder).data.get("not_measured", {}))


def _privacy_changes(
    out: Path, cell: Cell, versus: Cell, entry: dict[str, Any], other: dict[str, Any]
) -> Iterator[Row]:
    from audit.mitigation.changes.privacy import leak_changes

    after, before = (opened(out, one, "privacy") for one in (entry, other))
    if after and before:
        yield from leak_changes(cell, after, before, versus)


def _utility(out: Path, cell: Cell, entry: dict[str, Any]) -> Iterator[Row]:
    from audit.mitigation.utility import answer_levels, text_levels

    texts = _texts(out, entry)
    if texts:
        yield from (_utility_row(cell, one) for one in text_levels(texts))
    elif cell.variant == "prompt":
        reason = "a prompt changes no weights: what the model says of records is what the base says"
        yield missing(cell, "utility", "unmeasured", reason, metric="nll")
    else:
        status, reason = _absent(entry, "utility")
        yield missing(cell, "utility", "unmeasured" if status == "unmeasured" else "unfinished", reason, metric="nll")
    run = opened(out, entry, "fairness")
    if run is not None:
        yield from (_utility_row(cell, one) for one in answer_levels(_answers(run)))


def _utility_changes(
    out: Path, cell: Cell, versus: Cell, entry: dict[str, Any], other: dict[str, Any]
) -> Iterator[Row]:
    from audit.mitigation.utility import answer_changes, text_changes

    after, before = _texts(out, entry), _texts(out, other)
    if after and before:
        yield from (_utility_row(cell, one, versus.name) for one in text_changes(after, before))
    runs = [opened(out, one, "fairness") for one in (entry, other)]
    if runs[0] and runs[1]:
        yield from (
            _utility_row(cell, one, versus.name) for one in answer_changes(_answers(runs[0]), _answers(runs[1]))
        )


def _texts(out: Path, entry: Mapping[str, Any]) -> list[Any]:
    """Held-out records as the cell read them, in its privacy audit or for this alone."""
    from audit.mitigation.held_out import readings_of

    if state(entry, "utility")[0] != "done":
        return []
    folder = out / entry["cell"]
    return readings_of(folder / "privacy") or readings_of(folder / "utility")


def _answers(run: Run) -> Any:
    from audit.mitigation.utility import answers

    return answers(run.table("scores"), run.table("probes"), run.table("personas"))


def _utility_row(cell: Cell, columns: dict[str, Any], versus: str | None = None) -> Row:
    rest = {name: value for name, value in columns.items() if name not in ("metric", "scale")}
    return row(cell, "utility", columns["metric"], columns["scale"], versus=versus, **rest)


def _budget(out: Path, cell: Cell, entry: dict[str, Any]) -> Iterator[Row]:
    """What the training spent, as its statement says: known, not estimated."""
    from audit.mitigation.statement import read_statement

    done = state(entry, "budget")[0] == "done"
    statement = read_statement(out / cell.name / MODEL) if done else None
    if statement is None or statement.promise is None:
        reason = f"{cell.name}/{MODEL} holds no statement of what was spent" if done else ""
        yield missing(cell, "budget", *(("unmeasured", reason) if done else _absent(entry, "budget")))
        return
    for metric, scale in _BUDGET.items():
        yield row(cell, "budget", metric, scale, estimate=getattr(statement.promise, metric), n=1)


_Levels = Callable[[Path, Cell, dict[str, Any]], Iterator[Row]]
_Changes = Callable[[Path, Cell, Cell, dict[str, Any], dict[str, Any]], Iterator[Row]]
_DOMAINS: Final[Mapping[Domain, tuple[_Levels, _Changes | None]]] = {
    "fairness": (_fairness, _fairness_changes),
    "privacy": (_privacy, _privacy_changes),
    "utility": (_utility, _utility_changes),
    "budget": (_budget, None),
}
