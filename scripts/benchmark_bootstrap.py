"""How fast the cluster bootstrap is beside fairlearn's row bootstrap, on the same rows in one run.

    python scripts/benchmark_bootstrap.py [--rows 10000 100000 1000000] [--write docs/benchmarks/statistics.md]

Rows are draws of blocks × personas in eight groups. Both sides bootstrap the means of
all groups and their largest difference. Ours draws blocks and personas, summing rows
into block × persona cells included in its time, and makes every draw. ``MetricFrame`` draws rows;
its time for all draws is extrapolated from a few: (time with these − time with none)
/ number × draws + time with none. Point values must agree, or the run fails. Every
figure is the best of several repetitions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fairlearn.metrics import MetricFrame, mean_prediction
from numpy.typing import NDArray

from audit.manifest import machine
from audit.statistics import GroupMeans, group_means

GROUPS = 8
PERSONAS = 10  # a group
REPLIES = 5  # draws of a cell
QUANTILES = [0.025, 0.975]
GOAL = 1000


def design(rows: int, seed: int) -> dict[str, NDArray[Any]]:
    """At least ``rows`` rows with block, name and block × group effects: values and integer labels."""
    blocks = -(-rows // (GROUPS * PERSONAS * REPLIES))
    block, persona, _ = np.indices((blocks, GROUPS * PERSONAS, REPLIES)).reshape(3, -1)
    rng = np.random.default_rng(seed)
    group = persona // PERSONAS
    values = rng.normal(size=block.size) + 0.2 * rng.normal(size=GROUPS * PERSONAS)[persona]
    values += 0.5 * rng.normal(size=blocks)[block] + 0.3 * rng.normal(size=(blocks, GROUPS))[block, group]
    return {"y": values, "group": group, "block": block, "persona": persona}


def best(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Seconds of the fastest of ``repeats`` runs, and what the last gave."""
    seconds, found = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def compare(rows: int, *, draws: int, theirs: int, seed: int, repeats: int) -> dict[str, float]:
    """Time both on one set of rows."""
    data = design(rows, seed)

    def ours() -> GroupMeans:
        return group_means(data["y"], data["group"], data["block"], persona=data["persona"], draws=draws, seed=seed)

    def frame(count: int | None) -> MetricFrame:
        resampling = {} if count is None else {"n_boot": count, "ci_quantiles": QUANTILES, "random_state": seed}
        return MetricFrame(
            metrics=mean_prediction,
            y_true=data["y"],
            y_pred=data["y"],
            sensitive_features=data["group"],
            **resampling,
        )

    own, found = best(ours, repeats)
    bare, plain = best(lambda: frame(None), repeats)
    some, _ = best(lambda: frame(theirs), repeats)
    np.testing.assert_allclose(found.means, plain.by_group.to_numpy(float), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.difference, plain.difference(), rtol=1e-9, atol=1e-12)
    other = (some - bare) / theirs * draws + bare
    return {
        "rows": data["y"].size,
        "cells": np.unique(data["block"] * GROUPS * PERSONAS + data["persona"]).size,
        "ours, s": own,
        "MetricFrame, s": other,
        "ratio": other / own,
    }


def table(results: Sequence[dict[str, float]]) -> list[str]:
    """Markdown lines, one row for each size."""
    lines = ["| rows | cells | ours, s | MetricFrame, s (extrapolated) | ratio |", "|---:|---:|---:|---:|---:|"]
    for one in results:
        lines.append(
            f"| {one['rows']:,.0f} | {one['cells']:,.0f} | {one['ours, s']:.3f} | {one['MetricFrame, s']:,.0f} "
            f"| {one['ratio']:,.0f} |"
        )
    return lines


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws to compare")
    parser.add_argument("--theirs", type=int, default=10, help="draws that MetricFrame really makes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    given = parser.parse_args()
    results = []
    for rows in given.rows:
        one = compare(rows, draws=given.draws, theirs=given.theirs, seed=given.seed, repeats=given.repeats)
        print(f"{one['rows']:,.0f} rows: {one['ratio']:,.0f} times as fast", file=sys.stderr)
        results.append(one)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, numpy {np.__version__}, fairlearn {version('fairlearn')}; "
        f"seed {given.seed}; commit {commit or 'unknown'}",
        "",
        f"Means of {GROUPS} groups and their largest difference, {given.draws:,} bootstrap draws on the same rows. "
        f"Ours draws blocks and {GROUPS * PERSONAS} personas, summing rows into block × persona cells included; "
        f"`MetricFrame(n_boot=...)` draws rows, and its time is extrapolated from {given.theirs} draws.",
        "",
        *table(results),
        "",
        f"Smallest ratio {min(one['ratio'] for one in results):,.0f}; the goal is {GOAL:,}.",
    ]
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        head = (
            "# Speed of the statistics\n\n"
            "Written by `python scripts/benchmark_bootstrap.py --write docs/benchmarks/statistics.md`.\n\n"
        )
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
