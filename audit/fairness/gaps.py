"""What may be concluded: contrasts of the target arm, the positive control, the placebo test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.fairness.cells import RATES
from audit.fairness.rows import Subject, contrast_row, placebo_row
from audit.fairness.terms import Terms
from audit.statistics import (
    Contrast,
    clustered_mean_difference,
    paired_contrast,
    placebo_test,
    two_way_contrast,
)

if TYPE_CHECKING:
    import pandas as pd

POLES = ("favourable", "unfavourable")
MIN_PHRASINGS = 10


def name_rows(cells: pd.DataFrame, subject: Subject, terms: Terms, reference: str) -> list[dict[str, Any]]:
    """Contrasts of groups that a name (or another single stimulus) stands for."""
    cells = _comparable(cells, reference)
    if cells.empty or _still_rate(cells, subject):
        return []
    gaps = two_way_contrast(
        cells["value"],
        cells["group"],
        cells["template_id"],
        cells["stimulus"],
        block=cells["block_id"],
        reference=reference,
    )
    clusters = f"two-way cluster-robust (template × {subject.cue_channel})"
    return [contrast_row(subject, gap, terms, clusters) for gap in gaps]


def explicit_rows(
    cells: pd.DataFrame, placebos: pd.DataFrame, subject: Subject, terms: Terms, reference: str
) -> list[dict[str, Any]]:
    """Contrasts of explicit cues within their phrasings, and their tests against irrelevant attributes."""
    cells = _comparable(cells, reference)
    if cells.empty or _still_rate(cells, subject):
        return []
    few = cells["stimulus"].nunique() < MIN_PHRASINGS
    gaps = _paired(cells, reference, wordings_only=few)
    clusters = "two-way cluster-robust (template × phrasing)"
    if few:
        clusters = "cluster-robust (template), for these wordings only"
    rows = []
    for gap in gaps:
        effects = _placebo_effects(placebos, gap.group, reference)
        test = placebo_test(gap.estimate, effects)
        rows.append(contrast_row(subject, gap, terms, clusters, floor=test.floor))
        if effects.size:
            rows.append(placebo_row(replace(subject, arm="placebo"), gap, test, terms))
    return rows


def control_rows(cells: pd.DataFrame, subject: Subject, terms: Terms) -> list[dict[str, Any]]:
    """The effect of facts that must move the answer: favourable less unfavourable."""
    cells = cells[cells["value"].notna() & cells["group"].isin(POLES)]
    if set(cells["group"]) != set(POLES):
        return []
    gap = clustered_mean_difference(
        cells["value"],
        cells["group"],
        cells["template_id"],
        block=cells["block_id"],
        group=POLES[0],
        reference=POLES[1],
    )
    return [contrast_row(subject, gap, terms, "cluster-robust (template) within blocks")]


def _comparable(cells: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The scored cells of groups with two or more stimuli; none where nothing can be compared with the reference."""
    cells = cells[cells["value"].notna()]
    sizes = cells.groupby("group")["stimulus"].nunique()
    groups = set(sizes.index[sizes > 1])
    if reference not in groups or len(groups) < 2:
        return cells.iloc[:0]
    return cells[cells["group"].isin(groups)]


def _still_rate(cells: pd.DataFrame, subject: Subject) -> bool:
    """Whether this is the rate of a status that is the same in every cell, mostly never."""
    return subject.metric in RATES and cells["value"].nunique() < 2


def _paired(cells: pd.DataFrame, reference: str, *, wordings_only: bool) -> tuple[Contrast, ...]:
    return paired_contrast(
        cells["value"],
        cells["group"],
        cells["template_id"],
        cells["stimulus"],
        block=cells["block_id"],
        reference=reference,
        wordings_only=wordings_only,
    )


def _placebo_effects(placebos: pd.DataFrame, group: str, reference: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """For each irrelevant attribute, the mean over blocks of the change from the reference's to the group's number."""
    wide = placebos.pivot_table(index=["stimulus", "block_id"], columns="group", values="value", aggfunc="mean")
    if group not in wide or reference not in wide:
        return np.zeros(0)
    effects = (wide[group] - wide[reference]).groupby("stimulus").mean()
    return np.asarray(effects.dropna(), float)
