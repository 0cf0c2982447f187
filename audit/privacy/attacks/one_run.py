"""How private was a training at most? A lower bound on ε from canaries that fair coins put into one run.

Of m canaries each was inserted or not by a coin of its own. From the finished model the
auditor guesses the coins of r of them, and v guesses are right. Under (ε, δ)-DP the number
of right guesses hardly exceeds Bin(r, e^ε/(1+e^ε)), so that many right guesses refute a
claimed ε (Steinke, Nasr & Jagielski 2023, arXiv 2305.08846, Thm 5.2 and App. D). Few right
guesses prove nothing: a better attack might have done better.

Whom to guess, k₊ canaries as inserted and k₋ as not, must be fixed before coins or scores
are seen. The largest bound over a grid of (k₊, k₋) is no bound, and there is no function
for it: see ``scripts/study_one_run.py``. Each canary may stand in the training once; of one
that is repeated c times the bound is on ε of groups of c records.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A bound is settled to this share of itself.
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class OneRun:
    """Of ``m`` canaries ``r`` coins were guessed and ``v`` guesses right.

    With probability 1 − ``beta`` or more, ``epsilon_lower`` is not above the ε at which the
    training is (ε, ``delta``)-DP. ``ceiling`` is what ``r`` right guesses would have given: no
    ε beyond it could have been refuted.
    """

    m: int
    r: int
    v: int
    epsilon_lower: float
    beta: float
    delta: float
    ceiling: float

    def p_value_at(self, epsilon: float) -> float:
        """p of "the training is (``epsilon``, δ)-DP"."""
        return p_value(self.m, self.r, self.v, epsilon, self.delta)


def p_value(m: int, r: int, v: int, epsilon: float, delta: float = 0.0) -> float:
    """Chance of ``v`` or more right guesses under (``epsilon``, ``delta``)-DP, at most.

    p = P[W ≥ v] + 2mδ · max_{1≤i≤v} P[v > W ≥ v − i]/i with W ~ Bin(r, e^ε/(1 + e^ε)), and
    never more than 1 (Steinke et al. 2023, Thm 5.2 and App. D).

    Parameters
    ----------
    m : canaries with a coin. r : coins guessed. v : guesses that are right; v ≤ r ≤ m.
    epsilon : at least 0. delta : from 0 to 1.

    Raises
    ------
    ValueError
        If a count is no whole number or out of its range, or ε or δ is.

    Examples
    --------
    Without δ it is a binomial tail; at ε = 0 that of fair coins:

    >>> round(p_value(10, 10, 9, 0.0), 5)  # (10 + 1)/2¹⁰
    0.01074
    >>> round(p_value(1000, 100, 75, 0.673, 1e-4), 3)
    0.05
    """
    m, r, v = _counts(m, r, v)
    if not 0 <= epsilon <= math.inf:
        raise ValueError(f"epsilon must be 0 or more, but is {epsilon!r}")
    _check_delta(delta)
    return _p_value(m, r, v, epsilon, delta)


def _p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    if v == 0 or epsilon == math.inf:
        return 1.0
    from scipy import special

    # 1 − q is the accurate one where ε is large and q rounds to 1.
    found = float(special.betaincc(r - v + 1, v, special.expit(-epsilon)))
    if delta > 0:
        found += 2 * m * delta * _nearly_right(r, v, epsilon)
    return min(1.0, found)


def _nearly_right(r: int, v: int, epsilon: float) -> float:
    """max_{1≤i≤v} P[v > W ≥ v − i]/i: the largest mean of the probabilities just below v."""
    from scipy import special

    w = np.arange(v - 1, -1, -1)
    choices = special.gammaln(r + 1) - special.gammaln(w + 1) - special.gammaln(r - w + 1)
    log_q, log_rest = -np.logaddexp(0, -epsilon), -np.logaddexp(0, epsilon)
    chances = np.exp(choices + w * log_q + (r - w) * log_rest)
    return float((np.cumsum(chances) / np.arange(1, v + 1)).max())


def epsilon_lower_bound(m: int, r: int, v: int, *, delta: float = 0.0, beta: float = 0.05) -> float:
    """Largest ε that ``v`` right guesses of ``r`` refute: sup of the ε with p < ``beta``; 0 where there is none.

    Training is not (ε', δ)-DP for any ε' below it, and a training that is (ε, δ)-DP gets a
    bound above ε with probability β at most. That holds for every ε at which p < β: for each
    ε the v refuted are covered by {v ≥ c}, of probability below β, and the smallest c over all
    larger ε decides. There is one crossing to look for, as p does not fall while ε grows: each
    term (1 − 2mδ/i) P[W ≥ v] + 2mδ/i · P[W ≥ v − i] rises in ε as long as it is below 1.

    Parameters
    ----------
    m, r, v, delta : see :func:`p_value`.
    beta : how often the bound may be too large.

    Examples
    --------
    The two figures that the paper prints (App. D and section 7):

    >>> round(epsilon_lower_bound(1000, 100, 75, delta=1e-4), 3)
    0.673
    >>> round(epsilon_lower_bound(100_000, 1510, 1439, delta=1e-5), 4)
    2.6759
    >>> epsilon_lower_bound(1000, 500, 250)
    0.0
    """
    m, r, v = _counts(m, r, v)
    _check_delta(delta)
    _check_beta(beta)
    if _p_value(m, r, v, 0.0, delta) >= beta:
        return 0.0
    # δ only raises p, so that no bound lies beyond the ceiling without it.
    low, high = 0.0, _closed_ceiling(r, beta) + 1.0
    while high - low > _TOLERANCE * high:
        middle = (low + high) / 2
        if _p_value(m, r, v, middle, delta) < beta:
            low = middle
        else:
            high = middle
    return low


def ceiling(r: int, *, beta: float = 0.05, delta: float = 0.0, m: int | None = None) -> float:
    """The bound where every one of ``r`` guesses is right: no more can be shown with so many.

    Without δ it is log(q/(1 − q)) with q = β^(1/r): the ε at which q^r = β. With δ it is
    solved for, and ``m`` must be given.

    >>> round(ceiling(100), 3), round(ceiling(1000), 3), ceiling(4)
    (3.493, 5.809, 0.0)
    >>> round(ceiling(1000, delta=1e-5, m=2000), 3)
    5.755
    """
    if delta > 0 and m is None:
        raise ValueError("with a delta the ceiling depends on the number of canaries; give m")
    m, r, _ = _counts(r if m is None else m, r, r)
    _check_beta(beta)
    return epsilon_lower_bound(m, r, r, delta=delta, beta=beta) if delta > 0 else _closed_ceiling(r, beta)


def _closed_ceiling(r: int, beta: float) -> float:
    if r == 0:
        return 0.0
    log_q = math.log(beta) / r
    return max(0.0, log_q - math.log(-math.expm1(log_q)))


def guess(scores: ArrayLike, k_in: int, k_out: int, *, seed: int = 0) -> NDArray[np.int8]:
    """Guess the coins: +1 the ``k_in`` highest scores, −1 the ``k_out`` lowest, 0 no guess.

    Ties are broken by a seeded shuffle: the order in which canaries are listed may itself
    tell the coins.

    Parameters
    ----------
    scores : (m,), higher where a canary looks inserted.
    k_in, k_out : fixed before scores are seen.

    >>> guess([.1, .9, .5, .7], 1, 2).tolist()
    [-1, 1, -1, 0]
    """
    values = np.asarray(scores, float)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError("scores must be a flat list of numbers without NaN")
    k_in, k_out = _whole("k_in", k_in), _whole("k_out", k_out)
    if min(k_in, k_out) < 0 or k_in + k_out > values.size:
        raise ValueError(f"k_in + k_out must lie between 0 and {values.size} canaries, but is {k_in} + {k_out}")
    shuffled = np.random.default_rng(seed).permutation(values.size)
    order = shuffled[np.argsort(values[shuffled], kind="stable")]
    made = np.zeros(values.size, np.int8)
    made[order[:k_out]] = -1
    made[order[values.size - k_in :]] = 1
    return made


def guesses_for(m: int) -> tuple[int, int]:
    """k₊ and k₋ that need no look at anything but ``m``: an eighth of the canaries each, no answer for the rest.

    Few guesses are surer ones and have a low ceiling, many take in canaries of which nothing can be
    told. With m = 1,000 and scores that training shifts by 1, 2 and 3 standard deviations the mean bound
    is 1.4, 3.4 and 4.4; a fifth gives 1.3, 3.0 and 4.7, a third 1.0, 2.4 and 4.2.

    >>> guesses_for(1000)
    (125, 125)
    """
    return m // 8, m // 8


def audit_one_run(
    scores: ArrayLike,
    inserted: ArrayLike,
    *,
    k_in: int,
    k_out: int,
    delta: float = 0.0,
    beta: float = 0.05,
    seed: int = 0,
) -> OneRun:
    """Guess, count what is right, and bound ε.

    Parameters
    ----------
    scores : (m,), higher where a canary looks inserted; computed without the coins.
    inserted : (m,) of bool, the coins.
    k_in, k_out : how many to guess as inserted and as not, fixed before scores are seen.
    delta, beta : see :func:`epsilon_lower_bound`.
    seed : of the order among equal scores.

    >>> coins = np.arange(40) % 2 == 0
    >>> found = audit_one_run(np.where(coins, 1.0, 0.0), coins, k_in=20, k_out=20)
    >>> found.r, found.v, round(found.epsilon_lower, 3), round(found.ceiling, 3)
    (40, 40, 2.554, 2.554)
    >>> round(found.p_value_at(2.0), 4)
    0.0062
    """
    coins = np.asarray(inserted)
    if coins.dtype != np.bool_ or coins.shape != np.shape(scores):
        raise ValueError(f"inserted must be {np.shape(scores)} booleans, one for each score")
    made = guess(scores, k_in, k_out, seed=seed)
    m, r = coins.size, k_in + k_out
    v = int(np.count_nonzero(np.where(coins, made == 1, made == -1)))
    bound = epsilon_lower_bound(m, r, v, delta=delta, beta=beta)
    return OneRun(m, r, v, bound, beta, delta, ceiling(r, beta=beta, delta=delta, m=m))


def audit_by_group(
    scores: ArrayLike,
    inserted: ArrayLike,
    group: ArrayLike,
    *,
    guesses: Mapping[str, tuple[int, int]] | None = None,
    delta: float = 0.0,
    beta: float = 0.05,
    seed: int = 0,
) -> dict[str, OneRun]:
    """Bound ε from each group's canaries alone, all bounds together holding with 1 − ``beta`` (Bonferroni).

    Every group's bound is one on the whole training: the largest of them may be compared
    with a claimed ε. A canary's group must have been there before its coin was tossed.

    Parameters
    ----------
    group : (m,) of text.
    guesses : group → (k₊, k₋), fixed before scores are seen; those of :func:`guesses_for` when not given.

    Returns
    -------
    Group → bound at β divided by the number of groups, groups in alphabetical order.
    """
    labels, values, coins = np.asarray(group).astype(str), np.asarray(scores, float), np.asarray(inserted)
    if labels.shape != values.shape:
        raise ValueError(f"group must have {values.size} labels, one for each score")
    names = np.unique(labels).tolist()
    found = {}
    for name in names:
        mine = labels == name
        k_in, k_out = guesses_for(int(mine.sum())) if guesses is None else guesses[name]
        limits: dict[str, Any] = {"k_in": k_in, "k_out": k_out, "delta": delta, "beta": beta / len(names)}
        found[name] = audit_one_run(values[mine], coins[mine], seed=seed, **limits)
    return found


def _counts(m: int, r: int, v: int) -> tuple[int, int, int]:
    m, r, v = _whole("m", m), _whole("r", r), _whole("v", v)
    if not 0 <= v <= r <= m:
        raise ValueError(f"right guesses, guesses and canaries must be 0 ≤ v ≤ r ≤ m, but are {v}, {r}, {m}")
    return m, r, v


def _whole(name: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"{name} must be a whole number, but is {value!r}") from error


def _check_delta(delta: float) -> None:
    if not 0 <= delta <= 1:
        raise ValueError(f"delta must lie between 0 and 1, but is {delta!r}")


def _check_beta(beta: float) -> None:
    if not 0 < beta < 1:
        raise ValueError(f"beta must lie between 0 and 1, but is {beta!r}")
