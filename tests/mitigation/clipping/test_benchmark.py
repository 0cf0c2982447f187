"""The benchmark, run as a user runs it, on a tiny model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--methods", "lora-bfloat16", "--clippings", "hooks"), id="one"),
        pytest.param((), id="all", marks=pytest.mark.slow),
    ],
)
def test_the_benchmark_prints_and_writes_its_ratios(
    words: tuple[str, ...], repository: Path, llama_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "docs" / "dp.md"
    size = ("--batch", "2", "--tokens", "8", "--rank", "2", "--turns", "1")
    done = subprocess.run(
        [
            *(sys.executable, str(repository / "scripts" / "benchmark_dp.py"), "--model", str(llama_folder)),
            *(*size, *words, "--write", str(page)),
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([^|]+) \| (\w+) \| (\d+\.\d\d) \| (\d+\.\d\d) \|", done.stdout, re.MULTILINE)
    assert [row[1] for row in rows] == (["hooks"] if words else ["bookkeeping", "hooks", "ghost"] * 3)
    assert all(float(memory) > 0.5 for *_, memory in rows)
    assert page.read_text(encoding="utf-8").endswith(done.stdout)
