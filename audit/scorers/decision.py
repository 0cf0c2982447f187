"""How strongly a decision leans to the first, favourable option, and to the right one, read from its distribution."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.scorers.rows import Reals, of_form, score_rows

VERSION: Final = "decision-2"

# e^-40 is 4e-18: no probability in double precision tells the two sides apart beyond it.
LIMIT: Final = 40.0


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score decisions: ``log_odds`` (natural log), ``p_favourable`` and ``answer_mass``.

    ``p_favourable`` is conditional on an answer among the options; ``answer_mass``
    is the probability of such an answer. Where that is null or 0, the first two are
    ``invalid``; a mass of 0 that was measured stays a value, for it is one. A
    decision that was sampled instead of read is ``invalid``. Where the policy gives a
    target probe an option (its gold), ``p_correct`` is the probability of that one, also
    conditional. Probes that ask which group a name is of have a scorer of their own.
    """
    batch = of_form(batch, "decision")
    batch = batch.filter(pc.not_equal(batch["purpose"], "manipulation"))
    mass = answer_mass(batch)
    odds = log_odds(batch)
    odds[~(mass > 0)] = np.nan
    scored = [
        score_rows(batch, "log_odds", odds, VERSION),
        score_rows(batch, "p_favourable", 1 / (1 + np.exp(-odds)), VERSION),
        score_rows(batch, "answer_mass", mass, VERSION),
    ]
    # In the other arms gold names a pole of the facts, or the answer is no target of a policy.
    known = batch.filter(pc.and_(pc.equal(batch["arm"], "target"), pc.is_valid(batch["gold"])))
    if known.num_rows:
        scored.append(score_rows(known, "p_correct", p_option(known, known["gold"]), VERSION))
    return pa.concat_batches(scored)


def p_option(batch: pa.RecordBatch, wanted: pa.Array) -> Reals:
    """P(wanted option | any option), one option a row; nan where it is not known or no option of the row."""
    odds = log_odds(batch, wanted)
    odds[~(answer_mass(batch) > 0)] = np.nan
    return np.asarray(1 / (1 + np.exp(-odds)))


def log_odds(batch: pa.RecordBatch, wanted: pa.Array | None = None) -> Reals:
    """log P(wanted option) − log P(any other), per row; nan where it is not known. The first option if none is given.

    Taken from ``option_logprobs``, or from ``probs`` in a row without them, and held
    within ±:data:`LIMIT`.
    """
    logprobs = batch["option_logprobs"]
    logs = pc.coalesce(logprobs, _logs_of(batch["probs"])) if logprobs.null_count else logprobs
    sizes = pc.list_value_length(logs).fill_null(0).to_numpy(zero_copy_only=False)
    same = np.asarray(sizes == pc.list_value_length(batch["support"]).fill_null(-1).to_numpy(zero_copy_only=False))
    same &= (pc.equal(batch["mode"], "exact")).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(same & (sizes > 0))
    result = np.full(batch.num_rows, np.nan)
    if not rows.size:
        return result
    taken = pa.array(rows)
    owner = np.repeat(rows, sizes[rows])
    values = pc.list_flatten(logs.take(taken)).to_numpy(zero_copy_only=False).astype(float)
    spoilt = owner[~(values < np.inf)]
    values = np.where(values < np.inf, values, -np.inf)
    options = pc.list_flatten(batch["support"].take(taken))
    wanted = batch["first_option"] if wanted is None else wanted
    first = pc.equal(options, wanted.take(pa.array(owner))).fill_null(False)
    is_first = first.to_numpy(zero_copy_only=False)
    favourable = _log_sums(values[is_first], owner[is_first], batch.num_rows)
    rest = _log_sums(values[~is_first], owner[~is_first], batch.num_rows)
    known = np.bincount(owner[is_first], minlength=batch.num_rows) == 1
    known &= np.bincount(owner[~is_first], minlength=batch.num_rows) > 0
    known[spoilt] = False
    with np.errstate(invalid="ignore"):  # -inf − -inf: neither side has any mass, hence no odds
        result[known] = np.clip(favourable[known] - rest[known], -LIMIT, LIMIT)
    return result


def answer_mass(batch: pa.RecordBatch) -> Reals:
    """The probability of a valid answer, per row; nan where it is not known or no probability."""
    mass = batch["answer_mass"].to_numpy(zero_copy_only=False).astype(float)
    exact = pc.equal(batch["mode"], "exact").to_numpy(zero_copy_only=False)
    # Sums of float32 probabilities pass 1 by a rounding error.
    possible = exact & (mass >= 0) & (mass <= 1 + 1e-4)
    return np.where(possible, np.minimum(mass, 1.0), np.nan)


def _log_sums(values: Reals, owner: np.ndarray[tuple[int, ...], np.dtype[np.int64]], n: int) -> Reals:
    """log Σ exp(values) over the values of each owner 0..n-1; -inf for an owner with none.

    >>> _log_sums(np.log([1.0, 2.0, 5.0]), np.array([0, 0, 1]), 2).round(6).tolist()
    [1.098612, 1.609438]
    """
    top = np.full(n, -np.inf)
    np.maximum.at(top, owner, values)
    shift = np.where(np.isneginf(top), 0.0, top)
    sums = np.bincount(owner, weights=np.exp(values - shift[owner]), minlength=n)
    with np.errstate(divide="ignore"):  # log 0 is -inf, which is meant
        return np.asarray(np.log(sums) + shift)


def _logs_of(probs: pa.Array) -> pa.Array:
    """Natural logs inside a list column."""
    return pa.array([None if row is None else [_log(p) for p in row] for row in probs.to_pylist()], probs.type)


def _log(p: float | None) -> float:
    return float("nan") if p is None or p < 0 else float(np.log(p)) if p > 0 else -np.inf
