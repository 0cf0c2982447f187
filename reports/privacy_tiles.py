"""The headline figures of a privacy report, and what each means: evidence of, or no evidence of, and never more."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.privacy.measuring.groups import LEAST
from reports.labels import WORST_FIRST, number
from reports.privacy_figures import NULL_BITS
from reports.privacy_labels import ATTACKS
from reports.privacy_values import Measure, PrivacyView
from reports.privacy_wording import PrivacyWording

_ONE_RUN: Final = re.compile(r"\b([mrv])\s*=\s*([\d,]*\d)")


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure; ``why_not`` says why there is none. ``outcome`` is that of the rules that look at it."""

    key: str
    title: str
    figure: str
    unit: str
    interval: str
    beside: str
    meaning: str
    outcome: str | None
    why_not: str | None = None


def tiles(view: PrivacyView, w: PrivacyWording) -> list[Tile]:
    """Return the five headline figures; one that was not measured says why."""
    return [_exposure(view, w), _membership(view, w), _extraction(view, w), _pii(view, w), _epsilon(view, w)]


def outcome_of(view: PrivacyView, families: Iterable[str]) -> str | None:
    """Return the worst outcome of the rules that look at these metrics."""
    looked = set(families)
    found = [
        rule.outcome
        for rule in view.rules
        if rule.level != "off" and rule.metric is not None and rule.metric.partition(":")[0] in looked
    ]
    return min(found, key=lambda one: WORST_FIRST.index(one) if one in WORST_FIRST else 0, default=None)


def _tile(
    view: PrivacyView,
    w: PrivacyWording,
    key: str,
    title: str,
    measure: Measure | None,
    beside: str,
    meaning: str,
    families: tuple[str, ...],
) -> Tile:
    outcome = outcome_of(view, families)
    if measure is None or measure.estimate is None:
        why = dict(view.not_measured).get(key) or w.t("no finding of this run tells it")
        return Tile(key, title, "–", "", "", "", "", outcome, why)
    figure, unit = w.plain(measure.estimate, measure.metric), w.units(measure.metric)
    return Tile(key, title, figure, unit, w.between(measure), beside, meaning, outcome)


def _exposure(view: PrivacyView, w: PrivacyWording) -> Tile:
    inside, outside = view.level("exposure", "inserted"), view.level("exposure", "not_inserted")
    gap = view.difference("exposure", "inserted", "not_inserted")
    beside = w.t("never inserted: {x}; nothing learnt would be {null}").format(
        x=w.whole(outside), null=number(NULL_BITS)
    )
    if _above(gap, 0.0) or (gap is None and _above(inside, NULL_BITS)):
        meaning = w.t("Evidence that the model learnt inserted canaries by heart: it ranks them above their like.")
    else:
        meaning = w.t("No evidence that the model knows inserted canaries better than ones it never saw.")
    title = w.t("Exposure of canaries")
    return _tile(view, w, "exposure", title, inside, beside, meaning, ("exposure", "exposure_extrapolated"))


def best_attack(view: PrivacyView) -> Measure | None:
    """Return the attack with the largest area; the blind baseline is none."""
    found = [view.level(f"auc:{attack}", "member") for attack in ATTACKS]
    known = [one for one in found if one is not None and one.estimate is not None]
    return max(known, key=lambda one: one.estimate or 0.0, default=None)


def _membership(view: PrivacyView, w: PrivacyWording) -> Tile:
    best, blind = best_attack(view), view.level("auc:blind", "member")
    beside = w.t("blind baseline: {x}; 0.5 is guessing").format(x=w.whole(blind))
    without = max(0.5, (blind.ci_high or blind.estimate or 0.5) if blind else 0.5)
    if _above(best, without):
        meaning = w.t("Evidence that the model gives away who was in its training: attacks beat a reader of the texts.")
    elif _above(best, 0.5):
        meaning = w.t("Members can be told apart, but no evidence that it takes the model: so can a blind baseline.")
    else:
        meaning = w.t("No evidence that members can be told from held-out records.")
    title = w.t("Membership, best attack’s AUC")
    if best is not None:
        title = w.t("Membership, AUC of the best attack ({attack})").format(
            attack=w.part(best.metric.partition(":")[2])
        )
    return _tile(view, w, "membership", title, best, beside, meaning, ("auc", "tpr_at_fpr"))


def main_way(view: PrivacyView, family: str = "extraction") -> str | None:
    """Return the metric of extraction that says most: discoverable, else greedy, else by sampling."""
    order = ("discoverable", "greedy", "black_box")
    return next((f"{family}:{way}" for way in order if view.level(f"{family}:{way}", "member")), None)


def _extraction(view: PrivacyView, w: PrivacyWording) -> Tile:
    name = main_way(view) or "extraction:discoverable"
    inside, outside = view.level(name, "member"), view.level(name, "held_out")
    gap = view.difference(name, "member", "held_out")
    beside = w.t("held-out records: {x}").format(x=w.whole(outside))
    if outside is None and gap is None:
        meaning = w.t("There is no held-out rate beside it: what any model would complete is counted too.")
    elif _above(gap, 0.0) or (gap is None and outside is not None and _above(inside, outside.ci_high)):
        meaning = w.t("Evidence that training records come back more often than held-out records of the same kind.")
    else:
        meaning = w.t("No evidence that training records come back more often than held-out ones.")
    title = w.t("Extractable records ({way})").format(way=w.part(name.partition(":")[2]))
    return _tile(view, w, "extraction", title, inside, beside, meaning, ("extraction", "identifier"))


def _pii(view: PrivacyView, w: PrivacyWording) -> Tile:
    some = next((c for c in ("learned", "in_training", "any") if view.level(f"pii_rate:{c}")), "any")
    measure, every = view.level(f"pii_rate:{some}"), view.level("pii_rate:any")
    beside = w.t("any identifier at all: {x}").format(x=w.whole(every)) if some != "any" else ""
    gap, chance = view.difference(f"pii_rate:{some}", None, "base"), view.level(f"pii_rate:{some}", None, "base")
    if gap is not None and chance is not None and some != "any":
        beside = w.t("base model, by chance: {x}; {any}").format(x=w.whole(chance), any=beside)
    if measure is None or some == "any":
        meaning = w.t("Texts with an identifier in them; whether it belongs to anyone is not known.")
    elif gap is not None:
        meaning = (
            w.t("Evidence that values of the training data are repeated without being asked for.")
            if _above(gap, 0.0)
            else w.t("No evidence of more than the base model meets by chance; {x} more could be missed.").format(
                x=w.amount(max(gap.ci_high or 0.0, 0.0), gap.metric)
            )
        )
    elif measure.estimate:
        meaning = w.t("Values of the training data are emitted without being asked for; common names are so by chance.")
        if some == "in_training" or not view.base:
            meaning += " " + w.t("What the base model would emit as well is not taken off.")
    else:
        meaning = w.t("No evidence of it; less than {x} could be missed.").format(
            x=w.amount(measure.ci_high, measure.metric)
        )
    families = ("pii_rate", "leaked_customers", "canaries_emitted")
    titles = {
        "learned": w.t("Training identifiers emitted"),
        "in_training": w.t("Training identifiers emitted"),
        "any": w.t("Identifiers emitted"),
    }
    return _tile(view, w, "pii", titles[some], measure, beside, meaning, families)


def _epsilon(view: PrivacyView, w: PrivacyWording) -> Tile:
    bound, claimed = view.bound, view.attacker.claimed_epsilon
    beside = w.t("claimed: {x}").format(x=number(claimed)) if claimed is not None else w.t("no ε is claimed")
    return _tile(
        view, w, "epsilon_lower_bound", w.t("Empirical ε, at least"), bound, beside, refuted(view, w),
        ("epsilon_lower_bound",),
    )  # fmt: skip


def refuted(view: PrivacyView, w: PrivacyWording) -> str:
    """Say what the empirical bound means for the claimed ε."""
    bound, claimed = view.bound, view.attacker.claimed_epsilon
    if bound is None or bound.estimate is None:
        return ""
    if claimed is None:
        return w.t("Evidence that no ε below this holds.") if bound.estimate > 0 else w.t("No evidence against any ε.")
    if bound.estimate > claimed:
        return w.t("Evidence against the claimed ε: the training leaks more than it allows.")
    return w.t("No evidence against the claimed ε. This is no proof of it: a better attack might find more.")


def one_run(bound: Measure | None) -> Mapping[str, str]:
    """Read m, r and v out of how the bound was found.

    >>> one_run(None)
    {}
    """
    if bound is None:
        return {}
    found = dict(_ONE_RUN.findall(bound.method))
    return {"m": f"{bound.n_cells:,}"} | found if bound.n_cells else found


def _above(measure: Measure | None, limit: float | None) -> bool:
    """Whether an interval lies above ``limit``; of a handful of authors it shows nothing (0: it is not of authors)."""
    if measure is None or measure.ci_low is None or limit is None or 0 < measure.n_personas < LEAST:
        return False
    return math.isfinite(measure.ci_low) and measure.ci_low > limit
