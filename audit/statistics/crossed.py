"""Cells of two groups as a block × persona table, for what is resampled or permuted.

Resampling and permutation change the weight of a template, of a persona or of a
single cell; on a table each of these is a matrix product or a broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.statistics.variance import Codes, Reals, coded

Bools = NDArray[np.bool_]

# Numbers held at once by one step over draws or blocks: 8 MiB of float64.
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Crossed:
    """The cells of ``group`` and ``reference`` in the blocks where both occur.

    ``values`` is (blocks, personas), NaN where a cell is missing; ``template`` is
    the (blocks,) code of each block's template, ``member`` the (personas,) mask of
    ``group``; the other personas are the reference's.
    """

    group: str
    reference: str
    values: Reals
    template: Codes
    member: Bools

    @property
    def seen(self) -> Bools:
        """(blocks, personas): which cells there are."""
        return ~np.isnan(self.values)

    @property
    def sizes(self) -> tuple[int, int]:
        """Personas of ``group`` and of ``reference``."""
        inside = int(self.member.sum())
        return inside, self.member.size - inside

    @property
    def counts(self) -> dict[str, int]:
        """What a result rests on, as the fields that every result of a comparison has."""
        return {
            "n_cells": int(self.seen.sum()),
            "n_blocks": self.values.shape[0],
            "n_templates": np.unique(self.template).size,
            "n_personas": min(self.sizes),
        }


def crossed(
    y: ArrayLike,
    group: ArrayLike,
    template: ArrayLike,
    persona: ArrayLike,
    *,
    reference: str,
    block: ArrayLike | None = None,
) -> Iterator[Crossed]:
    """Pair every other group with ``reference``, sorted by name.

    Parameters
    ----------
    y : (n,) cell means; NaN is a missing cell. Several cells of one block and persona are averaged.
    group, template, persona, block : (n,) labels. ``block`` is ``template`` when not given.
    reference : the group that the others are compared with.

    Raises
    ------
    ValueError
        If lengths differ, no usable cell belongs to ``reference``, one persona stands
        in two groups, or one block holds two templates.

    Examples
    --------
    >>> pair, = crossed([1., 2., 3., 5.], ["a", "b"] * 2, [0, 0, 1, 1], ["k", "l"] * 2, reference="a")
    >>> pair.values.tolist(), pair.member.tolist()
    ([[1.0, 2.0], [3.0, 5.0]], [False, True])
    """
    block = template if block is None else block
    values, (groups, group_), (_, template_), (_, persona_), (_, block_) = coded(y, group, template, persona, block)
    if reference not in groups:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(groups)}")
    home = _label_of(persona_, group_, "a persona stands in two groups; a persona has one group on an axis")
    wording = _label_of(block_, template_, "a block holds two templates; a block is one template × category")
    table = _table(values, block_, persona_)
    base = groups.index(reference)
    held = np.column_stack([(~np.isnan(table[:, home == code])).any(axis=1) for code in range(len(groups))])
    for code, name in enumerate(groups):
        if code == base:
            continue
        rows = np.flatnonzero(held[:, code] & held[:, base])
        columns = np.flatnonzero((home == code) | (home == base))
        part = table[np.ix_(rows, columns)]
        used = ~np.isnan(part).all(axis=0)
        yield Crossed(name, reference, part[:, used], wording[rows], home[columns[used]] == code)


def chunks(rows: int, width: int) -> Iterator[slice]:
    """Slices of ``rows`` rows of ``width`` numbers each that stay within :data:`CHUNK` numbers.

    >>> [one.stop - one.start for one in chunks(5, CHUNK // 2)]
    [2, 2, 1]
    """
    step = max(1, CHUNK // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _label_of(codes: Codes, labels: Codes, contradiction: str) -> Codes:
    of = np.zeros(int(codes.max()) + 1, np.intp)
    of[codes] = labels
    if np.any(of[codes] != labels):
        raise ValueError(contradiction)
    return of


def _table(values: Reals, row: Codes, column: Codes) -> Reals:
    shape = int(row.max()) + 1, int(column.max()) + 1
    place, size = row * shape[1] + column, shape[0] * shape[1]
    counts = np.bincount(place, minlength=size)
    means: Reals = np.full(size, np.nan)
    np.divide(np.bincount(place, values, size), counts, out=means, where=counts > 0)
    return means.reshape(shape)
