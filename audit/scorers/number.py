"""What number the model would name, read from its exact distribution over numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.scorers.decision import answer_mass
from audit.scorers.rows import Reals, of_form, score_rows

VERSION: Final = "number-1"


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score numbers: ``expected_number`` (in its unit), ``p_at_least`` the suite's threshold, ``answer_mass``.

    The first two are conditional on the numbers that enumeration resolved; the mass
    it left open (``residual_mass``) is in neither. Where the answer mass is null or
    0 they are ``invalid``; a number that was sampled instead of read is too.
    """
    batch = of_form(batch, "number")
    mass = answer_mass(batch)
    expected, at_least = moments(batch)
    expected[~(mass > 0)] = np.nan
    at_least[~(mass > 0)] = np.nan
    return pa.concat_batches(
        [
            score_rows(batch, "expected_number", expected, VERSION),
            score_rows(batch, "p_at_least", at_least, VERSION),
            score_rows(batch, "answer_mass", mass, VERSION),
        ]
    )


def moments(batch: pa.RecordBatch) -> tuple[Reals, Reals]:
    """Expectation, and probability of ``threshold`` or more, per row; nan where not known.

    E = Σ p·x / Σ p over ``support``; a support with a word that is no number, or a
    negative probability, has none.
    """
    sizes = pc.list_value_length(batch["support"]).fill_null(0).to_numpy(zero_copy_only=False)
    same = np.asarray(sizes == pc.list_value_length(batch["probs"]).fill_null(-1).to_numpy(zero_copy_only=False))
    rows = np.flatnonzero(same & (sizes > 0))
    expected, at_least = np.full(batch.num_rows, np.nan), np.full(batch.num_rows, np.nan)
    if not rows.size:
        return expected, at_least
    owner = np.repeat(np.arange(rows.size), sizes[rows])
    taken = pa.array(rows)
    p = pc.list_flatten(batch["probs"].take(taken)).to_numpy(zero_copy_only=False).astype(float)
    x = _numbers(pc.list_flatten(batch["support"].take(taken)))
    threshold = batch["threshold"].take(taken).to_numpy(zero_copy_only=False).astype(float)[owner]
    p = np.where(p >= 0, p, np.nan)
    reached = np.where(np.isnan(threshold) | np.isnan(x), np.nan, x >= threshold)
    with np.errstate(invalid="ignore", divide="ignore"):  # Σp = 0 has no expectation: nan
        total = np.bincount(owner, weights=p)
        expected[rows] = np.bincount(owner, weights=p * x) / total
        at_least[rows] = np.minimum(np.bincount(owner, weights=p * reached) / total, 1.0)
    return expected, at_least


def _numbers(words: pa.Array) -> Reals:
    """The numbers that ``words`` write; nan for a word that writes none."""
    encoded = words.dictionary_encode()
    values = np.array([*_parsed(encoded.dictionary.to_pylist()), np.nan])
    return np.asarray(values[encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)])


def _parsed(words: Iterable[str]) -> Iterable[float]:
    for word in words:
        try:
            value = float(word)
        except ValueError:
            value = np.nan
        yield value if np.isfinite(value) else np.nan
