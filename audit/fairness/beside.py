"""What stands beside a contrast: whether it differs between blocks, and what missing answers could make of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from audit.fairness.metrics import BOUNDS
from audit.fairness.rows import Subject, finding
from audit.fairness.sample import Sample
from audit.fairness.terms import Terms
from audit.statistics import block_heterogeneity, paired_heterogeneity, worst_case_bounds

# Decisions on the log-odds scale, where a constant effect is no interaction.
_MAY_DIFFER: Final = ("log_odds", "expected_number", "tone")


def heterogeneity_rows(sample: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Tests of "the gap is the same in every block"; the estimate is the gap's standard deviation over blocks."""
    if subject.metric not in _MAY_DIFFER:
        return
    explicit = subject.cue_channel == "explicit"
    test = paired_heterogeneity if explicit else block_heterogeneity
    noun = "phrasing" if explicit else subject.cue_channel
    for one in sample.named(test(*sample.columns, **sample.among)):
        how = f"F test of block:group after block and {noun}, F {one.f:.3g} on {one.df1} and {one.df2} df"
        permuted = f"signs of whole {noun}s" if explicit else f"{noun}s"
        how += f", p of {one.permutations} permutations of {permuted}"
        if math.isnan(one.p_value):
            how = f"no F test of block:group: too few cells, or no spread, beside blocks and {noun}s"
        yield finding(
            subject,
            "heterogeneity",
            kind="test",
            scale=subject.scale(terms),
            method=f"{how}, {terms.reading(subject.output_form)}",
            group=one.group,
            reference=one.reference,
            estimate=one.spread,
            df=float(one.df2),
            p_value=one.p_value,
            **sample.counts(one.group) | {"n_cells": one.n_cells, "n_blocks": one.n_blocks},
        )


def worst_case_rows(whole: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """The least and the largest gap that lost answers allow, as the row's interval; it has no estimate.

    ``whole`` holds every cell that was asked. A cell of R draws lies between (Σ scored +
    lost·low)/R and (Σ scored + lost·high)/R. Nothing where no draw is lost, or the metric
    has no bounds.
    """
    bounds = terms.ranges.get(subject.task) if subject.metric == "expected_number" else BOUNDS.get(subject.metric)
    lost = whole.scored < 1
    if bounds is None or not lost.any() or not (whole.group == whole.reference).any():
        return
    stratum = whole.block
    if subject.cue_channel == "explicit":  # groups are compared within block and phrasing
        stratum = stratum * (int(whole.stimulus.max()) + 1) + whole.stimulus
    low, high = bounds
    # Numbers read with their last digits open may lie outside by rounding.
    seen = np.where(whole.scored > 0, np.clip(whole.value, low, high), 0.0) * whole.scored
    ends = [np.clip(seen + (1 - whole.scored) * end, low, high) for end in bounds]
    # A gap is least where every cell of the group is at its lower end and every one of the reference at its upper.
    ours = whole.group != whole.reference
    among: dict[str, Any] = {"reference": str(whole.reference), "low": low, "high": high}
    least, most = (
        whole.named(worst_case_bounds(np.where(ours, first, second), whole.group, stratum, **among))
        for first, second in (ends, ends[::-1])
    )
    for one, other in zip(least, most, strict=True):
        inside = lost & np.isin(whole.group, [whole.groups.index(one.group), whole.reference])
        if not inside.any():
            continue
        partly = bool((whole.scored[inside] > 0).any())
        what = "what is missing from the {} of {} cells" if partly else "the {} of {} cells without a score"
        yield finding(
            subject,
            "worst_case",
            kind="test",
            scale=subject.scale(terms),
            method=f"interval of the gaps possible if {what.format(inside.sum(), one.n_cells)} lay anywhere "
            f"from {low:g} to {high:g}; without sampling error",
            group=one.group,
            reference=one.reference,
            ci_low=one.low,
            ci_high=other.high,
            **whole.counts(one.group) | {"n_cells": one.n_cells},
        )
