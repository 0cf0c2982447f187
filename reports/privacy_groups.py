"""Figures by group of the author, with controls and contrasts: the tables of a privacy report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reports.labels import axis_order
from reports.privacy_labels import FAMILIES
from reports.privacy_tiles import best_attack, main_way
from reports.privacy_values import Measure, PrivacyView


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of authors: its level, that of its control, and the contrast with the reference group."""

    group: str
    level: Measure | None
    control: Measure | None
    contrast: Measure | None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """One metric by the groups of one axis, reference first."""

    metric: str
    axis: str
    reference: str | None
    category: str | None
    control: str | None  # what the control is: held_out, not_inserted or base
    rows: tuple[GroupRow, ...]


def group_tables(view: PrivacyView) -> list[GroupTable]:
    """Return every metric that is known by group of the author, one table an axis, metrics in the page's order."""
    found = []
    order = list(FAMILIES)
    place = {name: order.index(family) for name in view.split() if (family := name.partition(":")[0]) in order}
    for metric in sorted(view.split(), key=lambda name: place.get(name, len(order))):
        axes = sorted({m.axis for m in view.measures if m.metric == metric and m.of_group and m.axis}, key=axis_order)
        found += [table for axis in axes if (table := _group_table(view, metric, axis)) is not None]
    return found


def _group_table(view: PrivacyView, metric: str, axis: str) -> GroupTable | None:
    rows = [m for m in view.measures if m.metric == metric and m.axis == axis and m.group is not None]
    whose = {m.category for m in rows if m.arm == "target"}
    category = next((one for one in ("inserted", "member", "generation") if one in whose), None)
    control = {"inserted": "not_inserted", "member": "held_out"}.get(category or "")
    control = control if control in whose else "base" if any(m.arm == "base" for m in rows) else None
    reference = next((m.reference for m in rows if m.statistic == "contrast" and m.reference), None)

    def one(name: str, statistic: str, arm: str, of: str | None) -> Measure | None:
        wanted = (name, statistic, arm, of)
        return next((m for m in rows if (m.group, m.statistic, m.arm, m.category) == wanted), None)

    names = sorted({m.group for m in rows if m.group}, key=lambda name: (name != reference, name))
    made = tuple(
        GroupRow(
            name,
            one(name, "mean", "target", category) or one(name, "bound", "target", category),
            one(name, "mean", "base", category) if control == "base" else one(name, "mean", "target", control),
            one(name, "contrast", "target", category),
        )
        for name in names
    )
    return GroupTable(metric, axis, reference, category, control, made) if made else None


def main_groups(view: PrivacyView, found: Iterable[GroupTable]) -> list[GroupTable]:
    """Return the tables that a short report shows: one metric for each way to leak."""
    best, known = best_attack(view), view.split()
    attack = best.metric if best and best.metric in known else next((m for m in known if m.startswith("auc:")), "")
    names = ["exposure", attack, main_way(view) or "", main_way(view, "identifier") or ""]
    names += [
        next((f"pii_rate:{c}" for c in ("learned", "in_training") if view.level(f"pii_rate:{c}")), "pii_rate:any")
    ]
    names += ["leaked_customers", "epsilon_lower_bound"]
    return [table for table in found if table.metric in names]
