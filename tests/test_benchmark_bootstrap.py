"""The benchmark of the bootstrap, run as a user runs it, on few rows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_the_bootstrap_benchmark_prints_and_writes_its_ratio(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "statistics.md"
    words = ("--rows", "2000", "4000", "--theirs", "2", "--repeats", "1", "--draws", "200", "--write", str(page))
    done = subprocess.run(
        [sys.executable, str(repository / "scripts" / "benchmark_bootstrap.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| [\d.]+ \| [\d,]+ \| ([\d,]+) \|$", done.stdout, re.MULTILINE)
    assert [row[:2] for row in rows] == [("2,000", "400"), ("4,000", "800")]
    assert min(int(ratio.replace(",", "")) for _, _, ratio in rows) > 50
    assert page.read_text(encoding="utf-8").endswith(done.stdout)
    assert re.search(r"seed 0; commit \w+", done.stdout)
