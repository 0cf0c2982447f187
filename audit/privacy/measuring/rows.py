"""Rows of the findings table that a privacy audit gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from audit.values import content_hash

Row = Mapping[str, Any]
Model = Literal["target", "base"]
# How the method of a row begins that has no estimate, since something kept it from being measured; the reason follows.
NOT_MEASURED: Final = "not measured: "
_IDENTITY: Final = ("metric", "statistic", "locale", "axis", "group", "reference", "category", "arm")
# Of a mean: found with power .90 in a two-sided test at 5 %, in standard errors.
_MDE: Final = 1.959964 + 1.281552


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about: a metric, its unit, and the model and the texts that it was taken from."""

    metric: str
    scale: str
    category: str
    locale: str
    arm: Model = "target"


def finding(subject: Subject, statistic: str, *, method: str, **columns: Any) -> dict[str, Any]:
    """One row of the table ``findings``; NaN becomes null.

    ``columns`` are those of the table: estimate, se, df, ci_low, ci_high, p_value, axis, group,
    reference, n_cells (units counted), n_personas (customers), n_templates (prompts).
    """
    kind = {"mean": "level", "contrast": "contrast", "difference": "contrast"}.get(statistic, "test")
    row: dict[str, Any] = {
        "metric": subject.metric,
        "scale": subject.scale,
        "category": subject.category,
        "locale": subject.locale,
        "arm": subject.arm,
        "domain": "privacy",
        "kind": kind,
        "statistic": statistic,
        "method": method,
        "n_cells": 0,
        "n_blocks": 0,
        "n_templates": 0,
        "n_personas": 0,
    }
    row |= columns
    se = row.get("se")
    if statistic != "mean" and se and "mde" not in row:
        row["mde"] = _MDE * se
    row["finding_id"] = content_hash([row.get(column) for column in _IDENTITY], 16)
    return {column: _null_if_nan(value) for column, value in row.items()}


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order that depends on what they are about alone."""
    return sorted(rows, key=lambda row: tuple(str(row.get(column) or "") for column in _IDENTITY))


def _null_if_nan(value: Any) -> Any:
    if isinstance(value, float | int) and not isinstance(value, bool) and not math.isfinite(value):
        return None
    return value
