"""What is not there: parts of cells that were not done yet, and figures that cannot be known."""

from __future__ import annotations

from dataclasses import dataclass

from reports.frontier_labels import DOMAINS, STAGES, STATUSES
from reports.frontier_values import Cell, Figure, FrontierView, Stage
from reports.frontier_wording import FrontierWording, lower
from reports.privacy_labels import TOPICS


@dataclass(frozen=True, slots=True)
class Lacking:
    """Parts of a cell that are not there, and why."""

    cell: Cell
    what: str
    status: str
    reason: str


def lacking(view: FrontierView, w: FrontierWording) -> list[Lacking]:
    """Return what was not done yet: of a manifest the stages, else what the table says."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell in view.cells:
        for one in sorted(cell.stages, key=_order):
            if one.status not in ("done", "off"):
                status = w.t(STATUSES.get(one.status, one.status))
                found.setdefault((cell.name, status, one.reason or ""), []).append(w.t(STAGES.get(one.name, one.name)))
    told = {cell.name for cell in view.cells if cell.stages}
    for row in view.figures:
        if row.status == "unfinished" and row.versus is None and row.cell not in told:
            key = (row.cell, w.t("not finished"), row.reason or "")
            found.setdefault(key, []).append(lower(w.t(DOMAINS[row.place.domain])))
    return [
        Lacking(view.cell(name), ", ".join(dict.fromkeys(parts)), status, reason)
        for (name, status, reason), parts in found.items()
    ]


def _order(stage: Stage) -> int:
    """A manifest has its stages by name; they are told in the order in which they are done."""
    return list(STAGES).index(stage.name) if stage.name in STAGES else len(STAGES)


def unmeasured(view: FrontierView, w: FrontierWording) -> list[tuple[str, str, str]]:
    """Return cells, topic and why, of what cannot be known; cells with one reason stand together."""
    by: dict[tuple[str, str], list[str]] = {}
    for one in view.figures:
        if one.status == "unmeasured" and one.versus is None:
            what = w.t(DOMAINS[one.place.domain]) if one.place.metric == "all" else _topic(w, one)
            by.setdefault((what, one.reason or ""), []).append(w.cell(view.cell(one.cell)))
    return [(", ".join(dict.fromkeys(cells)), what, reason) for (what, reason), cells in by.items()]


def _topic(w: FrontierWording, one: Figure) -> str:
    known = TOPICS.get(one.place.metric)
    return ", ".join(part for part in (w.t(known) if known else w.name(one.place), w.whose(one.place)) if part)
