"""Decisions of a rule on wordings and names that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.errors import ConfigError
from audit.mitigation.decisions.cases import Cases
from audit.mitigation.decisions.fitting import fit_curves
from audit.mitigation.decisions.rule import EVERYONE, Constraint, Curve, Method

Reals = NDArray[np.float64]

FOLDS: Final = 3


def decided(cases: Cases, curves: Mapping[str, Curve]) -> Reals:
    """P(favourable) of each case, (n,), by the curve of everyone or of its group."""
    which = [EVERYONE] * cases.log_odds.size if EVERYONE in curves else cases.group.tolist()
    return np.array([curves[name](odds) for name, odds in zip(which, cases.log_odds.tolist(), strict=True)])


def held_out(cases: Cases, *, method: Method, constraint: Constraint, tolerance: float, seed: int) -> Reals:
    """P(favourable) of each case by a rule that saw neither its wording nor its name, (n,).

    Wordings and, in each group, names are dealt into :data:`FOLDS` folds; the cases of a fold of
    both are decided by a rule fitted on the cases of the other folds of both. A name that a rule was
    fitted on brings its own lean with it, and would make the gap look smaller than it is for others.

    Raises
    ------
    ConfigError
        If the cases left to fit on cannot be fitted.
    """
    rng = np.random.default_rng(seed)
    template, stimulus = _dealt(cases.template, None, rng), _dealt(cases.stimulus, cases.group, rng)
    found: Reals = np.full(cases.log_odds.size, np.nan)
    for first in range(FOLDS):
        for second in range(FOLDS):
            rows = np.flatnonzero((template == first) & (stimulus == second))
            seen = cases.take(np.flatnonzero((template != first) & (stimulus != second)))
            if not rows.size:
                continue
            if len(set(seen.label.tolist())) < 2 or set(seen.group) != set(cases.groups):
                raise ConfigError(
                    "too few decisions to hold some out: those left to fit on lack a group or a label; "
                    "ask more wordings or names"
                )
            curves = fit_curves(seen, method=method, constraint=constraint, tolerance=tolerance)
            found[rows] = decided(cases.take(rows), curves)
    return found


def _dealt(
    labels: NDArray[np.object_], within: NDArray[np.object_] | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """The fold of each row: its label's, dealt out at random and evenly within each of ``within``."""
    fold: dict[str, int] = {}
    for part in [None] if within is None else sorted(set(within)):
        mine = labels if within is None else labels[within == part]
        # A phrasing is in every group: it stays in the fold that it was dealt to first.
        names = [name for name in sorted(set(mine)) if name not in fold]
        fold |= {names[place]: number % FOLDS for number, place in enumerate(rng.permutation(len(names)))}
    return np.array([fold[label] for label in labels], np.intp)
