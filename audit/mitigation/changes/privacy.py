"""What leaks from a cell, and how much more or less than from another, on the same records and canaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from audit.mitigation.changes.rows import Row, from_finding, missing
from audit.mitigation.variants import Cell
from audit.privacy.measuring.exposures import exposure_rows
from audit.privacy.measuring.extractions import extraction_rows
from audit.privacy.measuring.means import Sample, minus_control, minus_paired
from audit.privacy.measuring.memberships import Split, attack_scores, minus_base
from audit.privacy.measuring.readings import Reading, of_role, readings
from audit.privacy.measuring.rows import NOT_MEASURED, Subject
from audit.privacy.measuring.rows import Row as Finding
from audit.privacy.pii import generations_of, leaked_customers, pii_counts
from audit.run_folder import Run

_LEVELS: Final = frozenset({"mean", "bound", "contrast"})
# Of the base alone nothing tells what was learnt from what it always says: these need another model beside it.
_BEYOND_BASE: Final = ("pii_rate:learned", "leaked_customers")
_NO_BASE: Final = "what a model learnt is what the base does not say; of the base itself there is nothing to take off"


def leak_rows(cell: Cell, run: Run, not_measured: Mapping[str, str]) -> Iterator[Row]:
    """Every level of the audited model, by group of the author too, and what could not be measured."""
    for found in run.table("findings").to_pylist():
        if found["arm"] != "target" or found["statistic"] not in _LEVELS or found["metric"] == "pii_recall":
            continue
        if not cell.trained and found["metric"].startswith(_BEYOND_BASE):
            continue
        yield from_finding(cell, "privacy", found | {"method": found["method"].removeprefix(NOT_MEASURED)})
    for topic, reason in not_measured.items():
        if topic != "base":
            yield missing(cell, "privacy", "unmeasured", reason, metric=topic)
    if not cell.trained:
        for metric in _BEYOND_BASE:
            yield missing(cell, "privacy", "unmeasured", _NO_BASE, metric=metric)


def leak_changes(cell: Cell, after: Run, before: Run, versus: Cell) -> Iterator[Row]:
    """Exposure by canary, attacks and extraction by record, customers by customer; texts by themselves.

    Against the base these are the differences that the cell's own audit found, since the base was read there too.
    """
    found = _beyond_base(after) if not versus.trained else _beyond(after, before)
    for one in found:
        yield from_finding(cell, "privacy", one, versus=versus.name)


def _beyond_base(run: Run) -> Iterator[Finding]:
    for found in run.table("findings").to_pylist():
        if found["statistic"] == "difference" and found["reference"] == "base" and found["arm"] == "target":
            yield found
    if _has(run, "emitted"):
        yield from _emitted(run, (run, "target"), (run, "base"))


def _beyond(after: Run, before: Run) -> Iterator[Finding]:
    locale = after.config.run.locale
    if _has(after, "likelihoods") and _has(before, "likelihoods"):
        now, then = (readings(run.table("records"), run.table("likelihoods")) for run in (after, before))
        yield from _differences(exposure_rows(now, then, locale, {}))
        yield from _differences(extraction_rows(now, then, locale, {}, after.config.privacy))
        yield from _memberships(after, now, then)
    if _has(after, "detections") and _has(before, "detections"):
        yield from _texts(after, before)
        yield from _customers(after, before)
        yield from _emitted(after, (after, "target"), (before, "target"))


def _differences(found: Iterator[dict[str, Any]]) -> Iterator[Finding]:
    """Those of the one model less the other: the other is given where the audit of one model has its base."""
    return (one for one in found if one["statistic"] == "difference" and one.get("reference") == "base")


def _memberships(after: Run, now: Sequence[Reading], then: Sequence[Reading]) -> Iterator[Finding]:
    """Each attack on either model; the one that asks a reference model asks the base of both."""
    base = (
        readings(after.table("records"), after.table("likelihoods-base")) if _has(after, "likelihoods-base") else None
    )
    first, second = (_splits(said, base) for said in (now, then))
    settings = after.config
    for attack in first:
        if attack in second:
            yield from minus_base(
                attack,
                first[attack],
                second[attack],
                settings.run.locale,
                fpr=settings.privacy.fpr,
                seed=settings.run.seed,
            )


def _splits(said: Sequence[Reading], base: Sequence[Reading] | None) -> dict[str, Split]:
    inside, outside = of_role(said, "member"), of_role(said, "held_out")
    if min(len(inside), len(outside)) < 2:
        return {}
    scores, _ = attack_scores([*inside, *outside], base)
    return {
        attack: ((inside, outside), [values[: len(inside)], values[len(inside) :]]) for attack, values in scores.items()
    }


def _texts(after: Run, before: Run) -> Iterator[Finding]:
    """Rates of generated texts: each model draws its own, so that nothing pairs them."""
    rates = [
        {
            (one.count, one.type): one
            for one in pii_counts(run.table("detections"), {"target": generations_of(run.table("completions"))})
        }
        for run in (after, before)
    ]
    known = after.table("customers").num_rows > 0
    for (count, kind), one in rates[0].items():
        other = rates[1][count, kind]
        if (count == "any" or known) and (kind is None or one.events or other.events):
            name = ":".join(part for part in ("pii_rate", count, kind) if part)
            subject = Subject(name, "rate", "generation", after.config.run.locale)
            yield minus_control(subject, _sample(one.events, one.rate.n), _sample(other.events, other.rate.n), "before")


def _sample(events: int, size: int) -> Sample:
    each = np.arange(size)
    return each < events, each


def _customers(after: Run, before: Run) -> Iterator[Finding]:
    """Customers who had a value of their own emitted, beyond what the base emits."""
    sides = []
    for run in (after, before):
        everyone = (
            one for one in leaked_customers(run.table("detections"), run.table("customers")) if one.axis is None
        )
        sides += [np.isin(np.arange(one.customers), sorted(one.leaked)).astype(float) for one in everyone]
    if len(sides) == 2 and sides[0].size == sides[1].size > 0:
        subject = Subject("leaked_customers", "rate", "member", after.config.run.locale)
        yield minus_paired(subject, sides[0], sides[1], np.arange(sides[0].size), "before")


def _emitted(run: Run, after: tuple[Run, str], before: tuple[Run, str]) -> Iterator[Finding]:
    """Planted canaries whose secret stands in a generated text."""
    records = run.table("records").to_pylist()
    planted = {one["record_id"] for one in records if one["role"] == "canary" and one["inserted"]}
    sides = []
    for where, model in (after, before):
        rows = where.table("emitted").to_pylist()
        sides.append({one["record_id"]: one["texts"] > 0 for one in rows if one["model"] == model})
    both = sorted(planted & sides[0].keys() & sides[1].keys())
    if both:
        first, second = (np.array([side[name] for name in both], float) for side in sides)
        subject = Subject("canaries_emitted", "rate", "inserted", run.config.run.locale)
        yield minus_paired(subject, first, second, np.arange(len(both)), "before")


def _has(run: Run, table: str) -> bool:
    return (run.folder / f"{table}.parquet").is_file()
