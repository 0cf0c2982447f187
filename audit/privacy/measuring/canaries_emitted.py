"""Canaries whose secret a model wrote by itself: those that were planted beside those that were not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from audit.privacy.measuring.means import Sample, minus_control, rate_of
from audit.privacy.measuring.rows import Model, Subject, finding

_METHOD = "canaries whose secret stands in a generated text"


def canary_rows(records: pa.Table, emitted: pa.Table, locale: str) -> Iterator[dict[str, Any]]:
    """Levels by model and coin, and of each model the planted less the others.

    No prompt asks for a secret, and there are 10¹⁰ and more: one that is written was learnt.
    """
    coins = dict(zip(records["record_id"].to_pylist(), records["inserted"].to_pylist(), strict=True))
    texts: dict[tuple[Model, bool], list[int]] = {}
    for row in emitted.to_pylist():
        texts.setdefault((row["model"], bool(coins[row["record_id"]])), []).append(row["texts"])
    hits: dict[tuple[Model, bool], Sample] = {
        place: (np.array(counts) > 0, np.arange(len(counts))) for place, counts in texts.items()
    }
    for (model, inserted), sample in hits.items():
        whose = "inserted" if inserted else "not_inserted"
        subject = Subject("canaries_emitted", "rate", whose, locale, model)
        held = f"{sum(texts[model, inserted]):,} times a text holds one"
        yield finding(subject, "mean", method=f"{_METHOD} ({held}); Wilson", **rate_of(*sample))
    for model in dict.fromkeys(model for model, _ in hits):
        if (model, True) in hits and (model, False) in hits:
            subject = Subject("canaries_emitted", "rate", "inserted", locale, model)
            planted, others = hits[model, True], hits[model, False]
            yield minus_control(subject, planted, others, "not_inserted") | {"method": "Newcombe, by canary"}
