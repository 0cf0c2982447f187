"""The known-bias benchmark: all studies, simulated and judged."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from audit.calibration import alarms, builds, effects, exactness, hidden, many, pipelines, quoted, rivals, stopping
from audit.calibration.plan import Plan
from audit.calibration.rows import rate_error
from audit.calibration.studies import Outcomes, Study, run_studies
from audit.calibration.values import QUICK_SLACK, Benchmark, Row
from audit.manifest import machine, versions
from audit.progress import Progress, Silent

# The order in which sections are shown.
SECTIONS: Final = (
    alarms.SECTION,
    many.SECTION,
    effects.POWERS,
    effects.COVERS,
    effects.EQUIVALENCE,
    hidden.SECTION,
    builds.SECTION,
    stopping.SECTION,
    exactness.SECTION,
    quoted.SECTION,
    pipelines.SECTION,
)
_RIVALS: Final = (
    rivals.POINT,
    rivals.FOUR_FIFTHS,
    rivals.ROW_BOOTSTRAP,
    rivals.MAX_MIN,
    rivals.WELCH,
    rivals.BLOCK_T,
)


def studies_of(plan: Plan) -> list[Study]:
    """Every study of the benchmark, the slowest first, so that no core is left waiting at the end."""
    rooms = (pipelines, builds, stopping, many, alarms, effects, hidden, exactness, quoted)
    return [study for room in rooms for study in room.studies(plan)]


def calibrate(
    plan: Plan,
    *,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
    command: str = "evenhand calibrate",
    studies: Sequence[Study] | None = None,
) -> Benchmark:
    """Run the benchmark.

    Parameters
    ----------
    plan
        How much to simulate; in the quick mode every target gets three Monte-Carlo
        standard errors.
    seed
        Of everything that is drawn; the figures follow from it, whatever ``jobs`` is.
    jobs
        Processes; all cores when not given.
    studies
        Those to run, in place of all.
    """
    began = time.monotonic()
    commit = _commit()
    chosen = studies_of(plan) if studies is None else list(studies)
    outcomes = run_studies(chosen, seed, jobs or cores(), progress or Silent())
    rows = rows_of(chosen, outcomes)
    if plan.quick:
        rows = [_widened(row) for row in rows]
    return Benchmark(
        rows=tuple(rows),
        mode="quick" if plan.quick else "full",
        seed=seed,
        seconds=time.monotonic() - began,
        commit=commit,
        versions=tuple(versions().items()),
        machine=tuple((name, str(value)) for name, value in machine().items() if name != "python"),
        command=command,
    )


def rows_of(studies: Sequence[Study], outcomes: dict[str, Outcomes]) -> list[Row]:
    """Judge each study, in the order of the sections."""
    rows = [row for study in studies for row in study.judge(outcomes[study.id])]
    rows += _obvious(rows)
    return sorted(rows, key=lambda row: SECTIONS.index(row.section) if row.section in SECTIONS else len(SECTIONS))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _obvious(rows: Sequence[Row]) -> list[Row]:
    """What each rival does over all nulls at worst, and how often it finds d = .1."""
    nulls = [
        row for row in rows if row.id.startswith("null-") and row.target is not None and row.target.high is not None
    ]
    small = next((row for row in rows if row.id == "power-number-0.1"), None)
    found = []
    for name in _RIVALS:
        seen = [(rival, row) for row in nulls for rival in row.rivals if rival.name == name]
        if not seen:
            continue
        worst, where = max(seen, key=lambda pair: pair[0].figure)
        note = f"worst of {len(seen)} nulls: {where.id.removeprefix('null-')}; ours there {where.figure:.3f}"
        power = next((rival for rival in (small.rivals if small else ()) if rival.name == name), None)
        if small and power:
            note += f"; finds d = .1 in {power.figure:.3f} of audits, ours in {small.figure:.3f}"
        what = f"Worst false-alarm rate over the nulls: {name}"
        row_id = f"rival-{name.replace(' ', '-')}"
        found.append(Row(row_id, quoted.SECTION, what, worst.figure, worst.se, where.runs, None, (), note))
    return found


def _widened(row: Row) -> Row:
    """Few runs: a figure may miss its target by what chance explains. What has no Monte-Carlo error stays."""
    target = row.target
    if target is None:
        return row
    is_rate = math.isclose(row.se, rate_error(row.figure, row.runs)) if 0 <= row.figure <= 1 else False
    if not (is_rate and row.runs > 1) and not row.se > 0:
        return row
    ends = [end for end in (target.low, target.high) if end is not None]
    least = max(rate_error(end, row.runs) for end in ends) if is_rate else 0.0
    return replace(row, target=target.widened(QUICK_SLACK, least))


def _commit() -> str | None:
    """The commit of the source tree that this code runs from, with "+" where files differ; None when installed."""
    home = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(home), *words], capture_output=True, text=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "audit/__init__.py") is None:
        return None
    commit = git("rev-parse", "--short=12", "HEAD")
    return f"{commit}+" if commit and git("status", "--porcelain", "--", "audit", "reports") else commit
