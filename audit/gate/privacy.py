"""Findings on what leaks to verdicts: each figure against its limit, and the empirical ε against the claimed one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from audit import tables
from audit.config import Config, PrivacyRuleConfig
from audit.gate import privacy_wording as words
from audit.gate.one_sided import RATE, Sides, clusters, effective_units, one_sided
from audit.gate.privacy_ruleset import BLIND, EPSILON, category_of, is_at_fpr, is_attack, privacy_rules, topics_of
from audit.gate.wording import NOT_MEASURED
from audit.statistics import holm
from audit.values import Verdict

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, a finding that it judges, and both tests against the limit; ``sides`` is None of a bound.

    ``fpr`` is the false positive rate of a finding that has one, ``void`` why nothing may be concluded
    (there are no tests then), ``note`` what is to be said beside every outcome.
    """

    rule: PrivacyRuleConfig
    limit: float
    finding: Row
    sides: Sides | None
    fpr: float | None = None
    void: str | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, float]:
        """The hypothesis: two rules that share one test it once."""
        return self.finding["finding_id"], self.limit


def decide_privacy(findings: pa.Table, config: Config, *, unmeasured: Mapping[str, str] | None = None) -> pa.Table:
    """Judge every figure that a rule on privacy covers.

    * fail: evidence that the figure lies above its maximum. Of the empirical ε: its lower bound
      lies above the claimed ε;
    * pass: evidence that it lies below. Of the empirical ε never: where the bound does not exceed
      the claim, the outcome is "not_refuted";
    * void, of attacks on membership: where a blind reader of the texts tells members and held-out
      records apart (the interval of auc:blind lies above .5), attacks find that difference, on this
      model and, once it was taught, beyond the one from before;
    * else inconclusive, with about how many units it would take.

    Members found are judged by group in excess of the group's own held-out records that pass the
    threshold, against the maximum less the false positive rate: texts that are merely likelier are no leak.

    The tests for "above" are one Holm family over all rules at ``gate.alpha``, those for "below"
    another; see :func:`~audit.gate.one_sided.one_sided`. The bound on ε holds with its own β.
    ``p_adjusted`` is that of the claim made; of an inconclusive row, of "above"; null for ε.

    Parameters
    ----------
    findings : the table of that name; rows of other domains are passed over.
    config : whose ``gate.privacy``, preset and claimed ε to judge by.
    unmeasured : topic → why it could not be measured, as the manifest has it.

    Returns
    -------
    The table ``verdicts``, in the order of the rules. A rule of the user's without a finding is
    inconclusive, with the reason. One of the preset's is a row of level "off", which does not
    count and which :func:`~audit.gate.overall` tells beside the outcome.
    """
    rows = [row for row in findings.to_pylist() if row["domain"] == "privacy"]
    own = {rule.name for rule in config.gate.privacy}
    fpr = config.privacy.fpr
    active = [(rule, _cases(rule, rows, fpr)) for rule in privacy_rules(config) if rule.level != "off"]
    tested = {case.key: case.sides for _, cases in active for case in cases if case.sides is not None}
    possible = {key: sides for key, sides in tested.items() if not math.isnan(sides.above)}
    above = dict(zip(possible, holm([sides.above for sides in possible.values()]).tolist(), strict=True))
    below = dict(zip(possible, holm([sides.below for sides in possible.values()]).tolist(), strict=True))
    verdicts, told = [], unmeasured or {}
    for rule, cases in active:
        if not cases:
            why = _absent(rule, rows) or next((told[topic] for topic in topics_of(rule) if topic in told), None)
            verdicts.append(_missing(rule, why, own=rule.name in own))
        for case in cases:
            adjusted = (above[case.key], below[case.key]) if case.key in possible else None
            verdicts.append(_verdict(case, adjusted, config.gate.alpha, len(possible)))
    return tables.check("verdicts", tables.from_rows("verdicts", [asdict(verdict) for verdict in verdicts]))


def _cases(rule: PrivacyRuleConfig, rows: Sequence[Row], fpr: float) -> list[Case]:
    limit, at = rule.maximum, fpr if is_at_fpr(rule) else None
    if limit is None:
        return []
    found = sorted((row for row in rows if _covers(rule, row) and not _is_absent(row)), key=_place)
    if rule.metric == EPSILON:
        return [Case(rule, limit, row, None) for row in found]
    note = ""
    if at is not None and (rule.axis is not None or rule.minus is not None):
        if rule.axis is not None:
            limit, note = max(0.0, limit - at), words.excess_note(limit, at)
        at = None  # a difference, whose standard error has the threshold's noise
    cases = []
    for row in found:
        void = _void(rule, row, rows)
        sides = None if void is not None else one_sided(row, limit, _units(row, rows), fpr=at)
        cases.append(Case(rule, limit, row, sides, at, void, note))
    return cases


def _covers(rule: PrivacyRuleConfig, row: Row) -> bool:
    if row["metric"] != rule.metric or row["arm"] != "target" or row["axis"] != rule.axis:
        return False
    if rule.group is not None and row["group"] != rule.group:
        return False
    if rule.metric == EPSILON:
        return bool(row["statistic"] == "bound")
    control = "held_out" if is_at_fpr(rule) and rule.axis is not None else rule.minus
    if control is not None:
        return bool(row["statistic"] == "difference" and row["reference"] == control)
    return bool(row["statistic"] == "mean" and row["category"] == category_of(rule.metric))


def _void(rule: PrivacyRuleConfig, row: Row, rows: Sequence[Row]) -> str | None:
    """Why nothing may be concluded: members can be told without the model, or held-out records come back more often."""
    if row["statistic"] == "difference" and row["reference"] == "held_out" and (row["ci_high"] or 0.0) < 0:
        return words.swapped_reason(row)
    if not is_attack(rule):
        return None
    for one in rows:
        blind = one["metric"] == BLIND and one["axis"] is None and one["statistic"] == "mean"
        if blind and one["locale"] == row["locale"] and (one["ci_low"] or 0.0) > 0.5:
            return words.split_reason(one)
    return None


def _is_absent(row: Row) -> bool:
    return row["estimate"] is None and str(row["method"]).startswith(NOT_MEASURED)


def _absent(rule: PrivacyRuleConfig, rows: Sequence[Row]) -> str | None:
    """Why there is no figure, as the finding without one says."""
    found = (str(row["method"]) for row in rows if row["metric"] == rule.metric and _is_absent(row))
    return next((method.removeprefix(NOT_MEASURED) for method in found), None)


def _units(row: Row, rows: Sequence[Row]) -> float:
    """Independent units of a figure; of a difference those of its smaller side, as the two levels tell."""
    if row["statistic"] != "difference":
        return clusters(row)
    sides = [one for one in rows if one["statistic"] == "mean" and _is_side(one, row) and one["estimate"] is not None]
    count = effective_units if row["scale"] == RATE else clusters
    # Where a level is not there, the count of a difference may be that of both sides.
    return min(float(clusters(row)), *(float(count(one)) for one in sides)) if sides else clusters(row) // 2


def _is_side(level: Row, difference: Row) -> bool:
    same = ("metric", "locale", "axis", "group")
    if any(level[column] != difference[column] for column in same):
        return False
    place, control = (level["arm"], level["category"]), difference["reference"]
    whose = category_of(difference["metric"])
    return place in (("target", whose), ("base", whose) if control == "base" else ("target", control))


def _verdict(case: Case, adjusted: tuple[float, float] | None, alpha: float, claims: int) -> Verdict:
    rule, finding, limit = case.rule, case.finding, case.limit
    head = rule.name, rule.level
    identifier = finding["finding_id"]
    if case.void is not None:
        return Verdict(*head, "void", identifier, None, limit, case.void)
    if case.sides is None:
        if finding["estimate"] is None:
            return Verdict(*head, "inconclusive", identifier, None, limit, words.untestable_reason(rule, finding))
        if finding["estimate"] > limit:
            return Verdict(*head, "fail", identifier, None, limit, words.refuted_reason(finding, limit))
        return Verdict(*head, "not_refuted", identifier, None, limit, words.unrefuted_reason(finding, limit))
    if adjusted is None:
        return Verdict(*head, "inconclusive", identifier, None, limit, words.untestable_reason(rule, finding))
    above, below = adjusted
    if above <= alpha:
        return Verdict(
            *head, "fail", identifier, above, limit, words.above_reason(rule, finding, limit, above) + case.note
        )
    if below <= alpha:
        return Verdict(
            *head, "pass", identifier, below, limit, words.below_reason(rule, finding, limit, below) + case.note
        )
    reason = words.open_reason(rule, finding, limit, alpha / claims, case.fpr)
    return Verdict(*head, "inconclusive", identifier, above, limit, reason + case.note)


def _missing(rule: PrivacyRuleConfig, why: str | None, *, own: bool) -> Verdict:
    """A rule without a finding. The preset asks for what not every audit can have; the user's own was meant."""
    reason = words.unmeasured_reason(why)
    level = rule.level if own else "off"
    return Verdict(rule.name, level, "inconclusive", None, None, rule.maximum or 0.0, reason)


def _place(row: Row) -> tuple[str, ...]:
    return str(row["locale"]), str(row["group"])
