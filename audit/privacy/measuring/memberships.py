"""Membership inference: each attack's AUC and its true positives at a low false positive rate, beside a blind guess."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.privacy.attacks.blind import OUT_OF_FOLD, blind_auc
from audit.privacy.attacks.membership import membership_scores
from audit.privacy.attacks.paired import Scores, auc_gap, tpr_gap
from audit.privacy.attacks.rates import auc_with_interval, tpr_at_fpr
from audit.privacy.measuring.groups import auc_group_rows, tpr_group_rows
from audit.privacy.measuring.means import rate_of
from audit.privacy.measuring.readings import Reading, Reals, clusters, of_role
from audit.privacy.measuring.rows import NOT_MEASURED, Model, Subject, finding

Sides = tuple[Sequence[Reading], Sequence[Reading]]
# Members and non-members, and their scores.
Split = tuple[Sides, Sequence[Reals]]
# With more than this share of records in other tokens, the models have tokenizers of their own.
MOST_OTHERS: Final = 0.1


def membership_rows(
    target: Sequence[Reading],
    base: Sequence[Reading] | None,
    locale: str,
    reference: dict[str, str],
    *,
    fpr: float,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """AUC and TPR of every attack on either model, by group of the author too, and the one less the other.

    The blind baseline comes first. ``reference`` has no counterpart on the model from before. Where it cannot be
    measured its rows have no estimate, and their method says why.
    """
    sides = of_role(target, "member"), of_role(target, "held_out")
    if min(map(len, sides)) < 2:
        return
    if all(one.blind is not None for side in sides for one in side):
        method = "bag of words and length, five-fold, which has not seen the model"
        blind = [np.array([one.blind for one in side], float) for side in sides]
        subject = Subject("auc:blind", "auc", "member", locale)
        yield from _auc_rows(subject, sides, blind, method, reference, seed, out_of_fold=True)
    arms: dict[Model, dict[str, Split]] = {}
    for arm, said, before in _pairs(target, base):
        inside, outside = of_role(said, "member"), of_role(said, "held_out")
        if min(len(inside), len(outside)) < 2:
            continue
        scores, words = attack_scores([*inside, *outside], before)
        if words is not None and "reference" not in scores:
            yield from _absent("reference", words, locale)
        arms[arm] = {}
        for attack, values in scores.items():
            both = [values[: len(inside)], values[len(inside) :]]
            arms[arm][attack] = (inside, outside), both
            note = words or "" if attack == "reference" else ""
            subject = Subject(f"auc:{attack}", "auc", "member", locale, arm)
            yield from _auc_rows(subject, (inside, outside), both, note, reference, seed)
            subject = Subject(f"tpr_at_fpr:{attack}", "rate", "member", locale, arm)
            yield from _tpr_rows(subject, (inside, outside), both, fpr, note, reference)
    for attack, after in arms.get("target", {}).items():
        if attack in arms.get("base", {}):
            yield from minus_base(attack, after, arms["base"][attack], locale, fpr=fpr, seed=seed)


def _pairs(
    target: Sequence[Reading], base: Sequence[Reading] | None
) -> Iterator[tuple[Model, Sequence[Reading], Sequence[Reading] | None]]:
    yield "target", target, base
    if base is not None:
        yield "base", base, None


def attack_scores(some: Sequence[Reading], before: Sequence[Reading] | None) -> tuple[dict[str, Reals], str | None]:
    """Scores of each attack, (records,); and what is to be said of ``reference``, None where there is nothing.

    A record of which the model from before read another number of tokens has NaN for ``reference``. Where
    these are more than :data:`MOST_OTHERS`, the tokenizers differ, and the attack is left out.
    """
    scores = membership_scores(
        [one.logprobs for one in some],
        token_z=[one.z for one in some],
        zlib_bytes=[one.zlib_bytes for one in some],
        reference_logprobs=None,
    )
    if before is None:
        return scores, None
    known = {one.record_id: one.logprobs for one in before}
    same = [place for place, one in enumerate(some) if _same_tokens(one, known)]
    others = len(some) - len(same)
    if others > MOST_OTHERS * len(some):
        return scores, (
            f"of {others:,} of {len(some):,} records the model from before reads other tokens: the tokenizers differ, "
            "and the two models' likelihoods cannot be compared token by token"
        )
    calibrated = membership_scores(
        [some[place].logprobs for place in same],
        reference_logprobs=[known[some[place].record_id] for place in same],
    )["reference"]
    scores["reference"] = np.full(len(some), np.nan)
    scores["reference"][same] = calibrated
    words = f"without {others:,} of {len(some):,} records, of which the model from before reads other tokens"
    return scores, words if others else None


def _same_tokens(one: Reading, known: Mapping[str, Reals]) -> bool:
    return one.record_id in known and known[one.record_id].shape == one.logprobs.shape


def _absent(attack: str, words: str, locale: str) -> Iterator[dict[str, Any]]:
    """Rows without a figure, which say why there is none."""
    for metric, scale in (("auc", "auc"), ("tpr_at_fpr", "rate")):
        subject = Subject(f"{metric}:{attack}", scale, "member", locale)
        yield finding(subject, "mean", method=f"{NOT_MEASURED}{words}", estimate=None)


def minus_base(
    attack: str, after: Split, before: Split, locale: str, *, fpr: float, seed: int
) -> Iterator[dict[str, Any]]:
    """AUC and TPR less those of the same attack on the model from before, on records that both models read."""
    now, then, inside, outside = _paired(after, before)
    words = {
        "auc": "paired by record: both models in the same bootstrap samples, by customer",
        "tpr_at_fpr": f"paired by record, each model at its own threshold for {fpr:g} of held-out records, which every "
        "bootstrap sample sets anew; by customer",
    }
    found = {
        "auc": auc_gap(now, then, member_cluster=inside, non_member_cluster=outside, seed=seed),
        "tpr_at_fpr": tpr_gap(now, then, fpr=fpr, member_cluster=inside, non_member_cluster=outside, seed=seed),
    }
    for metric, gap in found.items():
        subject = Subject(f"{metric}:{attack}", "auc" if metric == "auc" else "rate", "member", locale)
        columns = {name: getattr(gap, name) for name in ("estimate", "ci_low", "ci_high", "se", "df", "p_value")}
        counts = {"n_cells": gap.n_members, "n_personas": gap.clusters, "n_blocks": gap.n_non_members}
        yield finding(subject, "difference", method=words[metric], reference="base", **columns, **counts)


def _paired(after: Split, before: Split) -> tuple[Scores, Scores, NDArray[np.int64], NDArray[np.int64]]:
    """Scores of members and non-members under either model, in one order, and the records' customers."""
    earlier = []
    for some, others, values in zip(after[0], before[0], before[1], strict=True):
        known = {one.record_id: value for one, value in zip(others, values, strict=True)}
        earlier.append(np.array([known.get(one.record_id, np.nan) for one in some], float))
    inside, outside = (clusters(side) for side in after[0])
    return (after[1][0], after[1][1]), (earlier[0], earlier[1]), inside, outside


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
    # Of the interval's t; it also tells how many customers the smaller side has.
    columns["df"] = math.nan if math.isnan(found.se) else found.n_clusters - 1.0
    words = "; ".join(part for part in (method, f"{found.method}, by customer") if part)
    counts = {"n_cells": found.n_members, "n_personas": len(set(customers.tolist()))}
    yield finding(subject, "mean", method=words, **columns, **counts)
    widen = OUT_OF_FOLD if out_of_fold else 1.0
    yield from auc_group_rows(subject, sides, scores, words, reference, seed=seed, widen=widen)


def _tpr_rows(
    subject: Subject, sides: Sides, scores: Sequence[Reals], fpr: float, note: str, reference: dict[str, str]
) -> Iterator[dict[str, Any]]:
    customers = [clusters(side) for side in sides]
    found = tpr_at_fpr(*scores, fpr=fpr, member_cluster=customers[0], non_member_cluster=customers[1])
    hits = np.where(np.isnan(scores[0]) | np.isnan(found.threshold), np.nan, scores[0] >= found.threshold)
    words = f"at a false positive rate of {found.fpr:.3g} of {found.n_non_members} held-out records"
    others = 0 if math.isnan(found.n_effective[1]) else math.floor(found.n_effective[1])
    if others < found.n_non_members and others:
        words += f", which by customer say as much as {others}"
    interval = "negative binomial: held-out records set the threshold"
    method = "; ".join(part for part in (words, note, interval, found.note) if part)
    yield finding(
        subject,
        "mean",
        method=method,
        **rate_of(hits, customers[0])
        | {"estimate": found.tpr, "ci_low": found.ci_low, "ci_high": found.ci_high, "n_blocks": others},
    )
    yield from tpr_group_rows(subject, sides, scores, fpr, words, reference)
