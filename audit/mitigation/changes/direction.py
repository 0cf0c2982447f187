"""Whether a gap grew: the change of its size, from the change and the sum of two signed gaps."""

from __future__ import annotations

import math
from itertools import product
from typing import Literal

Direction = Literal["widened", "narrowed", "unclear"]
# Estimate, lower and upper bound.
Interval = tuple[float, float, float]


def size_change(change: Interval, total: Interval) -> Interval:
    """|after| − |before| of a signed gap, with an interval.

    With d = after − before and s = after + before, |after| − |before| = sign(d·s) · min(|d|, |s|): the gap
    grew exactly where d and s have one sign. The bounds are the least and the greatest that the two intervals
    allow, which lie at corners since the formula is monotone in each of d and s. So they leave 0 out exactly
    where both intervals do, and "grew" is said wrongly at most as often as one of them is wrong
    (intersection-union test, Berger 1982, Technometrics 24, 295-300). That a gap which turned its sign may
    have grown, and that the gap before was itself measured with noise, are both in it.

    Parameters
    ----------
    change, total
        d and s with their bounds; NaN bounds where nothing varies, and then the result has none.

    Examples
    --------
    From 0.2 to 0.5; from 0.3 to -0.3, the same size on the other side; and from nearly 0, sign unknown, to 0.4:

    >>> [round(value, 3) for value in size_change((0.3, 0.2, 0.4), (0.7, 0.5, 0.9))]
    [0.3, 0.2, 0.4]
    >>> [round(value, 3) for value in size_change((-0.6, -0.7, -0.5), (0.0, -0.1, 0.1))]
    [0.0, -0.1, 0.1]
    >>> [round(value, 3) for value in size_change((0.38, 0.28, 0.48), (0.42, 0.2, 0.64))]
    [0.38, 0.2, 0.48]
    """
    corners = [_size(d, s) for d, s in product(change[1:], total[1:])]
    if any(math.isnan(value) for value in corners):
        return _size(change[0], total[0]), math.nan, math.nan
    return _size(change[0], total[0]), min(corners), max(corners)


def direction(size: Interval) -> Direction:
    """Say of a gap's :func:`size_change` what may be said of it.

    >>> direction((0.3, 0.2, 0.4)), direction((-0.1, -0.2, -0.01)), direction((0.3, -0.1, 0.7))
    ('widened', 'narrowed', 'unclear')
    """
    _, low, high = size
    if low > 0:
        return "widened"
    return "narrowed" if high < 0 else "unclear"


def _size(difference: float, total: float) -> float:
    return (abs(total + difference) - abs(total - difference)) / 2
