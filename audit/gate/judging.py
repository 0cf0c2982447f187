"""Findings to verdicts: one row for each rule and each contrast that it covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.gate.controls import design_reason, unmeasured_reason, void_reason
from audit.gate.ruleset import rules
from audit.gate.wording import Tests, fail_reason, open_reason, pass_reason, placebo_reason
from audit.statistics import Gap, equivalence, exceeds, holm, minimum_detectable_gap
from audit.values import Outcome, Rule, Verdict

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Case:
    """A rule and one finding; ``settled`` is its verdict where no test is needed, ``placebo`` its placebo test."""

    rule: Rule
    finding: Row | None
    settled: tuple[Outcome, str] | None
    placebo: Row | None = None


def decide(findings: pa.Table, config: Config) -> pa.Table:
    """Judge every contrast that a rule covers.

    * void: the positive control of its task is not alive;
    * inconclusive by design (the reason begins with "design: "): too few templates
      or personas, too little answer mass, no standard error. These and voids take
      part in no test;
    * fail: the simultaneous 95 % interval lies beyond the tolerance, and an explicit cue moves
      the answer more than irrelevant sentences of its shape do (where they were asked);
    * pass: both one-sided tests of equivalence reject;
    * else inconclusive.

    The tests for a difference and for exceeding the tolerance are one Holm family
    over all rules, the equivalence claims, one a row, another. ``p_adjusted`` is that
    of the claim made; of an inconclusive row, of the difference. ``mde`` is at α/m, m
    the size of the first family. A rule of the user's that covers no finding is a
    row without a finding; one of the preset's is left out.

    Returns
    -------
    The table ``verdicts``, in the order of the rules.
    """
    everything = findings.to_pylist()
    cases = [case for rule in rules(config) if rule.level != "off" for case in _cases(rule, everything, config)]
    tests = _tested(cases, config.gate.alpha)
    verdicts = [_verdict(case, tests, config.gate.alpha) for case in cases]
    return tables.check("verdicts", tables.from_rows("verdicts", [asdict(verdict) for verdict in verdicts]))


def _cases(rule: Rule, findings: Sequence[Row], config: Config) -> list[_Case]:
    whole = [row for row in findings if row["category"] is None]
    controls = [row for row in whole if row["arm"] == "positive_control" and row["kind"] == "contrast"]
    target = [row for row in whole if row["arm"] == "target" and row["group"] is not None]
    levels = [row for row in target if row["kind"] == "level"]
    contrasts = [row for row in target if row["kind"] == "contrast" and _covers(rule, row)]
    measured = {_place(row) for row in contrasts}
    placebos = {
        _place(row): row for row in whole if row["arm"] == "placebo" and row["kind"] == "test" and _covers(rule, row)
    }
    cases = []
    for row in contrasts:
        void, design = void_reason(row, controls), design_reason(row, levels, config.gate)
        settled: tuple[Outcome, str] | None = ("void", void) if void else ("inconclusive", design) if design else None
        cases.append(_Case(rule, row, settled, placebos.get(_place(row))))
    for row in levels:
        if _covers(rule, row) and row["group"] != row["reference"] and _place(row) not in measured:
            cases.append(_Case(rule, row, ("inconclusive", unmeasured_reason(row, levels, config.gate))))
    if not cases and any(own.name == rule.name for own in config.gate.rules):
        cases.append(_Case(rule, None, ("inconclusive", _unmatched_reason(rule, target))))
    return sorted(cases, key=lambda case: _place(case.finding) if case.finding else ())


def _covers(rule: Rule, finding: Row) -> bool:
    wanted = {"task": rule.task, "metric": rule.metric, "axis": rule.axis, "group": rule.group}
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


def _tested(cases: Sequence[_Case], alpha: float) -> dict[tuple[str, float], Tests]:
    """All tests of the open cases, adjusted; a hypothesis that two rules share is tested once."""
    open_cases = {
        (case.finding["finding_id"], case.rule.tolerance): case.finding
        for case in cases
        if case.finding is not None and case.settled is None
    }
    gaps = {key: Gap(row["estimate"], row["se"], row["df"]) for key, row in open_cases.items()}
    differences = {key[0]: float(row["p_value"]) for key, row in open_cases.items()}
    family = holm([*differences.values(), *(exceeds(gap, tolerance) for (_, tolerance), gap in gaps.items())]).tolist()
    difference = dict(zip(differences, family[: len(differences)], strict=True))
    beyond = dict(zip(gaps, family[len(differences) :], strict=True))
    intervals = {key: equivalence(gap, key[1], alpha=alpha) for key, gap in gaps.items()}
    claims = dict(zip(intervals, holm([one.p_value for one in intervals.values()]).tolist(), strict=True))
    return {
        key: Tests(
            difference=difference[key[0]],
            beyond=beyond[key],
            equivalent=claims[key],
            interval=intervals[key],
            mde=minimum_detectable_gap(gap.se, gap.df, alpha=alpha, tests=len(family)),
            claims=len(claims),
        )
        for key, gap in gaps.items()
    }


def _verdict(case: _Case, tests: Mapping[tuple[str, float], Tests], alpha: float) -> Verdict:
    rule, finding = case.rule, case.finding
    identifier = None if finding is None else finding["finding_id"]
    if case.settled is not None or finding is None:
        outcome, reason = case.settled or ("inconclusive", "")
        return Verdict(rule.name, rule.level, outcome, identifier, None, rule.tolerance, reason)
    found = tests[finding["finding_id"], rule.tolerance]
    p_adjusted, outcome = found.difference, "inconclusive"
    explained = case.placebo is not None and not _beyond_placebo(case.placebo, alpha)
    if found.beyond <= alpha and explained:
        reason = placebo_reason(finding, rule.tolerance, found, case.placebo)
    elif found.beyond <= alpha:
        p_adjusted, outcome = found.beyond, "fail"
        reason = fail_reason(finding, rule.tolerance, found)
    elif found.equivalent <= alpha:
        p_adjusted, outcome = found.equivalent, "pass"
        reason = pass_reason(finding, rule.tolerance, found, alpha)
    else:
        reason = open_reason(finding, rule.tolerance, found, alpha, case.placebo)
    return Verdict(rule.name, rule.level, outcome, identifier, p_adjusted, rule.tolerance, reason, found.mde)


def _beyond_placebo(test: Row, alpha: float) -> bool:
    """Whether the target moved the answer more than the placebos did; no p value is no evidence."""
    return test["p_value"] is not None and test["p_value"] <= alpha
