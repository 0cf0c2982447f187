"""Membership inference: each attack's AUC and its true positives at a low false positive rate, beside a blind guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from audit.privacy.attacks.blind import OUT_OF_FOLD, blind_auc
from audit.privacy.attacks.membership import membership_scores
from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr
from audit.privacy.measuring.groups import auc_group_rows, tpr_group_rows
from audit.privacy.measuring.means import rate_of
from audit.privacy.measuring.readings import Reading, Reals, clusters, of_role
from audit.privacy.measuring.rows import Model, Subject, finding

Sides = tuple[Sequence[Reading], Sequence[Reading]]


def membership_rows(
    target: Sequence[Reading],
    base: Sequence[Reading] | None,
    locale: str,
    reference: dict[str, str],
    *,
    fpr: float,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """AUC and TPR of every attack on either model, by group of the author too; the blind baseline first."""
    sides = of_role(target, "member"), of_role(target, "held_out")
    if min(map(len, sides)) < 2:
        return
    if all(one.blind is not None for side in sides for one in side):
        method = "bag of words and length, five-fold, which has not seen the model"
        blind = [np.array([one.blind for one in side], float) for side in sides]
        subject = Subject("auc:blind", "auc", "member", locale)
        yield from _auc_rows(subject, sides, blind, method, reference, seed, out_of_fold=True)
    for arm, said, before in _pairs(target, base):
        inside, outside = of_role(said, "member"), of_role(said, "held_out")
        if min(len(inside), len(outside)) < 2:
            continue
        scores = attack_scores([*inside, *outside], before)
        for attack, values in scores.items():
            both = [values[: len(inside)], values[len(inside) :]]
            subject = Subject(f"auc:{attack}", "auc", "member", locale, arm)
            yield from _auc_rows(subject, (inside, outside), both, "", reference, seed)
            subject = Subject(f"tpr_at_fpr:{attack}", "rate", "member", locale, arm)
            yield from _tpr_rows(subject, (inside, outside), both, fpr, reference)


def _pairs(
    target: Sequence[Reading], base: Sequence[Reading] | None
) -> Iterator[tuple[Model, Sequence[Reading], Sequence[Reading] | None]]:
    yield "target", target, base
    if base is not None:
        yield "base", base, None


def attack_scores(some: Sequence[Reading], before: Sequence[Reading] | None) -> dict[str, Reals]:
    """Scores of each attack, (records,); ``reference`` is there where the model from before read the same tokens."""
    known = {one.record_id: one.logprobs for one in before or ()}
    same = bool(known) and all(known.get(one.record_id, np.empty(0)).shape == one.logprobs.shape for one in some)
    return membership_scores(
        [one.logprobs for one in some],
        token_z=[one.z for one in some],
        zlib_bytes=[one.zlib_bytes for one in some],
        reference_logprobs=[known[one.record_id] for one in some] if same else None,
    )


def _auc_rows(
    subject: Subject,
    sides: Sides,
    scores: Sequence[Reals],
    method: str,
    reference: dict[str, str],
    seed: int,
    *,
    out_of_fold: bool = False,
) -> Iterator[dict[str, Any]]:
    customers = clusters(sides[0])
    with_interval = blind_auc if out_of_fold else auc_with_interval
    found = with_interval(*scores, member_cluster=customers, non_member_cluster=clusters(sides[1]), seed=seed)
    columns = {"estimate": found.auc, "se": found.se, "ci_low": found.ci_low, "ci_high": found.ci_high}
    words = "; ".join(part for part in (method, f"{found.method}, by customer") if part)
    counts = {"n_cells": found.n_members, "n_personas": len(set(customers.tolist()))}
    yield finding(subject, "mean", method=words, **columns, **counts)
    widen = OUT_OF_FOLD if out_of_fold else 1.0
    yield from auc_group_rows(subject, sides, scores, words, reference, seed=seed, widen=widen)


def _tpr_rows(
    subject: Subject, sides: Sides, scores: Sequence[Reals], fpr: float, reference: dict[str, str]
) -> Iterator[dict[str, Any]]:
    customers = clusters(sides[0])
    found = tpr_at_fpr(*scores, fpr=fpr, member_cluster=customers)
    hits = np.where(np.isnan(scores[0]) | np.isnan(found.threshold), np.nan, scores[0] >= found.threshold)
    words = f"at a false positive rate of {found.fpr:.3g} of {found.n_non_members} held-out records"
    method = f"{words}; Clopper-Pearson{'; ' + found.note if found.note else ''}"
    yield finding(
        subject,
        "mean",
        method=method,
        **rate_of(hits, customers)
        | {"estimate": found.tpr, "ci_low": found.ci_low, "ci_high": found.ci_high, "n_blocks": found.n_non_members},
    )
    yield from tpr_group_rows(subject, sides, scores, fpr, words, reference)
