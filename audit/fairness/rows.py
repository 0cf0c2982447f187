"""Rows of the findings table."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from audit.fairness.metrics import SCALES, base_metric
from audit.fairness.precision import cell_noise, detectable_beside, noise_words
from audit.fairness.terms import Terms
from audit.statistics import Contrast, Placebo
from audit.values import content_hash

_IDENTITY = (
    "kind",
    "domain",
    "metric",
    "task",
    "locale",
    "cue_channel",
    "axis",
    "arm",
    "group",
    "reference",
    "category",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about, before any group is named."""

    task: str
    locale: str
    metric: str
    output_form: str
    arm: str
    cue_channel: str | None = None
    axis: str | None = None

    def scale(self, terms: Terms) -> str:
        """Unit of the metric; of a ratio that of its base, which the row then states otherwise."""
        metric = base_metric(self.metric)
        if metric == "expected_number":
            return terms.units.get(self.task, "number")
        return SCALES.get(metric, metric)


def finding(subject: Subject, statistic: str, **columns: Any) -> dict[str, Any]:
    """One row; ``statistic`` tells apart the findings on one subject. NaN becomes null."""
    row = {field.name: getattr(subject, field.name) for field in fields(subject) if field.name != "output_form"}
    row |= {"domain": "fairness", "n_cells": 0, "n_blocks": 0, "n_templates": 0, "n_personas": 0} | columns
    identity = [statistic, *(row.get(column) for column in _IDENTITY)]
    row |= {"statistic": statistic, "finding_id": content_hash(identity, 16)}
    return {column: _null_if_nan(value) for column, value in row.items()}


def contrast_row(subject: Subject, gap: Contrast, terms: Terms, clusters: str, **columns: Any) -> dict[str, Any]:
    """A contrast as a row; ``clusters`` says in words what its standard error rests on."""
    values = {name: getattr(gap, name) for name in Contrast.__slots__}
    noise = cell_noise(subject.metric, subject.output_form, terms.exact_precision)
    values |= {"mde": detectable_beside(gap, noise), "scale": subject.scale(terms)}
    method = f"{clusters}, {terms.reading(subject.output_form)}{noise_words(noise)}"
    return finding(subject, "contrast", kind="contrast", method=method, **values | columns)


def placebo_row(subject: Subject, gap: Contrast, test: Placebo, terms: Terms) -> dict[str, Any]:
    """The test of an explicit cue's effect against those of irrelevant attributes."""
    method = f"t-test against {test.n_placebos} irrelevant attributes, {terms.reading(subject.output_form)}"
    if math.isnan(test.p_value):
        method = f"no test: {test.n_placebos} irrelevant attributes without enough spread or number"
    columns = {name: getattr(test, name) for name in ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "floor")}
    counts = {name: getattr(gap, name) for name in ("n_cells", "n_blocks", "n_templates")}
    return finding(
        subject,
        "placebo",
        kind="test",
        scale=subject.scale(terms),
        method=method,
        group=gap.group,
        reference=gap.reference,
        n_personas=test.n_placebos,
        **columns,
        **counts,
    )


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
