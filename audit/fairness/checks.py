"""The scorers' own bias: the gaps that they make between groups on texts in which only the identity is swapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit.fairness.cells import groups_by_axis
from audit.fairness.gaps import MIN_PHRASINGS
from audit.fairness.rows import Subject, finding
from audit.fairness.terms import Terms
from audit.statistics import Contrast, paired_contrast, two_way_contrast
from audit.values import LABEL_FREE

if TYPE_CHECKING:
    import pandas as pd

ARM: Final = "scorer_check"
_SHOWN: Final = ("group", "reference", "df", "p_value", "mde", "n_cells", "n_blocks", "n_templates", "n_personas")


def check_rows(checks: pa.Table, personas: pa.Table, terms: Terms) -> list[dict[str, Any]]:
    """One row a metric, axis and group: what the scorer alone puts between the group and its reference.

    Parameters
    ----------
    checks
        The table of that name.
    personas
        Those whose identities were put into the texts.
    terms
        The references of the axes.

    Returns
    -------
    Findings of kind test, statistic scorer_bias, arm scorer_check, without a task. The
    interval is two-way (text × name; of an explicit cue, within its phrasings, text ×
    phrasing). Where nothing varies the bias is 0 and its standard error too.
    """
    people = personas.select(["persona_id", "cue_channel", "cue_id"]).to_pandas()
    cells = checks.to_pandas()
    cells = cells[cells["status"] == "scored"].merge(people, on="persona_id", how="inner")
    cells = cells.sort_values(["text_id", "persona_id"])  # so that sums do not depend on the order of rows
    cells["stimulus"] = cells["cue_id"].fillna(cells["persona_id"])
    axes = {axis: group for axis, group in groups_by_axis(personas).items() if not axis.startswith(LABEL_FREE)}
    rows = []
    for (locale, metric, channel), part in cells.groupby(["locale", "metric", "cue_channel"], sort=True):
        for axis, group_of in axes.items():
            groups = part["persona_id"].map(group_of)
            here = part[groups.notna()].assign(group=groups[groups.notna()])
            reference = terms.references.get(axis)
            if reference not in set(here["group"]) or here["group"].nunique() < 2:
                continue
            subject = Subject("", str(locale), str(metric), "text", ARM, str(channel), axis)
            rows += list(_of_axis(here, subject, terms, str(reference)))
    return rows


def _of_axis(cells: pd.DataFrame, subject: Subject, terms: Terms, reference: str) -> Iterator[dict[str, Any]]:
    explicit = subject.cue_channel == "explicit"
    few = explicit and cells["stimulus"].nunique() < MIN_PHRASINGS
    columns = (cells["value"], cells["group"], cells["text_id"], cells["stimulus"])
    if explicit:
        gaps = paired_contrast(*columns, reference=reference, wordings_only=few)
    else:
        gaps = two_way_contrast(*columns, reference=reference)
    clusters = f"two-way cluster-robust (text × {'phrasing' if explicit else subject.cue_channel})"
    clusters = "cluster-robust (text), for these phrasings only" if few else clusters
    for gap in gaps:
        both = cells[cells["group"].isin([gap.group, reference])]
        still = bool((both.groupby("text_id")["value"].nunique() < 2).all())
        yield finding(
            subject,
            "scorer_bias",
            kind="test",
            task=None,
            scale=subject.scale(terms),
            method=f"{clusters} on {cells['text_id'].nunique()} fixed texts with swapped identities",
            **_figures(gap, still),
            **{name: getattr(gap, name) for name in _SHOWN},
        )


def _figures(gap: Contrast, still: bool) -> dict[str, float]:
    """Estimate, standard error and interval; plain zeros in place of rounding where nothing varies."""
    if still:
        return {"estimate": 0.0, "se": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    return {name: getattr(gap, name) for name in ("estimate", "se", "ci_low", "ci_high")}
