"""Findings to verdicts: one row for each rule and each contrast that it covers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit import tables
from audit.config import Config
from audit.fairness.metrics import DERIVED, base_metric
from audit.gate.answers import answers_reason, bounds_note, is_told, lost_note, mass_of, sides, smaller, uneven_reason
from audit.gate.controls import design_reason, facts_effect, unmeasured_reason, void_reason
from audit.gate.instrument import doubt_reason, scorer_reason, unchecked_note, unseen_note
from audit.gate.ruleset import rules
from audit.gate.wording import Tests, fail_reason, mass_note, open_reason, pass_reason, placebo_reason
from audit.statistics import Gap, boundary_error, equivalence, exceeds, holm, minimum_detectable_gap
from audit.values import Outcome, Rule, Verdict

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A rule and one finding, with what stands beside it.

    ``settled`` is its verdict where no test is needed, ``placebo`` its placebo test,
    ``mass`` its contrast in answer mass, ``effect`` what the facts of the case do to the
    metric, ``cells`` those of its smaller group, ``uneven`` why it may not pass (answers
    missing, a scorer in doubt), ``unseen`` that the model cannot tell the group's names from
    others, ``passing`` what a pass has to add.
    """

    rule: Rule
    finding: Row | None
    settled: tuple[Outcome, str] | None
    placebo: Row | None = None
    mass: Row | None = None
    effect: float | None = None
    cells: int = 0
    uneven: str | None = None
    unseen: str = ""
    passing: str = ""


def decide(findings: pa.Table, config: Config, *, looks: int = 1) -> pa.Table:
    """Judge every contrast that a rule covers.

    * void: the positive control of its task is not alive, or the scorer itself puts more than a
      fifth of the tolerance between the two groups;
    * inconclusive by design (the reason begins with "design: "): too few templates or
      personas were asked;
    * inconclusive for the answers (it begins with "answers: "): too many are missing, they
      carry too little of the model's probability or too unequal shares of it, or they
      have no spread. These, the designs too small and the voids take part in no test;
    * fail: the simultaneous 95 % interval lies beyond the tolerance, and an explicit cue moves
      the answer more than irrelevant sentences of its shape do (where they were asked);
    * pass: both one-sided tests of equivalence reject, the two groups' shares of scored
      answers are large and near each other, and the 95 % interval of the scorer's own bias
      (where texts were scored, and scorers checked) lies within a fifth of the tolerance;
    * else inconclusive.

    The tests for a difference and for exceeding the tolerance are one Holm family
    over all rules, the equivalence claims, one a row, another. ``p_adjusted`` is that
    of the claim made; of an inconclusive row, of the difference. ``mde`` is at α/m, m
    the size of the first family. A rule of the user's that covers no finding is a
    row without a finding; one of the preset's is left out.

    Parameters
    ----------
    findings : the table of that name.
    config : whose ``gate`` says what to judge by.
    looks : how many looks at growing data were planned, this being one of them: every
        test is done at α/``looks``, and ``p_adjusted`` is ``looks`` times Holm's, so that
        it compares with α.

    Returns
    -------
    The table ``verdicts``, in the order of the rules.
    """
    everything = findings.to_pylist()
    cases = [case for rule in rules(config) if rule.level != "off" for case in cases_of(rule, everything, config)]
    tests = _tested(cases, config.gate.alpha, looks)
    verdicts = [_verdict(case, tests, config.gate.alpha, looks) for case in cases]
    return tables.check("verdicts", tables.from_rows("verdicts", [asdict(verdict) for verdict in verdicts]))


def cases_of(rule: Rule, findings: Sequence[Row], config: Config) -> list[Case]:
    """What a rule judges: its contrasts, settled or open, and the groups that have none."""
    whole = [row for row in findings if row["category"] is None]
    controls = [row for row in whole if row["arm"] == "positive_control" and row["statistic"] == "contrast"]
    target = [row for row in whole if row["arm"] == "target" and row["group"] is not None]
    levels = [row for row in target if row["statistic"] == "mean"]
    every = [row for row in target if row["statistic"] == "contrast"]
    contrasts = [row for row in every if _covers(rule, row)]
    measured = {_place(row) for row in contrasts}
    poles = [row for row in whole if row["arm"] == "positive_control" and row["statistic"] == "mean"]
    own = base_metric(rule.metric) if rule.metric in DERIVED else rule.metric
    tests = [row for row in whole if row["statistic"] == "placebo" and _covers(rule, row, own)]
    placebos = {_place(row): row for row in tests}
    bounds = {_place(row): row for row in whole if row["statistic"] == "worst_case" and _covers(rule, row)}
    checks = [row for row in whole if row["statistic"] == "scorer_bias"]
    inferences = [row for row in whole if row["statistic"] == "inference"]
    cases = []
    for row in contrasts:
        both, mass = sides(row, levels), mass_of(row, every)
        void = void_reason(row, controls) or scorer_reason(row, rule.tolerance, checks, levels)
        reason = design_reason(row, both, config.gate) or answers_reason(row, both, levels, mass, config.gate)
        settled: tuple[Outcome, str] | None = ("void", void) if void else ("inconclusive", reason) if reason else None
        beside = (placebos.get(_place(row)), mass, facts_effect(row, controls, poles))
        uneven, bound = uneven_reason(both), bounds.get(_place(row))
        if uneven is not None:
            uneven += bounds_note(bound, rule.tolerance)
        barred = uneven or doubt_reason(row, rule.tolerance, checks, levels)
        passing = lost_note(row, both, bound, rule.tolerance) + unchecked_note(row, checks, levels)
        unseen = unseen_note(row, inferences)
        cases.append(Case(rule, row, settled, *beside, smaller(row, both), barred, unseen, passing))
    for row in levels:
        if _covers(rule, row, own) and row["group"] != row["reference"] and _place(row) not in measured:
            reason = unmeasured_reason(row, levels, config.gate, rule.metric)
            cases.append(Case(rule, row, ("inconclusive", reason)))
    if not cases and any(one.name == rule.name for one in config.gate.rules):
        cases.append(Case(rule, None, ("inconclusive", _unmatched_reason(rule, target))))
    return sorted(cases, key=lambda case: _place(case.finding) if case.finding else ())


def _covers(rule: Rule, finding: Row, metric: str | None = None) -> bool:
    wanted = {"task": rule.task, "metric": metric or rule.metric, "axis": rule.axis, "group": rule.group}
    wanted |= {"locale": rule.locale, "cue_channel": rule.cue_channel}
    return all(value is None or finding[column] == value for column, value in wanted.items())


def _place(finding: Row) -> tuple[str, ...]:
    return tuple(str(finding[column]) for column in ("locale", "cue_channel", "group"))


def _unmatched_reason(rule: Rule, target: Sequence[Row]) -> str:
    left = list(target)
    for column in ("task", "metric", "axis", "group", "cue_channel", "locale"):
        value = getattr(rule, column)
        fitting = [row for row in left if value is None or row[column] == value]
        if not fitting:
            there = ", ".join(sorted({str(row[column]) for row in left})) or "nothing"
            return f"There is no finding for {column} {value!r} of rule {rule.name!r}; the run has {there} there."
        left = fitting
    return f"Rule {rule.name!r} covers only the reference group, which is compared with nothing; name another group."


def _tested(cases: Sequence[Case], alpha: float, looks: int) -> dict[tuple[str, float], Tests]:
    """All tests of the open cases, adjusted; a hypothesis that two rules share is tested once."""
    open_cases = {
        (case.finding["finding_id"], case.rule.tolerance): (case.finding, case.cells)
        for case in cases
        if case.finding is not None and case.settled is None
    }
    gaps = {key: Gap(row["estimate"], row["se"], row["df"]) for key, (row, _) in open_cases.items()}
    differences = {key[0]: float(row["p_value"]) for key, (row, _) in open_cases.items()}
    hypotheses = [*differences.values(), *(exceeds(gap, tolerance) for (_, tolerance), gap in gaps.items())]
    family = _over_looks(holm(hypotheses), looks)
    difference = dict(zip(differences, family[: len(differences)], strict=True))
    beyond = dict(zip(gaps, family[len(differences) :], strict=True))
    claimed = {key: _claimed(row, key[1], cells) for key, (row, cells) in open_cases.items()}
    intervals = {key: equivalence(gap, key[1], alpha=alpha / looks) for key, gap in claimed.items()}
    granted = _over_looks(holm([one.p_value for one in intervals.values()]), looks)
    claims = dict(zip(intervals, granted, strict=True))
    return {
        key: Tests(
            difference=difference[key[0]],
            beyond=beyond[key],
            equivalent=claims[key],
            interval=intervals[key],
            claimed=claimed[key],
            mde=minimum_detectable_gap(
                gap.se * _widening(open_cases[key][0]), gap.df, alpha=alpha, tests=len(family) * looks
            ),
            claims=len(claims) * looks,
            percent=100 * (1 - 2 * alpha / looks),
        )
        for key, gap in gaps.items()
    }


def _widening(finding: Row) -> float:
    """How much numerical noise widens what a finding can detect: its MDE over that of its standard error alone."""
    plain = minimum_detectable_gap(finding["se"], finding["df"])
    return max(1.0, finding["mde"] / plain) if finding["mde"] is not None and plain > 0 else 1.0


def _over_looks(adjusted: NDArray[np.float64], looks: int) -> list[float]:
    """Bonferroni over the planned looks, on top of Holm within one."""
    return [float(p) for p in np.minimum(adjusted * looks, 1.0)]


def _claimed(finding: Row, tolerance: float, cells: int) -> Gap:
    """The gap as equivalence is tested: a rate has at least the spread of its boundary."""
    least = boundary_error(tolerance, cells) if finding["scale"] == "rate" else 0.0
    return Gap(finding["estimate"], max(finding["se"], least), finding["df"])


def _verdict(case: Case, tests: Mapping[tuple[str, float], Tests], alpha: float, looks: int) -> Verdict:
    rule, finding = case.rule, case.finding
    identifier = None if finding is None else finding["finding_id"]
    if case.settled is not None or finding is None:
        outcome, reason = case.settled or ("inconclusive", "")
        return Verdict(rule.name, rule.level, outcome, identifier, None, rule.tolerance, reason)
    found = tests[finding["finding_id"], rule.tolerance]
    p_adjusted, outcome = found.difference, "inconclusive"
    explained = case.placebo is not None and not _beyond_placebo(case.placebo, finding, alpha / looks)
    if found.beyond <= alpha and explained:
        reason = placebo_reason(finding, rule.tolerance, found, case.placebo)
    elif found.beyond <= alpha:
        p_adjusted, outcome = found.beyond, "fail"
        reason = fail_reason(finding, rule.tolerance, found)
    elif found.equivalent <= alpha and case.uneven:
        reason = case.uneven
    elif found.equivalent <= alpha:
        p_adjusted, outcome = found.equivalent, "pass"
        reason = pass_reason(finding, rule.tolerance, found, alpha, case.effect) + case.passing
    else:
        reason = open_reason(finding, rule.tolerance, found, alpha, case.placebo)
    if case.mass is not None and is_told(case.mass):
        reason += mass_note(case.mass)
    if outcome != "fail":
        reason += case.unseen
    return Verdict(rule.name, rule.level, outcome, identifier, p_adjusted, rule.tolerance, reason, found.mde)


def _beyond_placebo(test: Row, finding: Row, alpha: float) -> bool:
    """Whether the cue moved the answer more than the placebos did, and in its own direction.

    Placebos without any spread need no test: what they do not do, the cue does. With too
    few of them there is no p value, and that is no evidence.
    """
    if (test["estimate"] or 0.0) * finding["estimate"] <= 0:
        return False
    if test["p_value"] is None:
        return bool(test["se"] == 0 and not math.isclose(test["estimate"], 0.0, abs_tol=1e-9))
    return bool(test["p_value"] <= alpha)
