"""What of the many figures stands for the rest: one leak, one measure of utility, and a gap of each task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.frontier_labels import BOUND, GAPS, LEAKS, UTILITY
from reports.frontier_values import Cell, Figure, FrontierView, Place


def leaks(view: FrontierView) -> list[Place]:
    """Return the measures of leakage over all authors, the one that is drawn first."""
    found = [place for place in view.places("privacy") if _is_whole(place)]
    listed = [
        place
        for metric, category in LEAKS
        for place in found
        if (place.metric, place.category) in ((metric, category), (metric, None))
    ]
    # A metric that the list does not have, where there is nothing else.
    others = [place for place in found if place.metric != BOUND and place.category not in ("held_out", "not_inserted")]
    return list(dict.fromkeys([*listed, *others]))


def utilities(view: FrontierView) -> list[Place]:
    """Return the measures of utility over everyone, perplexity first where held-out records were read."""
    found = [place for place in view.places("utility") if _is_whole(place)]
    order = list(UTILITY)
    return sorted(found, key=lambda place: order.index(place.metric) if place.metric in order else len(order))


def gaps(view: FrontierView) -> dict[tuple[str | None, str | None], list[Place]]:
    """Return the gaps on each task's main metric, by task and locale."""
    by: dict[tuple[str | None, str | None], list[Place]] = {}
    for place in view.places("fairness"):
        if place.group is not None and not place.of_size:
            by.setdefault((place.task, place.locale), []).append(place)
    made = {}
    for key, places in by.items():
        names = {place.metric for place in places}
        main = next((name for name in GAPS if name in names), places[0].metric)
        made[key] = [place for place in places if place.metric == main]
    return made


def steps(view: FrontierView) -> list[tuple[Cell, Cell]]:
    """Return every cell with the one that it is a step away from, those with a promise first."""
    pairs = [(cell, before) for cell in view.cells if (before := view.step(cell)) is not None]
    return sorted(pairs, key=lambda pair: not pair[0].private)


def sizes(view: FrontierView, cell: Cell, before: Cell, places: Iterable[Place]) -> list[Figure]:
    """Return how the sizes of gaps changed, the largest growth first; gaps of which this is not known are left out.

    Tasks have units of their own: each growth counts by the largest gap of its task under any variant.
    """
    found = [one for place in places if (one := view.change(cell, before, place.size)) is not None]
    return sorted(found, key=lambda one: -view.share(one))


def main_gaps(view: FrontierView, most: int) -> list[Place]:
    """Return one gap a task: the one that a cell with a promise is shown to have widened most, else the largest."""
    chosen = [(_weight(view, places), places) for places in gaps(view).values()]
    chosen.sort(key=lambda pair: -pair[0][0][0])  # units differ between tasks: among them the table's order stays
    return [weight[1] for weight, _ in chosen[:most]]


def spoken(view: FrontierView) -> tuple[Cell, Cell] | None:
    """Return the cell that the headline is about, and what it is compared with.

    DP without copies before DP with; then that of which most was measured; then the smallest ε.
    """
    known = [
        (cell.augmented, -_measured(view, cell, before), cell.epsilon or 0.0, i)
        for i, (cell, before) in enumerate(steps(view))
        if cell.private and _measured(view, cell, before)
    ]
    return steps(view)[min(known)[-1]] if known else None


def _measured(view: FrontierView, cell: Cell, before: Cell) -> int:
    parts = (leaks(view)[:1], utilities(view)[:1], [place.size for some in gaps(view).values() for place in some])
    return sum(any(view.change(cell, before, place) is not None for place in some) for some in parts)


def _weight(view: FrontierView, places: Sequence[Place]) -> tuple[tuple[int, float], Place]:
    best: tuple[tuple[int, float], Place] = ((0, -1.0), places[0])
    private = [pair for pair in steps(view) if pair[0].private]
    for place in places:
        changes = (view.change(cell, before, place.size) for cell, before in private)
        grown = [one.estimate or 0.0 for one in changes if one is not None and one.shows == "up"]
        levels = [abs(one.estimate or 0.0) for cell in view.cells if (one := view.level(cell, place)) is not None]
        weight = (1, max(grown)) if grown else (0, max(levels, default=-1.0))
        best = max(best, (weight, place), key=lambda one: one[0])
    return best


def _is_whole(place: Place) -> bool:
    return place.axis is None and place.group is None
