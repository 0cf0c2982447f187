"""The stage ``measure``: scores, probes and personas to the table of findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.fairness.cells import cell_frame, groups_by_axis
from audit.fairness.gaps import control_rows, explicit_rows, name_rows
from audit.fairness.levels import level_rows, overall_row
from audit.fairness.rows import Subject
from audit.fairness.terms import Terms

if TYPE_CHECKING:
    import pandas as pd

PLACEBO = "placebo:"


def measure(
    scores: pa.Table, probes: pa.Table, personas: pa.Table, config: Config, *, terms: Terms | None = None
) -> pa.Table:
    """Levels, contrasts and tests of every metric.

    For each task, metric and cue channel: the level of every group of every axis;
    in the target arm the contrast of each group with its axis's reference; the
    level of the arm without a cue; the positive control's levels and, where the
    control must move the metric, its contrast; for explicit cues the test against
    irrelevant attributes. Groups with fewer than two names have levels only.

    Parameters
    ----------
    scores, probes, personas : tables as in :mod:`audit.tables`.
    config : names the suites and references.
    terms : what would be read from ``config``; for callers without suite files.

    Returns
    -------
    The table ``findings``, in an order that depends on its content alone.
    """
    terms = terms or Terms.of(config)
    cells = cell_frame(scores, probes, personas)
    axes = groups_by_axis(personas)
    rows: list[dict[str, Any]] = []
    for (task, locale, form), part in cells.groupby(["task", "locale", "output_form"], sort=True):
        subject = Subject(task, locale, "", form, "target")
        rows += _target(part, axes, subject, terms)
        rows += _other_arms(part, subject, terms)
    rows.sort(key=lambda row: (row["task"], row["locale"], row["metric"]))
    return tables.check("findings", tables.from_rows("findings", rows))


def _target(
    part: pd.DataFrame, axes: dict[str, dict[str, str]], subject: Subject, terms: Terms
) -> Iterator[dict[str, Any]]:
    target, placebos = part[part["arm"] == "target"], part[part["arm"] == "placebo"]
    for channel, cells in target.groupby("cue_channel", sort=True):
        for axis, group_of in axes.items():
            here = _with_groups(cells, group_of)
            if axis.startswith(PLACEBO) or here.empty:
                continue
            about = replace(subject, cue_channel=str(channel), axis=axis)
            reference = terms.references.get(axis)
            reference = reference if reference in set(here["group"]) else None
            yield from level_rows(here, about, terms, reference=reference)
            if reference is None:
                continue
            irrelevant = _with_groups(placebos, axes.get(PLACEBO + axis, {}))
            for metric, mine in here.groupby("metric", sort=True):
                of_metric = replace(about, metric=metric)
                if channel == "explicit":
                    beside = irrelevant[irrelevant["metric"] == metric]
                    yield from explicit_rows(mine, beside, of_metric, terms, reference)
                else:
                    yield from name_rows(mine, of_metric, terms, reference)


def _other_arms(part: pd.DataFrame, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    for metric, cells in part[part["arm"] == "no_cue"].groupby("metric", sort=True):
        yield overall_row(cells.assign(stimulus=None), replace(subject, metric=metric, arm="no_cue"), terms)
    control = part[(part["arm"] == "positive_control") & part["gold"].notna()]
    if control.empty:
        return
    control = control.assign(group=control["gold"], stimulus=None)
    about = replace(subject, arm="positive_control", axis="control")
    yield from level_rows(control, about, terms, reference="unfavourable", by_category=False)
    for metric, cells in control.groupby("metric", sort=True):
        if metric in terms.controlled(subject.task, subject.output_form):
            yield from control_rows(cells, replace(about, metric=metric), terms)


def _with_groups(cells: pd.DataFrame, group_of: dict[str, str]) -> pd.DataFrame:
    """The cells of personas that have the axis; ``stimulus`` is what is random: a phrasing, else the persona."""
    groups = cells["persona_id"].map(group_of)
    here = cells[groups.notna()]
    return here.assign(group=groups[groups.notna()], stimulus=here["cue_id"].fillna(here["persona_id"]))
