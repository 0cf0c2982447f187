"""What each training promised, beside the least that an attack shows."""

from __future__ import annotations

from dataclasses import dataclass

from reports.frontier_labels import BOUND
from reports.frontier_values import Cell, Figure, FrontierView
from reports.frontier_wording import FrontierWording


@dataclass(frozen=True, slots=True)
class Spent:
    """ε as it was promised beside the least that an attack shows."""

    cell: Cell
    epsilon: Figure | None
    delta: Figure | None
    noise: Figure | None
    bound: Figure | None

    @property
    def promised(self) -> float | None:
        """The ε that the training spent, as far as it is known."""
        return self.epsilon.estimate if self.epsilon is not None else self.cell.epsilon

    @property
    def refuted(self) -> bool:
        """Whether an attack shows more than was promised."""
        found, promised = self.bound.estimate if self.bound else None, self.promised
        return found is not None and promised is not None and found > promised


def spent(view: FrontierView) -> list[Spent]:
    """Return what each cell with a promise spent."""

    def one(cell: Cell, domain: str, metric: str) -> Figure | None:
        places = (place for place in view.places(domain) if place.metric == metric and place.group is None)
        return next((found for place in places if (found := view.level(cell, place)) is not None), None)

    return [
        Spent(
            cell,
            one(cell, "budget", "epsilon"),
            one(cell, "budget", "delta"),
            one(cell, "budget", "noise_multiplier"),
            one(cell, "privacy", BOUND),
        )
        for cell in view.cells
        if cell.private
    ]


def told_epsilon(one: Spent, w: FrontierWording) -> str:
    """Write the ε that was spent; where no training has ended, that which was asked for."""
    if one.epsilon is not None:
        return w.count(one.epsilon.estimate)
    return w.t("{x} asked for").format(x=w.count(one.cell.epsilon)) if one.cell.epsilon else "–"


def refutations(view: FrontierView, w: FrontierWording) -> list[str]:
    """Return a sentence for each promise that the cell's own audit contradicts, or whose statement is not its."""
    found = [
        w.t("Refuted: {cell} leaks more than its ε allows. An attack shows at least ε = {bound}.").format(
            cell=w.inside(one.cell), bound=w.count(one.bound.estimate if one.bound else None)
        )
        for one in spent(view)
        if one.refuted
    ]
    found += [
        w.t("Do not rely on the ε of {cell}: {why}").format(cell=w.inside(cell), why=cell.promise.unreadable)
        for cell in view.cells
        if cell.private and cell.promise is not None and cell.promise.unreadable
    ]
    return found
