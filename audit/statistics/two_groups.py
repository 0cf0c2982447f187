"""Cells of one group and the reference as integer codes, in the blocks that hold both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.least_squares import paired_codes
from audit.statistics.variance import Codes, Reals, coded


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """(n,) values with codes that run from 0 without holes; ``second`` is 1 for ``group``, 0 for the reference.

    ``draws`` is how many draws stand behind a value.
    """

    group: str
    reference: str
    values: Reals
    second: Codes
    template: Codes
    persona: Codes
    block: Codes
    draws: Reals

    def take(self, rows: NDArray[Any], values: Reals | None = None) -> Cells:
        """These rows, with new values when given, and codes without holes again."""
        template, persona, block = (
            np.unique(column[rows], return_inverse=True)[1] for column in (self.template, self.persona, self.block)
        )
        return replace(
            self,
            values=self.values[rows] if values is None else values,
            second=self.second[rows],
            template=template,
            persona=persona,
            block=block,
            draws=self.draws[rows],
        )


def two_groups(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    crossed: bool = False,
) -> Iterator[Cells]:
    """Put every other group beside ``reference``, sorted by name.

    ``crossed`` says that personas are phrasings, which stand in every group; without
    it a persona in two groups is an error.

    >>> pair, = two_groups([1., 2., 3.], ["a", "b", "b"], [0, 0, 1], ["k", "l", "l"], reference="a")
    >>> pair.values.tolist(), pair.second.tolist()
    ([1.0, 2.0], [0, 1])
    """
    behind = np.broadcast_to(np.asarray(1.0 if draws is None else draws, float), np.shape(y))
    values, (groups, group_), *labels = coded(y, group, template, persona, template if block is None else block)
    behind = behind[~np.isnan(np.asarray(y, float))]
    template_, persona_, block_ = (codes for _, codes in labels)
    if reference not in groups:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(groups)}")
    if not crossed and np.unique(paired_codes(persona_, group_)).size > np.unique(persona_).size:
        raise ValueError("a persona stands in two groups; a persona has one group on an axis")
    base = groups.index(reference)
    for code, name in enumerate(groups):
        if code == base:
            continue
        shared = np.intersect1d(block_[group_ == base], block_[group_ == code])
        rows = np.isin(group_, [base, code]) & np.isin(block_, shared)
        second = (group_ == code).astype(np.intp)
        yield Cells(name, reference, values, second, template_, persona_, block_, behind).take(rows)


def averaged(cells: Cells) -> tuple[Cells, float, int]:
    """One value for each block × persona × group, with the pooled variance of a draw and its df.

    >>> pair, = two_groups([1., 3., 5.], ["a", "a", "b"], [0] * 3, ["k", "k", "l"], reference="a")
    >>> means, variance, df = averaged(pair)
    >>> means.values.tolist(), means.draws.tolist(), variance, df
    ([2.0, 5.0], [2.0, 1.0], 2.0, 1)
    """
    cell = paired_codes(paired_codes(cells.block, cells.persona), cells.second)
    _, first = np.unique(cell, return_index=True)
    total: Reals = np.asarray(np.bincount(cell, cells.draws), float)
    means = np.asarray(np.bincount(cell, cells.draws * cells.values) / total, float)
    squares = float((cells.draws * (cells.values - means[cell]) ** 2).sum())
    df = cells.values.size - first.size
    return replace(cells.take(first, means), draws=total), squares / df if df else float("nan"), df


def differences(cells: Cells) -> Cells:
    """Group − reference for every (block, phrasing) that has both; ``draws`` is the harmonic mean of the two.

    >>> pair, = two_groups([1., 3., 4.], ["a", "b", "b"], [0] * 3, ["k", "k", "l"], reference="a", crossed=True)
    >>> differences(pair).values.tolist()
    [2.0]
    """
    means, _, _ = averaged(cells)
    pair = paired_codes(means.block, means.persona)
    size = int(pair.max(initial=-1)) + 1
    where = np.full((2, size), -1)
    where[means.second, pair] = np.arange(pair.size)
    reference, group = where[:, (where >= 0).all(axis=0)]
    found = means.take(group, means.values[group] - means.values[reference])
    return replace(found, draws=2 / (1 / means.draws[group] + 1 / means.draws[reference]))
