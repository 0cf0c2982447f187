"""Findings by group of the author: levels, and contrasts with the reference group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from numpy.typing import ArrayLike

from audit.privacy.attacks.by_group import GroupContrast, GroupLevel, by_group
from audit.privacy.attacks.groups import GroupTruePositives, auc_by_group, tpr_by_group
from audit.privacy.measuring.means import rate_columns
from audit.privacy.measuring.readings import Reading, Reals, axes, clusters, labels
from audit.privacy.measuring.rows import Subject, finding

# Authors of the smaller of two groups below which a difference is shown and nothing is concluded from it.
LEAST = 10
_COLUMNS = ("estimate", "ci_low", "ci_high", "se", "df")


def group_rows(
    subject: Subject,
    some: Sequence[Reading],
    values: ArrayLike,
    kind: Literal["rate", "mean"],
    method: str,
    reference: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """Levels and contrasts of ``values``, one for each of ``some``, on each axis that has its reference group there."""
    for axis in axes(some):
        names = labels(some, axis)
        if reference.get(axis) in names:
            found = by_group(values, names, reference=reference[axis], kind=kind, cluster=clusters(some))
            yield from as_rows(subject, axis, method, *found)


def auc_group_rows(
    subject: Subject,
    sides: tuple[Sequence[Reading], Sequence[Reading]],
    scores: Sequence[Reals],
    method: str,
    reference: Mapping[str, str],
    *,
    seed: int,
    widen: float,
) -> Iterator[dict[str, Any]]:
    """A group's members against its own held-out records."""
    for axis, arguments in _both(sides, scores, reference):
        found = auc_by_group(**arguments, reference=reference[axis], seed=seed, widen=widen)
        yield from as_rows(subject, axis, method, *found)


def tpr_group_rows(
    subject: Subject,
    sides: tuple[Sequence[Reading], Sequence[Reading]],
    scores: Sequence[Reals],
    fpr: float,
    method: str,
    reference: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """A group's members, and its held-out records, at the threshold that all held-out records set.

    What a group is judged by is the difference of the two: a group whose texts are merely likelier
    has more of both. Contrasts are of that difference too.
    """
    for axis, arguments in _both(sides, scores, reference):
        levels, contrasts = tpr_by_group(**arguments, reference=reference[axis], fpr=fpr)
        for one in levels:
            yield from _tpr_group(subject, axis, method, one)
        yield from as_rows(subject, axis, method, (), contrasts)


def as_rows(
    subject: Subject,
    axis: str,
    method: str,
    levels: Sequence[GroupLevel],
    contrasts: Sequence[GroupContrast],
) -> Iterator[dict[str, Any]]:
    """Levels and contrasts as rows of findings."""
    every: list[GroupLevel | GroupContrast] = [*levels, *contrasts]
    for one in every:
        columns: dict[str, Any] = {name: getattr(one, name) for name in _COLUMNS}
        columns |= {"axis": axis, "group": one.group, "n_cells": one.n, "n_personas": one.n_clusters}
        words = "; ".join(part for part in (method, one.method) if part)
        if isinstance(one, GroupContrast):
            columns |= {"reference": one.reference, "p_value": one.p_value}
            if one.n_clusters < LEAST:
                words += f"; fewer than {LEAST} authors in one of the groups: no interval"
                columns |= dict.fromkeys(("ci_low", "ci_high", "se", "df", "p_value"))
            yield finding(subject, "contrast", method=words, **columns)
        else:
            yield finding(subject, "mean", method=words, **columns)


def _tpr_group(subject: Subject, axis: str, method: str, one: GroupTruePositives) -> Iterator[dict[str, Any]]:
    place = {"axis": axis, "group": one.group}
    for category, rate, bounds in (("member", one.tpr, one.tpr_bounds), ("held_out", one.fpr, one.fpr_bounds)):
        columns = rate_columns(rate) | {"ci_low": bounds[0], "ci_high": bounds[1]}
        words = f"{method}; Clopper-Pearson about that threshold, by customer"
        yield finding(replace(subject, category=category), "mean", method=words, **place, **columns)
    least = min(one.tpr.n, one.fpr.n), min(one.tpr.n_clusters, one.fpr.n_clusters)
    words = f"{method}; members found less the group's own held-out records at that threshold; Newcombe, by customer"
    columns = {
        "ci_low": one.excess.ci_low,
        "ci_high": one.excess.ci_high,
        "p_value": one.excess.p_value,
        "se": math.hypot(one.tpr.se, one.fpr.se),
        "df": min(one.tpr.df, one.fpr.df),
    }
    if least[1] < LEAST:
        words += f"; fewer than {LEAST} authors on one of the sides: no interval"
        columns = dict.fromkeys(columns, math.nan)
    columns |= {"estimate": one.excess.estimate, "n_cells": least[0], "n_personas": least[1]}
    yield finding(subject, "difference", method=words, reference="held_out", **place, **columns)


def _both(
    sides: tuple[Sequence[Reading], Sequence[Reading]], scores: Sequence[Reals], reference: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for axis in axes(sides[0]):
        inside, outside = (labels(side, axis) for side in sides)
        if reference.get(axis) in inside and reference.get(axis) in outside:
            yield (
                axis,
                {
                    "member_scores": scores[0],
                    "member_group": inside,
                    "non_member_scores": scores[1],
                    "non_member_group": outside,
                    "member_cluster": clusters(sides[0]),
                    "non_member_cluster": clusters(sides[1]),
                },
            )
