"""Estimate the default variance components of `evenhand plan` from a run.

    python scripts/estimate_components.py RUN [RUN ...] [--write audit/planning/components.toml]

For each metric and cue channel: the components of all its contrasts (every task, axis and
group with enough cells) pooled, at their upper 80 % limits, with the metric's mean level beside
them. RUN is the folder of a default audit (`evenhand run`); the sample of texts in it is too
small for five components, so that a second one asks every text of a task (`--sample 0`).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from audit import Config, tables
from audit.config import parse
from audit.fairness import Terms
from audit.manifest import Manifest
from audit.planning.sources import CAUTION, MOMENTS, estimated, is_enough, pooled, scale_of
from audit.statistics import EstimatedComponents
from audit.statistics.components import upper

Key = tuple[str, str, str]


def main() -> int:
    """Estimate, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--write", type=Path, help="TOML file to write the table to")
    given = parser.parse_args()
    found: dict[Key, list[EstimatedComponents]] = defaultdict(list)
    levels: dict[Key, list[float]] = defaultdict(list)
    asked = []
    for run in given.runs:
        data = Manifest.load(run).data
        config = parse(Config, data["config"], str(run / "manifest.json"))
        asked.append(f"{', '.join(config.run.tasks) or 'all tasks'} (sample = {config.run.sample})")
        terms = Terms.of(config)
        read = {name: tables.read(name, run / f"{name}.parquet") for name in ("scores", "probes", "personas")}
        for (task, metric, channel), parts in estimated(**read, references=terms.references).items():
            key = (metric, channel, scale_of(metric, task, terms))
            usable = [part for part, _ in parts.values() if is_enough(part)]
            found[key] += usable
            levels[key] += [next(iter(parts.values()))[1]] if usable else []
    model = data["model"]
    lines = [
        f"# Default variance components: standard deviations at their upper {CAUTION:.0%} limits.",
        f"# From runs of {'; '.join(asked)}.",
        "",
        f'model = "{model["name"]} ({model["revision"]})"',
        'source = "scripts/estimate_components.py"',
        f"seed = {data['seed']}",
    ]
    for (metric, channel, scale), every in sorted(found.items()):
        if not every:
            continue
        components = upper(pooled(every), level=CAUTION)
        if not any(getattr(components, name) for name in MOMENTS):
            continue  # what never varied here may vary elsewhere
        lines += ["", "[[components]]", f'metric = "{metric}"', f'cue_channel = "{channel}"', f'scale = "{scale}"']
        level = sum(levels[metric, channel, scale]) / len(levels[metric, channel, scale])
        lines += [f"level = {level:.4g}", *(f"{name} = {getattr(components, name):.4g}" for name in MOMENTS)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if given.write:
        given.write.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
