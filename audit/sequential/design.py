"""Which probes a look asks: nested sets of wordings, fixed before the first answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.config import Config
from audit.errors import ConfigError
from audit.gate import rules
from audit.statistics import looks
from audit.values import IRRELEVANT, PLACEBO, content_hash

Rows = NDArray[np.int64]
Need = tuple[str, str]

LOOKS = 3


@dataclass(frozen=True, slots=True)
class Look:
    """One planned look: its number from 1, and for each task the wordings asked by then."""

    number: int
    templates: Mapping[str, tuple[str, ...]]


def wanted(probes: pa.Table, personas: pa.Table, config: Config) -> set[Need]:
    """The (task, axis) pairs of the run on which some rule is to be judged."""
    tasks = set(probes["task"].unique().to_pylist())
    axes = {axis for row in personas["attributes"].to_pylist() for axis, _ in row}
    return {
        (rule.task, rule.axis)
        for rule in rules(config)
        if rule.level != "off" and rule.task in tasks and rule.axis in axes
    }


def plan_looks(probes: pa.Table, personas: pa.Table, needs: Collection[Need], config: Config) -> tuple[Look, ...]:
    """Fix the looks before anything is asked: three nested sets of each task's wordings.

    The wordings are put into an order by a hash of the seed. With ``run.budget`` the last
    look has as large a share of each task's wordings as the budget pays for if no rule
    is decided before; the first has at least ``gate.min_templates`` of them.

    Raises
    ------
    ConfigError
        If no rule covers the run, or the budget does not pay for ``gate.min_templates``
        wordings of any task.
    """
    if not needs:
        raise ConfigError("run.until_verdict: no rule covers a task and axis of this run; add rules or run without it")
    order = template_order(probes, {task for task, _ in needs}, config.run.seed)
    minimum = config.gate.min_templates
    affordable = _affordable(probes, personas, order, needs, config)
    planned = {task: looks(max(1, size), minimum, LOOKS) for task, size in affordable.items()}
    return tuple(
        Look(number, {task: order[task][: sizes[min(number, len(sizes)) - 1]] for task, sizes in planned.items()})
        for number in range(1, LOOKS + 1)
    )


def template_order(probes: pa.Table, tasks: Iterable[str], seed: int) -> dict[str, tuple[str, ...]]:
    """For each task its wordings in an order that depends on the seed alone."""
    found: dict[str, set[str]] = {task: set() for task in sorted(tasks)}
    for task, template, purpose in zip(*(probes[name].to_pylist() for name in _PLACED), strict=True):
        if task in found and purpose == "audit":
            found[task].add(template)
    return {
        task: tuple(sorted(templates, key=lambda template: content_hash([seed, task, template])))
        for task, templates in found.items()
    }


def rows_of_look(
    probes: pa.Table, personas: pa.Table, look: Look, before: Look | None, needs: Collection[Need]
) -> Rows:
    """Rows of ``probes`` that a look asks beyond the look ``before``.

    Of the new wordings of a task that is still needed: every arm without a group, and the
    personas of the axes still needed, with their placebos. What the model makes of a
    name is asked at the first look.
    """
    new = {
        (task, template)
        for task, templates in look.templates.items()
        for template in templates[len(before.templates[task]) if before else 0 :]
    }
    of_task: dict[str, set[str]] = {}
    for task, axis in needs:
        of_task.setdefault(task, set()).add(axis)
    every_axis = {axis for _, axis in needs}
    axes_of = dict(
        zip(
            personas["persona_id"].to_pylist(),
            ({axis for axis, _ in row} for row in personas["attributes"].to_pylist()),
            strict=True,
        )
    )
    chosen = []
    columns = [probes[name].to_pylist() for name in (*_PLACED, "persona_id")]
    for row, (task, template, purpose, persona) in enumerate(zip(*columns, strict=True)):
        axes = axes_of.get(persona, set())
        if purpose == "manipulation":
            asked = before is None and task.removeprefix("infer_") in every_axis
        elif task not in of_task or (task, template) not in new:
            asked = False
        else:
            needed = of_task[task] | {PLACEBO + axis for axis in of_task[task]}
            asked = persona is None or bool(axes & needed) or all(axis.startswith(IRRELEVANT) for axis in axes)
        if asked:
            chosen.append(row)
    return np.asarray(chosen, np.int64)


_PLACED = ("task", "template_id", "purpose")


def _affordable(
    probes: pa.Table,
    personas: pa.Table,
    order: Mapping[str, tuple[str, ...]],
    needs: Collection[Need],
    config: Config,
) -> dict[str, int]:
    """The most wordings of each task, the same share of every task, that the budget pays for."""
    budget, least = config.run.budget, config.gate.min_templates
    most = max(len(templates) for templates in order.values())

    def kept(part: int) -> dict[str, int]:
        return {task: len(templates) * part // most for task, templates in order.items()}

    def cost(part: int) -> int:
        some = {task: order[task][:size] for task, size in kept(part).items()}
        return int(rows_of_look(probes, personas, Look(1, some), None, needs).size)

    if budget is None or cost(most) <= budget:
        return kept(most)
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    if max(kept(low).values()) < min(least, most):
        enough = next(part for part in range(low, most + 1) if max(kept(part).values()) >= min(least, most))
        raise ConfigError(
            f"run.budget: {budget} probes pay for {max(kept(low).values())} wordings a task, and a verdict needs "
            f"{least}; allow at least {cost(enough)}"
        )
    return kept(low)
