"""verdicts.json: the evidence behind a verdict, for machines and for the report."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from audit.fairness.metrics import RATIO_SCALE
from audit.gate.outcome import Overall, rule_outcomes

_FINDING = (
    *("domain", "statistic", "metric", "scale", "task", "locale", "cue_channel", "axis", "group", "reference"),
    *("category", "arm"),
    *("estimate", "se", "df", "ci_low", "ci_high", "p_value", "floor"),
    *("n_cells", "n_blocks", "n_templates", "n_personas", "method"),
)


def to_json(verdicts: pa.Table, findings: pa.Table, overall: Overall) -> str:
    """The text of verdicts.json: the same tables give the same bytes.

    Keys: outcome, exit_code, sentence; ``rules``, each with its outcome; ``verdicts``,
    each row with the figures of its ``finding`` (null where the rule found none).
    Holds no answer of the model and no text of a record. Of a rule on a ratio the figures are log-ratios, and the
    ratios themselves stand beside them under ``ratio``.
    """
    by_id = {row["finding_id"]: row for row in findings.to_pylist()}
    rows = []
    for verdict in verdicts.to_pylist():
        finding = by_id.get(verdict["finding_id"])
        figures = None if finding is None else {column: _plain(finding[column]) for column in _FINDING}
        if figures is not None and figures["scale"] == RATIO_SCALE:
            ends = {name: figures[name] for name in ("estimate", "ci_low", "ci_high")}
            figures["ratio"] = {name: None if end is None else math.exp(end) for name, end in ends.items()}
            figures["ratio"]["limit"] = math.exp(-verdict["tolerance"])
        rows.append({column: _plain(value) for column, value in verdict.items()} | {"finding": figures})
    evidence = {**asdict(overall), "rules": [asdict(rule) for rule in rule_outcomes(verdicts)], "verdicts": rows}
    return json.dumps(evidence, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
