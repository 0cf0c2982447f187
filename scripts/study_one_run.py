"""Does the one-run bound on ε hold, and how near to ε does it come? Mechanisms of known ε, many seeds.

    python scripts/study_one_run.py [--runs 1000] [--canaries 1000] [--write docs/benchmarks/one_run.md]

1. Nothing leaks: fair coins, scores that know nothing of them. A bound above 0 is a false alarm.
2. Every guess is right: the bound against the closed form of its ceiling.
3. Randomised response, and a Gaussian mechanism calibrated to (ε, δ) by Balle & Wang 2018 (arXiv
   1805.06530, theorem 8). Each canary adds its coin, 0 or 1, to a coordinate of its own; what is
   published of it is its score.

Beside each stands what is no bound: the largest over a grid of how many to guess as inserted
and as not, chosen after the scores were seen.
"""

from __future__ import annotations

import argparse
import functools
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import optimize, special

from audit.manifest import machine
from audit.privacy.attacks.one_run import ceiling, epsilon_lower_bound, guesses_for, p_value

BETA = 0.05
DELTA = 1e-5
EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
STEPS = 20  # of each side of the grid

Coins = NDArray[np.bool_]


def sigma_of(epsilon: float, delta: float) -> float:
    """Noise at which a sum of sensitivity 1 is (ε, δ)-DP and no better: Φ(a − εσ) − e^ε Φ(−a − εσ) = δ, a = 1/(2σ)."""

    def beyond(log_sigma: float) -> float:
        sigma = math.exp(log_sigma)
        a, b = 1 / (2 * sigma), epsilon * sigma
        return float(special.ndtr(a - b) - math.exp(epsilon + special.log_ndtr(-a - b))) - delta

    return math.exp(optimize.brentq(beyond, math.log(1e-3), math.log(1e4)))


def ranked(kind: str, epsilon: float, runs: int, m: int, rng: np.random.Generator) -> Coins:
    """Coins in the order of falling scores, (runs, m)."""
    coins = rng.random((runs, m)) < 0.5
    noise = rng.normal(size=(runs, m))
    if kind == "nothing":
        scores = noise
    elif kind == "randomised response":  # equal scores are ordered by chance
        lie = rng.random((runs, m)) < special.expit(-epsilon)
        scores = (coins ^ lie) + 1e-3 * special.ndtr(noise)
    else:
        scores = coins + sigma_of(epsilon, DELTA) * noise
    return np.take_along_axis(coins, np.argsort(-scores, axis=1), axis=1)


def right(order: Coins, k_in: int, k_out: int) -> NDArray[np.int64]:
    """Right guesses of each run, (runs,)."""
    m = order.shape[1]
    return np.asarray(order[:, :k_in].sum(axis=1) + (~order[:, m - k_out :]).sum(axis=1), np.int64)


def bounds(order: Coins, k_in: int, k_out: int, delta: float) -> NDArray[np.float64]:
    """Bounds of each run for guesses fixed in advance, (runs,)."""
    m, known = order.shape[1], {}
    right_ones = right(order, k_in, k_out)
    for v in np.unique(right_ones).tolist():
        known[v] = epsilon_lower_bound(m, k_in + k_out, v, delta=delta, beta=BETA)
    return np.array([known[v] for v in right_ones.tolist()])


def over_grid(order: Coins, epsilon: float, delta: float) -> float:
    """Share of runs in which the largest bound over the grid is above ε."""
    runs, m = order.shape
    steps = np.arange(1, STEPS + 1) * m // (2 * STEPS)
    top = np.cumsum(order, axis=1)[:, steps - 1]
    low = np.cumsum(~order[:, ::-1], axis=1)[:, steps - 1]
    found = np.zeros(runs, bool)
    for a in range(STEPS):
        for b in range(STEPS):
            found |= top[:, a] + low[:, b] >= least_right(m, int(steps[a] + steps[b]), epsilon, delta)
    return float(found.mean())


@functools.cache
def least_right(m: int, r: int, epsilon: float, delta: float) -> int:
    """The fewest right guesses of r that refute ε; r + 1 where none do."""
    low, high = 0, r + 1
    while low < high:
        middle = (low + high) // 2
        if middle <= r and p_value(m, r, middle, epsilon, delta) >= BETA:
            low = middle + 1
        else:
            high = middle
    return low


def null_lines(runs: int, m: int, seed: int) -> Iterator[str]:
    """The table where nothing leaks; each run has a seed of its own. What is exact: right guesses are Bin(r, ½)."""
    every = [ranked("nothing", 0.0, 1, m, np.random.default_rng(seed + run)) for run in range(runs)]
    order = np.concatenate(every)
    yield from ("| guesses | δ | runs with a bound above 0 | exact |", "|---|---:|---:|---:|")
    for delta in (0.0, DELTA):
        for name, (k_in, k_out) in fixed(m).items():
            r = k_in + k_out
            exact = special.bdtrc(least_right(m, r, 0.0, delta) - 1, r, 0.5)
            share = np.mean(bounds(order, k_in, k_out, delta) > 0)
            yield f"| {name}, fixed | {delta:g} | {share:.1%} | {exact:.1%} |"
        yield f"| largest over the grid, no bound | {delta:g} | {over_grid(order, 0.0, delta):.1%} | |"


def fixed(m: int) -> dict[str, tuple[int, int]]:
    """Guesses that are fixed in advance, by what they are called."""
    return {
        "a third each": (m // 3, m // 3),
        "an eighth each (default)": guesses_for(m),
        "a twentieth each": (m // 20, m // 20),
    }


def ceiling_lines(m: int) -> Iterator[str]:
    """The table where every guess is right."""
    yield from (f"| guesses r | bound | log(q/(1−q)), q = β^(1/r) | bound at δ = {DELTA:g} |", "|---:|---:|---:|---:|")
    for r in (5, 10, 100, m, 10 * m, 100 * m):
        q = BETA ** (1 / r)
        exact = math.log(q / (1 - q))
        with_delta = ceiling(r, beta=BETA, delta=DELTA, m=r)
        yield f"| {r:,} | {epsilon_lower_bound(r, r, r, beta=BETA):.6f} | {exact:.6f} | {with_delta:.3f} |"


def known_lines(kind: str, runs: int, m: int, seed: int) -> Iterator[str]:
    """The table of a mechanism of known ε."""
    delta = 0.0 if kind == "randomised response" else DELTA
    yield "| ε | guesses | runs with a bound above ε | median bound | of ε | largest over the grid above ε |"
    yield "|---:|---|---:|---:|---:|---:|"
    for number, epsilon in enumerate(EPSILONS):
        order = ranked(kind, epsilon, runs, m, np.random.default_rng([seed, 1 + (delta > 0), number]))
        grid = f"{over_grid(order, epsilon, delta):.1%}"
        for name, (k_in, k_out) in fixed(m).items():
            found = bounds(order, k_in, k_out, delta)
            middle = float(np.median(found))
            yield (
                f"| {epsilon:g} | {name} | {np.mean(found > epsilon):.1%} | {middle:.2f} | {middle / epsilon:.0%} "
                f"| {grid} |"
            )


def report(runs: int, m: int, seed: int) -> list[str]:
    """All of it, as Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    error = 100 * math.sqrt(BETA * (1 - BETA) / runs)
    return [
        f"{facts['processor']}, {facts['cores']} cores, numpy {np.__version__}, scipy {scipy.__version__}; "
        f"seed {seed}; commit {commit or 'unknown'}",
        "",
        f"{runs:,} runs of {m:,} canaries each, β = {BETA:g}. A share of {BETA:.0%} has a standard error of "
        f"{error:.1f} percentage points. The grid has {STEPS} × {STEPS} pairs, in even steps up to half of all.",
        "",
        "## Nothing leaks",
        "",
        *null_lines(runs, m, seed),
        "",
        "## Every guess is right",
        "",
        *ceiling_lines(m),
        "",
        "## Randomised response, δ = 0",
        "",
        "The mechanism for which the bound is tight: each coin is told rightly with probability e^ε/(1+e^ε).",
        "",
        *known_lines("randomised response", runs, m, seed),
        "",
        f"## Gaussian mechanism, δ = {DELTA:g}",
        "",
        "Its ε is that of its worst outputs, which are rare: no attack on one run comes near a large ε. A small bound "
        "does not show that ε is small.",
        "",
        *known_lines("gaussian", runs, m, seed),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--canaries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="Markdown file to write the tables to")
    given = parser.parse_args(arguments)
    if given.canaries < 100 or given.runs < 1:
        parser.error("give at least 100 canaries and 1 run")
    began = time.perf_counter()
    lines = report(given.runs, given.canaries, given.seed)
    print("\n".join(lines))
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        command = "python scripts/study_one_run.py --write docs/benchmarks/one_run.md"
        head = f"# Does the one-run bound on ε hold?\n\nWritten by `{command}`.\n\n"
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
