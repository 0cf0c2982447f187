"""The tables of a frontier: a row a figure and a column a cell, or a column a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reports.frontier_choice import gaps, leaks, sizes, utilities
from reports.frontier_labels import BOUND
from reports.frontier_values import Cell, Figure, FrontierView, Place
from reports.frontier_wording import FrontierWording, lower
from reports.labels import axis_order

# Rows of all tables of one section together; what is left out stands in frontier.parquet.
MOST_ROWS: Final = 300
_MOST_CHANGES: Final = 60


@dataclass(frozen=True, slots=True)
class GridRow:
    """One figure in every column."""

    label: str
    about: str
    figures: tuple[Figure | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """One table; ``columns`` are the names of cells or of what a cell is compared with."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    main: bool = True
    left_out: int = 0


def levels(view: FrontierView, w: FrontierWording) -> list[Grid]:
    """Return what every cell is like over everyone: leakage and utility."""
    found = []
    for domain, title in (("privacy", w.t("Leakage of every variant")), ("utility", w.t("Utility of every variant"))):
        places = [place for place in view.places(domain) if place.group is None and place.metric != BOUND]
        found += _grid(view, w, title, _ordered(view, places))
    return found


def changes(view: FrontierView, w: FrontierWording, cell: Cell) -> list[Grid]:
    """Return how a cell differs from each that it is compared with: leakage, utility, sizes of gaps."""
    columns = view.others(cell)
    found = []
    for domain, title in (("privacy", w.t("Leakage")), ("utility", w.t("Utility")), ("fairness", w.t("Sizes of gaps"))):
        if domain == "fairness":
            places = _by_evidence(view, cell, columns)
        else:
            places = _ordered(view, [place for place in view.places(domain, changes=True) if place.group is None])
        rows = []
        for place in places:
            found_in = tuple(view.change(cell, before, place) for before in columns)
            if any(found_in):
                rows.append(_row(view, w, place, found_in, change=True))
        if rows:
            heads = tuple(w.t("against {before}").format(before=w.inside(before)) for before in columns)
            name = w.t("{domain}: what {cell} changed").format(domain=title, cell=w.inside(cell))
            kept = tuple(rows[:_MOST_CHANGES])
            found.append(Grid(name, heads, kept, left_out=len(rows) - len(kept)))
    return found


def _by_evidence(view: FrontierView, cell: Cell, columns: Sequence[Cell]) -> list[Place]:
    """Gaps whose size is shown to have changed first, of these the largest growth first."""
    known: dict[Place, tuple[bool, float]] = {}
    for before in columns:  # the last is one step away, and decides
        for one in sizes(view, cell, before, [place for some in gaps(view).values() for place in some]):
            known[one.place] = (one.shows not in ("up", "down"), -view.share(one))
    return sorted(known, key=lambda place: known[place])


def gap_grids(view: FrontierView, w: FrontierWording) -> list[Grid]:
    """Return every gap with its sign by task and metric, the main metric of each task first."""
    main = {place for some in gaps(view).values() for place in some}
    by: dict[tuple[str | None, str | None, str], list[Place]] = {}
    for place in view.places("fairness"):
        if not place.of_size:
            by.setdefault((place.task, place.locale, place.metric), []).append(place)
    locales = {locale for _, locale, _ in by}
    ordered = sorted(by.items(), key=lambda item: item[1][0] not in main)
    found = []
    for (task, locale, _), places in ordered:
        name = w.name(places[0], view.scale(places[0]))
        unit = w.units(places[0], view.scale(places[0]))
        parts = (w.named_task(task), lower(name), unit, locale if len(locales) > 1 else None)
        title = ", ".join(part for part in parts if part)
        places = sorted(
            places, key=lambda place: (axis_order(place.axis or ""), place.group or "", place.category or "")
        )
        found += _grid(view, w, title, places, main=places[0] in main, whose=True)
    return _capped(found)


def group_grids(view: FrontierView, w: FrontierWording) -> list[Grid]:
    """Return leakage and utility by group of the author, what the overview draws first."""
    main = {(place.metric, place.category) for place in (*leaks(view)[:3], *utilities(view)[:1])} | {
        ("nll", "held_out")
    }
    by: dict[tuple[str, str, str | None], list[Place]] = {}
    for domain in ("privacy", "utility"):
        for place in view.places(domain):
            if place.group is not None and place.reference is None:
                by.setdefault((domain, place.metric, place.category), []).append(place)
    found = []
    for (_, metric, category), places in sorted(by.items(), key=lambda item: item[0][1:] not in main):
        scale = view.scale(places[0])
        whose = w.whose(Place(places[0].domain, metric, category=category))
        title = ", ".join(part for part in (w.name(places[0], scale), whose) if part)
        places = sorted(places, key=_by_axis)
        found += _grid(view, w, title, places, main=(metric, category) in main, whose=True, among=True)
    return _capped(found)


def _grid(
    view: FrontierView,
    w: FrontierWording,
    title: str,
    places: Sequence[Place],
    *,
    main: bool = True,
    whose: bool = False,
    among: bool = False,
) -> list[Grid]:
    """A table of levels, without columns and rows in which nothing is; none where that leaves nothing."""
    cells = [cell for cell in view.cells if any(view.level(cell, place) is not None for place in places)]
    if not cells:
        return []
    rows = []
    for place in places:
        found = tuple(view.level(cell, place) for cell in cells)
        made = _row(view, w, place, found, change=False)
        if whose:
            label = f"{w.axis(place.axis or '')}: {w.pair(place)}"
            about = w.channel(place.category) if place.category and not among else ""
            made = GridRow(label, about, found)
        rows.append(made)
    return [Grid(title, tuple(w.cell(cell) for cell in cells), tuple(rows), main)]


def _row(
    view: FrontierView, w: FrontierWording, place: Place, found: tuple[Figure | None, ...], *, change: bool
) -> GridRow:
    scale = next((one.scale for one in found if one is not None), "")
    if place.of_size:
        channel = w.channel(place.category) if place.category else ""
        about = ", ".join(
            part
            for part in (w.named_task(place.task), w.units(place, scale, True) or lower(w.name(place, scale)), channel)
            if part
        )
        return GridRow(f"{w.axis(place.axis or '')}: {w.pair(place)}", about, found)
    about = ", ".join(part for part in (w.whose(place), w.units(place, scale, change)) if part)
    return GridRow(w.name(place, scale), about, found)


def _ordered(view: FrontierView, places: Iterable[Place]) -> list[Place]:
    """What stands for the rest first, then the table's order."""
    first = [*leaks(view)[:4], *utilities(view)]
    return sorted(places, key=lambda place: first.index(place) if place in first else len(first))


def _by_axis(place: Place) -> tuple[tuple[int, str], str, str]:
    return (axis_order(place.axis or ""), place.group or "", place.category or "")


def _capped(grids: Sequence[Grid]) -> list[Grid]:
    """At most :data:`MOST_ROWS` rows, the first tables whole."""
    left, found = MOST_ROWS, []
    for grid in grids:
        kept = grid.rows[: max(left, 0)]
        left -= len(kept)
        found.append(Grid(grid.title, grid.columns, kept, grid.main, len(grid.rows) - len(kept)))
    return found
