"""fairlearn's two ways to a rule: one threshold mixture for everyone, or one for each group."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.errors import ConfigError, first_line
from audit.mitigation.decisions.cases import Cases, Reals
from audit.mitigation.decisions.rule import EVERYONE, METHODS, Constraint, Curve, Method, mixture

# Of the reduction: it stops at a duality gap far below a percentage point, or says that it did not.
ROUNDS: Final = 100
CLOSE: Final = 1e-3
# Sums of probabilities miss each other by rounding.
ALIKE: Final = 1e-9
_MOMENTS: Final[Mapping[Constraint, str]] = {
    "demographic-parity": "DemographicParity",
    "true-positive-rate-parity": "TruePositiveRateParity",
    "equalized-odds": "EqualizedOdds",
}


def fit_curves(cases: Cases, *, method: Method, constraint: Constraint, tolerance: float) -> dict[str, Curve]:
    """Fit the curves of a rule on ``cases``.

    ``exponentiated-gradient`` (Agarwal et al. 2018, arXiv 1803.02453) gives one curve for
    everyone: the group is used to fit it, never to decide. ``tolerance`` is how far a
    group's rate may lie from that of all. ``threshold-optimizer`` (Hardt et al. 2016, arXiv
    1610.02413) gives each group a curve of its own, and meets the constraint as it stands.

    Raises
    ------
    ConfigError
        If the method is not known, or fairlearn cannot fit it.
    """
    ways: dict[Method, Callable[[], dict[str, Curve]]] = {
        "exponentiated-gradient": lambda: {EVERYONE: _for_everyone(cases, constraint, tolerance)},
        "threshold-optimizer": lambda: _by_group(cases, constraint),
    }
    if method not in ways:
        raise ConfigError(f"method: unknown {method!r}; known are {', '.join(METHODS)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            return ways[method]()
    except (ValueError, UserWarning, RuntimeWarning) as error:
        raise ConfigError(
            f"{method}: fairlearn cannot fit a rule to these decisions ({first_line(error)}); "
            "ask more wordings or names, or take another --constraint"
        ) from error


def _for_everyone(cases: Cases, constraint: Constraint, tolerance: float) -> Curve:
    from fairlearn import reductions
    from sklearn.dummy import DummyClassifier

    from audit.mitigation.decisions.estimators import Stump

    moment = getattr(reductions, _MOMENTS[constraint])(difference_bound=tolerance)
    reduction = reductions.ExponentiatedGradient(Stump(), moment, eps=tolerance, max_iter=ROUNDS, nu=CLOSE)
    reduction.fit(cases.log_odds.reshape(-1, 1), cases.label, sensitive_features=cases.group)
    if not reduction.best_gap_ <= CLOSE:
        raise ValueError(f"no solution after {ROUNDS} rounds, {reduction.best_gap_:.3g} from the best")

    def threshold(predictor: Any) -> float:
        if isinstance(predictor, DummyClassifier):  # one answer was best for every case
            return -math.inf if predictor.constant else math.inf
        return float(predictor.threshold_)

    return mixture([(float(reduction.weights_[place]), threshold(one)) for place, one in reduction.predictors_.items()])


def _by_group(cases: Cases, constraint: Constraint) -> dict[str, Curve]:
    from fairlearn.postprocessing import ThresholdOptimizer

    from audit.mitigation.decisions.estimators import LogOdds

    optimizer = ThresholdOptimizer(
        estimator=LogOdds(), constraints=constraint.replace("-", "_"), prefit=True, predict_method="predict"
    )
    optimizer.fit(cases.log_odds.reshape(-1, 1), cases.label, sensitive_features=cases.group)
    found = {}
    for group, parts in optimizer.interpolated_thresholder_.interpolation_dict.items():
        chance, ignored = float(parts.get("prediction_constant", 0.0)), float(parts.get("p_ignore", 0.0))
        drawn = [(float(parts[f"p{n}"]) * (1 - ignored), float(parts[f"operation{n}"].threshold)) for n in (0, 1)]
        curve = mixture([*drawn, (ignored * chance, -math.inf), (ignored * (1 - chance), math.inf)])
        mine = cases.group == group
        if constraint == "demographic-parity":
            curve = less_by_chance(curve, cases.log_odds[mine], cases.label[mine])
        found[str(group)] = curve
    return found


def less_by_chance(curve: Curve, log_odds: Reals, label: NDArray[np.int64]) -> Curve:
    """The curve of the same selection rate that decides by one threshold, unless it would be right less often.

    Where the labels are the model's own decisions many curves are right equally often, and fairlearn
    may take one that refuses some of the clearest cases by lot. Only the cases on the threshold are drawn.

    >>> less_by_chance(Curve(0.0, ((0.0, 0.5),)), np.array([-1.0, 1.0, 2.0]), np.array([0, 1, 1]))
    Curve(below=0.0, steps=((1.5, 1.0),))
    """
    chances = np.array([curve(odds) for odds in log_odds.tolist()])
    levels, counts = np.unique(log_odds, return_counts=True)
    wanted, above = float(chances.sum()), np.append(np.cumsum(counts[::-1])[::-1], 0)
    place = int(np.flatnonzero(above <= wanted + ALIKE)[0])  # all levels from here on get the favourable option
    share = (wanted - above[place]) / counts[place - 1] if place else 0.0  # and so does this share of the one below
    sharp = mixture([(1 - share, _edge(levels, place)), (share, _edge(levels, place - 1) if place else -math.inf)])
    sharper = np.array([sharp(odds) for odds in log_odds.tolist()])
    right = [float(np.where(label == 1, given, 1 - given).sum()) for given in (chances, sharper)]
    return sharp if right[1] >= right[0] - ALIKE * log_odds.size else curve


def _edge(levels: Reals, place: int) -> float:
    """A threshold below the level at ``place`` and above the one before it."""
    if place == 0:
        return -math.inf
    if place == levels.size:
        return math.inf
    return float((levels[place - 1] + levels[place]) / 2)
