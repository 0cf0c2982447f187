"""How far missing answers could move a gap: worst-case bounds, with no assumption about why they are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the largest gap that the missing cells allow.

    ``n_missing`` of ``n_cells`` cells of the two groups have no value. The bounds hold no
    sampling error: they say what is unknown of the cells that were asked.
    """

    group: str
    reference: str
    low: float
    high: float
    n_cells: int
    n_missing: int


def worst_case_bounds(
    y: ArrayLike,
    group: ArrayLike,
    block: ArrayLike,
    *,
    reference: str,
    low: float,
    high: float,
) -> tuple[Bounds, ...]:
    """Bounds on the block-adjusted gap when missing cells take any value in [``low``, ``high``].

    Over all cells that were asked the gap is Σ w·y with w = d/Σd², d = the group's dummy
    less its mean in the block (ordinary least squares on block effects). It is least
    when missing cells of positive weight are ``low`` and the others ``high``, and largest
    the other way round (Manski 1990, Am. Econ. Rev. 80(2), 319-323; Horowitz & Manski 2000).

    Parameters
    ----------
    y : (n,) cell means; NaN where an answer is missing. Every cell that was asked has a row.
    group, block : (n,) labels.
    low, high : the least and the largest value that the outcome can have.

    Returns
    -------
    One for each other group, sorted by name; NaN for groups that share no block with
    ``reference``.

    Raises
    ------
    ValueError
        If an outcome lies outside [``low``, ``high``], or no cell belongs to ``reference``.

    Examples
    --------
    One of four answers is missing; the gap lies between ½ − ½ and 1 − ½:

    >>> bounds, = worst_case_bounds([0., 1., 1., float("nan")], ["a", "a", "b", "b"], [0] * 4,
    ...                             reference="a", low=0, high=1)
    >>> bounds.low, bounds.high, bounds.n_missing
    (0.0, 0.5, 1)
    """
    values, labels, blocks = np.asarray(y, float), np.asarray(group).astype(str), np.asarray(block).astype(str)
    if values.ndim != 1 or labels.shape != values.shape or blocks.shape != values.shape:
        raise ValueError("y and its labels must be one-dimensional and of one length")
    if np.any((values < low) | (values > high)):
        raise ValueError(f"an outcome lies outside [{low!r}, {high!r}], the values that it can have")
    names = np.unique(labels)
    if reference not in names:
        raise ValueError(f"no cell belongs to the reference group {reference!r}; there are {', '.join(names)}")
    found = []
    for name in names[names != reference]:
        inside = np.isin(labels, [name, reference])
        cells, missing = values[inside], np.isnan(values[inside])
        second = (labels[inside] == name).astype(float)
        _, code = np.unique(blocks[inside], return_inverse=True)
        centred = second - (np.bincount(code, second) / np.bincount(code))[code]
        total = float(centred @ centred)
        least = most = np.nan
        if total > 0:
            fill = np.where(centred > 0, low, high)
            least = float(centred @ np.where(missing, fill, cells)) / total
            most = float(centred @ np.where(missing, low + high - fill, cells)) / total
        found.append(Bounds(str(name), reference, least, most, cells.size, int(missing.sum())))
    return tuple(found)
