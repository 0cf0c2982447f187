"""Signed gaps of a cell, and how a cell's gaps differ from another's on the same probes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from audit.fairness.cells import cell_frame, groups_by_axis, with_groups
from audit.fairness.gaps import are_few, nothing_to_compare
from audit.fairness.metrics import derived
from audit.fairness.rows import Subject
from audit.fairness.sample import Sample, samples
from audit.fairness.terms import Terms
from audit.mitigation.changes.direction import Interval, size_change
from audit.mitigation.changes.rows import Row, from_finding, row
from audit.mitigation.variants import Cell
from audit.run_folder import Run
from audit.statistics import Contrast, paired_contrast, two_way_contrast
from audit.values import LABEL_FREE

if TYPE_CHECKING:
    import pandas as pd

# After a metric's name: the change of the gap's size, whichever side it lies on.
SIZE: Final = "size"


def gap_rows(cell: Cell, run: Run) -> Iterator[Row]:
    """Every signed gap of the target arm; ``category`` is the channel that tells the group."""
    for found in run.table("findings").to_pylist():
        if found["statistic"] == "contrast" and found["arm"] == "target" and found["category"] is None:
            yield from_finding(cell, "fairness", found | {"category": found["cue_channel"]})


def gap_changes(cell: Cell, after: Run, before: Run, versus: str) -> Iterator[Row]:
    """Change of every signed gap, and of its size (metric ``NAME:size``), from ``before`` to ``after``.

    The difference of the two models' values is formed cell by cell (a probe's draws averaged first) and goes
    through the estimator of the gaps, so that the change has the estimator's own interval: what a wording or
    a name does under both models cancels. Cells that either model left unscored are left out. Gaps of what is
    made from a metric (ratios, quantiles) have no such difference, and no change.
    """
    probes, personas = after.table("probes"), after.table("personas")
    terms = Terms.of(after.config)
    cells = paired_cells(*(cell_frame(run.table("scores"), probes, personas) for run in (after, before)))
    axes = groups_by_axis(personas)
    keys = ["task", "locale", "output_form", "cue_channel"]
    for (task, locale, form, channel), part in cells[cells["arm"] == "target"].groupby(keys, sort=True, observed=True):
        for axis, group_of in axes.items():
            reference = terms.references.get(axis)
            if axis.startswith(LABEL_FREE) or reference is None:
                continue
            here = with_groups(part, group_of)
            if here.empty or reference not in set(here["group"]):
                continue
            totals = dict(samples(here.assign(value=here["total"]), reference))
            for metric, sample in samples(here, reference):
                scale = Subject(str(task), str(locale), metric, str(form), "target").scale(terms)
                about = {"task": task, "locale": locale, "axis": axis, "category": channel, "versus": versus}
                for change, total in _both(sample.comparable(), totals[metric].comparable(), metric, str(channel)):
                    yield from _rows(cell, metric, scale, about, change, total)


def paired_cells(after: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The cells of ``after``, their ``value`` after − before, and ``total`` the sum; NaN where either has none."""
    import pandas as pd

    def places(cells: pd.DataFrame) -> pd.MultiIndex:
        return pd.MultiIndex.from_arrays([cells["probe_id"].astype(str), cells["metric"].astype(str)])

    known = pd.Series(before["value"].to_numpy(), index=places(before)).reindex(places(after)).to_numpy()
    value = after["value"].to_numpy()
    return after.assign(value=value - known, total=value + known)


def _both(change: Sample, total: Sample, metric: str, channel: str) -> Iterator[tuple[Contrast, Contrast]]:
    """The contrasts of differences and of sums, group by group."""
    if nothing_to_compare(total, metric):
        return
    yield from zip(_contrasts(change, channel), _contrasts(total, channel), strict=True)


def _contrasts(sample: Sample, channel: str) -> list[Contrast]:
    if channel == "explicit":
        return sample.named(paired_contrast(*sample.columns, **sample.among, wordings_only=are_few(sample)))
    return sample.named(two_way_contrast(*sample.columns, **sample.among))


def _rows(
    cell: Cell, metric: str, scale: str, about: dict[str, Any], change: Contrast, total: Contrast
) -> Iterator[Row]:
    about = about | {"group": change.group, "reference": change.reference, "n": change.n_cells}
    columns = {name: getattr(change, name) for name in ("estimate", "ci_low", "ci_high", "p_value")}
    yield row(cell, "fairness", metric, scale, **about, **columns)
    estimate, low, high = size_change(_interval(change), _interval(total))
    columns = {"estimate": estimate, "ci_low": low, "ci_high": high}
    columns["p_value"] = float(np.maximum(change.p_value, total.p_value))
    yield row(cell, "fairness", derived(metric, SIZE), scale, **about, **columns)


def _interval(gap: Contrast) -> Interval:
    return gap.estimate, gap.ci_low, gap.ci_high
