"""Magnitudes beside their floors: distances of names across groups, and of the groups' distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from audit.fairness.derived import bounded
from audit.fairness.metrics import DISTANCES, WITH_SHAPE
from audit.fairness.rows import Subject, finding
from audit.fairness.sample import Sample
from audit.fairness.terms import Terms
from audit.statistics import excess, wasserstein_gap

# From 999 permutations on p is known well enough at .05; a large sample gets no more.
LEAST_PERMUTATIONS: Final = 999
MOST_PERMUTATIONS: Final = 1999
PERMUTED_CELLS: Final = 10_000_000
_COUNTS: Final = ("n_cells", "n_blocks", "n_templates", "n_personas")


def excess_rows(sample: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Mean distance of two names across groups (estimate) beside that within a group (floor).

    Where names across groups lie further apart than chance would have it, the signal
    to floor, X/W, is a row of its own.
    """
    distance = DISTANCES.get(subject.metric)
    if distance is None:
        return
    drawn = bounded(PERMUTED_CELLS, sample, LEAST_PERMUTATIONS, MOST_PERMUTATIONS)
    found = excess(*sample.columns, **sample.among, distance=distance, permutations=drawn)
    flips = distance == "flip"
    scale = "rate" if flips else subject.scale(terms)
    words = "rate of flips at 0.5" if flips else "mean |difference|"
    how = f"permutation of {subject.cue_channel}s between groups, {terms.reading(subject.output_form)}"
    for one in sample.named(found):
        common = {name: getattr(one, name) for name in ("group", "reference", *_COUNTS)} | {"kind": "test"}
        figures = {"estimate": one.cross, "floor": one.within, "p_value": one.p_value}
        method = f"{words} across groups, its floor within them, {how}"
        yield finding(subject, "excess", scale=scale, method=method, **figures, **common)
        if not math.isnan(one.signal):
            figures = {"estimate": one.signal, "ci_low": one.ci_low, "ci_high": one.ci_high, "p_value": one.p_value}
            method = f"{words} across groups as a multiple of that within them, two-way jackknife, p by {how}"
            yield finding(subject, "signal_to_floor", scale="ratio", method=method, **figures, **common)


def wasserstein_rows(sample: Sample, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """Wasserstein-1 between two groups' cells, freed of block effects, beside its median under permutation."""
    if subject.metric not in WITH_SHAPE:
        return
    drawn = bounded(PERMUTED_CELLS, sample, LEAST_PERMUTATIONS, MOST_PERMUTATIONS)
    how = f"permutation of {subject.cue_channel}s between groups, {terms.reading(subject.output_form)}"
    for one in sample.named(wasserstein_gap(*sample.columns, **sample.among, permutations=drawn)):
        yield finding(
            subject,
            "wasserstein",
            kind="test",
            scale=subject.scale(terms),
            method=f"Wasserstein-1 of block-adjusted cells, its floor the median by {how}",
            estimate=one.distance,
            floor=one.floor,
            p_value=one.p_value,
            **{name: getattr(one, name) for name in ("group", "reference", *_COUNTS)},
        )
