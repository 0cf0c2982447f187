"""What fairlearn takes for estimators: the best threshold on log-odds, and the log-odds themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

# Weights are of order 1: costs nearer than this are alike.
_ALIKE = 1e-9


class Stump(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn ships no types
    """Says 1 above a threshold, never below one, so that a higher log-odds is never worth less.

    Finds the least weighted error over all thresholds exactly, as the reductions assume
    of what they ask; of thresholds that do alike the one nearest to 0, where the model decides.

    >>> x = np.array([[-1.0], [-0.5], [0.5], [2.0]])
    >>> Stump().fit(x, [0, 0, 1, 1]).threshold_, Stump().fit(x, [0, 0, 0, 1]).threshold_
    (0.0, 1.25)
    """

    def fit(self, features: ArrayLike, labels: ArrayLike, sample_weight: ArrayLike | None = None) -> Stump:
        """Find the threshold; ``features`` is (n, 1), ``labels`` (n,) of 0 and 1."""
        odds, label = _column(features), np.asarray(labels, float)
        weight = np.ones(odds.size) if sample_weight is None else np.asarray(sample_weight, float)
        levels, place = np.unique(odds, return_inverse=True)
        gain = np.bincount(place, weight * (2 * label - 1), levels.size)
        # What saying 1 to all levels from each one on gains over saying 1 to none.
        above = np.append(np.cumsum(gain[::-1])[::-1], 0.0)
        candidates = np.concatenate([[-np.inf], _between(levels[:-1], levels[1:]), [np.inf]])
        best = candidates[above >= above.max() - _ALIKE * max(1.0, float(np.abs(weight).sum()))]
        self.threshold_ = float(best[np.argmin(np.abs(best))])
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, features: ArrayLike) -> NDArray[np.int64]:
        """1 where the log-odds lie above the threshold, else 0."""
        return (_column(features) > self.threshold_).astype(np.int64)


class LogOdds(BaseEstimator):  # type: ignore[misc]
    """A score that is the log-odds as they are; there is nothing to fit."""

    def fit(self, features: ArrayLike, labels: ArrayLike) -> LogOdds:
        """Learn nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, features: ArrayLike) -> NDArray[np.float64]:
        """The log-odds, (n,)."""
        return _column(features)


def _between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """A threshold between each two neighbours: 0 where it lies between them, else the middle."""
    return np.where((low <= 0) & (high > 0), 0.0, (low + high) / 2)


def _column(features: Any) -> NDArray[np.float64]:
    return np.asarray(features, float).reshape(-1)
