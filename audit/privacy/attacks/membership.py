"""Scores that tell records a model was trained on from records it was not: higher means more likely a member."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from audit.privacy.attacks.token_lists import log_probabilities, token_lists
from audit.statistics.variance import Reals

ATTACKS = ("loss", "zlib", "reference", "min_k", "min_k_plus")


def membership_scores(
    token_logprobs: ArrayLike | Iterable[Any],
    *,
    token_z: ArrayLike | Iterable[Any] | None = None,
    zlib_bytes: ArrayLike | None = None,
    reference_logprobs: ArrayLike | Iterable[Any] | None = None,
    k: float = 0.2,
) -> dict[str, Reals]:
    """Score every record by each attack whose inputs are there. NLL is −mean log p over the record's tokens.

    * ``loss``: −NLL (Yeom et al. 2018, arXiv 1709.01604).
    * ``zlib``: −NLL / bytes of the compressed text. Carlini et al. 2021 (arXiv 2012.07805), section 5.2,
      rank by the ratio of log-perplexity to zlib entropy in bits; log-perplexity is the NLL
      of a token, bits are 8 × bytes, and a factor of 8 moves no rank.
    * ``reference``: NLL_ref − NLL (calibration by difficulty: Watson et al. 2022, arXiv 2111.08440).
    * ``min_k``: mean of the lowest max(1, ⌊kT⌋) log p (Shi et al. 2024, arXiv 2310.16789).
    * ``min_k_plus``: the same of (log p − μ)/σ, μ and σ those of log p under the model's
      distribution at that place (Zhang et al. 2024, arXiv 2404.02936).

    Parameters
    ----------
    token_logprobs
        (records, tokens), or one list for each record: natural logarithms of probabilities.
    token_z
        (log p − μ)/σ in the same shape.
    zlib_bytes
        (records,) length of the compressed text.
    reference_logprobs
        Those of the same tokens under a model that did not see the record.
    k
        Share of tokens that the last two look at, within (0, 1].

    Returns
    -------
    Attack → (records,). NaN for a record without tokens.

    Raises
    ------
    ValueError
        If inputs differ in records or tokens, a token has NaN or a log-probability above 0, or
        bytes are not above 0.

    Examples
    --------
    >>> logs = [[-1.0, -2.0, -3.0, -4.0, -5.0], [-0.5]]
    >>> found = membership_scores(logs, zlib_bytes=[10, 20], reference_logprobs=[[-4.0] * 5, [-0.5]])
    >>> {attack: scores.tolist() for attack, scores in found.items()}
    {'loss': [-3.0, -0.5], 'zlib': [-0.3, -0.025], 'reference': [1.0, 0.0], 'min_k': [-5.0, -0.5]}
    """
    if not 0 < k <= 1:
        raise ValueError(f"k must be above 0 and at most 1, but is {k!r}")
    logs = log_probabilities("token_logprobs", token_logprobs)
    loss = _means(logs)
    found = {"loss": loss}
    if zlib_bytes is not None:
        size = np.asarray(zlib_bytes, float)
        if size.shape != loss.shape or not (size > 0).all():
            raise ValueError(f"zlib_bytes must be {loss.size} numbers above 0, one for each record")
        found["zlib"] = loss / size
    if reference_logprobs is not None:
        reference = log_probabilities("reference_logprobs", reference_logprobs)
        _check_same("reference_logprobs", reference, logs)
        with np.errstate(invalid="ignore"):  # a record that is impossible under both
            found["reference"] = loss - _means(reference)
    found["min_k"] = np.array([lowest_mean(record, k) for record in logs], float)
    if token_z is not None:
        scaled = token_lists("token_z", token_z)
        _check_same("token_z", scaled, logs)
        found["min_k_plus"] = np.array([lowest_mean(record, k) for record in scaled], float)
    return found


def lowest_mean(values: ArrayLike, k: float) -> float:
    """Mean of the lowest max(1, ⌊kT⌋) of T values; NaN of none.

    >>> lowest_mean([4.0, 1.0, 3.0, 2.0], .5), lowest_mean([4.0, 1.0], .2)
    (1.5, 1.0)
    """
    ordered = np.sort(np.asarray(values, float))
    # .29 × 100 is 28.999999999999996 in binary, and 29 tokens are meant.
    count = max(1, math.floor(k * ordered.size + 1e-9))
    return float(ordered[:count].mean()) if ordered.size else math.nan


def _means(records: list[Reals]) -> Reals:
    return np.array([record.mean() if record.size else math.nan for record in records], float)


def _check_same(name: str, given: list[Reals], logs: list[Reals]) -> None:
    if len(given) != len(logs):
        raise ValueError(f"{name} has {len(given)} records, but token_logprobs has {len(logs)}")
    for number, (one, other) in enumerate(zip(given, logs, strict=True)):
        if one.size != other.size:
            raise ValueError(
                f"{name} of record {number} has {one.size} tokens, but token_logprobs has {other.size}; "
                "both models must score the same tokens"
            )
