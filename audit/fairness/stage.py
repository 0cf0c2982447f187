"""The stage ``measure``: scores, probes and personas to the table of findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.fairness.cells import cell_frame, groups_by_axis
from audit.fairness.checks import check_rows
from audit.fairness.floors import floor_rows
from audit.fairness.gaps import control_rows
from audit.fairness.levels import level_rows, overall_row
from audit.fairness.manipulation import manipulation_rows
from audit.fairness.rows import Subject
from audit.fairness.target import target_rows
from audit.fairness.terms import Terms, with_ranges

if TYPE_CHECKING:
    import pandas as pd


def measure(
    scores: pa.Table,
    probes: pa.Table,
    personas: pa.Table,
    config: Config,
    *,
    terms: Terms | None = None,
    checks: pa.Table | None = None,
) -> pa.Table:
    """Levels, contrasts and tests of every metric.

    For each task, metric and cue channel: the level of every group of every axis;
    in the target arm the contrast of each group with its axis's reference; the
    level of the arm without a cue; the positive control's levels and, where the
    control must move the metric, its contrast; for explicit cues the test against
    irrelevant attributes. Groups with fewer than two names have levels only.

    Beside them stand contrasts of what is made from a metric (log-ratios of means,
    quantiles), and tests: the distance of names across groups and of the groups'
    distributions, each with its floor; whether a gap differs between blocks; and
    what missing answers could make of it. Which metrics have which is told in
    :mod:`audit.fairness.metrics`.

    Parameters
    ----------
    scores, probes, personas : tables as in :mod:`audit.tables`.
    config : names the suites and references.
    terms : what would be read from ``config``; for callers without suite files.
    checks : the scorers' values of fixed texts, for the findings on the scorers themselves.

    Returns
    -------
    The table ``findings``, in an order that depends on its content alone.
    """
    terms = with_ranges(terms or Terms.of(config), probes)
    cells = cell_frame(scores, probes, personas)
    axes = groups_by_axis(personas)
    rows: list[dict[str, Any]] = []
    for (task, locale, form), part in cells.groupby(["task", "locale", "output_form"], sort=True, observed=True):
        subject = Subject(task, locale, "", form, "target")
        rows += target_rows(part, axes, subject, terms)
        rows += _other_arms(part, subject, terms)
        rows += floor_rows(part, subject, terms)
    rows += manipulation_rows(scores, probes, personas, terms)
    if checks is not None:
        rows += check_rows(checks, personas, terms)
    rows.sort(key=lambda row: tuple(str(row[key] or "") for key in ("task", "locale", "metric")))
    return tables.check("findings", tables.from_rows("findings", rows))


def _other_arms(part: pd.DataFrame, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    for metric, cells in part[part["arm"] == "no_cue"].groupby("metric", sort=True, observed=True):
        yield overall_row(cells.assign(stimulus=None), replace(subject, metric=metric, arm="no_cue"), terms)
    control = part[(part["arm"] == "positive_control") & part["gold"].notna()]
    if control.empty:
        return
    control = control.assign(group=control["gold"], stimulus=None)
    about = replace(subject, arm="positive_control", axis="control")
    yield from level_rows(control, about, terms, reference="unfavourable", by_category=False)
    for metric, cells in control.groupby("metric", sort=True, observed=True):
        if metric in terms.controlled(subject.task, subject.output_form):
            yield from control_rows(cells, replace(about, metric=metric), terms)
