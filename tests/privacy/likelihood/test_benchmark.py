"""The benchmark of scoring, on a tiny model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_benchmark_prints_its_ratios(repository: Path, tmp_path: Path, llama_folder: Path) -> None:
    words = ("--records", "8", "--tokens", "24", "--memory", "4", "8", "--killed", "0", "--write", "figures.md")
    command = [sys.executable, str(repository / "scripts" / "benchmark_likelihood.py"), "--model", str(llama_folder)]
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    for figure in ("scored / plain; the goal is 0.8", "peak memory at 8 records, MB", "their ratio"):
        assert f"| {figure} |" in done.stdout
    assert (tmp_path / "figures.md").read_text(encoding="utf-8").endswith(done.stdout)
