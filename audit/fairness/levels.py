"""What each group got: fairlearn's MetricFrame over cell means. Description, no inference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from audit.fairness.rows import Subject, finding
from audit.fairness.terms import Terms

if TYPE_CHECKING:
    import pandas as pd

# A ratio of smallest to largest means something only where 0 is the bottom of the scale.
_FROM_ZERO = frozenset(
    {"p_favourable", "p_at_least", "answer_mass", "expected_number", "refusal", "profanity", "words"}
    | {"agency", "communion", "rate_refused", "rate_invalid", "rate_error"}
)
_COUNTED = {"block_id": "n_blocks", "template_id": "n_templates", "stimulus": "n_personas"}


def level_rows(
    cells: pd.DataFrame, subject: Subject, terms: Terms, *, reference: str | None, by_category: bool = True
) -> list[dict[str, Any]]:
    """Mean of every group, also in each category, and the largest difference and smallest ratio between groups.

    ``cells`` holds one task, arm and axis, with all metrics (``subject.metric`` is
    not read), in the columns probe_id, metric, value, group, category, block_id,
    template_id and stimulus (persona or phrasing). A group of which no cell was
    scored is a row without an estimate.
    """
    asked = cells.drop_duplicates("probe_id").set_index("probe_id").sort_index()
    wide = cells.pivot(index="probe_id", columns="metric", values="value").loc[asked.index]
    scored = cells[cells["value"].notna()]
    groups = sorted(asked["group"].unique())
    frame, common = _metric_frame(wide, asked, None), {"kind": "level", "reference": reference}
    counts, totals = _counts(scored, ["metric", "group"]), _counts(scored, ["metric"])
    differences, ratios = frame.difference(method="between_groups"), frame.ratio(method="between_groups")
    rows = []
    for metric in wide.columns:
        about, means = replace(subject, metric=metric), frame.by_group[metric].to_dict()
        for group in groups:
            columns = {"group": group, "estimate": float(means[group]), **counts.get((metric, group), {})}
            rows.append(_mean_row(about, terms, columns | common))
        found = [mean for mean in means.values() if mean == mean]
        if len(found) > 1:
            ratio = float(ratios[metric]) if metric in _FROM_ZERO and max(found) > 0 else None
            rows += _between(about, terms, float(differences[metric]), ratio, totals[(metric,)] | common)
    if by_category:
        inside, here = _metric_frame(wide, asked, "category").by_group, _counts(scored, ["metric", "category", "group"])
        for metric in wide.columns:
            for (category, group), mean in inside[metric].to_dict().items():
                columns = {"category": category, "group": group, "estimate": float(mean)}
                columns |= here.get((metric, category, group), {})
                rows.append(_mean_row(replace(subject, metric=metric), terms, columns | common))
    return rows


def overall_row(cells: pd.DataFrame, subject: Subject, terms: Terms) -> dict[str, Any]:
    """Mean over all cells of an arm in which no group is named, for one metric."""
    scored = cells[cells["value"].notna()]
    columns: dict[str, Any] = _counts(scored, ["metric"]).get((subject.metric,), {})
    columns |= {"kind": "level", "method": "mean of cell means", "scale": subject.scale(terms)}
    return finding(subject, "mean", estimate=float(scored["value"].mean()) if len(scored) else None, **columns)


def _metric_frame(wide: pd.DataFrame, asked: pd.DataFrame, control: str | None) -> Any:
    """One MetricFrame for all metrics: what differs between them comes as a sample parameter."""
    from fairlearn.metrics import MetricFrame

    nothing = np.zeros(len(wide))
    return MetricFrame(
        metrics=dict.fromkeys(wide.columns, _scored_mean),
        y_true=nothing,
        y_pred=nothing,
        sensitive_features=asked["group"].rename("group"),
        control_features=None if control is None else asked[control].rename(control),
        sample_params={metric: {"cell_means": wide[metric].to_numpy()} for metric in wide.columns},
    )


def _scored_mean(y_true: ArrayLike, y_pred: ArrayLike, cell_means: ArrayLike) -> float:
    values = np.asarray(cell_means, float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan


def _mean_row(subject: Subject, terms: Terms, columns: dict[str, Any]) -> dict[str, Any]:
    return finding(subject, "mean", scale=subject.scale(terms), method="fairlearn mean", **columns)


def _between(
    subject: Subject, terms: Terms, difference: float, ratio: float | None, columns: dict[str, Any]
) -> list[dict[str, Any]]:
    between = {"estimate": difference, "scale": subject.scale(terms), "method": "fairlearn difference"}
    rows = [finding(subject, "difference", **between, **columns)]
    if ratio is not None:
        rows.append(finding(subject, "ratio", estimate=ratio, scale="ratio", method="fairlearn ratio", **columns))
    return rows


def _counts(scored: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], dict[str, int]]:
    """How many cells, blocks, templates and stimuli each combination of ``keys`` has."""
    grouped = scored.groupby(keys)
    table = grouped[list(_COUNTED)].nunique().rename(columns=_COUNTED).assign(n_cells=grouped.size())
    places = [key if isinstance(key, tuple) else (key,) for key in table.index]
    return dict(zip(places, table.astype(int).to_dict("records"), strict=True))
