"""Extraction: suffixes and identifiers that the model gives back, less what others give back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.config import PrivacyConfig
from audit.privacy.attacks.extraction import discoverable_extraction, k_extractable
from audit.privacy.attacks.suffixes import suffix_range
from audit.privacy.black_box import TASK, came_back
from audit.privacy.measuring.groups import group_rows
from audit.privacy.measuring.means import Sample, minus_control, minus_paired, rate_of
from audit.privacy.measuring.readings import Reading, Reals, clusters, models, of_role
from audit.privacy.measuring.rows import Model, Subject, finding

SIDES: Final[tuple[Literal["member", "held_out"], ...]] = ("member", "held_out")


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that may be extracted: whose it is, what it is, and the tokens that must come back, (tokens,).

    The same unit under another model has the same ``key``: record, type, and which of its kind.
    """

    owner: Reading
    key: tuple[str, str, int]
    logprobs: Reals
    greedy: NDArray[np.bool_]


Units = Mapping[tuple[Model, str], Sequence[Unit]]


def extracted(units: Sequence[Unit], way: str, settings: PrivacyConfig) -> Reals:
    """Whether each unit is extracted, (units,) of 0 and 1."""
    if way == "greedy":
        return k_extractable(one.greedy for one in units).astype(float)
    return discoverable_extraction((one.logprobs for one in units), settings.n, settings.p).astype(float)


def extraction_rows(
    target: Sequence[Reading],
    base: Sequence[Reading] | None,
    locale: str,
    reference: dict[str, str],
    settings: PrivacyConfig,
) -> Iterator[dict[str, Any]]:
    """Rates of members and held-out records, target and base; and members less either."""
    words = f"{settings.suffix} tokens after {settings.prefix}, of shorter records the second half"
    for name, collect in (("extraction", suffixes), ("identifier", identifiers)):
        units: dict[tuple[Model, str], Sequence[Unit]] = {
            (arm, side): collect(of_role(said, side), settings) for arm, said in models(target, base) for side in SIDES
        }
        if not units["target", "member"]:
            continue
        for way in ("greedy", "discoverable"):
            method = words if name == "extraction" else "an identifier after all that stands before it"
            if way == "discoverable":
                method += f"; found in {settings.n:,} samples with probability {settings.p:g} or more"
            yield from _rows(f"{name}:{way}", units, way, locale, reference, settings, method)
            if name == "identifier":
                for kind in sorted({one.key[1] for one in units["target", "member"]}):
                    chosen = {place: [one for one in some if one.key[1] == kind] for place, some in units.items()}
                    metric = f"{name}:{way}:{kind}"
                    yield from _rows(metric, chosen, way, locale, {}, settings, method)


def _rows(
    metric: str,
    units: Units,
    way: str,
    locale: str,
    reference: dict[str, str],
    settings: PrivacyConfig,
    method: str,
) -> Iterator[dict[str, Any]]:
    events = {place: extracted(some, way, settings) for place, some in units.items() if some}
    for (arm, side), values in events.items():
        owners = [one.owner for one in units[arm, side]]
        subject = Subject(metric, "rate", side, locale, arm)
        yield finding(subject, "mean", method=method, **rate_of(values, clusters(owners)))
        if reference:
            yield from group_rows(subject, owners, values, "rate", method, reference)
    subject, whole = Subject(metric, "rate", "member", locale), events["target", "member"]
    customers = clusters(one.owner for one in units["target", "member"])
    if ("target", "held_out") in events:
        others = clusters(one.owner for one in units["target", "held_out"])
        yield minus_control(subject, (whole, customers), (events["target", "held_out"], others), "held_out")
    if ("base", "member") in events:
        before = {one.key: hit for one, hit in zip(units["base", "member"], events["base", "member"], strict=True)}
        keys = [one.key for one in units["target", "member"]]
        kept = [place for place, key in enumerate(keys) if key in before]
        if kept:
            earlier = np.array([before[keys[place]] for place in kept])
            yield minus_paired(subject, whole[kept], earlier, customers[kept], "base")


def suffixes(some: Sequence[Reading], settings: PrivacyConfig) -> list[Unit]:
    """The suffix of each record that is long enough."""
    found = ((one, suffix_range(one.logprobs.size, settings.prefix, settings.suffix)) for one in some)
    return [_unit(one, ("suffix", 0), place) for one, place in found if place is not None]


def identifiers(some: Sequence[Reading], settings: PrivacyConfig) -> list[Unit]:
    """The known identifiers of each record; what an attacker is given is all that stands before one."""
    return [
        _unit(one, (name, number), (first, last))
        for one in some
        for number, (name, first, last) in enumerate(one.spans)
        if last > first
    ]


def _unit(one: Reading, what: tuple[str, int], place: tuple[int, int]) -> Unit:
    return Unit(one, (one.record_id, *what), one.logprobs[slice(*place)], one.greedy[slice(*place)])


def black_box_rows(probes: pa.Table, completions: pa.Table, records: pa.Table, locale: str) -> Iterator[dict[str, Any]]:
    """Rates of what a model that can only be asked goes on with, word for word."""
    asked = {row["probe_id"]: row for row in probes.to_pylist() if row["task"] == TASK}
    customers = dict(zip(records["record_id"].to_pylist(), records["cluster"].to_pylist(), strict=True))
    sides: dict[str, list[tuple[bool, int]]] = defaultdict(list)
    for row in completions.to_pylist():
        probe = asked.get(row["probe_id"])
        if probe is not None and row["error"] is None:
            hit = came_back([row["text"]], [probe["gold"]])[0]
            sides[probe["category"]].append((hit, customers[probe["template_id"]]))
    subject = Subject("extraction:black_box", "rate", "member", locale)
    method = "told to go on with a record's beginning, word for word; what is asked through a service is a lower bound"
    columns: dict[str, Sample] = {
        side: (np.array([hit for hit, _ in rows], float), np.array([customer for _, customer in rows]))
        for side, rows in sides.items()
    }
    for side, (events, cluster) in columns.items():
        yield finding(replace(subject, category=side), "mean", method=method, **rate_of(events, cluster))
    if {"member", "held_out"} <= set(columns):
        yield minus_control(subject, columns["member"], columns["held_out"], "held_out")
