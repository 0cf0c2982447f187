"""Findings on exposure by group: what the ceiling of the references cuts off."""

from __future__ import annotations

import numpy as np
import pytest

from audit.privacy.measuring.exposures import exposure_rows
from audit.privacy.measuring.readings import Reading
from audit.privacy.planting import SECRET


def reading(number, nll, *, role="canary", inserted=None, group=None):
    logs = np.array([-nll])
    groups = {} if group is None else {"gender": group}
    record = f"{role}-{inserted}-{number}"
    return Reading(record, role, inserted, number, groups, None, logs, logs, logs > 0, 50, ((SECRET, 0, 1),))


def rows_of(learnt, size=20):
    """``learnt``: group → how far below the references its inserted canaries lie, in nats."""
    rng = np.random.default_rng(0)
    every = [reading(number, 20 + rng.normal(), role="reference") for number in range(60)]
    for inserted in (True, False):
        for group, gain in learnt.items():
            for _ in range(size):
                nll = 20 + rng.normal() - gain * inserted
                every.append(reading(len(every), nll, inserted=inserted, group=group))
    return list(exposure_rows(every, None, "en", {"gender": "men"}))


def gap_of(rows, metric="exposure", category="inserted"):
    (row,) = [
        row for row in rows if (row["metric"], row["statistic"], row["category"]) == (metric, "contrast", category)
    ]
    return row


COLUMNS = ("ci_low", "ci_high", "se", "df", "p_value", "mde")


@pytest.mark.parametrize(
    ("learnt", "full"),
    [({"women": 15, "men": 8}, "women and men"), ({"women": 8, "men": 1}, "women"), ({"women": 1, "men": 8}, "men")],
)
def test_a_gap_at_the_ceiling_has_no_interval_and_says_so(learnt, full):
    rows = rows_of(learnt)
    gap = gap_of(rows)
    assert all(gap.get(name) is None for name in COLUMNS) and gap["estimate"] is not None
    assert f"at the ceiling: more than half of the canaries of {full}, so" in gap["method"]


def test_extrapolated_exposure_gives_the_gap_that_the_ceiling_hides():
    rows = rows_of({"women": 15, "men": 8})
    assert abs(gap_of(rows)["estimate"]) < 0.5
    gap = gap_of(rows, "exposure_extrapolated")
    assert gap["ci_low"] > 10 and "ceiling" not in gap["method"]


def test_gaps_below_the_ceiling_keep_their_interval():
    rows = rows_of({"women": 1.0, "men": 0.5})
    for category in ("inserted", "not_inserted"):
        gap = gap_of(rows, category=category)
        assert gap["ci_low"] < gap["estimate"] < gap["ci_high"] and "at the ceiling" not in gap["method"]
