"""Sentences and headline figures of a privacy report: evidence of, or no evidence of, and never more."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reports.labels import WORST_FIRST, axis_order, group, number
from reports.privacy_figures import NULL_BITS
from reports.privacy_labels import ATTACKS, CLAIMS, FAMILIES, PARTS, TYPES, WAYS, kind_of_type, privacy_metric
from reports.privacy_values import Measure, PrivacyRule, PrivacyView
from reports.wording import Wording

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


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of authors: its level, that of its control, and the contrast with the reference group."""

    group: str
    level: Measure | None
    control: Measure | None
    contrast: Measure | None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """One metric by the groups of one axis, reference first."""

    metric: str
    axis: str
    reference: str | None
    category: str | None
    control: str | None  # what the control is: held_out, not_inserted or base
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True, slots=True)
class PrivacyWording(Wording):
    """Words for the audit's figures in one language."""

    def name(self, metric: str) -> str:
        """Name a metric with its attack, way or count, and the type of personal information."""
        about = privacy_metric(metric)
        parts = [self.part(part) for part in about.part.split(":") if part]
        return ", ".join([self.t(about.title), *parts])

    def part(self, part: str) -> str:
        """Name an attack, a way of extracting, a count or a type."""
        return self.type(part) if part in TYPES or part.isupper() else self.t(PARTS.get(part, part))

    def type(self, name: str) -> str:
        """Name a type of personal information."""
        return self.t(kind_of_type(name))

    def start(self, text: str) -> str:
        """Begin with a capital."""
        return text[:1].upper() + text[1:]

    def units(self, metric: str, gap: bool = False) -> str:
        """Return the unit of a figure; gaps between shares are percentage points."""
        unit = privacy_metric(metric).unit
        return self.t("percentage points") if gap and unit == "%" else "" if unit in ("AUC", "ε") else self.t(unit)

    def limit(self, rule: PrivacyRule) -> str:
        """Write a rule's limit in the unit of the figure that it looks at."""
        if rule.metric is None:
            return number(rule.limit, 3)
        if rule.measure is None or rule.measure.statistic != "difference":
            return self.amount(rule.limit, rule.metric)
        return self.amount(rule.limit, rule.metric, signed=True).removeprefix("+")

    def amount(self, value: float | None, metric: str, signed: bool = False) -> str:
        """Write a figure in its unit."""
        text, unit = privacy_metric(metric).text(value, signed), self.units(metric, signed)
        return f"{text} {unit}" if unit and value is not None else text

    def plain(self, value: float | None, metric: str, signed: bool = False) -> str:
        """Write a figure without its unit."""
        return privacy_metric(metric).text(value, signed)

    def between(self, measure: Measure | None) -> str:
        """Write the 95 % interval of a figure; that of a bound has no upper end."""
        if measure is None:
            return ""
        if measure.statistic == "bound":
            return f"[{self.plain(measure.estimate, measure.metric)}, ∞)"
        if measure.ci_low is None and measure.ci_high is None:
            return ""
        low, high = (self.plain(end, measure.metric) for end in (measure.ci_low, measure.ci_high))
        return f"[{low}, {high}]"

    def whole(self, measure: Measure | None) -> str:
        """Write a figure with its unit and interval."""
        if measure is None or measure.estimate is None:
            return "–"
        if measure.statistic == "bound":
            return f"≥ {self.plain(measure.estimate, measure.metric)}"
        signed = measure.statistic in ("difference", "contrast")
        value, unit = self.plain(measure.estimate, measure.metric, signed), self.units(measure.metric, signed)
        return " ".join(part for part in (value, self.between(measure), unit) if part)

    def claim(self, rule: PrivacyRule) -> str:  # type: ignore[override]
        """Say what a rule concludes."""
        return self.t(CLAIMS.get(rule.outcome, rule.outcome))

    def found(self, contrast: Measure | None) -> str:
        """Say what a contrast between groups shows."""
        if contrast is None or contrast.ci_low is None or contrast.ci_high is None:
            return "–"
        if contrast.ci_low > 0:
            return self.t("evidence of more")
        return self.t("evidence of less") if contrast.ci_high < 0 else self.t("no evidence of a difference")


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
    if measure is None or some == "any":
        meaning = w.t("Texts with an identifier in them; whether it belongs to anyone is not known.")
    elif measure.estimate:
        meaning = w.t("Evidence that values of the training data are repeated without being asked for.")
        if some == "in_training" or not view.base:
            meaning += " " + w.t("What the base model would emit as well is not taken off.")
    else:
        meaning = w.t("No evidence of it; less than {x} could be missed.").format(
            x=w.amount(measure.ci_high, measure.metric)
        )
    titles = {
        "learned": w.t("Training identifiers emitted"),
        "in_training": w.t("Training identifiers emitted"),
        "any": w.t("Identifiers emitted"),
    }
    return _tile(view, w, "pii", titles[some], measure, beside, meaning, ("pii_rate", "leaked_customers"))


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


def group_tables(view: PrivacyView) -> list[GroupTable]:
    """Return every metric that is known by group of the author, one table an axis, metrics in the page's order."""
    found = []
    order = list(FAMILIES)
    place = {name: order.index(family) for name in view.split() if (family := name.partition(":")[0]) in order}
    for metric in sorted(view.split(), key=lambda name: place.get(name, len(order))):
        axes = sorted({m.axis for m in view.measures if m.metric == metric and m.of_group and m.axis}, key=axis_order)
        found += [table for axis in axes if (table := _group_table(view, metric, axis)) is not None]
    return found


def _group_table(view: PrivacyView, metric: str, axis: str) -> GroupTable | None:
    rows = [m for m in view.measures if m.metric == metric and m.axis == axis and m.group is not None]
    whose = {m.category for m in rows if m.arm == "target"}
    category = next((one for one in ("inserted", "member", "generation") if one in whose), None)
    control = {"inserted": "not_inserted", "member": "held_out"}.get(category or "")
    control = control if control in whose else "base" if any(m.arm == "base" for m in rows) else None
    reference = next((m.reference for m in rows if m.statistic == "contrast" and m.reference), None)

    def one(name: str, statistic: str, arm: str, of: str | None) -> Measure | None:
        wanted = (name, statistic, arm, of)
        return next((m for m in rows if (m.group, m.statistic, m.arm, m.category) == wanted), None)

    names = sorted({m.group for m in rows if m.group}, key=lambda name: (name != reference, name))
    made = tuple(
        GroupRow(
            name,
            one(name, "mean", "target", category) or one(name, "bound", "target", category),
            one(name, "mean", "base", category) if control == "base" else one(name, "mean", "target", control),
            one(name, "contrast", "target", category),
        )
        for name in names
    )
    return GroupTable(metric, axis, reference, category, control, made) if made else None


def main_groups(view: PrivacyView, found: Iterable[GroupTable]) -> list[GroupTable]:
    """Return the tables that a short report shows: one metric for each way to leak."""
    best, known = best_attack(view), view.split()
    attack = best.metric if best and best.metric in known else next((m for m in known if m.startswith("auc:")), "")
    names = ["exposure", attack, main_way(view) or "", main_way(view, "identifier") or ""]
    names += [
        next((f"pii_rate:{c}" for c in ("learned", "in_training") if view.level(f"pii_rate:{c}")), "pii_rate:any")
    ]
    names += ["leaked_customers", "epsilon_lower_bound"]
    return [table for table in found if table.metric in names]


def types_of(view: PrivacyView, family: str, order: Iterable[str]) -> list[str]:
    """Return the types of personal information that a family is known by, in the order of the list of types."""
    ways = set(order)
    found = {
        parts[2]
        for m in view.measures
        if len(parts := m.metric.split(":")) == 3 and parts[0] == family and parts[1] in ways and not m.of_group
    }
    return sorted(found, key=lambda name: (list(TYPES).index(name) if name in TYPES else len(TYPES), name))


def group_name(w: PrivacyWording, axis: str | None, name: str | None) -> str:
    """Name a group with its axis."""
    return f"{w.axis(axis)}: {group(name, start=False)}" if axis and name else w.t("All")


def seen(measure: Measure | None) -> str:
    """Say of how many units a figure is."""
    return "–" if measure is None else f"{measure.n_cells:,}"


def ways(view: PrivacyView, family: str) -> list[str]:
    """Return the ways of extracting that were measured, each as a metric."""
    return [f"{family}:{way}" for way in WAYS if any(m.metric == f"{family}:{way}" for m in view.whole(family))]


def _above(measure: Measure | None, limit: float | None) -> bool:
    if measure is None or measure.ci_low is None or limit is None:
        return False
    return math.isfinite(measure.ci_low) and measure.ci_low > limit
