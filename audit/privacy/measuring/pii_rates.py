"""Personal information in generated texts as findings: three counts, whose it is, and how well it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit.config import Config
from audit.privacy.attacks.by_group import by_group
from audit.privacy.measuring.canaries_emitted import canary_rows
from audit.privacy.measuring.groups import as_rows
from audit.privacy.measuring.means import Sample, minus_control, minus_paired, rate_columns, rate_of
from audit.privacy.measuring.rows import Model, Subject, finding
from audit.privacy.pii import (
    Leaked,
    PiiRate,
    generations_of,
    leaked_customers,
    open_detector,
    pii_counts,
    recall_by_group,
)

_WORDS: Final = {
    "any": "texts with anything that looks personal",
    "in_training": "texts with a value that stands in the training data and not in the prompt",
    "learned": "texts with a value that stands in the training data, not in the prompt, and that {other} never emits",
}
_OTHER: Final[Mapping[Model, str]] = {"target": "the model from before", "base": "the audited model"}
_MIRRORED: Final = "; the control for values that meet the training data by chance"


def pii_rows(tables: Mapping[str, pa.Table], config: Config, *, with_base: bool) -> Iterator[dict[str, Any]]:
    """Rates of generations by count, model and type; customers and canaries that leaked; the detector's own recall."""
    locale, found, customers = config.run.locale, tables["detections"], tables["customers"]
    generations = {"target": generations_of(tables["completions"])}
    if with_base:
        generations["base"] = generations_of(tables["completions-base"])
    rates = {(row.count, row.type, row.model): row for row in pii_counts(found, generations)}
    for count, type_, model in rates:
        sides = [rates[count, type_, one] for one in generations]
        known = count == "any" or customers.num_rows
        if known and model == "target" and (type_ is None or any(side.events for side in sides)):
            yield from _rates(sides, locale)
    if customers.num_rows:
        yield from _customers(found, customers, locale, config.reference, with_base=with_base)
    yield from canary_rows(tables["records"], tables["emitted"], locale)
    yield from _recall(locale, config)


def _rates(sides: list[PiiRate], locale: str) -> Iterator[dict[str, Any]]:
    """Levels of the target and of the base where there is one, and the target less the base."""
    for row in sides:
        subject = _subject(row, locale)
        method = _WORDS[row.count].format(other=_OTHER[subject.arm])
        if row.count != "any" and row.model == "base":
            method += _MIRRORED
        method += "; Wilson, over the prompts that were asked"
        if row.count == "learned" and len(sides) == 1:
            method += "; no model from before was named, so that what it emits is not taken off"
        columns = rate_columns(row.rate) | {"n_personas": 0, "n_templates": row.prompts}
        yield finding(subject, "mean", method=method, **columns)
    if len(sides) > 1:
        # Texts of the two models are drawn by themselves: nothing pairs them.
        subject, (first, second) = _subject(sides[0], locale), map(_sample, sides)
        words = {"method": "Newcombe, texts of the audited model less those of the model from before", "n_personas": 0}
        yield minus_control(subject, first, second, "base") | words | {"n_templates": sides[0].prompts}


def _subject(row: PiiRate, locale: str) -> Subject:
    name = ":".join(part for part in ("pii_rate", row.count, row.type) if part)
    return Subject(name, "rate", "generation", locale, row.model)  # type: ignore[arg-type]


def _sample(row: PiiRate) -> Sample:
    each = np.arange(row.rate.n)
    return each < row.events, each


def _customers(
    found: pa.Table, customers: pa.Table, locale: str, reference: Mapping[str, str], *, with_base: bool
) -> Iterator[dict[str, Any]]:
    subject = Subject("leaked_customers", "rate", "member", locale)
    method = "customers of whom a value of their own was emitted though the prompt did not hold it"
    whole: dict[Model, Any] = {}
    models: tuple[Model, ...] = ("target", "base") if with_base else ("target",)
    for model in models:
        leaked = leaked_customers(found, customers, model=model)
        about, words = replace(subject, arm=model), method
        if with_base:
            words += f", and {_OTHER[model]} never emits it" + (_MIRRORED if model == "base" else "")
        whole[model] = next(_hits(one) for one in leaked if one.axis is None)
        yield finding(about, "mean", method=f"{words}; Wilson", **rate_of(whole[model], range(whole[model].size)))
        for axis in sorted({one.axis for one in leaked if one.axis is not None}):
            yield from _by_group(about, axis, words, [one for one in leaked if one.axis == axis], reference)
    if with_base:
        yield minus_paired(subject, whole["target"], whole["base"], np.arange(whole["target"].size), "base")


def _by_group(
    subject: Subject, axis: str, method: str, leaked: list[Leaked], reference: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    if reference.get(axis) in [one.group for one in leaked]:
        hit = np.concatenate([np.arange(one.customers) < len(one.leaked) for one in leaked])
        names = np.repeat(np.array([one.group for one in leaked], object), [one.customers for one in leaked])
        yield from as_rows(subject, axis, method, *by_group(hit, names, reference=reference[axis]))


def _hits(one: Leaked) -> Any:
    """Whether each customer leaked, by number: (customers,)."""
    return np.isin(np.arange(one.customers), sorted(one.leaked)).astype(float)


def _recall(locale: str, config: Config) -> Iterator[dict[str, Any]]:
    subject = Subject("pii_recall", "rate", "detector", locale)
    for row in recall_by_group(open_detector(locale), locale, config):
        columns = rate_columns(row.rate) | {"axis": row.axis, "group": row.group}
        method = "the detector's own recall of names in fixed sentences; Wilson, by name"
        yield finding(subject, "mean", method=method, **columns)
