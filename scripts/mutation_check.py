"""Do the tests of the statistics notice a wrong formula? Mistakes are planted one at a time.

    python scripts/mutation_check.py [--only WORD] [--jobs 2] [--write docs/benchmarks/mutations.md]

Copies audit/ and tests/ to a temporary folder, makes sure that the copy is what the
tests import and that they pass there, then plants each mistake in a copy of its own
and runs the tests named beside it. Exits 1 when a mistake is not caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong formula: ``old`` stands exactly once in audit/statistics/``file`` and becomes ``new``."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MISTAKES = (
    Mistake(
        "wrong df: T in place of T−1",
        "variance.py",
        "v_template**2 / (templates - 1)]",
        "v_template**2 / templates]",
        ("contrasts", "cross_checks"),
    ),
    Mistake(
        "lower bound of df dropped",
        "variance.py",
        "max(satterthwaite, least - 1.0)",
        "satterthwaite",
        ("contrasts",),
    ),
    Mistake(
        "row in place of cluster variance",
        "variance.py",
        "v_t = one_way_variance(psi, template, counts[0])",
        "v_t = float((psi**2).sum())",
        ("contrasts",),
    ),
    Mistake(
        "block in place of template cluster",
        "contrasts.py",
        "two_way_spread(psi, cells.template,",
        "two_way_spread(psi, cells.block,",
        ("contrasts",),
    ),
    Mistake(
        "missing block effects",
        "contrasts.py",
        "return values - (np.bincount(block, values) / counts)[block]",
        "return values - values.mean() + 0 * counts[block]",
        ("contrasts",),
    ),
    Mistake(
        "one-sided for two-sided p",
        "variance.py",
        "return float(2 * special.stdtr(",
        "return float(special.stdtr(",
        ("contrasts", "paired"),
    ),
    Mistake(
        "one-sided quantile in a two-sided interval",
        "variance.py",
        "half = t_quantile(1 - alpha / 2, df) * se",
        "half = t_quantile(1 - alpha, df) * se",
        ("contrasts",),
    ),
    Mistake(
        "K/(K−1) of names dropped",
        "variance.py",
        "by_part = sizes / (sizes - 1) * np.bincount",
        "by_part = np.bincount",
        ("contrasts", "cross_checks"),
    ),
    Mistake(
        "T/(T−1) of templates dropped",
        "variance.py",
        "return float(n / (n - 1) * (np.bincount",
        "return float((np.bincount",
        ("contrasts", "cross_checks"),
    ),
    Mistake(
        "V_TP not subtracted",
        "variance.py",
        "variance = max(v_template + v_p - v_cell, v_template, v_p)",
        "variance = v_template + v_p",
        ("contrasts", "cross_checks"),
    ),
    Mistake(
        "max(…) of the variances dropped",
        "variance.py",
        "variance = max(v_template + v_p - v_cell, v_template, v_p)",
        "variance = v_template + v_p - v_cell",
        ("contrasts",),
    ),
    Mistake(
        "a missing cell becomes 0",
        "variance.py",
        "    keep = ~np.isnan(values)\n",
        "    values = np.nan_to_num(values)\n    keep = ~np.isnan(values)\n",
        ("contrasts",),
    ),
    Mistake(
        "phrasings of explicit cues not clustered",
        "paired.py",
        "spread = two_way_spread(psi, template__, phrasing__, np.zeros_like(template__))",
        "spread = Spread(one_way_variance(psi, template__), templates - 1.0)",
        ("paired",),
    ),
    Mistake(
        "placebo: own error of the mean dropped",
        "placebo.py",
        "np.sqrt(1 + 1 / count)",
        "1.0",
        ("paired",),
    ),
    Mistake(
        "δ dropped from equivalence",
        "equivalence.py",
        "-(estimate + tolerance) / se",
        "-estimate / se",
        ("decisions",),
    ),
    Mistake(
        "equivalence by the smaller of the two p",
        "equivalence.py",
        "float(max(above_low, below_high))",
        "float(min(above_low, below_high))",
        ("decisions",),
    ),
    Mistake(
        "δ dropped from the fail test",
        "equivalence.py",
        "-(abs(contrast.estimate) - tolerance)",
        "-abs(contrast.estimate)",
        ("decisions",),
    ),
    Mistake(
        "the fail test one-sided",
        "equivalence.py",
        "min(1.0, 2 * float(",
        "min(1.0, float(",
        ("decisions",),
    ),
    Mistake(
        "Holm without sort",
        "multiplicity.py",
        'done[np.argsort(p[done], kind="stable")]',
        "done",
        ("decisions",),
    ),
    Mistake(
        "Holm without running maximum",
        "multiplicity.py",
        "np.maximum.accumulate(steps * p[order])",
        "steps * p[order]",
        ("decisions", "cross_checks"),
    ),
    Mistake(
        "Holm as Bonferroni",
        "multiplicity.py",
        "steps = np.arange(order.size, 0, -1)",
        "steps = np.full(order.size, order.size)",
        ("decisions",),
    ),
    Mistake(
        "Benjamini–Hochberg without running minimum",
        "multiplicity.py",
        "np.minimum.accumulate(steps * p[order])",
        "steps * p[order]",
        ("cross_checks",),
    ),
    Mistake(
        "MDE without the number of tests",
        "power.py",
        "special.stdtrit(df, 1 - alpha / tests / 2)",
        "special.stdtrit(df, 1 - alpha / 2)",
        ("decisions",),
    ),
    Mistake(
        "MDE without power: significance alone",
        "power.py",
        "return (critical + float(special.stdtrit(df, power))) * se",
        "return critical * se",
        ("decisions",),
    ),
    Mistake(
        "ratio: the reference's own error dropped",
        "ratios.py",
        "np.where(second == 1, 1.0, -1.0)",
        "np.where(second == 1, 1.0, 0.0)",
        ("ratios",),
    ),
    Mistake(
        "ratio: not divided by the mean",
        "ratios.py",
        "relative = values / overall[second] - common[stratum]",
        "relative = values - values.mean() + 0 * common[stratum]",
        ("ratios",),
    ),
    Mistake(
        "ratio: plain means, not the same blocks",
        "ratios.py",
        "overall = means.mean(axis=0)",
        "overall = np.bincount(second, values) / np.bincount(second)",
        ("ratios",),
    ),
    Mistake(
        "ratio rule on the point estimate",
        "ratios.py",
        "if contrast.ci_high < math.log(ratio):",
        "if contrast.estimate < math.log(ratio):",
        ("ratios",),
    ),
    Mistake(
        "heterogeneity: name effects not removed",
        "heterogeneity.py",
        "own = indicators(cells.persona)",
        "own = indicators(cells.second)",
        ("heterogeneity",),
    ),
    Mistake(
        "heterogeneity: numerator and denominator df alike",
        "heterogeneity.py",
        "special.fdtrc(df1, df2, f)",
        "special.fdtrc(df1, df1, f)",
        ("heterogeneity",),
    ),
    Mistake(
        "heterogeneity: p as if all blocks had one spread",
        "heterogeneity.py",
        "p, looked_at = found.p_value, found.assignments",
        "p, looked_at = parametric, found.assignments",
        ("heterogeneity",),
    ),
    Mistake(
        "heterogeneity: names permuted with their own effects and the gap",
        "heterogeneity.py",
        "for column in (additive.residuals, np.ones(place.size))",
        "for column in (cells.values, np.ones(place.size))",
        ("heterogeneity",),
    ),
    Mistake(
        "heterogeneity: a constant gap counts in the blocks",
        "unevenness.py",
        "mean = (weight * gap).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)",
        "mean = (weight * gap)[:, :1] / np.where(total > 0, total, 1.0)",
        ("heterogeneity",),
    ),
    Mistake(
        "rare events: the variance as small as chance made it",
        "rates.py",
        "variance = gap.se**2 * inflation(gap.se**2, rates, cells)",
        "variance = gap.se**2 * inflation(0.0, rates, cells)",
        ("rates",),
    ),
    Mistake(
        "rare events: cells taken to be independent",
        "rates.py",
        "size = n / effect",
        "size = float(n)",
        ("rates",),
    ),
    Mistake(
        "worst case: bounds on the wrong side",
        "missingness.py",
        "np.where(centred > 0, low, high)",
        "np.where(centred > 0, high, low)",
        ("missingness",),
    ),
    Mistake(
        "design: one group's names counted",
        "design.py",
        "2 * components.persona**2 / personas",
        "components.persona**2 / personas",
        ("components",),
    ),
    Mistake(
        "design: draws taken to average name × block too",
        "design.py",
        "components.persona_block**2 + components.noise**2 / draws",
        "(components.persona_block**2 + components.noise**2) / draws",
        ("components",),
    ),
    Mistake(
        "components: the residual not subtracted",
        "components.py",
        "self.mean_square * stretch - self.rest",
        "self.mean_square * stretch",
        ("components",),
    ),
    Mistake(
        "components: lower in place of upper limit",
        "components.py",
        "special.chdtri(self.df, level)",
        "special.chdtri(self.df, 1 - level)",
        ("components",),
    ),
    Mistake(
        "confidence sequence: sign of a bet",
        "sequential.py",
        "np.log1p(-on_less * away)",
        "np.log1p(on_less * away)",
        ("sequential",),
    ),
    Mistake(
        "confidence sequence: bets see the present",
        "sequential.py",
        "past = np.concatenate(([0.25], variances[:-1]))",
        "past = variances",
        ("sequential",),
    ),
    Mistake(
        "confidence sequence: α not halved between the bettors",
        "sequential.py",
        "limit = math.log(2 / alpha)",
        "limit = math.log(1 / alpha)",
        ("sequential",),
    ),
    Mistake(
        "e-process: the better fortune in place of the average",
        "sequential.py",
        "np.asarray((up + down) / 2, float)",
        "np.maximum(up, down)",
        ("sequential",),
    ),
    Mistake(
        "α over builds that does not add up",
        "sequential.py",
        "alpha * 6 / (math.pi * build) ** 2",
        "alpha / build**2",
        ("sequential",),
    ),
    Mistake(
        "permutation of cells in place of names",
        "wasserstein.py",
        """names], names)
        found = name_permutation(statistic, pair.member,""",
        """names], np.arange(names.size))
        found = name_permutation(statistic, pair.member[names],""",
        ("wasserstein", "permutation"),
    ),
    Mistake(
        "permutation p that can be 0",
        "permutation.py",
        "(1 + larger) / (1 + len(values))",
        "larger / len(values)",
        ("permutation",),
    ),
    Mistake(
        "floor: a name's distance to itself counts",
        "magnitudes.py",
        "both[:, np.arange(names), np.arange(names)] = 0.0",
        "both[:, np.arange(names), np.arange(names)] *= 1.0",
        ("magnitudes",),
    ),
    Mistake(
        "excess without its floor",
        "magnitudes.py",
        "means[0] - (means[1] + means[2]) / 2, float)",
        "means[0], float)",
        ("magnitudes",),
    ),
    Mistake(
        "bootstrap: K/(K−1) dropped",
        "quantiles.py",
        "float(row.var(ddof=1)) * k / (k - 1)",
        "float(row.var(ddof=1))",
        ("quantiles",),
    ),
)


def main() -> int:
    """Plant the mistakes and print what was caught; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only mistakes whose description or file holds this")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="mistakes at a time")
    parser.add_argument("--write", type=Path, help="Markdown file for the table")
    given = parser.parse_args()
    chosen = [m for m in MISTAKES if given.only in m.what or given.only in m.file]
    if not chosen:
        parser.error(f"no mistake is about {given.only!r}")
    for mistake in chosen:
        count = (ROOT / "audit" / "statistics" / mistake.file).read_text(encoding="utf-8").count(mistake.old)
        if count != 1:
            parser.error(f"{mistake.what}: its old text stands {count} times in {mistake.file}, not once")
    suites = sorted({suite for mistake in chosen for suite in mistake.tests})
    untouched, said = run_tests(suites, None)
    if untouched != 0:
        print(f"mutation_check: the tests fail without any mistake\n{said}", file=sys.stderr)
        return 2
    start = time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        results = list(pool.map(lambda mistake: run_tests(mistake.tests, mistake), chosen))
    rows = [
        (mistake, code == 1, first_failure(output) if code == 1 else f"pytest exit code {code}")
        for mistake, (code, output) in zip(chosen, results, strict=True)
    ]
    for mistake, caught, where in rows:
        print(f"{'caught' if caught else 'NOT CAUGHT':<11} {mistake.file:<18} {mistake.what:<55} {where}")
    missed = sum(not caught for _, caught, _ in rows)
    print(f"{len(rows) - missed} of {len(rows)} mistakes caught in {time.perf_counter() - start:.0f} s")
    if given.write:
        head = f"# Planted mistakes\n\nWritten by `python scripts/mutation_check.py --write {given.write}`: "
        head += f"{len(rows) - missed} of {len(rows)} mistakes in the statistics are caught by a test.\n\n"
        given.write.write_text(head + markdown(rows), encoding="utf-8")
    return 1 if missed else 0


def run_tests(suites: Sequence[str], mistake: Mistake | None) -> tuple[int, str]:
    """Run tests/statistics/test_SUITE.py in a fresh copy, with the mistake planted; exit code and output."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
        shutil.copytree(ROOT / "audit", copy / "audit", ignore=ignore)
        shutil.copytree(ROOT / "tests" / "statistics", copy / "tests" / "statistics", ignore=ignore)
        for file in ("pyproject.toml", "tests/conftest.py"):
            shutil.copy(ROOT / file, copy / file)
        if mistake is not None:
            path = copy / "audit" / "statistics" / mistake.file
            path.write_text(path.read_text(encoding="utf-8").replace(mistake.old, mistake.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        found = subprocess.run(
            [sys.executable, "-c", "import audit.statistics; print(audit.statistics.__file__)"],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        if not Path(found).resolve().is_relative_to(copy.resolve()):
            raise RuntimeError(f"the tests would import {found}, not the copy")
        files = [f"tests/statistics/test_{suite}.py" for suite in suites]
        first = ["-x"] if mistake is not None else []
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", *first, *files],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def first_failure(output: str) -> str:
    """Name of the first test that failed."""
    for line in output.splitlines():
        if line.startswith("FAILED "):
            return line.split("::", 1)[-1].split(" ")[0]
    return "failed"


def markdown(rows: Sequence[tuple[Mistake, bool, str]]) -> str:
    """The table for the docs."""
    lines = ["| planted mistake | in audit/statistics/ | caught by |", "|---|---|---|"]
    lines += [
        f"| {m.what} | {m.file} | {'`' + where + '`' if caught else '**nothing**'} |" for m, caught, where in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
