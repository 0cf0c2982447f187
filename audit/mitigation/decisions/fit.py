"""From a run folder to a rule, and what it was seen to change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from audit.errors import ConfigError
from audit.mitigation.decisions.cases import Cases, model_of, only_task, open_run, read_cases
from audit.mitigation.decisions.figures import figures_of
from audit.mitigation.decisions.fitting import fit_curves
from audit.mitigation.decisions.held_out import decided, held_out
from audit.mitigation.decisions.rule import BY_GROUP, METHODS, Constraint, DecisionRule, Labels, Method
from audit.values import content_hash

TOLERANCE: Final = 0.05


def fit_rule(
    run_folder: Path,
    *,
    axis: str,
    task: str | None = None,
    method: Method = "exponentiated-gradient",
    constraint: Constraint = "demographic-parity",
    labels: Labels | None = None,
    groups: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> DecisionRule:
    """Fit a rule on all target decisions of a finished run, and measure such rules on what they did not see.

    Parameters
    ----------
    run_folder
        Of ``evenhand run``, scored.
    axis, task
        The axis whose groups are to be treated alike, and the decision to mend; the run's only one when not given.
    method, constraint, tolerance
        As in :func:`~audit.mitigation.decisions.fitting.fit_curves`.
    labels
        What counts as right, as in :func:`~audit.mitigation.decisions.cases.read_cases`.
    groups
        The groups to fit on; all of the axis when empty.
    seed
        Deals wordings and names into folds; the rule itself does not depend on it.

    Raises
    ------
    ConfigError
        If the run has no such decisions, too few of them, or fairlearn finds no rule.
    """
    if not 0 < tolerance < 1:
        raise ConfigError(f"tolerance: {tolerance:g} is none; give a difference between rates, such as {TOLERANCE:g}")
    if method not in METHODS:
        raise ConfigError(f"method: unknown {method!r}; known are {', '.join(METHODS)}")
    run = open_run(run_folder)
    task = task or only_task(run)
    cases = read_cases(run, task=task, axis=axis, constraint=constraint, labels=labels, groups=groups)
    curves = fit_curves(cases, method=method, constraint=constraint, tolerance=tolerance)
    after = held_out(cases, method=method, constraint=constraint, tolerance=tolerance, seed=seed)
    model, locale = model_of(run), run.config.run.locale
    told = {name: [curve.below, curve.steps] for name, curve in curves.items()}
    return DecisionRule(
        task=task,
        locale=locale,
        axis=axis,
        groups=cases.groups,
        reference=cases.reference,
        favourable=cases.favourable,
        method=method,
        constraint=constraint,
        tolerance=tolerance,
        labels=cases.labels,
        curves=curves,
        salt=content_hash([task, locale, axis, method, constraint, told, model], 16),
        model=model,
        figures=figures_of(cases, own_decisions(cases), after),
        notes=tuple(_notes(cases, decided(cases, curves))),
    )


def own_decisions(cases: Cases) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What the model decides where nobody applies a rule: 1 where the favourable option is the likelier, else 0."""
    return (cases.log_odds > 0).astype(float)


def check_allowed(method: Method, *, uses_protected_attribute: bool) -> None:
    """Refuse a rule that has to know who asks, unless that is wanted.

    Raises
    ------
    ConfigError
        If the method needs the protected attribute and the flag is off, or the other way round.
    """
    if method == BY_GROUP and not uses_protected_attribute:
        raise ConfigError(
            f"method {method!r}: such a rule needs the customer's protected attribute whenever it decides, which may "
            "be unlawful; add --uses-protected-attribute if that is meant, or take exponentiated-gradient"
        )
    if method != BY_GROUP and uses_protected_attribute:
        raise ConfigError(
            f"--uses-protected-attribute: a rule of {method!r} decides without it; leave the flag out, "
            f"or take --method {BY_GROUP}"
        )


def _notes(cases: Cases, chances: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """What else a user should know, one sentence each."""
    lines = []
    if cases.missing:
        lines.append(
            f"{cases.missing:,} answers have no log-odds and are left out; such cases are for a person to decide."
        )
    drawn = float(((chances > 0) & (chances < 1)).mean())
    if drawn:
        lines.append(
            f"The rule decides {_percent(drawn)} of the cases that it was fitted on by lot, at the chances given below."
        )
    if not np.isnan(cases.bare).any():
        other = float(((cases.bare > 0) != (cases.log_odds > 0)).mean())
        lines.append(
            f"Asked without a word about who asks, the model decides {_percent(other)} of these cases otherwise, and "
            "groups cannot differ at all. Where the decision does not need the customer's name or description, leaving "
            "it out of the prompt mends more than any threshold."
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
