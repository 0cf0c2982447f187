"""Reading a run folder: the manifest, the tables and the verdict, made safe to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit import tables
from audit.errors import ConfigError
from audit.run_folder import JUDGED
from reports.text import visible_all
from reports.values import Overall

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left behind."""

    manifest: Row
    personas: pa.Table
    probes: pa.Table
    completions: pa.Table
    scores: pa.Table
    findings: tuple[Row, ...]
    verdicts: tuple[Row, ...]
    overall: Overall
    rule_outcomes: Mapping[str, str]  # rule -> outcome, as the gate sums up its lines


def read_run(folder: Path) -> RunFolder:
    """Read everything that a report shows from ``folder``.

    Raises
    ------
    ConfigError
        If a table or verdicts.json is missing or not readable. A missing manifest is
        no error: what it would say is shown as not recorded.
    """
    evidence = read_json(folder / "verdicts.json", required=True)
    manifest = read_json(folder / "manifest.json", required=False)
    read = {
        name: tables.read(name, folder / f"{name}.parquet")
        for name in ("personas", "probes", "completions", "scores", "findings")
    }
    if (folder / f"{JUDGED}.parquet").is_file():
        read["findings"] = tables.read("findings", folder / f"{JUDGED}.parquet")
    return RunFolder(
        manifest=manifest,
        personas=read["personas"],
        probes=read["probes"],
        completions=read["completions"],
        scores=read["scores"],
        findings=tuple(visible_all(read["findings"].to_pylist())),
        verdicts=read_verdicts(folder, evidence),
        overall=read_overall(folder / "verdicts.json", evidence),
        rule_outcomes={
            row["rule"]: row["outcome"]
            for row in evidence.get("rules", ())
            if isinstance(row, dict) and isinstance(row.get("rule"), str) and isinstance(row.get("outcome"), str)
        },
    )


def read_json(path: Path, required: bool) -> dict[str, Any]:
    """A JSON object, made safe to look at; empty where it is absent and not ``required``."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not required:
            return {}
        raise ConfigError(f"{path}: there is no verdict yet; run `evenhand gate` on this folder first") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable JSON; delete it and run the stage that writes it again") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: a JSON object is expected; delete it and run the stage that writes it again")
    cleaned: dict[str, Any] = visible_all(value)
    return cleaned


def read_overall(path: Path, evidence: Row) -> Overall:
    """The verdict on the run, as verdicts.json at ``path`` states it."""
    nested = evidence.get("overall")
    found = nested if isinstance(nested, dict) else evidence
    if not isinstance(found.get("outcome"), str) or not isinstance(found.get("sentence"), str):
        raise ConfigError(
            f"{path}: the overall outcome or sentence is missing; run `evenhand gate` on this folder again"
        )
    code = found.get("exit_code")
    return Overall(found["outcome"], code if isinstance(code, int) else None, found["sentence"])


def read_verdicts(folder: Path, evidence: Row) -> tuple[Row, ...]:
    """Rows of verdicts.parquet if there is one, else those in verdicts.json; both through the schema."""
    path = folder / "verdicts.parquet"
    if path.exists():
        table = tables.read("verdicts", path)
    else:
        rows = evidence.get("verdicts")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ConfigError(
                f"{folder / 'verdicts.json'}: key verdicts is missing; run `evenhand gate` on this folder again"
            )
        names = tables.SCHEMAS["verdicts"].names
        try:
            table = tables.check(
                "verdicts", tables.from_rows("verdicts", [{name: row.get(name) for name in names} for row in rows])
            )
        except (pa.ArrowInvalid, pa.ArrowTypeError, ConfigError) as error:
            raise ConfigError(f"{folder / 'verdicts.json'}: {str(error).splitlines()[0]}") from error
    cleaned: list[Row] = visible_all(table.to_pylist())
    return tuple(cleaned)
