"""calibration.json: the evidence; every other format shows the same rows."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

from audit.calibration.values import Benchmark, Row
from audit.errors import ConfigError
from audit.tables import replacing

NAME: Final = "calibration.json"


def make_folder(folder: Path) -> Path:
    """Make the folder of the results.

    Raises
    ------
    ConfigError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be written to ({error.strerror}); name another folder") from error


def to_json(found: Benchmark) -> str:
    """Return the benchmark as JSON; a figure that could not be computed is null."""
    data = {
        "calibration": 1,
        "sentence": found.sentence,
        "passed": not found.failed,
        "mode": found.mode,
        "seed": found.seed,
        "commit": found.commit,
        "seconds": round(found.seconds, 1),
        "command": found.command,
        "versions": dict(found.versions),
        "machine": dict(found.machine),
        "rows": [_row(row) for row in found.rows],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(found: Benchmark, path: Path) -> Path:
    """Write the benchmark to ``path`` in one step.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    with replacing(path) as temporary:
        temporary.write_text(to_json(found), encoding="utf-8", newline="\n")
    return path


def _row(row: Row) -> dict[str, Any]:
    target = row.target
    return {
        "id": row.id,
        "section": row.section,
        "what": row.what,
        "figure": _real(row.figure),
        "mc_se": _real(row.se),
        "runs": row.runs,
        "target": None
        if target is None
        else {"low": target.low, "high": target.high, "slack_mc_se": target.slack, "words": target.words()},
        "passed": row.passed,
        "beside": {rival.name: {"figure": _real(rival.figure), "mc_se": _real(rival.se)} for rival in row.rivals},
        "note": row.note,
    }


def _real(value: float) -> float | None:
    return value if math.isfinite(value) else None
