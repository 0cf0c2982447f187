"""Whether a model gives back the rest of a record when shown its beginning.

All of it comes from one forward pass over the record: nothing is generated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.privacy.attacks.token_lists import log_probabilities
from audit.statistics.variance import Reals

# Logarithms of the two sides of "at least" that differ by less are equal.
_EQUAL = 1e-12


def extraction_probability(suffix_logprobs: ArrayLike | Iterable[Any], n: float = 1) -> Reals:
    """Chance that ``n`` samples hold the suffix at least once: 1 − (1 − p_z)ⁿ, with p_z = exp(Σ log p).

    Parameters
    ----------
    suffix_logprobs
        (records, tokens), or one list of a record's suffix tokens each: natural logarithms of
        their probabilities under the sampling that is asked about (here: temperature 1, no top-k).
    n
        Samples, 1 or more.

    Returns
    -------
    (records,); NaN for a suffix without tokens. Right to rounding for p_z near 0 and near 1.

    Raises
    ------
    ValueError
        If a token has NaN or a positive value, or n is below 1.

    Notes
    -----
    Hayes et al. 2024, "Measuring memorization in language models via probabilistic
    extraction" (arXiv 2410.19482), eq. 2.

    Examples
    --------
    A suffix of probability 1/4, and one that takes a billion samples:

    >>> extraction_probability([[math.log(.5)] * 2, [-10.0, -10.0]], 2).round(12).tolist()
    [0.4375, 4.122e-09]
    """
    return np.asarray(-np.expm1(-np.exp(_log_hazard(suffix_logprobs) + math.log(_samples(n)))), float)


def discoverable_extraction(suffix_logprobs: ArrayLike | Iterable[Any], n: float, p: float) -> NDArray[np.bool_]:
    """Which suffixes are (n, p)-discoverable: 1 − (1 − p_z)ⁿ ≥ p.

    Compared as log n + log(−log(1 − p_z)) ≥ log(−log(1 − p)), where neither a tiny p_z nor
    a large n loses digits; a suffix without tokens is not extracted.

    Parameters and errors as in :func:`extraction_probability`; 0 < p ≤ 1.

    Examples
    --------
    Of p_z = .5 and .05, twenty samples give .9999990 and .64:

    >>> discoverable_extraction(np.log([[.5], [.05]]), 20, .9).tolist()
    [True, False]
    """
    _check_share(p)
    with np.errstate(divide="ignore"):
        wanted = float(np.log(-np.log1p(-p)))
    return np.asarray(_log_hazard(suffix_logprobs) + math.log(_samples(n)) >= wanted - _EQUAL)


def queries_needed(suffix_logprobs: ArrayLike | Iterable[Any], p: float) -> Reals:
    """Fewest samples that hold the suffix with chance ``p``: ⌈log(1 − p) / log(1 − p_z)⌉.

    Infinite where p_z is 0, NaN for a suffix without tokens. :func:`discoverable_extraction`
    is true of this many samples and false of one fewer.

    >>> queries_needed(np.log([[.5], [.05], [1.0]]), .9).tolist()
    [4.0, 45.0, 1.0]
    """
    _check_share(p)
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.exp(np.log(-np.log1p(-p)) - _log_hazard(suffix_logprobs) - _EQUAL)
    return np.asarray(np.maximum(np.ceil(needed), 1.0), float)


def k_extractable(greedy: Iterable[ArrayLike]) -> NDArray[np.bool_]:
    """Whether greedy decoding gives the whole suffix: every token is the likeliest after those before it.

    Carlini et al. 2022, "Quantifying memorization across neural language models" (arXiv
    2202.07646), definition 3.1. Whether each token of the true suffix is the argmax
    says the same as generating. A suffix without tokens is not extracted.

    Parameters
    ----------
    greedy
        One list of booleans for each record.

    Examples
    --------
    >>> k_extractable([[True, True], [True, False], []]).tolist()
    [True, False, False]
    """
    suffixes = [np.asarray(suffix) for suffix in greedy]
    for number, suffix in enumerate(suffixes):
        if suffix.ndim != 1 or (suffix.size and suffix.dtype != np.bool_):
            raise ValueError(f"greedy of record {number} must be a list of booleans")
    return np.array([bool(suffix.size and suffix.all()) for suffix in suffixes], bool)


def _log_hazard(suffix_logprobs: ArrayLike | Iterable[Any]) -> Reals:
    """log(−log(1 − p_z)): −∞ for p_z = 0, ∞ for 1, NaN without tokens."""
    suffixes = log_probabilities("suffix_logprobs", suffix_logprobs)
    total = np.array([suffix.sum() if suffix.size else math.nan for suffix in suffixes], float)
    with np.errstate(divide="ignore"):
        # log(1 − p_z) by whichever of its two forms keeps its digits
        # (Mächler 2012, "Accurately computing log(1 − exp(−|a|))").
        small = np.log1p(-np.exp(np.clip(total, -30.0, -math.log(2))))
        large = np.log(-np.expm1(np.maximum(total, -math.log(2))))
        hazard = np.log(-np.where(total < -math.log(2), small, large))
    # Near p_z = 0 it is log p_z + p_z/2 + ..., where exp would lose p_z altogether.
    return np.where(total < -30.0, total, hazard)


def _samples(n: float) -> float:
    if not (n >= 1 and math.isfinite(n)):
        raise ValueError(f"n must be 1 or more, but is {n!r}")
    return float(n)


def _check_share(p: float) -> None:
    if not 0 < p <= 1:
        raise ValueError(f"p must be above 0 and at most 1, but is {p!r}")
