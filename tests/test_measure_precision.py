"""The script that measures numerical noise, on a model too small to know anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="module")
def table(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, llama_folder: Path
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Rows of the table that the script writes: (precision, way, threads) to its figures."""
    folder = tmp_path_factory.mktemp("precision")
    config = tiny.write_audit(folder, llama_folder)
    words = ["--model", str(llama_folder), "--config", str(config), "--task", "swap", "--blocks", "3", "--names", "4"]
    command = [sys.executable, str(repository / "scripts" / "measure_precision.py"), *words, "--write", "found.md"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    text = (folder / "found.md").read_text(encoding="utf-8")
    assert "12 decisions of swap (3 blocks × 4 names); seed 0" in text
    assert done.stdout.strip() in text
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    head = rows[0][3:]
    return {(row[0], row[1], row[2]): dict(zip(head, map(float, row[3:]), strict=True)) for row in rows[1:]}


def test_every_precision_is_read_in_several_ways(table: dict[tuple[str, str, str], dict[str, float]]) -> None:
    ways = {precision: {way for found, way, _ in table if found == precision} for precision, _, _ in table}
    assert {"float32", "bfloat16"} <= set(ways)
    assert "one prompt at a time" in ways["float32"]
    assert any(way.startswith("shared-prefix tree") for way in ways["float32"])
    assert {threads for precision, _, threads in table if precision == "float32"} == {"1", "2"}


def test_float32_is_near_the_yardstick_and_bfloat16_is_not(
    table: dict[tuple[str, str, str], dict[str, float]],
) -> None:
    rms = {precision: max(row["rms"] for key, row in table.items() if key[0] == precision) for precision, _, _ in table}
    assert rms["float32"] < 1e-4
    assert rms["bfloat16"] > 100 * rms["float32"]


def test_the_figures_fit_each_other(table: dict[tuple[str, str, str], dict[str, float]]) -> None:
    for (_, way, _), row in table.items():
        assert abs(row["mean"]) <= row["rms"] * 1.1 and row["rms"] <= row["largest"] * 1.1
        assert 1 <= row["different values"] <= 12
        assert (row["rms to first way"] == 0) or way != "one prompt at a time"
