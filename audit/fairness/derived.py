"""Contrasts of what is made from a metric: the ratio of group means, and quantiles of the cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from audit.fairness.gaps import name_clusters, phrasing_clusters
from audit.fairness.metrics import QUANTILES, RATIO, RATIO_SCALE, WITH_RATIO, WITH_SHAPE, derived
from audit.fairness.rows import Subject, contrast_row
from audit.fairness.sample import Sample
from audit.fairness.terms import Terms
from audit.statistics import paired_ratio_contrast, quantile_contrast, ratio_contrast

# The standard error of a bootstrap with 400 draws is right to 4 %, with 2,000 to 2 %. A large
# sample gets the fewer, so that measuring takes no longer than asking.
LEAST_DRAWS: Final = 400
MOST_DRAWS: Final = 2000
DRAWN_CELLS: Final = 4_200_000


def ratio_rows(sample: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Log-ratios of group means, where 0 is the bottom of the scale and both means lie above it."""
    if subject.metric not in WITH_RATIO or sample.value.min() < 0 or not sample.value.max() > 0:
        return
    explicit = subject.cue_channel == "explicit"
    contrast = paired_ratio_contrast if explicit else ratio_contrast
    clusters = phrasing_clusters(few=False) if explicit else name_clusters(subject)
    about = replace(subject, metric=derived(subject.metric, RATIO))
    for gap in sample.named(contrast(*sample.columns, **sample.among)):
        if gap.estimate == gap.estimate:
            yield contrast_row(about, gap, terms, f"log-ratio of means, {clusters}", scale=RATIO_SCALE)


def quantile_rows(sample: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Differences of the lower and upper quantiles of cells: what the worst and best served tenth gets."""
    if subject.metric not in WITH_SHAPE:
        return
    draws = bounded(DRAWN_CELLS, sample, LEAST_DRAWS, MOST_DRAWS)
    for what, q in QUANTILES.items():
        about = replace(subject, metric=derived(subject.metric, what))
        for gap in sample.named(quantile_contrast(*sample.columns, **sample.among, q=q, draws=draws)):
            clusters = f"two-way bootstrap (template × {subject.cue_channel}), {draws} draws"
            yield contrast_row(about, gap, terms, clusters)


def bounded(budget: int, sample: Sample, least: int, most: int) -> int:
    """How often to draw: ``budget`` cells in all for a pair of groups, within limits."""
    pair = max(1, 2 * sample.value.size // len(sample.groups))
    return max(least, min(most, budget // pair))
