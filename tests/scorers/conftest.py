"""Rows for scorers, as short as a test can say them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from audit.scorers.masking import mask
from audit.scorers.refusal import is_refusal
from audit.scorers.rows import JOINED

Rows = Callable[..., pa.RecordBatch]


@pytest.fixture(scope="session")
def decisions() -> Rows:
    """Decision rows: each a dictionary over an answer of one half yes."""
    plain = {
        "output_form": "decision", "mode": "exact", "finish_reason": "exact", "first_option": "yes",
        "support": ["yes", "no"], "probs": [0.5, 0.5], "option_logprobs": [-1.0, -1.0], "answer_mass": 0.7,
    }  # fmt: skip
    return lambda *rows: _batch(plain, rows)


@pytest.fixture(scope="session")
def numbers() -> Rows:
    """Number rows: each a dictionary over an answer of 0 or 20, evenly."""
    plain = {
        "output_form": "number", "mode": "exact", "finish_reason": "exact", "threshold": 10.0,
        "support": ["0", "20"], "probs": [0.5, 0.5], "answer_mass": 0.9,
    }  # fmt: skip
    return lambda *rows: _batch(plain, rows)


@pytest.fixture(scope="session")
def texts() -> Rows:
    """Text rows: each a text, or a dictionary with one."""
    plain = {"output_form": "text", "mode": "sampled", "finish_reason": "stop", "cue_channel": "name"}

    def build(*rows: Any) -> pa.RecordBatch:
        full = []
        for row in rows:
            row = row if isinstance(row, dict) else {"text": row}
            text = row.get("text")
            masked = None if text is None else mask(text, row.get("persona_name"), row.get("cue_channel", "name"))
            full.append({**row, "masked_text": masked, "refused": None if masked is None else is_refusal(masked)})
        return _batch(plain, full)

    return build


def _batch(plain: dict[str, Any], rows: Any) -> pa.RecordBatch:
    common = {"draw": 0, "suite": "en/task@1", "task": "task", "locale": "en", "purpose": "audit", "arm": "target"}
    full = [{"probe_id": f"p{number}", **common, **plain, **row} for number, row in enumerate(rows)]
    return pa.RecordBatch.from_pylist(full, JOINED)


@pytest.fixture(scope="session")
def values() -> Callable[[pa.RecordBatch, str], list[Any]]:
    """The values of one metric where scored, else the status."""

    def read(scores: pa.RecordBatch, metric: str) -> list[Any]:
        rows = [row for row in scores.to_pylist() if row["metric"] == metric]
        assert all((row["value"] is not None) == (row["status"] == "scored") for row in rows)
        return [row["value"] if row["status"] == "scored" else row["status"] for row in rows]

    return read
