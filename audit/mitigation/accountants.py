"""Two accountants of the Poisson-subsampled Gaussian mechanism, one function each, and what they cost.

A history is a sequence of (noise multiplier σ, sample rate q, steps). Data sets are neighbours where one has a unit
more than the other. PRV composes the privacy loss on a grid by Fourier transform and bounds what that leaves out
(Gopi, Lee & Wutschitz 2021, arXiv 2106.02848); PLD composes it pessimistically, rounded up to a grid (Doroshenko et al.
2022, "Connect the dots", arXiv 2207.04380). Each has its own code, its own grid and its own authors.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Final

from audit.errors import ConfigError, first_line

History = Sequence[tuple[float, float, int]]

# PRV's own: the true ε lies within this of its estimate, but for what DELTA_SHARE of δ may hide.
STATED_ERROR: Final = 0.01
DELTA_SHARE: Final = 1e-3
# Below it, rounding in the Fourier transform decides: at 1e-12 PRV is off by .2, upwards or downwards.
LEAST_DELTA: Final = 1e-10
# Points of PRV's grid. As many take seconds, and ε is in the hundreds by then or there are very many steps.
MOST_POINTS: Final = 2**22
NO_PLD: Final = (
    "dp-accounting is not installed, which checks every epsilon a second time; pip install 'evenhand[finetune]'"
)


class PrvFailed(Exception):
    """PRV gives no ε here; the words say why."""


def prv(history: History, delta: float) -> float:
    """Upper end of ε at ``delta`` by Opacus's PRV accountant; merged entries, at least one.

    Raises
    ------
    PrvFailed
        If the grid would be too large, or Opacus raises or warns of more than a loose bound on its grid.

    Notes
    -----
    At q = 1 it is the Gaussian mechanism, whose ε is known in closed form: 4.377178 for σ = 10 and 100 steps.

    >>> round(prv([(10.0, 1.0, 100)], 1e-5), 3)
    4.387
    """
    from opacus.accountants import PRVAccountant

    points = grid_points(history, delta)
    if points > MOST_POINTS:
        raise PrvFailed("the grid would be too large")
    accountant = PRVAccountant()
    accountant.history = list(history)
    try:
        with _strict():
            found = float(accountant.get_epsilon(delta, eps_error=STATED_ERROR, delta_error=delta * DELTA_SHARE))
    except Exception as error:  # of a grid that does not fit, of an overflow, of an integral that does not converge
        raise PrvFailed(f"{type(error).__name__}: {first_line(error)}") from error
    if not math.isfinite(found):
        raise PrvFailed(f"it gave {found}")
    return max(0.0, found)


def pld(history: History, delta: float, interval: float = 1e-4) -> float:
    """Return ε at ``delta`` by dp-accounting's PLD accountant; merged entries, at least one.

    Losses are rounded up to multiples of ``interval``, or of more where ε is in the hundreds. Time goes with its
    inverse.

    Raises
    ------
    ConfigError
        If dp-accounting is not installed.

    Examples
    --------
    >>> round(pld([(10.0, 1.0, 100)], 1e-5), 3)
    4.377
    """
    try:
        import dp_accounting
        from dp_accounting.pld import PLDAccountant
    except ImportError as error:
        raise ConfigError(NO_PLD) from error
    # Where ε is in the thousands a fine grid has more points than a machine holds; a coarse one only rounds up more.
    grid = interval * max(1.0, renyi(history, delta) / 100)
    accountant = PLDAccountant(value_discretization_interval=grid)
    for noise, rate, steps in history:
        event = dp_accounting.GaussianDpEvent(noise)
        accountant.compose(event if rate == 1 else dp_accounting.PoissonSampledDpEvent(rate, event), steps)
    return max(0.0, float(accountant.get_epsilon(delta)))


def renyi(history: History, delta: float) -> float:
    """Return ε at ``delta`` by Rényi DP: a bound too loose to report, and at once there, by which grids are laid out.

    >>> round(renyi([(10.0, 1.0, 100)], 1e-5), 1)
    4.7
    """
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = list(history)
    with _strict():
        return float(accountant.get_epsilon(delta))


def grid_points(history: History, delta: float) -> float:
    """How many points PRV's grid has, nearly: what its time and memory go with.

    >>> round(grid_points([(1.0, 0.01, 100)], 1e-5), -3)
    35000.0
    """
    steps = sum(count for _, _, count in history)
    hidden = delta * DELTA_SHARE
    one = max(renyi([(noise, rate, 1)], hidden / (8 * steps)) for noise, rate, _ in history)
    mesh = STATED_ERROR / math.sqrt(steps * math.log(12 / hidden) / 2)
    return 2 * (max(renyi(history, hidden / 4), one, STATED_ERROR) + 3) / mesh


def merged(history: History) -> list[tuple[float, float, int]]:
    """Add up the steps of equal σ and q; the order in which steps were taken plays no part.

    >>> merged([(1.0, 0.1, 5), (2.0, 0.1, 1), (1.0, 0.1, 2), (3.0, 0.1, 0)])
    [(1.0, 0.1, 7), (2.0, 0.1, 1)]
    """
    found: dict[tuple[float, float], int] = {}
    for noise, rate, steps in history:
        if steps:
            found[float(noise), float(rate)] = found.get((float(noise), float(rate)), 0) + steps
    return [(noise, rate, steps) for (noise, rate), steps in found.items()]


def version(package: str) -> str:
    """Name and version of a package, as a statement gives them."""
    return f"{package} {metadata.version(package)}"


@contextmanager
def _strict() -> Iterator[None]:
    """Take every warning for a failure but two: of a loose Rényi bound, and of log(1 − q) at q = 1."""
    import numpy as np

    with warnings.catch_warnings(), np.errstate(divide="ignore", under="ignore"):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield
