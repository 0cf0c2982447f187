"""Floors: how far answers move when something changes that tells nothing of a customer.

A distance between groups means little by itself, since every change of a prompt moves
answers. In each block the same question is asked in other words, and with attributes
that should not matter, in two values each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.fairness.metrics import DISTANCES, RATES
from audit.fairness.rows import Subject, finding
from audit.fairness.terms import Terms
from audit.statistics import mean_distance

if TYPE_CHECKING:
    import pandas as pd

# Of each arm: with which arm it is compared, and what the two probes of a pair share.
_PAIRED = {
    "paraphrase": (("no_cue", "paraphrase"), ["metric", "block_id", "template_id"]),
    "irrelevant": (("irrelevant",), ["metric", "block_id", "template_id", "cue_id"]),
}
_METHODS = {
    "paraphrase": "mean {distance} by another wording of the same question",
    "irrelevant": "mean {distance} by another value of an attribute that should not matter",
}
FLIP_AT = 0.5


def floor_rows(part: pd.DataFrame, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    """For each metric the mean |Δ| of a paraphrase and of an irrelevant attribute, where the arms were asked.

    A paraphrase is compared with the block's own wording without a customer, an
    irrelevant attribute's one value with its other. The distance is the one by which
    the metric's magnitudes are tested: |Δ|, or for the probability of the favourable
    answer whether it passes ½.

    Parameters
    ----------
    part
        Cells of one task with all its arms and metrics, as :func:`~audit.fairness.cells.cell_frame` gives them.
    subject
        Task, locale and output form; metric and arm are not read.
    """
    for arm, (arms, keys) in _PAIRED.items():
        pairs = _pairs(part[part["arm"].isin(arms)], keys)
        for metric, found in pairs.groupby("metric", sort=True, observed=True):
            if metric not in RATES:
                yield _row(found, replace(subject, metric=str(metric), arm=arm), terms)


def _pairs(cells: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The two values of each pair as columns first and last; a pair of which one was not scored is left out."""
    scored = cells[cells["value"].notna()]
    pairs = scored.groupby(keys, observed=True)["value"].agg(["size", "first", "last"]).reset_index()
    return pairs[pairs["size"] == 2]


def _row(pairs: pd.DataFrame, subject: Subject, terms: Terms) -> dict[str, Any]:
    first, last = (pairs[side].to_numpy() for side in ("first", "last"))
    flips = DISTANCES.get(subject.metric) == "flip"
    distance = ((first >= FLIP_AT) != (last >= FLIP_AT)).astype(float) if flips else np.abs(first - last)
    found = mean_distance(distance, pairs["template_id"].astype(str))
    words = _METHODS[subject.arm].format(distance="rate of flips at 0.5" if flips else "|change|")
    return finding(
        replace(subject, cue_channel="explicit" if subject.arm == "irrelevant" else None),
        "floor",
        kind="level",
        scale="rate" if flips else subject.scale(terms),
        method=f"{words}, cluster-robust (template), {terms.reading(subject.output_form)}",
        **{name: getattr(found, name) for name in ("estimate", "se", "df", "ci_low", "ci_high", "n_templates")},
        n_cells=2 * found.n_pairs,
        n_blocks=int(pairs["block_id"].nunique()),
        n_personas=int(pairs["cue_id"].nunique()) if subject.arm == "irrelevant" else 0,
    )
