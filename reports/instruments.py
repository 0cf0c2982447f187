"""From findings on the instruments to what a report shows of them: scorers, and what names are taken for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audit.gate.wording import SCORER
from reports.labels import axis_order
from reports.values import Inference, ScorerCheck

Row = Mapping[str, Any]


def scorer_checks(
    findings: Iterable[Row], verdicts: Iterable[Row], order: Sequence[str] = ()
) -> tuple[ScorerCheck, ...]:
    """Return the widest difference of each metric's scorer on identical texts; a voided one before a wider one.

    ``order`` is that of the metrics; those not in it come after.
    """
    rows = list(findings)
    judged = {row["finding_id"]: row for row in rows}
    voided: dict[str, list[Row]] = {}
    for verdict in verdicts:
        if verdict["level"] != "off" and verdict["outcome"] == "void" and verdict["reason"].startswith(SCORER):
            row = judged.get(verdict["finding_id"])
            metric = verdict["reason"].removeprefix(f"{SCORER}of ").partition(" ")[0]
            if row is not None:
                voided.setdefault(metric, []).append(row)
    checked: dict[str, list[Row]] = {}
    for row in rows:
        if row["statistic"] == "scorer_bias" and row["estimate"] is not None:
            checked.setdefault(row["metric"], []).append(row)
    places = ("locale", "cue_channel", "axis", "group", "reference")
    found = []
    for metric, biases in checked.items():
        stopped = {tuple(row[name] for name in places) for row in voided.get(metric, ())}
        widest = max(biases, key=lambda row: (tuple(row[n] for n in places) in stopped, abs(row["estimate"])))
        found.append(
            ScorerCheck(
                metric=metric,
                axis=widest["axis"],
                group=widest["group"],
                reference=widest["reference"],
                cue_channel=widest["cue_channel"],
                estimate=widest["estimate"],
                ci_low=widest["ci_low"],
                ci_high=widest["ci_high"],
                texts=widest["n_templates"],
                comparisons=len(biases),
                voided=len(stopped),
            )
        )
    return tuple(
        sorted(found, key=lambda row: (order.index(row.metric) if row.metric in order else len(order), row.metric))
    )


def inferences(findings: Iterable[Row]) -> tuple[Inference, ...]:
    """Return for each group what the model takes its names for, by axis and group."""
    rows = [row for row in findings if row["arm"] == "manipulation"]
    levels = {
        (row["task"], row["locale"], row["metric"], row["group"]): row["estimate"]
        for row in rows
        if row["statistic"] == "mean"
    }
    found = []
    for row in rows:
        if row["statistic"] != "inference":
            continue
        place = (row["task"], row["locale"])
        low, high = row["ci_low"], row["ci_high"]
        clear = bool(row["estimate"]) and row["se"] == 0 if low is None or high is None else low > 0 or high < 0
        found.append(
            Inference(
                axis=row["axis"],
                group=row["group"],
                own=levels.get((*place, "infers", row["group"])),
                estimate=row["estimate"],
                ci_low=low,
                ci_high=high,
                told=clear,
                names=row["n_personas"],
                wordings=row["n_templates"],
                answer_mass=levels.get((*place, "answer_mass", None)),
            )
        )
    return tuple(sorted(found, key=lambda row: (axis_order(row.axis), row.group)))
