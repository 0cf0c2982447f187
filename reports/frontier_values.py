"""What a report of variants draws: every figure of every cell, what each training promised, and what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reports.values import Subject

# After a metric's name: the change of a gap's size, whichever side it lies on.
SIZE: Final = ":size"
PRIVATE: Final = frozenset({"dp", "dp+cda"})
AUGMENTED: Final = frozenset({"ft+cda", "dp+cda"})


@dataclass(frozen=True, slots=True)
class Place:
    """What a figure is of, whichever cell it belongs to."""

    domain: str
    metric: str
    task: str | None = None
    locale: str | None = None
    axis: str | None = None
    group: str | None = None
    reference: str | None = None
    category: str | None = None

    @property
    def base(self) -> str:
        """The metric, without the mark of a change of size."""
        return self.metric.removesuffix(SIZE)

    @property
    def family(self) -> str:
        """The metric without the attack, the way or the type."""
        return self.metric.partition(":")[0]

    @property
    def of_size(self) -> bool:
        """Whether it is the size of a gap, without its sign."""
        return self.domain == "fairness" and self.metric.endswith(SIZE)

    @property
    def size(self) -> Place:
        """The same gap's size, of which there are changes alone."""
        return self if self.of_size else replace(self, metric=self.metric + SIZE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the frontier: a level of a cell, or with ``versus`` the change from that cell to this one."""

    cell: str
    versus: str | None
    place: Place
    scale: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    status: str
    reason: str | None

    @property
    def shows(self) -> str:
        """Where the interval of a change lies: "up", "down", "unclear", or "" without an interval."""
        if self.ci_low is None or self.ci_high is None or self.estimate is None:
            return ""
        return "up" if self.ci_low > 0 else "down" if self.ci_high < 0 else "unclear"


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one part of a cell is: done, failed, unfinished, waiting or off."""

    name: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the statement beside a cell's weights says; ``unreadable`` where it cannot be relied on, and why."""

    facts: tuple[tuple[str, str], ...] = ()
    in_words: str = ""
    not_covered: tuple[str, ...] = ()
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant; ``versus`` names the cells that it is compared with, and the last of them is one step away."""

    name: str
    variant: str
    epsilon: float | None
    prompt: str | None
    versus: tuple[str, ...]
    stages: tuple[Stage, ...]
    promise: Promise | None

    @property
    def private(self) -> bool:
        """Whether its training promises an epsilon."""
        return self.variant in PRIVATE

    @property
    def augmented(self) -> bool:
        """Whether it was trained with counterfactual copies."""
        return self.variant in AUGMENTED


@dataclass(frozen=True, slots=True)
class FrontierView:
    """All that a report shows of the variants of a model."""

    subject: Subject
    cells: tuple[Cell, ...]
    figures: tuple[Figure, ...]
    files: tuple[tuple[str, str], ...]  # setting, file name
    config: str
    _known: Mapping[tuple[str, str | None, Place], Figure] = field(init=False, repr=False, compare=False)
    # By domain and whether changes are meant: a table holds tens of thousands of rows, and each is asked for often.
    _places: Mapping[tuple[str, bool], tuple[Place, ...]] = field(init=False, repr=False, compare=False)
    _scales: Mapping[Place, str] = field(init=False, repr=False, compare=False)
    _largest: Mapping[tuple[str | None, str], float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known: dict[tuple[str, str | None, Place], Figure] = {}
        places: dict[tuple[str, bool], dict[Place, None]] = {}
        largest: dict[tuple[str | None, str], float] = {}
        scales: dict[Place, str] = {}
        for one in self.figures:
            known.setdefault((one.cell, one.versus, one.place), one)
            scales.setdefault(one.place, one.scale)
            if one.status == "measured":
                places.setdefault((one.place.domain, one.versus is not None), {})[one.place] = None
            if one.versus is None and one.estimate is not None:
                key = (one.place.task, one.place.metric)
                largest[key] = max(largest.get(key, 0.0), abs(one.estimate))
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_places", {key: tuple(found) for key, found in places.items()})
        object.__setattr__(self, "_scales", scales)
        object.__setattr__(self, "_largest", largest)

    def cell(self, name: str) -> Cell:
        """Look a cell up by its name."""
        return next(cell for cell in self.cells if cell.name == name)

    def level(self, cell: Cell, place: Place) -> Figure | None:
        """Return a cell's own figure, if it was measured."""
        return self._measured((cell.name, None, place))

    def change(self, cell: Cell, versus: Cell, place: Place) -> Figure | None:
        """Return the change from ``versus`` to ``cell``, if it was measured."""
        return self._measured((cell.name, versus.name, place))

    def others(self, cell: Cell) -> tuple[Cell, ...]:
        """Return the cells of this report that ``cell`` is compared with."""
        return tuple(other for name in cell.versus for other in self.cells if other.name == name)

    def step(self, cell: Cell) -> Cell | None:
        """Return what ``cell`` is one step away from: DP from plain fine-tuning, CDA from the same without copies."""
        return next(reversed(self.others(cell)), None)

    def places(self, domain: str, *, changes: bool = False) -> tuple[Place, ...]:
        """Return what was measured of a domain in any cell, in the order of the table."""
        return self._places.get((domain, changes), ())

    def scale(self, place: Place) -> str:
        """Return the scale of what ``place`` is."""
        return self._scales.get(place, "")

    def share(self, change: Figure) -> float:
        """Return a change as a share of the largest gap of its task, since tasks have units of their own."""
        whole = self._largest.get((change.place.task, change.place.base))
        return (change.estimate or 0.0) / (whole or 1.0)

    def _measured(self, key: tuple[str, str | None, Place]) -> Figure | None:
        found = self._known.get(key)
        return found if found is not None and found.status == "measured" and found.estimate is not None else None
