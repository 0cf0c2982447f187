"""Steps of fresh stimuli: every step asks a wording not used before of names not used before.

Only then are the differences of the steps exchangeable draws from the population of
wordings and names, and only then may a confidence sequence be looked at after each of
them (Waudby-Smith & Ramdas 2024, J. R. Stat. Soc. B 86, 1-27; Chugg et al., NeurIPS
2023). Names shared between steps, or wordings that come again, make it wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.fairness.metrics import BOUNDS
from audit.gate.steps import CHANNEL
from audit.sequential.design import Need, Rows, template_order
from audit.values import content_hash


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one task and axis: a block, and for each group a persona; none of them comes again."""

    task: str
    axis: str
    number: int
    block_id: str
    template_id: str
    members: Mapping[str, str]


def plan_steps(
    probes: pa.Table, personas: pa.Table, needs: Collection[Need], references: Mapping[str, str], seed: int
) -> tuple[Step, ...]:
    """Fix the steps of every need beforehand, in an order that depends on the seed alone.

    The groups' names are matched as far as they go: at one step the groups of gender, say,
    have names of one race. A group whose names are used up drops out; the steps of a task
    and axis end with the reference's names or with the wordings. Explicit cues have no
    steps: a phrasing is no name.
    """
    order = template_order(probes, {task for task, _ in needs}, seed)
    blocks = _blocks(probes, seed)
    found: list[Step] = []
    for task, axis in sorted(needs):
        names = _matched(personas, axis, seed)
        reference = references.get(axis)
        if reference not in names:
            continue
        limit = min(len(order[task]), len(names[reference]))
        for number, template in enumerate(order[task][:limit], 1):
            members = {group: people[number - 1] for group, people in names.items() if number <= len(people)}
            if len(members) > 1:
                found.append(Step(task, axis, number, blocks[task, template], template, members))
    return tuple(found)


def rows_of_steps(probes: pa.Table, steps: Iterable[Step]) -> Rows:
    """Rows of ``probes`` that the steps ask: their personas, and the poles of the control in their blocks."""
    cells = {(step.block_id, persona) for step in steps for persona in step.members.values()}
    blocks = {block for block, _ in cells}
    columns = [probes[name].to_pylist() for name in ("block_id", "persona_id", "arm")]
    return np.asarray(
        [
            row
            for row, (block, persona, arm) in enumerate(zip(*columns, strict=True))
            if (arm == "target" and (block, persona) in cells) or (arm == "positive_control" and block in blocks)
        ],
        np.int64,
    )


def step_differences(
    scores: pa.Table, probes: pa.Table, steps: Sequence[Step], references: Mapping[str, str]
) -> pa.Table:
    """The table ``steps``: for each step asked, group and bounded metric, the difference from the reference.

    ``low`` and ``high`` are what the difference can be at all. A difference of which one
    side has no score is null.
    """
    rows = list(_differences(scores, probes, steps, references))
    return tables.check("steps", tables.from_rows("steps", rows))


def _differences(
    scores: pa.Table, probes: pa.Table, steps: Sequence[Step], references: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    target = probes.filter(pc.equal(probes["arm"], "target"))
    keys = [target[name].to_pylist() for name in ("probe_id", "block_id", "persona_id", "locale")]
    cell_of = {probe: (block, persona) for probe, block, persona, _ in zip(*keys, strict=True)}
    locale_of = dict(zip(keys[1], keys[3], strict=True))
    values: dict[tuple[str, str, str], list[float]] = {}
    metrics: dict[str, set[str]] = {}
    columns = [scores[name].to_pylist() for name in ("probe_id", "metric", "value")]
    for probe, metric, value in zip(*columns, strict=True):
        if metric in BOUNDS and probe in cell_of:
            block, persona = cell_of[probe]
            metrics.setdefault(block, set()).add(metric)
            values.setdefault((block, persona, metric), []).extend([] if value is None else [value])
    for step in steps:
        reference = references[step.axis]
        for metric in sorted(metrics.get(step.block_id, ())):
            low, high = BOUNDS[metric]
            sides = {group: values.get((step.block_id, name, metric)) for group, name in step.members.items()}
            if sides.get(reference) is None:
                continue
            for group, mine in sides.items():
                if group == reference or mine is None:
                    continue
                theirs = sides[reference]
                yield {
                    "task": step.task,
                    "locale": locale_of[step.block_id],
                    "metric": metric,
                    "axis": step.axis,
                    "group": group,
                    "reference": reference,
                    "step": step.number,
                    "template_id": step.template_id,
                    "value": _difference(mine, theirs, high - low),
                    "low": low - high,
                    "high": high - low,
                }


def _difference(mine: Sequence[float] | None, theirs: Sequence[float] | None, most: float) -> float | None:
    """Mean of one side's draws less the other's, rounding cut off at what is possible."""
    if not mine or not theirs:
        return None
    return float(np.clip(np.mean(mine) - np.mean(theirs), -most, most))


def _matched(personas: pa.Table, axis: str, seed: int) -> dict[str, list[str]]:
    """For each group of the axis its names, its other attributes taking turns in the same order for every group."""
    found: dict[str, dict[str, list[str]]] = {}
    columns = (personas[name].to_pylist() for name in ("persona_id", "cue_channel", "attributes"))
    for persona, channel, pairs in zip(*columns, strict=True):
        attributes = dict(pairs)
        if channel != CHANNEL or axis not in attributes:
            continue
        group = attributes[axis]
        # The axis itself, intersections that contain it, and its own parts differ between its groups.
        parts = set(axis.split("_"))
        others = {key: value for key, value in attributes.items() if not parts & set(key.split("_"))}
        found.setdefault(group, {}).setdefault(content_hash([others]), []).append(persona)
    ordered = {}
    for group, profiles in found.items():
        lists = [sorted(people, key=lambda p: content_hash([seed, p])) for _, people in sorted(profiles.items())]
        ordered[group] = [persona for turn in zip_longest(*lists) for persona in turn if persona is not None]
    return ordered


def _blocks(probes: pa.Table, seed: int) -> dict[tuple[str, str], str]:
    """One block of each (task, wording): of a wording in several categories one by the seed's luck."""
    found: dict[tuple[str, str], str] = {}
    columns = (probes[name].to_pylist() for name in ("task", "template_id", "block_id"))
    for key, block in {((task, template), block) for task, template, block in zip(*columns, strict=True)}:
        held = found.setdefault(key, block)
        found[key] = min(held, block, key=lambda one: content_hash([seed, one]))
    return found
