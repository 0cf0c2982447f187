"""From rows of findings and verdicts to the gaps, controls, placebos and levels of one task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from audit.gate import is_alive
from reports.labels import axis_order
from reports.values import CategoryTable, Control, ControlState, Gap, Level, LevelTable, Placebo, RuleResult

Row = Mapping[str, Any]


def controls(findings: Iterable[Row]) -> tuple[Control, ...]:
    """Return the positive controls, alive or dead as the gate sees them."""
    found = []
    for row in findings:
        if row["statistic"] != "contrast" or row["arm"] != "positive_control" or row["category"] is not None:
            continue
        if row["metric"] == "answer_mass":  # the facts need not move how much of the mass is an answer
            continue
        state: ControlState = "alive" if is_alive(row) else "dead"
        found.append(Control(row["metric"], state, row["estimate"], row["ci_low"], row["ci_high"], row["n_templates"]))
    return tuple(sorted(found, key=lambda control: control.metric))


def placebos(findings: Iterable[Row]) -> tuple[Placebo, ...]:
    """Return the tests against changes that should mean nothing."""
    names = ("metric", "axis", "group", "estimate", "ci_low", "ci_high", "p_value", "floor", "method")
    found = [Placebo(**{name: row[name] for name in names}) for row in findings if row["statistic"] == "placebo"]
    return tuple(sorted(found, key=lambda placebo: (placebo.metric, placebo.axis or "", placebo.group or "")))


def gaps(
    findings: Iterable[Row], verdicts: Iterable[Row], alive: Sequence[Control], min_templates: int, min_personas: int
) -> tuple[Gap, ...]:
    """Return the contrasts of the target arm, largest first, each with its verdict if there is one."""
    ruled: dict[str, Row] = {}
    for verdict in verdicts:
        if verdict["finding_id"] is not None and verdict["level"] != "off":
            held = ruled.get(verdict["finding_id"])
            if held is None or (held["level"], verdict["level"]) == ("warn", "error"):
                ruled[verdict["finding_id"]] = verdict
    effect = {control.metric: control.estimate for control in alive if control.state == "alive"}
    names = [
        name
        for name in Gap.__dataclass_fields__
        if name not in {"tolerance", "outcome", "share_of_control", "underpowered", "too_small"}
    ]
    found = []
    for row in findings:
        if row["statistic"] != "contrast" or row["arm"] != "target" or row["axis"] is None or row["group"] is None:
            continue
        gap = Gap(**{name: row[name] for name in names})
        verdict_row = ruled.get(gap.finding_id)
        tolerance = verdict_row["tolerance"] if verdict_row else None
        # That of a gap which no rule looks at is of a single test at .05: never beside a judged one.
        mde = verdict_row["mde"] if verdict_row else gap.mde
        control = effect.get(gap.metric)
        too_small = gap.n_templates < min_templates or gap.n_personas < min_personas
        found.append(
            replace(
                gap,
                mde=mde,
                tolerance=tolerance,
                outcome=verdict_row["outcome"] if verdict_row else None,
                share_of_control=gap.estimate / control if control and gap.estimate is not None else None,
                too_small=too_small,
                underpowered=too_small or mde is None or (tolerance is not None and mde > tolerance),
            )
        )
    return tuple(sorted(found, key=lambda gap: (gap.metric, -abs(gap.estimate or 0.0), gap.axis, gap.group)))


def rules(verdicts: Iterable[Row], findings: Iterable[Row], by_id: Mapping[str, Gap]) -> tuple[RuleResult, ...]:
    """Return the gate's lines in its own order, each with its gap."""
    names = ("rule", "level", "outcome", "reason", "tolerance", "p_adjusted", "mde", "finding_id")
    rows = {row["finding_id"]: row for row in findings}
    found = []
    for verdict in verdicts:
        row = rows.get(verdict["finding_id"], {})
        about: dict[str, Any] = {name: row.get(name) for name in ("metric", "axis", "group")}
        gap = by_id.get(verdict["finding_id"] or "")
        found.append(RuleResult(**{name: verdict[name] for name in names}, **about, gap=gap))
    return tuple(found)


def references(findings: Iterable[Row]) -> dict[str, str]:
    """Return the group that each axis is compared with."""
    return {
        row["axis"]: row["reference"]
        for row in findings
        if row["kind"] == "contrast" and row["axis"] and row["reference"]
    }


def level_tables(findings: Sequence[Row], metrics: Sequence[str]) -> tuple[LevelTable, ...]:
    """Return one table of group means for each axis and cue channel, all categories together."""
    reference = references(findings)
    cells: dict[tuple[str, str | None], dict[tuple[str | None, str], Row]] = defaultdict(dict)
    spread: dict[tuple[str, str | None, str, bool], float | None] = {}
    no_cue: dict[str, Level] = {}
    for row in findings:
        if row["kind"] != "level" or row["category"] is not None:
            continue
        if row["arm"] == "no_cue":
            no_cue.setdefault(row["metric"], _level(row))
        elif row["arm"] == "target" and row["axis"] is not None:
            key = (row["axis"], row["cue_channel"])
            if row["group"] is None:
                spread[(*key, row["metric"], "ratio" in f"{row['method']} {row['scale']}")] = row["estimate"]
            else:
                cells[key][(row["group"], row["metric"])] = row
    tables = []
    for (axis, channel), found in sorted(cells.items(), key=lambda item: (axis_order(item[0][0]), item[0][1] or "")):
        shown = tuple(metric for metric in metrics if any(held == metric for _, held in found))
        groups = _reference_first({group for group, _ in found}, reference.get(axis))
        rows = tuple((group, tuple(_level_or_none(found.get((group, metric))) for metric in shown)) for group in groups)
        tables.append(
            LevelTable(
                axis,
                channel,
                reference.get(axis),
                shown,
                rows,
                tuple(spread.get((axis, channel, metric, False)) for metric in shown),
                tuple(spread.get((axis, channel, metric, True)) for metric in shown),
                tuple(no_cue.get(metric) for metric in shown),
            )
        )
    return tuple(tables)


def category_tables(findings: Sequence[Row], metric: str | None) -> tuple[CategoryTable, ...]:
    """Return levels by category and group of ``metric``, one table an axis."""
    reference = references(findings)
    cells: dict[str, dict[tuple[str, str], Row]] = defaultdict(dict)
    for row in findings:
        if (
            row["kind"] == "level"
            and row["arm"] == "target"
            and row["metric"] == metric
            and row["category"]
            and row["group"]
            and row["axis"]
        ):
            cells[row["axis"]][(row["category"], row["group"])] = row
    tables = []
    for axis, found in sorted(cells.items(), key=lambda item: axis_order(item[0])):
        groups = tuple(_reference_first({group for _, group in found}, reference.get(axis)))
        rows = tuple(
            (category, tuple(_level_or_none(found.get((category, group))) for group in groups))
            for category in sorted({category for category, _ in found})
        )
        tables.append(CategoryTable(str(metric), axis, reference.get(axis), groups, rows))
    return tuple(tables)


def _level(row: Row) -> Level:
    return Level(row["group"], row["estimate"], row["n_cells"])


def _level_or_none(row: Row | None) -> Level | None:
    return None if row is None else _level(row)


def _reference_first(groups: Iterable[str | None], reference: str | None) -> list[str]:
    return sorted((group for group in groups if group is not None), key=lambda group: (group != reference, group))
