"""The benchmark on a tiny model: each figure in this process, and the whole as a user runs it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


def script(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_dp", repository / "scripts" / "benchmark_dp.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("method", "side"), [("full", "bookkeeping"), ("lora-float32", "hooks"), ("lora-bfloat16", "ghost")]
)
def test_each_figure_is_measured(method: str, side: str, repository: Path, llama_folder: Path) -> None:
    benchmark = script(repository)
    given = argparse.Namespace(model=str(llama_folder), batch=2, tokens=8, rank=2, turns=2)
    found = benchmark.measure_time(given, method, side, benchmark.LEAN)
    assert min(found.values()) > 0
    assert benchmark.measure_memory(given, method, side)["peak"] > 0


def test_the_plain_training_with_head_and_loss_in_one_learns_what_the_plain_one_does(
    repository: Path, llama_folder: Path
) -> None:
    benchmark = script(repository)
    given = argparse.Namespace(model=str(llama_folder), batch=2, tokens=8, rank=2)
    found = []
    for side in (benchmark.PLAIN, benchmark.LEAN):
        model = benchmark.prepared(given, "full")
        batch = benchmark.batch_of(given, model.config.vocab_size)
        (benchmark._plain if side == benchmark.PLAIN else benchmark._lean(model))(model, batch)
        found.append([p.grad * (batch.units if side == benchmark.PLAIN else 1) for p in model.parameters()])
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() <= 1e-4 * one.norm() + 1e-6


@pytest.mark.slow
def test_the_benchmark_prints_and_writes_its_ratios(repository: Path, llama_folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "dp.md"
    size = ("--batch", "2", "--tokens", "8", "--rank", "2", "--turns", "1")
    done = subprocess.run(
        [
            *(sys.executable, str(repository / "scripts" / "benchmark_dp.py"), "--model", str(llama_folder)),
            *(*size, "--write", str(page)),
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([^|]+) \| (\w+) \| (\d+\.\d\d) \| (\d+\.\d\d) \|", done.stdout, re.MULTILINE)
    assert [row[1] for row in rows] == ["bookkeeping", "hooks", "ghost"] * 3
    assert all(float(memory) > 0.5 for *_, memory in rows)
    assert page.read_text(encoding="utf-8").endswith(done.stdout)
