"""The study of the bound, run as a user runs it, and its parts against what they stand for."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from audit.privacy.attacks.one_run import audit_one_run, epsilon_lower_bound


@pytest.fixture(scope="module")
def study(repository: Path):
    spec = importlib.util.spec_from_file_location("study_one_run", repository / "scripts" / "study_one_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_study_prints_and_writes_its_tables(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "one_run.md"
    words = ("--runs", "60", "--canaries", "200", "--write", str(page))
    done = subprocess.run(
        [sys.executable, str(repository / "scripts" / "study_one_run.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert page.read_text(encoding="utf-8").endswith(done.stdout)
    assert re.search(r"seed 0; commit \w+", done.stdout)
    grid = re.search(r"largest over the grid, no bound \| 0 \| ([\d.]+)%", done.stdout)
    fixed = re.search(r"an eighth each \(default\), fixed \| 0 \| ([\d.]+)%", done.stdout)
    assert float(grid[1]) > 15 > float(fixed[1])


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-5), (4.0, 1e-6)])
def test_the_noise_is_calibrated_to_epsilon_and_delta(study, epsilon, delta):
    """Against the trade-off itself: the largest of P − e^ε·Q over events is reached at one threshold."""
    sigma = study.sigma_of(epsilon, delta)
    thresholds = np.linspace(-20 * sigma, 20 * sigma, 400_001)
    beyond = stats.norm.sf(thresholds, 1, sigma) - math.exp(epsilon) * stats.norm.sf(thresholds, 0, sigma)
    assert beyond.max() == pytest.approx(delta, rel=1e-3)


def test_its_bounds_are_those_of_an_audit(study):
    rng = np.random.default_rng(5)
    coins, scores = rng.random((4, 100)) < 0.5, rng.normal(size=(4, 100))
    scores += 2 * coins
    order = np.take_along_axis(coins, np.argsort(-scores, axis=1), axis=1)
    audits = [audit_one_run(s, c, k_in=20, k_out=15, delta=1e-5) for s, c in zip(scores, coins, strict=True)]
    assert study.right(order, 20, 15).tolist() == [one.v for one in audits]
    assert study.bounds(order, 20, 15, 1e-5).tolist() == [one.epsilon_lower for one in audits]


@pytest.mark.parametrize("epsilon", [0.0, 0.7])
def test_the_fewest_right_guesses_that_refute(study, epsilon):
    least = study.least_right(100, 40, epsilon, 1e-5)
    bounds = [epsilon_lower_bound(100, 40, v, delta=1e-5) for v in (least - 1, least)]
    assert bounds[0] <= epsilon < bounds[1]
    assert study.least_right(100, 3, 0.0, 0.0) == 4
