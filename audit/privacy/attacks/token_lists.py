"""Lists of token values, one for each record, as arrays that hold nothing which cannot be summed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.variance import Reals

# A log-softmax in float32 may end this far above 0; what lies further is no log-probability.
_ROUNDING = 1e-3


def token_lists(name: str, given: ArrayLike | Iterable[Any]) -> list[Reals]:
    """One float64 array for each record, from a (records, tokens) array or from lists of any lengths.

    Raises
    ------
    ValueError
        If a record is not one-dimensional or holds NaN: a token without a value must be
        left out by whoever knows why it has none.

    Examples
    --------
    >>> [one.tolist() for one in token_lists("token_z", [[1, 2], []])]
    [[1.0, 2.0], []]
    """
    found = []
    for number, record in enumerate(given):  # type: ignore[arg-type]
        values = np.asarray(record, float)
        if values.ndim != 1:
            raise ValueError(f"{name} must hold one list of tokens for each record; record {number} is {values.ndim}-d")
        if np.isnan(values).any():
            raise ValueError(f"{name} of record {number} has NaN for {int(np.isnan(values).sum())} of its tokens")
        found.append(values)
    return found


def log_probabilities(name: str, given: ArrayLike | Iterable[Any]) -> list[Reals]:
    """As :func:`token_lists`, for logarithms of probabilities; rounding above 0 becomes 0.

    Raises
    ------
    ValueError
        Also if a value is above 0.

    Examples
    --------
    >>> log_probabilities("suffix_logprobs", [[-1, 1e-8]])[0].tolist()
    [-1.0, 0.0]
    """
    found = token_lists(name, given)
    for number, values in enumerate(found):
        if values.size and values.max() > _ROUNDING:
            raise ValueError(f"{name} of record {number} has {values.max():g}; a log-probability is never above 0")
    return [np.minimum(values, 0.0) for values in found]
