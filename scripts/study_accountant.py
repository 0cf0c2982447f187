"""Do two accountants agree on what a training spends? Opacus's PRV against dp-accounting's PLD on 200 settings.

    python scripts/study_accountant.py [--settings 200] [--write docs/benchmarks/accountant.md]

Settings (σ, q, steps, δ) are drawn over what people use. PRV's upper end must not lie below PLD, itself an upper
bound, by more than PRV's stated error. At q = 1 ε is known in closed form (Balle & Wang 2018, arXiv 1805.06530,
theorem 8), and both are held against it. Beside them, for show, stand Rényi DP and Gaussian DP.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize, special

from audit.manifest import machine
from audit.mitigation import accountants
from audit.mitigation.accountants import STATED_ERROR, PrvFailed

LARGEST = 30.0  # ε that somebody might still report


@dataclass(frozen=True, slots=True)
class Setting:
    """What a training does."""

    noise: float
    rate: float
    steps: int
    delta: float

    @property
    def history(self) -> list[tuple[float, float, int]]:
        """As accountants take it."""
        return [(self.noise, self.rate, self.steps)]

    def __str__(self) -> str:
        return f"σ {self.noise:g}, q {self.rate:g}, {self.steps:,} steps, δ {self.delta:.0e}"


@dataclass(frozen=True, slots=True)
class Result:
    """What each accountant gives; ``prv`` None and ``failure`` why, where PRV fails; ``exact`` at q = 1 alone."""

    setting: Setting
    prv: float | None
    failure: str
    pld: float
    renyi: float
    gaussian: float
    exact: float | None
    seconds: tuple[float, float]


def settings(count: int, seed: int) -> list[Setting]:
    """Draw settings, evenly on log scales: σ .4–10, q 1e-4–.1 or (every tenth) 1, steps 1–20,000, δ 1e-8–1e-4."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        at = rng.random(4)
        rate = 1.0 if number % 10 == 9 else _rounded(10 ** (-4 + 3 * at[1]))
        delta = 10.0 ** -int(4 + 5 * at[3])
        found.append(Setting(_rounded(0.4 * 25 ** at[0]), rate, round(20_000 ** at[2]), delta))
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def gaussian_exact(noise: float, steps: int, delta: float) -> float:
    """ε of ``steps`` releases of a sum with noise σ: Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ) = δ, μ = √steps/σ.

    >>> round(gaussian_exact(10.0, 100, 1e-5), 6)
    4.377178
    """
    mu = math.sqrt(steps) / noise

    def beyond(epsilon: float) -> float:
        a, b = mu / 2, epsilon / mu
        return float(special.ndtr(a - b) - math.exp(epsilon + special.log_ndtr(-a - b))) - delta

    if beyond(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(beyond, 0.0, mu**2 / 2 + 10 * mu + 1))


def look(setting: Setting) -> Result:
    """Ask every accountant."""
    began = time.process_time()
    try:
        prv, failure = accountants.prv(setting.history, setting.delta), ""
    except PrvFailed as error:
        prv, failure = None, str(error)
    middle = time.process_time()
    pld = accountants.pld(setting.history, setting.delta)
    seconds = (middle - began, time.process_time() - middle)
    exact = gaussian_exact(setting.noise, setting.steps, setting.delta) if setting.rate == 1 else None
    renyi = accountants.renyi(setting.history, setting.delta)
    return Result(setting, prv, failure, pld, renyi, _gaussian(setting), exact, seconds)


def _gaussian(setting: Setting) -> float:
    from opacus.accountants.analysis.gdp import compute_eps_poisson

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(
                compute_eps_poisson(
                    steps=setting.steps,
                    noise_multiplier=setting.noise,
                    sample_rate=setting.rate,
                    delta=setting.delta,
                )
            )
        except Exception:  # of a root that lies beyond where it looks
            return math.nan


def table(results: Sequence[Result]) -> Iterator[str]:
    """The figures, over all settings and over those with an ε that is reported."""
    small = [found for found in results if found.pld <= LARGEST]
    yield from (f"| figure | all settings | ε ≤ {LARGEST:g} |", "|---|---:|---:|")
    for name, of in ROWS.items():
        yield f"| {name} | {of(results)} | {of(small)} |"


def _apart(results: Sequence[Result]) -> list[float]:
    return [found.prv - found.pld for found in results if found.prv is not None]


def _shortfall(results: Sequence[Result]) -> str:
    return f"{max(0.0, *(-apart for apart in _apart(results))):.4f}"


def _middle(results: Sequence[Result]) -> str:
    return f"{np.median(_apart(results)):.4f}"


def _from_exact(results: Sequence[Result], of: Callable[[Result], float | None]) -> str:
    off = [
        (value - found.exact) / max(found.exact, 1.0)
        for found in results
        if found.exact is not None and (value := of(found)) is not None
    ]
    return f"{min(off):+.1e} to {max(off):+.1e}" if off else "–"


def _gdp(results: Sequence[Result]) -> str:
    short = [found for found in results if found.gaussian < found.pld - STATED_ERROR]
    return f"{len(short)} of {len(results)}"


def _gdp_share(results: Sequence[Result]) -> str:
    shares = [
        found.gaussian / found.pld for found in results if found.gaussian < found.pld - STATED_ERROR and found.pld > 0.1
    ]
    return f"{np.median(shares):.2f}, {min(shares):.2f}" if shares else "–"


def _renyi(results: Sequence[Result]) -> str:
    shares = [found.renyi / found.pld for found in results if found.pld > 0.1]
    return f"{np.median(shares):.2f}, {max(shares):.2f}" if shares else "–"


ROWS: dict[str, Callable[[Sequence[Result]], str]] = {
    "settings": lambda results: str(len(results)),
    "of them PRV fails": lambda results: str(sum(found.prv is None for found in results)),
    f"PRV below PLD by more than {STATED_ERROR:g}": lambda results: str(
        sum(apart < -STATED_ERROR for apart in _apart(results))
    ),
    "PRV below PLD at all": lambda results: str(sum(apart < 0 for apart in _apart(results))),
    "largest shortfall of PRV": _shortfall,
    "largest excess of PRV over PLD": lambda results: f"{max(_apart(results)):.4f}",
    "median excess": _middle,
    "at q = 1, PRV from the closed form, in shares of max(ε, 1)": lambda r: _from_exact(r, lambda found: found.prv),
    "at q = 1, PLD likewise": lambda r: _from_exact(r, lambda found: found.pld),
    f"Gaussian DP below PLD by more than {STATED_ERROR:g}": _gdp,
    "what Gaussian DP gives then, as a share of ε > .1: median, least": _gdp_share,
    "Rényi DP, as a share of ε > .1: median, most": _renyi,
    "seconds of PRV: median, most": lambda r: _seconds(r, 0),
    "seconds of PLD: median, most": lambda r: _seconds(r, 1),
}


def _seconds(results: Sequence[Result], place: int) -> str:
    found = [result.seconds[place] for result in results]
    return f"{np.median(found):.2f}, {max(found):.1f}"


def report(results: Sequence[Result], seed: int) -> list[str]:
    """All of it, as Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    worst = sorted((found for found in results if found.prv is not None), key=lambda found: found.prv - found.pld)  # type: ignore[operator]
    short = sorted((found for found in results if found.pld > 0.1), key=lambda found: found.gaussian / found.pld)
    failures = Counter(found.failure for found in results if found.failure)
    smallest = min((found.pld for found in results if found.failure), default=math.nan)
    return [
        f"{facts['processor']}, {facts['cores']} cores; {accountants.version('opacus')}, "
        f"{accountants.version('dp-accounting')}; seed {seed}; commit {commit or 'unknown'}",
        "",
        f"{len(results)} settings, even on log scales: σ .4–10, q 1e-4–.1 and in every tenth 1, steps 1–20,000, "
        f"δ 1e-4–1e-8. PRV's stated error is {STATED_ERROR:g}, and its upper end stands here, so that a sound PRV lies "
        f"0 to {2 * STATED_ERROR:g} above the truth. PLD rounds losses up to a grid of 1e-4, and lies above it too.",
        "",
        *table(results),
        "",
        "## Where PRV fails",
        "",
        "ε is PLD's alone there."
        + (f" The smallest ε among them is {smallest:.3g}." if failures else " It fails in none of these."),
        "",
        *(f"* {count} times: {why}" for why, count in failures.most_common()),
        "",
        "## The settings where PRV and PLD are furthest apart",
        "",
        "| setting | PRV | PLD | PRV − PLD |",
        "|---|---:|---:|---:|",
        *(
            f"| {f.setting} | {f.prv:.4f} | {f.pld:.4f} | {f.prv - f.pld:+.4f} |"
            for f in (*worst[:5], *worst[-5:])
            if f.prv
        ),
        "",
        "## The settings where Gaussian DP understates most",
        "",
        "| setting | Gaussian DP | PLD | Rényi DP |",
        "|---|---:|---:|---:|",
        *(f"| {f.setting} | {f.gaussian:.3f} | {f.pld:.3f} | {f.renyi:.3f} |" for f in short[:5]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the accountants, print, and write if asked to; 1 where PRV falls short of PLD by more than it states."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="Markdown file to write the tables to")
    given = parser.parse_args(arguments)
    if given.settings < 10:
        parser.error("give at least 10 settings")
    results = []
    for number, setting in enumerate(settings(given.settings, given.seed)):
        results.append(look(setting))
        print(f"{number + 1}/{given.settings}  {setting}  {results[-1].failure}", file=sys.stderr)
    lines = report(results, given.seed)
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        command = "python scripts/study_accountant.py --write docs/benchmarks/accountant.md"
        head = f"# Do two accountants agree on ε?\n\nWritten by `{command}`.\n\n"
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return int(any(apart < -STATED_ERROR for apart in _apart(results)))


if __name__ == "__main__":
    sys.exit(main())
