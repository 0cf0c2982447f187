"""Verdicts from confidence sequences: of runs in which every step asks a fresh wording of fresh names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.fairness.metrics import base_metric
from audit.gate.controls import void_reason
from audit.gate.limits import amount, between
from audit.gate.ruleset import rules
from audit.gate.wording import ANSWERS, DESIGN
from audit.statistics import confidence_sequence
from audit.values import Outcome, Rule

Row = Mapping[str, Any]

# A step that lost an answer is left out; past this share what is left may differ from what was asked.
MOST_LOST = 0.05


def decide_steps(steps: pa.Table, findings: pa.Table, config: Config) -> pa.Table:
    """Judge each comparison by the confidence sequence of its steps' differences.

    Fail: at some step the sequence lies wholly beyond the tolerance; pass: wholly within;
    the first of the two that happens stands. The level is α divided by the number of
    comparisons that the rules cover (Bonferroni), over all steps at once. Inconclusive by
    design: a metric without bounds, or a cue that is no name. Void: as in
    :func:`~audit.gate.decide`, a dead positive control.

    Returns
    -------
    The table ``verdicts``; ``look`` is the step that decided, or the last one.
    """
    everything = findings.to_pylist()
    active = [rule for rule in rules(config) if rule.level != "off"]
    covered = [(rule, row) for rule in active for row in everything if _covers(rule, row)]
    differences = _by_place(steps)
    level = config.gate.alpha / max(1, len(covered))
    contrasts = [row for row in everything if row["statistic"] == "contrast" and row["category"] is None]
    controls = [row for row in contrasts if row["arm"] == "positive_control"]
    shown = {_place(row): row for row in contrasts if row["arm"] == "target" and row["cue_channel"] != "explicit"}
    verdicts = [
        _judged(rule, shown.get(place, row), differences.get(place, ()), controls, level)
        for rule, row in covered
        for place in [_place(row | {"metric": rule.metric})]
    ]
    return tables.check("verdicts", tables.from_rows("verdicts", verdicts))


def _judged(rule: Rule, finding: Row, steps: Sequence[Row], controls: Sequence[Row], level: float) -> dict[str, Any]:
    outcome, number, reason = _outcome(rule, finding, steps, level)
    void = void_reason(finding, controls)
    if void is not None and steps:
        outcome, reason = "void", void
    return {
        "rule": rule.name,
        "level": rule.level,
        "outcome": outcome,
        "finding_id": finding["finding_id"],
        "tolerance": rule.tolerance,
        "look": number,
        "reason": reason,
    }


def _outcome(rule: Rule, finding: Row, steps: Sequence[Row], level: float) -> tuple[Outcome, int | None, str]:
    if not steps:
        why = "only bounded metrics of names can be judged step by step; plan looks in place of steps"
        return "inconclusive", None, f"{DESIGN}{rule.metric} of {finding['axis']} has no confidence sequence: {why}."
    kept = [row for row in steps if row["value"] is not None]
    lost = 1 - len(kept) / len(steps)
    last = int(steps[-1]["step"])
    if not kept or lost > MOST_LOST:
        return (
            "inconclusive",
            last,
            f"{ANSWERS}{lost:.0%} of the steps lack an answer, and a verdict allows {MOST_LOST:.0%}.",
        )
    values = np.asarray([row["value"] for row in kept])
    sequence = confidence_sequence(values, alpha=level, bounds=(kept[0]["low"], kept[0]["high"]))
    low, high = np.maximum.accumulate(sequence.lower), np.minimum.accumulate(sequence.upper)
    beyond = (low > rule.tolerance) | (high < -rule.tolerance)
    within = (low > -rule.tolerance) & (high < rule.tolerance)
    decided = np.flatnonzero(beyond | within)
    at = int(decided[0]) if decided.size else len(kept) - 1
    groups = f"{finding['group']} against {finding['reference']}"
    size = amount(float(values[: at + 1].mean()), finding["scale"])
    interval = between(float(low[at]), float(high[at]), round(100 * (1 - level), 2))
    limit = amount(rule.tolerance, finding["scale"], signed=False)
    told = f"{groups} is {size}{interval}, valid at every step"
    where = (
        f"step {kept[at]['step']}, each step a wording and names not asked before: for wordings and names like these"
    )
    if not decided.size:
        return "inconclusive", last, f"Neither beyond {limit} nor below after {where}: {told}."
    number = int(kept[at]["step"])
    if beyond[at]:
        return "fail", number, f"Evidence of a difference beyond {limit}, decided at {where}: {told}."
    return "pass", number, f"Evidence that the difference is below {limit}, decided at {where}: {told}."


def _covers(rule: Rule, row: Row) -> bool:
    if row["statistic"] != "mean" or row["arm"] != "target" or row["category"] is not None:
        return False
    if row["group"] is None or row["reference"] is None or row["group"] == row["reference"]:
        return False
    wanted = {"task": rule.task, "metric": base_metric(rule.metric), "axis": rule.axis, "group": rule.group}
    wanted |= {"locale": rule.locale, "cue_channel": rule.cue_channel}
    return all(value is None or row[column] == value for column, value in wanted.items())


def _by_place(steps: pa.Table) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in sorted(steps.to_pylist(), key=lambda row: row["step"]):
        found.setdefault(_place(row), []).append(row)
    return found


def _place(row: Row) -> tuple[str, ...]:
    return tuple(str(row[column]) for column in ("task", "locale", "metric", "axis", "group"))
