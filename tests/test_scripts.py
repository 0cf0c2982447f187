"""The scripts that people copy, run as they would run them, on models too small to know anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import tables


def run(repository: Path, folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "scripts" / script), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )


def test_continuations_of_any_causal_model(repository: Path, tmp_path: Path, gpt2_folder: Path) -> None:
    words = ("--persona", "Megan R.", "--persona", "Darnell R.", "--count", "5", "--tokens", "6")
    done = run(repository, tmp_path, "continuations.py", "--model", str(gpt2_folder), *words)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(lines) == 15
    assert all(line.startswith("  I love shopping online because") for line in lines)
    assert "Darnell R." in done.stdout


def test_continuations_of_an_unknown_model_are_one_line(repository: Path, tmp_path: Path) -> None:
    done = run(repository, tmp_path, "continuations.py", "--model", "nonsense")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_audit_on_the_python_api(repository: Path, tmp_path: Path, gpt2_folder: Path) -> None:
    people = tmp_path / "people.toml"
    people.write_text(
        """
locale = "en"
reference = { gender = "male" }
[[names]]
attributes = { gender = "male" }
names = ["Adam", "Brian", "Carl"]
[[names]]
attributes = { gender = "female" }
names = ["Anna", "Betty", "Clara"]
""",
        encoding="utf-8",
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import audit_model; "
        "sys.exit(audit_model.main(sys.argv[2], 'mine', personas=sys.argv[3]))"
    )
    words = [str(repository / "scripts"), str(gpt2_folder), str(people)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    # Six names are too few for a verdict, and a model with random weights has dead controls.
    assert done.returncode == 5, done.stdout + done.stderr
    assert (tmp_path / "mine" / "report.html").is_file()
    assert "refund-women" in done.stdout
    assert tables.read("verdicts", tmp_path / "mine" / "verdicts.parquet").num_rows


@pytest.mark.slow
def test_the_benchmark_prints_its_ratios(repository: Path, tmp_path: Path, llama_folder: Path) -> None:
    words = ("--model", str(llama_folder), "--blocks", "1", "--texts", "8")
    done = run(repository, tmp_path, "benchmark_local.py", *words)
    assert done.returncode == 0, done.stderr
    assert "decisions: shared prefixes / better of the two without" in done.stdout
    assert "texts: batches / one generate a prompt" in done.stdout


def test_the_benchmark_of_measuring_writes_a_scaling_table(repository: Path, tmp_path: Path) -> None:
    done = run(repository, tmp_path, "benchmark_measure.py", "--rows", "10000", "--write", "measure.md")
    assert done.returncode == 0, done.stderr
    head, *rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert "score rows | findings | measure, s" in head
    assert rows[-1].startswith("| 5 | 20 | 10,000 |")
    assert (tmp_path / "measure.md").read_text(encoding="utf-8").endswith(done.stdout)
