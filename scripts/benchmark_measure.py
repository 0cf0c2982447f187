"""How long the stage ``measure`` takes, and how much memory, on tables of known size.

    python scripts/benchmark_measure.py [--rows 10000 100000 1000000] [--write docs/benchmarks/measure.md]

Each table holds 20 metrics of one task, in five categories, with personas of eight
groups; every size is measured in a process of its own, so that its peak memory is its
own. Printed are the seconds of ``measure`` alone, what other work on the machine left of
them, and the seconds with reading the tables from disk and writing the findings.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from audit import Config, tables
from audit.fairness import Terms, measure
from audit.manifest import machine
from audit.values import content_hash

# Metrics that get every kind of finding, and as many more that get the common ones.
METRICS = (
    *("log_odds", "p_favourable", "answer_mass", "expected_number", "p_at_least"),
    *("tone", "refusal", "profanity", "readability", "words", "agency", "communion"),
    *(f"metric_{number}" for number in range(8)),
)
CATEGORIES, GROUPS = 5, 8
# Score rows → templates and personas: rows = templates × categories × personas × metrics.
DESIGNS = {10_000: (5, 20), 100_000: (20, 50), 1_000_000: (50, 200)}
TERMS = Terms(references={"group": "g0"}, control_metrics={"made_up": "tone"})


def made_up(templates: int, personas: int, seed: int) -> dict[str, pa.Table]:
    """Scores, probes and personas of a design in which names differ and groups do not; some answers are missing."""
    rng = np.random.default_rng(seed)
    blocks = templates * CATEGORIES
    count = blocks * personas
    block, persona = np.divmod(np.arange(count), personas)
    template, category = np.divmod(block, CATEGORIES)
    probe_ids = [f"p{number:07}" for number in range(count)]
    people = [content_hash(["person", number], 16) for number in range(personas)]
    effect = (
        rng.normal(size=(len(METRICS), blocks))[:, block] + 0.1 * rng.normal(size=(len(METRICS), personas))[:, persona]
    )
    value = _on_scale(effect + rng.normal(size=effect.shape))
    missing = rng.random(effect.shape) < 0.01
    status = np.where(missing, "invalid", "scored").ravel()
    scores = pa.table(
        {
            "probe_id": pa.array(probe_ids * len(METRICS)),
            "draw": pa.array(np.zeros(value.size, np.int32)),
            "metric": pa.array(np.repeat(METRICS, count)),
            "value": pa.array(value.ravel(), mask=missing.ravel()),
            "status": pa.array(status),
            "scorer_version": pa.array(["1"] * value.size),
        }
    )
    names = [content_hash(["block", number], 16) for number in range(blocks)]
    probes = {
        "probe_id": probe_ids,
        "suite": ["made_up"] * count,
        "task": ["made_up"] * count,
        "locale": ["en"] * count,
        "template_id": [f"template-{number:02}" for number in template],
        "category": [f"category {number}" for number in category],
        "block_id": [names[number] for number in block],
        "arm": ["target"] * count,
        "purpose": ["audit"] * count,
        "persona_id": [people[number] for number in persona],
        "messages": [[]] * count,
        "output_form": ["text"] * count,
        "options": [[]] * count,
        "gold": [None] * count,
    }
    rows = [
        {
            "persona_id": who,
            "name": who,
            "locale": "en",
            "cue_channel": "name",
            "attributes": {"group": f"g{i % GROUPS}"},
        }
        for i, who in enumerate(people)
    ]
    return {
        "scores": scores,
        "probes": pa.table(probes, schema=tables.PROBES),
        "personas": tables.from_rows("personas", rows),
    }


def _on_scale(value: np.ndarray) -> np.ndarray:
    """Values as each metric has them: probabilities inside 0 to 1, tone inside -1 to 1, counts above 0."""
    shares = {"p_favourable", "answer_mass", "p_at_least", "refusal", "profanity"}
    found = value.copy()
    for row, metric in enumerate(METRICS):
        if metric in shares:
            found[row] = 1 / (1 + np.exp(-value[row]))
        elif metric == "tone":
            found[row] = np.tanh(value[row])
        elif metric in ("expected_number", "words", "agency", "communion"):
            found[row] = np.exp(0.3 * value[row])
    return found


def measured(folder: Path) -> dict[str, float]:
    """Measure the tables in ``folder``; seconds, and the peak memory of this process in GB."""
    began = time.perf_counter()
    read = [tables.read(name, folder / f"{name}.parquet") for name in ("scores", "probes", "personas")]
    start = time.perf_counter(), time.process_time()
    findings = measure(read[0], read[1], read[2], Config(), terms=TERMS)
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    tables.write("findings", findings, folder / "findings.parquet")
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes there, kilobytes elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return {
        "score rows": float(read[0].num_rows),
        "findings": float(findings.num_rows),
        "measure, s": seconds[0],
        "of which processor, s": seconds[1],
        "with reading and writing, s": time.perf_counter() - began,
        "peak memory, GB": peak,
    }


def in_a_process(rows: int, seed: int) -> dict[str, float]:
    """The figures of one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table, made in made_up(*DESIGNS[rows], seed).items():
            tables.write(table, made, folder / f"{table}.parquet")
        command = [sys.executable, __file__, "--measure", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report(figures: Mapping[int, Mapping[str, float]], seed: int) -> list[str]:
    """The lines of the scaling table."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    columns = list(next(iter(figures.values())))
    return [
        f"{facts['processor']}, {facts['cores']} cores; {GROUPS} groups, {len(METRICS)} metrics, {CATEGORIES} "
        f"categories; seed {seed}; commit {commit or 'unknown'}",
        "",
        f"| templates | personas | {' | '.join(columns)} |",
        f"|{'---:|' * (len(columns) + 2)}",
        *(
            f"| {DESIGNS[rows][0]} | {DESIGNS[rows][1]} | {' | '.join(_shown(value) for value in row.values())} |"
            for rows, row in figures.items()
        ),
    ]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.2f}"


def main() -> int:
    """Measure every size, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", choices=sorted(DESIGNS), default=sorted(DESIGNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measured(given.measure)))
        return 0
    lines = report({rows: in_a_process(rows, given.seed) for rows in given.rows}, given.seed)
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        command = "python scripts/benchmark_measure.py --write docs/benchmarks/measure.md"
        head = f"# Speed of measuring\n\nWritten by `{command}`.\n\n"
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
