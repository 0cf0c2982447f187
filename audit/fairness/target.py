"""The target arm: what each group got and how far the groups lie apart, for every axis and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.fairness.beside import heterogeneity_rows, worst_case_rows
from audit.fairness.cells import with_groups
from audit.fairness.derived import quantile_rows, ratio_rows
from audit.fairness.gaps import explicit_rows, name_rows, nothing_to_compare
from audit.fairness.levels import level_rows
from audit.fairness.magnitudes import excess_rows, wasserstein_rows
from audit.fairness.rows import Subject
from audit.fairness.sample import Sample, samples
from audit.fairness.terms import Terms
from audit.values import LABEL_FREE, PLACEBO

if TYPE_CHECKING:
    import pandas as pd

Groups = Mapping[str, Mapping[str, str]]


def target_rows(part: pd.DataFrame, axes: Groups, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Findings of every cue channel and axis; ``part`` holds all arms and metrics of one task."""
    target, placebos = part[part["arm"] == "target"], part[part["arm"] == "placebo"]
    for channel, cells in target.groupby("cue_channel", sort=True, observed=True):
        for axis, group_of in axes.items():
            here = with_groups(cells, group_of)
            if axis.startswith(LABEL_FREE) or here.empty:
                continue
            about = replace(subject, cue_channel=str(channel), axis=axis)
            reference = terms.references.get(axis)
            reference = reference if reference in set(here["group"]) else None
            yield from level_rows(here, about, terms, reference=reference)
            if reference is None:
                continue
            irrelevant = with_groups(placebos, axes.get(PLACEBO + axis, {}))
            for metric, sample in samples(here, reference):
                of_metric = replace(about, metric=metric)
                beside = irrelevant[irrelevant["metric"] == metric]
                yield from _metric_rows(sample, beside, of_metric, terms)


def _metric_rows(whole: Sample, placebos: pd.DataFrame, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    yield from worst_case_rows(whole, subject, terms)
    sample = whole.comparable()
    if nothing_to_compare(sample, subject.metric):
        return
    if subject.cue_channel == "explicit":
        yield from explicit_rows(sample, placebos, subject, terms)
    else:
        yield from name_rows(sample, subject, terms)
        for rows in (quantile_rows, excess_rows, wasserstein_rows):
            yield from rows(sample, subject, terms)
    yield from ratio_rows(sample, subject, terms)
    yield from heterogeneity_rows(sample, subject, terms)
