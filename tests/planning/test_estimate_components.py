"""The script that writes the default variance components."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config, parse, read_toml
from audit.manifest import Manifest, versions
from audit.planning import from_run
from audit.planning.table import TableFile
from audit.statistics import Components


def test_it_writes_what_a_run_holds(repository: Path, refunds: Config, make_run: Any, tmp_path: Path) -> None:
    run = make_run(refunds, Components(template=0.2, persona=0.15, noise=0.3))
    manifest = Manifest.load(run)
    manifest.data |= {"seed": 3, "versions": versions(), "model": {"name": "made up", "revision": "1"}}
    manifest.save()
    words = [sys.executable, str(repository / "scripts" / "estimate_components.py"), str(run), "--write", "table.toml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    table = parse(TableFile, read_toml(tmp_path / "table.toml"), "table.toml")
    assert (table.model, table.seed) == ("made up (1)", 3)
    (row,) = [row for row in table.components if (row.metric, row.cue_channel) == ("log_odds", "name")]
    known = from_run(run, refunds).of("refund_decision", "log_odds", "name", "gender", "female", "log-odds")[0]
    for name in ("template", "persona", "noise"):
        assert getattr(row, name) == pytest.approx(getattr(known, name), rel=1e-3)
