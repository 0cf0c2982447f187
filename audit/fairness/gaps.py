"""What may be concluded: contrasts of the target arm, the positive control, the placebo test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.fairness.cells import Reals
from audit.fairness.metrics import RATES
from audit.fairness.rows import Subject, contrast_row, placebo_row
from audit.fairness.sample import Sample
from audit.fairness.terms import Terms
from audit.statistics import (
    clustered_mean_difference,
    paired_contrast,
    paired_rate_contrast,
    placebo_test,
    rate_contrast,
    two_way_contrast,
)

if TYPE_CHECKING:
    import pandas as pd

POLES = ("favourable", "unfavourable")
MIN_PHRASINGS = 10
# Metrics of this unit are rates of events, which may be rare.
RATE = "rate"
PSEUDO_EVENTS = " with 2 more events and 2 more cells without one a side"


def name_rows(sample: Sample, subject: Subject, terms: Terms) -> list[dict[str, Any]]:
    """Contrasts of groups that a name (or another single stimulus) stands for."""
    rate = subject.scale(terms) == RATE
    contrast, added = (rate_contrast, PSEUDO_EVENTS) if rate else (two_way_contrast, "")
    gaps = sample.named(contrast(*sample.columns, **sample.among))
    return [contrast_row(subject, gap, terms, name_clusters(subject) + added) for gap in gaps]


def explicit_rows(sample: Sample, placebos: pd.DataFrame, subject: Subject, terms: Terms) -> list[dict[str, Any]]:
    """Contrasts of explicit cues within their phrasings, and their tests against irrelevant attributes."""
    few, rate = are_few(sample), subject.scale(terms) == RATE
    contrast, added = (paired_rate_contrast, PSEUDO_EVENTS) if rate else (paired_contrast, "")
    rows = []
    for gap in sample.named(contrast(*sample.columns, **sample.among, wordings_only=few)):
        effects = _placebo_effects(placebos, gap.group, gap.reference)
        test = placebo_test(gap.estimate, effects)
        rows.append(contrast_row(subject, gap, terms, phrasing_clusters(few=few) + added, floor=test.floor))
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


def nothing_to_compare(sample: Sample, metric: str) -> bool:
    """Whether there is no contrast: no cells, or the rate of a status that is the same in all, mostly never."""
    if not sample.value.size:
        return True
    return metric in RATES and bool(np.all(sample.value == sample.value[0]))


def are_few(sample: Sample) -> bool:
    """Whether there are so few phrasings that a claim holds for these wordings only."""
    return np.unique(sample.stimulus).size < MIN_PHRASINGS


def name_clusters(subject: Subject) -> str:
    """What the standard error of a contrast between names rests on."""
    return f"two-way cluster-robust (template × {subject.cue_channel})"


def phrasing_clusters(*, few: bool) -> str:
    """What the standard error of a contrast between explicit cues rests on."""
    return (
        "cluster-robust (template), for these wordings only" if few else "two-way cluster-robust (template × phrasing)"
    )


def _placebo_effects(placebos: pd.DataFrame, group: str, reference: str) -> Reals:
    """For each irrelevant attribute, the mean over blocks of the change from the reference's to the group's number."""
    keys = {"index": ["stimulus", "block_id"], "columns": "group", "values": "value"}
    wide = placebos.pivot_table(**keys, aggfunc="mean", observed=True)
    if group not in wide or reference not in wide:
        return np.zeros(0)
    effects = (wide[group] - wide[reference]).groupby("stimulus", observed=True).mean()
    return np.asarray(effects.dropna(), float)
