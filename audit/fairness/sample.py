"""The cells of one metric as arrays, the form in which :mod:`audit.statistics` takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from audit.fairness.cells import Codes, Reals, codes_of

if TYPE_CHECKING:
    import pandas as pd


class _OfGroups(Protocol):
    """A result for one group against the reference."""

    @property
    def group(self) -> str:
        """Name of the group."""

    @property
    def reference(self) -> str:
        """Name of the reference."""


Result = TypeVar("Result", bound=_OfGroups)


@dataclass(frozen=True, slots=True)
class Sample:
    """Cells of one metric, task, arm and axis; labels are codes, so that no statistic turns words into codes again.

    ``value`` is (n,), NaN where nothing was scored, and ``scored`` the share of draws that
    were; ``stimulus`` is the persona or, for
    explicit cues, the phrasing. ``groups`` are the sorted names that ``group`` counts through.
    """

    value: Reals
    group: Codes
    template: Codes
    stimulus: Codes
    block: Codes
    groups: tuple[str, ...]
    reference: int
    scored: Reals

    @property
    def columns(self) -> tuple[Reals, Codes, Codes, Codes]:
        """The four arrays that every statistic takes first."""
        return self.value, self.group, self.template, self.stimulus

    @property
    def among(self) -> dict[str, Any]:
        """Reference and blocks, by the names that every statistic has for them."""
        return {"reference": str(self.reference), "block": self.block}

    def take(self, rows: NDArray[Any]) -> Sample:
        """The cells in ``rows``."""
        value, group, template, stimulus, block = (column[rows] for column in (*self.columns, self.block))
        return Sample(value, group, template, stimulus, block, self.groups, self.reference, self.scored[rows])

    def comparable(self) -> Sample:
        """The scored cells of groups with two or more stimuli; none where the reference is not among these."""
        scored = self.take(np.flatnonzero(~np.isnan(self.value)))
        many = scored.stimuli()
        if many[self.reference] < 2 or (many > 1).sum() < 2:
            return scored.take(np.zeros(0, np.intp))
        return scored.take(np.flatnonzero(many[scored.group] > 1))

    def stimuli(self) -> Codes:
        """How many stimuli each group has."""
        present = np.zeros((len(self.groups), int(self.stimulus.max(initial=0)) + 1), bool)
        present[self.group, self.stimulus] = True
        return np.asarray(present.sum(axis=1), np.intp)

    def counts(self, group: str) -> dict[str, int]:
        """Cells, blocks, templates and stimuli of a group and the reference; of stimuli those of the smaller."""
        sides = [self.group == code for code in (self.groups.index(group), self.reference)]
        both = sides[0] | sides[1]
        return {
            "n_cells": int(both.sum()),
            "n_blocks": np.unique(self.block[both]).size,
            "n_templates": np.unique(self.template[both]).size,
            "n_personas": min(np.unique(self.stimulus[side]).size for side in sides),
        }

    def named(self, results: Sequence[Result]) -> list[Result]:
        """Results with the names of groups in place of their codes, sorted by name."""
        found = [
            replace(result, group=self.groups[int(result.group)], reference=self.groups[self.reference])  # type: ignore[type-var]
            for result in results
        ]
        return sorted(found, key=lambda result: result.group)


def samples(cells: pd.DataFrame, reference: str) -> Iterator[tuple[str, Sample]]:
    """Each metric of ``cells`` with its sample; labels are turned into codes once, for all metrics together."""
    groups = tuple(str(name) for name in cells["group"].cat.categories)
    value, scored = cells["value"].to_numpy(), cells["scored"].to_numpy()
    group, template, stimulus, block = (
        codes_of(cells[key]) for key in ("group", "template_id", "stimulus", "block_id")
    )
    whole = Sample(value, group, template, stimulus, block, groups, groups.index(reference), scored)
    metric = codes_of(cells["metric"])
    order = np.argsort(metric, kind="stable")
    ends = np.cumsum(np.bincount(metric, minlength=len(cells["metric"].cat.categories)))
    for name, rows in zip(cells["metric"].cat.categories, np.split(order, ends[:-1]), strict=True):
        if rows.size:
            yield str(name), whole.take(rows)
