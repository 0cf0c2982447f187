"""What a rule changes, on decisions that it was not fitted on: rates, gaps, accuracy, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from audit.mitigation.changes import Interval, size_change

if TYPE_CHECKING:
    from audit.mitigation.decisions.cases import Cases
    from audit.statistics import Contrast

Reals = NDArray[np.float64]
Stage = Literal["before", "after", "change", "size"]
MIN_PHRASINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate, or with ``reference`` the difference of ``group`` from it; ``change`` is after less before.

    ``size`` is the change of a difference's size, whichever side it lies on:
    :func:`~audit.mitigation.changes.size_change`.
    ``metric`` is selection_rate, true_positive_rate, false_positive_rate, accuracy or changed. The
    interval is of 95 %, None where there are too few clusters or nothing varies. ``n`` counts decisions.
    """

    metric: str
    stage: Stage
    group: str | None
    reference: str | None
    cue_channel: str | None
    estimate: float
    ci_low: float | None
    ci_high: float | None
    n: int


def figures_of(cases: Cases, before: Reals, after: Reals) -> tuple[Figure, ...]:
    """Compare decisions ``before`` and ``after`` a rule, (n,) probabilities of the favourable option.

    A gap is between the groups' cells within blocks, clustered by wording and by name, or
    for explicit cues within their phrasings: as the fairness audit measures it.
    """
    stages: dict[Stage, Reals] = {"before": before, "after": after, "change": after - before}
    right = {"before": _agreement(before, cases), "after": _agreement(after, cases)}
    stages_right: dict[Stage, Reals] = {**right, "change": right["after"] - right["before"]}  # type: ignore[dict-item]
    found: list[Figure] = []
    for metric, rows in _rates(cases):
        part = cases.take(rows)
        for stage, values in stages.items():
            found += _levels(metric, stage, part, values[rows])
            found += _gaps(metric, stage, part, values[rows])
        found += _sizes(metric, part, (after - before)[rows], (after + before)[rows])
    found += [_mean("accuracy", stage, None, cases, values) for stage, values in stages_right.items()]
    return (*found, _mean("changed", "change", None, cases, np.abs(after - before)))


def _rates(cases: Cases) -> Iterator[tuple[str, NDArray[np.intp]]]:
    yield "selection_rate", np.arange(cases.label.size)
    if cases.labels != "own":
        yield "true_positive_rate", np.flatnonzero(cases.label == 1)
        yield "false_positive_rate", np.flatnonzero(cases.label == 0)


def _agreement(chance: Reals, cases: Cases) -> Reals:
    return np.where(cases.label == 1, chance, 1 - chance)


def _levels(metric: str, stage: Stage, cases: Cases, values: Reals) -> Iterator[Figure]:
    for group in cases.groups:
        mine = np.flatnonzero(cases.group == group)
        if mine.size:
            yield _mean(metric, stage, group, cases.take(mine), values[mine])


def _mean(metric: str, stage: Stage, group: str | None, cases: Cases, values: Reals) -> Figure:
    from audit.statistics import two_way_spread
    from audit.statistics.variance import contrast_from

    mean, n = float(values.mean()), values.size
    spread = two_way_spread((values - mean) / n, _codes(cases.template), _codes(cases.stimulus), np.zeros(n, np.intp))
    low, high = (-1.0, 1.0) if stage == "change" and metric != "changed" else (0.0, 1.0)
    counts = {"n_cells": n, "n_blocks": 0, "n_templates": 0, "n_personas": 0}
    found = contrast_from(spread, estimate=mean, size=1.0, alpha=0.05, group="", reference="", **counts)
    bounds = [
        None if not np.isfinite(end) else min(max(float(end), low), high) for end in (found.ci_low, found.ci_high)
    ]
    return Figure(metric, stage, group, None, None, mean, bounds[0], bounds[1], n)


def _gaps(metric: str, stage: Stage, cases: Cases, values: Reals) -> Iterator[Figure]:
    for channel in sorted({str(name) for name in cases.channel}):
        rows = np.flatnonzero(cases.channel == channel)
        for gap in _contrasts(cases.take(rows), values[rows], explicit=channel == "explicit"):
            if np.isfinite(gap.estimate):
                bounds = [float(end) if np.isfinite(end) else None for end in (gap.ci_low, gap.ci_high)]
                yield Figure(
                    metric, stage, gap.group, gap.reference, channel, gap.estimate, bounds[0], bounds[1], gap.n_cells
                )


def _sizes(metric: str, cases: Cases, change: Reals, total: Reals) -> Iterator[Figure]:
    """How much larger each gap became, from what the decisions differ by and add up to, both (n,)."""
    sides = [list(_gaps(metric, "change", cases, values)) for values in (change, total)]
    for one, other in zip(*sides, strict=True):
        estimate, low, high = size_change(_interval(one), _interval(other))
        bounds = (None, None) if math.isnan(low) else (low, high)
        yield replace(one, stage="size", estimate=estimate, ci_low=bounds[0], ci_high=bounds[1])


def _interval(gap: Figure) -> Interval:
    low, high = (math.nan if end is None else end for end in (gap.ci_low, gap.ci_high))
    return gap.estimate, low, high


def _contrasts(cases: Cases, values: Reals, *, explicit: bool) -> tuple[Contrast, ...]:
    from audit.statistics import paired_contrast, two_way_contrast

    if cases.reference not in set(cases.group) or len(set(cases.group)) < 2:
        return ()
    columns = (values, cases.group, cases.template, cases.stimulus)
    among: dict[str, Any] = {"reference": cases.reference, "block": cases.block}
    if explicit:
        return paired_contrast(*columns, **among, wordings_only=len(set(cases.stimulus)) < MIN_PHRASINGS)
    return two_way_contrast(*columns, **among)


def _codes(words: NDArray[np.object_]) -> NDArray[np.intp]:
    return np.asarray(np.unique(words.astype(str), return_inverse=True)[1], np.intp)
