"""How much likelier a model finds a canary than secrets of the same format that it never saw.

Carlini, Liu, Erlingsson, Kos & Song 2019, "The Secret Sharer" (arXiv 1802.08232), section 4:
exposure is log2 of the number of secrets that a guesser saves who tries the likeliest first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from audit.statistics.variance import Reals

Method = Literal["sampled", "extrapolated", "exact"]

# Canaries that were not trained on average 1.44 bits with 200 references, but 1.4 to 1.8 with 30: the tail is guessed.
LEAST_REFERENCES = 30
# Shapes past this stand for a density with a hard edge: the likelihood has no maximum (see _fit).
_STEEPEST = 50.0
# Below this probability the closed form, a difference of two near equal numbers, loses digits.
_TAIL = 1e-8
_NODES = 60


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """Exposure of each canary in bits, (canaries,), with what it rests on.

    ``ceiling`` is the most that ``method`` can show with so many references: infinite when
    extrapolated. ``ks_p_value`` is that of the Kolmogorov-Smirnov distance between references
    and fitted curve, and None unless extrapolated. Since the curve was fitted to the same
    references it is too large: a small one condemns the fit, a large one does not acquit it.
    """

    bits: Reals
    method: Method
    references: int
    ks_p_value: float | None
    ceiling: float


def exposure(canary_nll: ArrayLike, reference_nll: ArrayLike, *, method: Method = "sampled") -> Exposure:
    """Exposure of canaries in bits.

    * ``sampled``: log2(n+1) − log2 rank among n references, 1 being the lowest NLL.
    * ``extrapolated``: −log2 F(canary), F a skew-normal fitted to the references.
    * ``exact``: log2|R| − log2 rank, where the references are the whole space R.

    A canary that ties with a reference takes the worse rank, so that a model which gives
    everything the same NLL shows no exposure.

    Parameters
    ----------
    canary_nll
        (canaries,) negative log-likelihoods; sums or means, but the same for references.
    reference_nll
        (references,) of secrets of the same format that were drawn in the same way and not
        trained on. For ``exact`` all secrets that there are, the canaries among them.
    method
        As above.

    Raises
    ------
    ValueError
        If a value is missing or infinite, an array is empty or not one-dimensional; for ``exact`` if
        a canary is not among the references; for ``extrapolated`` if there are fewer than
        30 references or they are all equal.

    Examples
    --------
    Lower than all three references, between them, and above them all:

    >>> exposure([0.5, 2.5, 9.0], [1.0, 2.0, 3.0]).bits.round(3).tolist()
    [2.0, 0.415, 0.0]
    >>> exposure([1.0], [1.0, 2.0, 3.0, 4.0], method="exact").bits.tolist()
    [2.0]

    Canaries that were never inserted have every rank equally often, and average :func:`null_exposure`:

    >>> every_rank = np.arange(1000) - 0.5
    >>> round(float(exposure(every_rank, np.arange(999)).bits.mean()), 4), round(null_exposure(999), 4)
    (1.4364, 1.4364)
    """
    canaries, references = _checked("canary_nll", canary_nll), _checked("reference_nll", reference_nll)
    n = references.size
    if method == "extrapolated":
        bits, p_value = _extrapolated(canaries, references)
        return Exposure(bits, method, n, p_value, math.inf)
    ordered = np.sort(references)
    not_above = np.searchsorted(ordered, canaries, side="right")
    if method == "sampled":
        return Exposure(np.log2(n + 1) - np.log2(not_above + 1), method, n, None, math.log2(n + 1))
    if method != "exact":
        raise ValueError(f"method must be 'sampled', 'extrapolated' or 'exact', but is {method!r}")
    missing = int((not_above == np.searchsorted(ordered, canaries, side="left")).sum())
    if missing:
        raise ValueError(
            f"{missing} of {canaries.size} canaries are not among the {n} references; "
            'the exact rank needs all of R with the canaries in it, else use method="sampled"'
        )
    return Exposure(np.log2(n) - np.log2(not_above), method, n, None, math.log2(n))


def null_exposure(references: int) -> float:
    """Mean sampled exposure of canaries that the model never saw: log2(n+1) − Σ log2(i)/(n+1), i to n+1.

    It rises to log2 e = 1.4427, the mean of −log2 of a uniform number.

    >>> round(null_exposure(1), 4), round(null_exposure(100_000), 4)
    (0.5, 1.4426)
    """
    if references < 1:
        raise ValueError(f"there must be at least one reference, but there are {references}")
    return math.log2(references + 1) - math.lgamma(references + 2) / math.log(2) / (references + 1)


def skew_normal_logcdf(x: ArrayLike, shape: float) -> Reals:
    """Natural logarithm of the standard skew-normal distribution function, far into the left tail.

    F(x) = Φ(x) − 2T(x, a), T being Owen's function, is a difference of two near equal numbers in
    the tail, and the logarithm of scipy.stats.skewnorm is −inf at x = −2 for a shape of 20, and
    off by 1e-2 at x = −1. Below a probability of 1e-8 the density f(t) = 2φ(t)Φ(at) is integrated
    instead: with λ the slope of log f at x, log F = log f(x) − log λ +
    log ∫ exp(log f(x − u/λ) − log f(x) + u) e⁻ᵘ du. The density is log-concave (Azzalini
    1985, Scand. J. Stat. 12, 171-178), so that the exponential under the integral is at most
    1, and 60 Gauss-Laguerre nodes give 1e-10.

    >>> skew_normal_logcdf([-5.0, 0.0], 20.0).round(6).tolist()  # P(X < 0) = 1/2 − arctan(20)/π
    [-5025.853599, -4.141295]
    """
    from scipy import special

    points = np.asarray(x, float)
    known = special.ndtr(points) - 2 * special.owens_t(points, shape)
    far = (points < 0) & (known < _TAIL)
    out: Reals = np.array(np.log(np.where(far, 1.0, np.maximum(known, np.finfo(float).tiny))), float)
    at = points[far]
    if at.size:
        u, weight = np.polynomial.laguerre.laggauss(_NODES)
        slope = shape * math.sqrt(2 / math.pi) / special.erfcx(-shape * at / math.sqrt(2)) - at
        where = at[:, None] - u / slope[:, None]
        log_density = math.log(2 / math.sqrt(2 * math.pi)) - where**2 / 2 + special.log_ndtr(shape * where)
        out[far] = special.logsumexp(log_density + u, b=weight, axis=1) - np.log(slope)
    return out


def _extrapolated(canaries: Reals, references: Reals) -> tuple[Reals, float]:
    from scipy import stats

    n = references.size
    if n < LEAST_REFERENCES:
        raise ValueError(
            f'{n} references are too few to extrapolate from; give {LEAST_REFERENCES} or more, or use method="sampled"'
        )
    middle, spread = float(references.mean()), float(references.std())
    if not spread > 1e-9 * max(1.0, abs(middle)):
        raise ValueError('the references all have the same NLL: no curve fits them; use method="sampled"')
    standard = (references - middle) / spread
    shape, place, scale = _fit(standard)
    logs = skew_normal_logcdf(((canaries - middle) / spread - place) / scale, shape)
    p_value = float(stats.kstest((standard - place) / scale, stats.skewnorm(shape).cdf).pvalue)
    return np.asarray(-logs / math.log(2), float) + 0.0, p_value


def _fit(values: Reals) -> tuple[float, float, float]:
    """Shape, location and scale of a skew-normal by maximum likelihood.

    In small samples the likelihood may rise for ever as the shape grows: the fitted curve then
    has an edge at the lowest value, and a canary a hair below it gets a thousand bits.
    Then the penalty .876 log(1 + .856 a²) of Azzalini & Arellano-Valle 2013 (J. Stat. Plan.
    Inference 143, 419-433) is taken off the likelihood, which always has a maximum.
    """
    from scipy import optimize, special, stats

    shape, place, scale = (float(one) for one in stats.skewnorm.fit(values))
    if abs(shape) <= _STEEPEST and scale > 0:
        return shape, place, scale

    def loss(at: Reals) -> float:
        a, middle, log_scale = at
        z = (values - middle) / math.exp(log_scale)
        fitted = values.size * log_scale + float((z * z / 2 - special.log_ndtr(a * z)).sum())
        return float(fitted + 0.875913 * math.log1p(0.856250 * a * a))

    # Started where the moments of a half-normal put it, on the side of the skew.
    side = math.copysign(1.0, shape)
    start = np.array([5 * side, -1.2 * side, 0.4])
    best = optimize.minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-9})
    return float(best.x[0]), float(best.x[1]), math.exp(best.x[2])


def _checked(name: str, given: ArrayLike) -> Reals:
    values = np.asarray(given, float)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, but has the shape {values.shape}")
    if not values.size:
        raise ValueError(f"{name} is empty")
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(f"{name} has {bad} missing or infinite values of {values.size}; leave them out and say so")
    return values
