"""Rows of the table ``frontier``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from audit.mitigation.variants import Cell, Domain

# The metric of a row that stands for all of a domain: nothing of it was measured.
EVERYTHING = "all"
Row = dict[str, Any]


def row(cell: Cell, domain: Domain, metric: str, scale: str, *, versus: str | None = None, **columns: Any) -> Row:
    """One row; NaN becomes null. ``columns`` are those of the table, the rest is filled in."""
    found: Row = {
        "cell": cell.name,
        "variant": cell.variant,
        "epsilon": cell.epsilon,
        "domain": domain,
        "metric": metric,
        "scale": scale,
        "versus": versus,
        "n": 0,
        "status": "measured",
    }
    return {name: _null_if_nan(value) for name, value in (found | columns).items()}


def from_finding(cell: Cell, domain: Domain, finding: Mapping[str, Any], *, versus: str | None = None) -> Row:
    """A finding of a run as a row: a level of the cell, or with ``versus`` a change whose reference is that cell."""
    kept = ("task", "locale", "axis", "group", "category", "estimate", "ci_low", "ci_high", "p_value")
    columns = {name: finding.get(name) for name in kept}
    columns["reference"] = None if versus else finding.get("reference")
    columns["n"] = finding["n_cells"]
    if finding.get("estimate") is None:
        columns |= {"status": "unmeasured", "reason": finding["method"]}
    return row(cell, domain, finding["metric"], finding["scale"], versus=versus, **columns)


def missing(
    cell: Cell, domain: Domain, status: str, reason: str, *, metric: str = EVERYTHING, versus: str | None = None
) -> Row:
    """The row that stands where nothing was measured."""
    return row(cell, domain, metric, "none", versus=versus, status=status, reason=reason)


def _null_if_nan(value: Any) -> Any:
    if isinstance(value, float | int) and not isinstance(value, bool) and not math.isfinite(value):
        return None
    return value
