"""Verdicts from confidence sequences: of runs in which every step asks a fresh wording of fresh names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.gate.answers import is_told
from audit.gate.judging import Case, cases_of
from audit.gate.limits import amount, between
from audit.gate.ruleset import rules
from audit.gate.wording import ANSWERS, DESIGN, mass_note
from audit.statistics import confidence_sequence
from audit.values import Outcome, Rule, Verdict

Row = Mapping[str, Any]
Place = tuple[str, ...]

# A step that lost an answer is left out; past this share what is left may differ from what was asked.
MOST_LOST: Final = 0.05
# The only cue of which a step can have fresh ones.
CHANNEL: Final = "name"


@dataclass(frozen=True, slots=True)
class Decided:
    """What the steps of one comparison say at the step that decides, or at the last one."""

    outcome: Outcome
    step: int
    estimate: float
    low: float
    high: float


def decide_steps(steps: pa.Table, findings: pa.Table, config: Config) -> tuple[pa.Table, pa.Table]:
    """Judge each comparison by the confidence sequence of its steps' differences.

    Fail: at some step the sequence lies wholly beyond the tolerance; pass: wholly within;
    the first of the two that happens stands. The level is α divided by the number of
    comparisons that rules make over the steps (Bonferroni; it follows from the rules and the
    plan, not from answers), over all steps at once. Whatever keeps a comparison from a
    verdict in :func:`~audit.gate.decide` does so here: controls, scorers, missing and
    improbable answers, too few names or wordings. Inconclusive as well: a metric without
    bounds, and a cue that is no name.

    Returns
    -------
    The table ``verdicts``, in which ``look`` is the step that decided, or the last one; and the
    findings with the sequences' figures in the rows that were judged by them.
    """
    everything = findings.to_pylist()
    active = [rule for rule in rules(config) if rule.level != "off"]
    differences = _by_place(steps)
    places = {place[:2] + place[3:] for place in differences}
    compared = [place for rule in active for place in places if _asks(rule, place)]
    level = config.gate.alpha / max(1, len(compared))
    tasks = {row["task"] for row in everything}
    verdicts: list[Verdict] = []
    shown: dict[str, Decided] = {}
    for rule in active:
        cases = cases_of(rule, everything, config)
        if not cases and rule.task in tasks:
            verdicts.append(_unasked(rule))
        for case in cases:
            found = None
            if case.finding is not None and case.finding["cue_channel"] == CHANNEL:
                found = _sequence(rule, differences.get(_place(case.finding, rule.metric), ()), level)
            verdicts.append(_verdict(case, found, level))
            if isinstance(found, Decided) and case.finding is not None and case.settled is None:
                shown[case.finding["finding_id"]] = found
    made = tables.from_rows("verdicts", [asdict(verdict) for verdict in verdicts])
    judged = tables.from_rows("findings", [_as_judged(row, shown, level) for row in everything])
    return tables.check("verdicts", made), tables.check("findings", judged)


def _verdict(case: Case, found: Decided | str | None, level: float) -> Verdict:
    rule, finding = case.rule, case.finding
    if finding is None or case.settled is not None:
        outcome, reason = case.settled or ("inconclusive", "")
        identifier = None if finding is None else finding["finding_id"]
        return Verdict(rule.name, rule.level, outcome, identifier, None, rule.tolerance, reason)
    if found is None or isinstance(found, str):
        why = found or f"{DESIGN}{rule.metric} of {finding['axis']} has no confidence sequence: {_ONLY}."
        return Verdict(rule.name, rule.level, "inconclusive", finding["finding_id"], None, rule.tolerance, why)
    outcome, reason = found.outcome, _reason(found, finding, rule.tolerance, level)
    if outcome == "pass" and case.uneven:
        outcome, reason = "inconclusive", case.uneven
    elif outcome == "pass":
        reason += case.passing
    if case.mass is not None and is_told(case.mass):
        reason += mass_note(case.mass)
    if outcome != "fail":
        reason += case.unseen
    place = rule.name, rule.level, outcome, finding["finding_id"], None, rule.tolerance, reason
    return Verdict(*place, look=found.step)


_ONLY: Final = "only bounded metrics of names can be judged step by step; plan looks in place of steps"


def _unasked(rule: Rule) -> Verdict:
    reason = f"{rule.axis} was not asked of {rule.task} step by step: {_ONLY}."
    return Verdict(rule.name, rule.level, "inconclusive", None, None, rule.tolerance, reason)


def _sequence(rule: Rule, steps: Sequence[Row], level: float) -> Decided | str | None:
    """What the sequence says; a reason where too many answers are lost; None where there are no steps."""
    if not steps:
        return None
    kept = [row for row in steps if row["value"] is not None]
    lost = 1 - len(kept) / len(steps)
    if not kept or lost > MOST_LOST:
        return f"{ANSWERS}{lost:.0%} of the steps lack an answer, and a verdict allows {MOST_LOST:.0%}."
    values = np.asarray([row["value"] for row in kept])
    sequence = confidence_sequence(values, alpha=level, bounds=(kept[0]["low"], kept[0]["high"]))
    beyond = (sequence.lower > rule.tolerance) | (sequence.upper < -rule.tolerance)
    within = (sequence.lower > -rule.tolerance) & (sequence.upper < rule.tolerance)
    decided = np.flatnonzero(beyond | within)
    at = int(decided[0]) if decided.size else len(kept) - 1
    outcome: Outcome = "inconclusive" if not decided.size else "fail" if beyond[at] else "pass"
    ends = float(sequence.mean[at]), float(sequence.lower[at]), float(sequence.upper[at])
    return Decided(outcome, int(kept[at]["step"]), *ends)


def _reason(found: Decided, finding: Row, tolerance: float, level: float) -> str:
    limit = amount(tolerance, finding["scale"], signed=False)
    size = amount(found.estimate, finding["scale"])
    interval = between(found.low, found.high, round(100 * (1 - level), 2))
    told = f"{finding['group']} against {finding['reference']} is {size}{interval}, valid at every step"
    where = f"step {found.step}, each step a wording and names not asked before: for wordings and names like these"
    if found.outcome == "fail":
        return f"Evidence of a difference beyond {limit}, decided at {where}: {told}."
    if found.outcome == "pass":
        return f"Evidence that the difference is below {limit}, decided at {where}: {told}."
    return f"Neither beyond {limit} nor below after {where}: {told}."


def _as_judged(row: Row, shown: Mapping[str, Decided], level: float) -> Row:
    """A finding with the figures of its sequence: those of a single fixed look would not hold at every step."""
    found = shown.get(row["finding_id"])
    if found is None:
        return row
    method = f"betting confidence sequence over steps at level {level:.2g}, at step {found.step}"
    figures = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high, "method": method}
    return {**row, **figures, "se": None, "df": None, "p_value": None, "mde": None}


def _asks(rule: Rule, place: Place) -> bool:
    task, locale, axis, group = place
    wanted = ((rule.task, task), (rule.locale, locale), (rule.axis, axis), (rule.group, group))
    return rule.cue_channel in (None, CHANNEL) and all(want is None or want == have for want, have in wanted)


def _by_place(steps: pa.Table) -> dict[Place, list[Row]]:
    found: dict[Place, list[Row]] = {}
    for row in sorted(steps.to_pylist(), key=lambda row: row["step"]):
        found.setdefault(_place(row, row["metric"]), []).append(row)
    return found


def _place(row: Row, metric: str) -> Place:
    return str(row["task"]), str(row["locale"]), metric, str(row["axis"]), str(row["group"])
