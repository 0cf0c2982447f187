"""What is not there: parts of cells that were not done yet, and figures that cannot be known."""

from __future__ import annotations

from dataclasses import dataclass

from reports.frontier_labels import DOMAINS, STAGES, STATUSES
from reports.frontier_values import Cell, Figure, FrontierView
from reports.frontier_wording import FrontierWording
from reports.privacy_labels import TOPICS


@dataclass(frozen=True, slots=True)
class Lacking:
    """A part of a cell that is not there, and why."""

    cell: Cell
    what: str
    status: str
    reason: str


def lacking(view: FrontierView, w: FrontierWording) -> list[Lacking]:
    """Return what was not done yet: of a manifest the stages, else what the table says."""
    found = [
        Lacking(cell, w.t(STAGES.get(one.name, one.name)), w.t(STATUSES.get(one.status, one.status)), one.reason or "")
        for cell in view.cells
        for one in cell.stages
        if one.status not in ("done", "off")
    ]
    told = {cell.name for cell in view.cells if cell.stages}
    rows = [one for one in view.figures if one.status == "unfinished" and one.versus is None and one.cell not in told]
    found += [
        Lacking(view.cell(one.cell), w.t(DOMAINS[one.place.domain]), w.t("not finished"), one.reason or "")
        for one in rows
    ]
    return found


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
