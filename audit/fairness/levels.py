"""What each group got: fairlearn's MetricFrame over cell means. Description, no inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.fairness.cells import Codes, Reals, codes_of
from audit.fairness.metrics import FROM_ZERO
from audit.fairness.rows import Subject, finding
from audit.fairness.terms import Terms

if TYPE_CHECKING:
    import pandas as pd

_COUNTED = {"n_blocks": "block_id", "n_templates": "template_id", "n_personas": "stimulus"}


def level_rows(
    cells: pd.DataFrame, subject: Subject, terms: Terms, *, reference: str | None, by_category: bool = True
) -> list[dict[str, Any]]:
    """Mean of every group, also in each category, and the largest difference and smallest ratio between groups.

    ``cells`` holds one task, arm and axis, with all metrics (``subject.metric`` is
    not read), in the categorical columns metric, group, category, block_id,
    template_id and stimulus (persona or phrasing), beside their value. A group of
    which no cell was scored is a row without an estimate.
    """
    common = {"kind": "level", "reference": reference}
    whole, total = _Tally(cells, "metric", "group"), _Tally(cells, "metric")
    metrics, groups = whole.names
    frame = _between_groups(whole)
    differences, ratios = frame.difference(method="between_groups"), frame.ratio(method="between_groups")
    rows = []
    for place, metric in enumerate(metrics):
        about, means = replace(subject, metric=metric), np.asarray(frame.by_group[metric], float)
        for other, group in enumerate(groups):
            columns = {"group": group, "estimate": float(means[other]), **whole.counts(place, other)}
            rows.append(_mean_row(about, terms, columns | common))
        if (~np.isnan(means)).sum() > 1:
            ratio = float(ratios[metric]) if metric in FROM_ZERO and np.nanmax(means) > 0 else None
            rows += _between(about, terms, float(differences[metric]), ratio, total.counts(place) | common)
    if by_category:
        parts = _Tally(cells, "metric", "category", "group")
        inside = _by_category(parts)
        for place, here, other in np.ndindex(parts.shape):
            metric, category, group = metrics[place], parts.names[1][here], groups[other]
            columns = {"category": category, "group": group, "estimate": float(inside[place, here, other])}
            columns |= parts.counts(place, here, other)
            rows.append(_mean_row(replace(subject, metric=metric), terms, columns | common))
    return rows


def overall_row(cells: pd.DataFrame, subject: Subject, terms: Terms) -> dict[str, Any]:
    """Mean over all cells of an arm in which no group is named, for one metric."""
    scored = cells["value"].dropna()
    columns = {"kind": "level", "method": "mean of cell means", "scale": subject.scale(terms)}
    estimate = float(scored.mean()) if len(scored) else None
    return finding(subject, "mean", estimate=estimate, **columns, **_Tally(cells, "metric").counts(0))


class _Tally:
    """Sums and numbers of the scored cells at every place of a grid of metrics, categories and groups.

    ``names`` are the labels along each side of the grid. A place at which nothing was
    scored has a sum and counts of 0.
    """

    def __init__(self, cells: pd.DataFrame, *keys: str) -> None:
        value = cells["value"].to_numpy()
        scored = ~np.isnan(value)
        found = [_occurring(cells[key]) for key in keys]
        self.names = [names for names, _ in found]
        self.shape = tuple(len(names) for names in self.names)
        size = int(np.prod(self.shape))
        place = np.ravel_multi_index([codes[scored] for _, codes in found], self.shape)
        self.cells: Codes = np.bincount(place, minlength=size)
        self.sums: Reals = np.bincount(place, value[scored], minlength=size).astype(float)
        self.distinct: dict[str, Codes] = {}
        for name, column in _COUNTED.items():
            self.distinct[name] = _distinct(place, cells[column][scored], size)

    def counts(self, *place: int) -> dict[str, int]:
        """Scored cells at a place, and their blocks, templates and stimuli."""
        flat = int(np.ravel_multi_index(place, self.shape))
        return {"n_cells": int(self.cells[flat])} | {name: int(many[flat]) for name, many in self.distinct.items()}


def _distinct(place: Codes, column: pd.Series[Any], size: int) -> Codes:
    """How many different labels stand at each place."""
    names, codes = _occurring(column) if column.dtype == "category" else ([], None)
    if not names or codes is None:
        return np.zeros(size, np.intp)
    present = np.zeros((size, len(names)), bool)
    present[place, codes] = True
    return np.asarray(present.sum(axis=1), np.intp)


def _occurring(column: pd.Series[Any]) -> tuple[list[str], Codes]:
    """The labels that occur, and of each cell the place of its own among them."""
    codes = codes_of(column)
    used = np.bincount(codes, minlength=len(column.cat.categories)) > 0
    return [str(name) for name in column.cat.categories[used]], (np.cumsum(used) - 1)[codes]


def _between_groups(tally: _Tally) -> Any:
    """MetricFrame of a (metrics, groups) grid, a row for each group.

    fairlearn calls a metric once for each group, on all of the group's rows. Given one
    row a group, which says where the sum and the number of its cells stand, its cost
    does not grow with the cells.
    """
    import pandas as pd
    from fairlearn.metrics import MetricFrame

    metrics, groups = tally.names
    sums, counts = tally.sums.reshape(tally.shape), tally.cells.reshape(tally.shape)
    rows = np.arange(len(groups))
    return MetricFrame(
        metrics={name: _mean_at(sums[place], counts[place]) for place, name in enumerate(metrics)},
        y_true=rows,
        y_pred=rows,
        sensitive_features=pd.Series(groups, name="group"),
    )


def _by_category(tally: _Tally) -> Reals:
    """Means of a (metrics, categories, groups) grid: by category as control feature, all metrics in one call."""
    import pandas as pd
    from fairlearn.metrics import MetricFrame

    metrics, *sides = tally.shape
    sums, counts = tally.sums.reshape(metrics, -1).T, tally.cells.reshape(metrics, -1).T
    rows = np.arange(len(sums))
    category, group = np.unravel_index(rows, sides)
    frame = MetricFrame(
        metrics=_mean_at(sums, counts),
        y_true=rows,
        y_pred=rows,
        sensitive_features=pd.Series(group, name="group"),
        control_features=pd.Series(category, name="category"),
    )
    return np.stack(frame.by_group.to_list()).T.reshape(tally.shape)


def _mean_at(sums: Reals, counts: Codes) -> Callable[[Codes, Codes], Any]:
    """A metric for fairlearn: mean of the cells at the places that it is given for labels; NaN without any."""

    def mean(places: Codes, _: Codes) -> Any:
        total, number = sums[places].sum(axis=0), counts[places].sum(axis=0)
        return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)[()]

    return mean


def _mean_row(subject: Subject, terms: Terms, columns: dict[str, Any]) -> dict[str, Any]:
    return finding(subject, "mean", scale=subject.scale(terms), method="fairlearn mean", **columns)


def _between(
    subject: Subject, terms: Terms, difference: float, ratio: float | None, columns: dict[str, Any]
) -> list[dict[str, Any]]:
    between = {"estimate": difference, "scale": subject.scale(terms), "method": "fairlearn difference"}
    rows = [finding(subject, "difference", **between, **columns)]
    if ratio is not None:
        rows.append(finding(subject, "ratio", estimate=ratio, scale="ratio", method="fairlearn ratio", **columns))
    return rows
