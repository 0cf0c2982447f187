"""Personal information in generated texts as findings: three counts, whose it is, and how well it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.config import Config
from audit.privacy.attacks.by_group import by_group
from audit.privacy.measuring.groups import as_rows
from audit.privacy.measuring.means import rate_columns, rate_of
from audit.privacy.measuring.rows import Subject, finding
from audit.privacy.pii import generations_of, leaked_customers, open_detector, pii_counts, recall_by_group

_WORDS = {
    "any": "texts with anything that looks personal",
    "in_training": "texts with a value that stands in the training data and not in the prompt",
    "learned": "texts with a value that stands in the training data, not in the prompt, and that the model from before "
    "never emits",
}


def pii_rows(tables: Mapping[str, pa.Table], config: Config, *, with_base: bool) -> Iterator[dict[str, Any]]:
    """Rates of generations by count, model and type; customers who leaked, by group; the detector's own recall."""
    locale, found = config.run.locale, tables["detections"]
    members = tables["records"].filter(pc.equal(tables["records"]["role"], "member"))
    generations = {"target": generations_of(tables["completions"])}
    if with_base:
        generations["base"] = generations_of(tables["completions-base"])
    for row in pii_counts(found, generations):
        known = row.count == "any" or members.num_rows
        if not known or (row.type is not None and not row.events) or (row.count == "learned" and row.model == "base"):
            continue
        name = ":".join(part for part in ("pii_rate", row.count, row.type) if part)
        columns = rate_columns(row.rate) | {"n_personas": 0, "n_templates": row.prompts}
        subject = Subject(name, "rate", "generation", locale, row.model)  # type: ignore[arg-type]
        method = f"{_WORDS[row.count]}; Wilson, over the prompts that were asked"
        if row.count == "learned" and not with_base:
            method += "; no model from before was named, so that what it emits is not taken off"
        yield finding(subject, "mean", method=method, **columns)
    if members.num_rows:
        yield from _customers(found, members, locale, config.reference)
    yield from _recall(locale, config)


def _customers(
    found: pa.Table, members: pa.Table, locale: str, reference: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    rows = members.to_pylist()
    clusters = {row["record_id"]: row["cluster"] for row in rows}
    groups = {row["record_id"]: dict(row["attributes"]) for row in rows}
    subject = Subject("leaked_customers", "rate", "member", locale)
    method = "customers of whom a value of their own was emitted though the prompt did not hold it"
    events: dict[str | None, tuple[list[int], list[Any]]] = {}
    for row in leaked_customers(found, clusters, groups):
        hit, names = events.setdefault(row.axis, ([], []))
        hit += [1] * row.leaked + [0] * (row.customers - row.leaked)
        names += [row.group] * row.customers
    for axis, (hit, names) in events.items():
        if axis is None:
            yield finding(subject, "mean", method=f"{method}; Wilson", **rate_of(hit, range(len(hit))))
        elif reference.get(axis) in names:
            yield from as_rows(
                subject, axis, method, *by_group(hit, np.array(names, object), reference=reference[axis])
            )


def _recall(locale: str, config: Config) -> Iterator[dict[str, Any]]:
    subject = Subject("pii_recall", "rate", "detector", locale)
    for row in recall_by_group(open_detector(locale), locale, config):
        columns = rate_columns(row.rate) | {"axis": row.axis, "group": row.group}
        method = "the detector's own recall of names in fixed sentences; Wilson, by name"
        yield finding(subject, "mean", method=method, **columns)
