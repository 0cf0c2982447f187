"""Verdicts to one outcome, one exit code and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from audit.errors import EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_NOTHING, EXIT_PASS
from audit.gate.wording import ANSWERS, DESIGN, NOT_MEASURED, SCORER, SPLIT, TOO_FEW
from audit.values import Level, Outcome

# From worst to best.
_ORDER: tuple[Outcome, ...] = ("fail", "void", "incomparable", "inconclusive", "not_refuted", "pass")


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """One rule's outcome; ``judged`` of its rows were tested, ``unjudged`` are void, too small or without answers."""

    rule: str
    level: Level
    outcome: Outcome
    judged: int
    unjudged: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What the rules of a gate give evidence of: ``beyond`` where one fails, ``within`` where one passes."""

    beyond: str
    within: str


DIFFERENCES = Claims("a difference beyond the tolerance", "differences are below the tolerance")
LEAKS = Claims("a leak beyond the limit", "leaks are below the limit")


@dataclass(frozen=True, slots=True)
class Overall:
    """The verdict on a run."""

    outcome: Outcome
    exit_code: int
    sentence: str


def rule_outcomes(verdicts: pa.Table) -> tuple[RuleOutcome, ...]:
    """Each rule's outcome, the worst of its rows: fail, void, inconclusive, pass.

    Rows that the design leaves without a verdict (a group of which too few names were
    asked, say) count only where a rule has no other row; they are told, not hidden, by
    the overall sentence. A row lost to its answers always counts, as inconclusive: a
    group that is asked and not answered must not make a rule pass.
    """
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for row in verdicts.to_pylist():
        if row["level"] != "off":
            by_rule.setdefault(row["rule"], []).append(row)
    found = []
    for rule, rows in by_rule.items():
        counted = [row["outcome"] for row in rows if not _by_design(row)]
        judged = sum(row["outcome"] not in ("void", "incomparable") and _tested(row) for row in rows)
        worst: Outcome = next((outcome for outcome in _ORDER if outcome in counted), "inconclusive")
        found.append(RuleOutcome(rule, rows[0]["level"], worst, judged, len(rows) - judged))
    return tuple(found)


def overall(verdicts: pa.Table, *, strict: bool = False, claims: Claims = DIFFERENCES) -> Overall:
    """Say what holds for the whole run.

    Exit codes, the first that applies: 1 an error-level rule failed; 5 nothing was
    judged (no row, or all error-level rows void, too small or without answers); 4 an
    error-level rule has no verdict and ``strict`` is set; else 0. Where there are no
    error-level rules the others say whether anything was judged, and none of them
    can fail the run. The outcome is never "pass" while an error-level rule is
    without a verdict, or while one was merely not refuted. ``claims`` are the words: of
    differences between groups, or :data:`LEAKS` of what :func:`~audit.gate.decide_privacy` says.
    """
    found = rule_outcomes(verdicts)
    errors = [rule for rule in found if rule.level == "error"]
    ruling = errors or list(found)
    notes = _notes(verdicts, found, claims, warn_failures=bool(errors))
    failed = [rule for rule in ruling if rule.outcome == "fail"]
    undecided = [rule for rule in ruling if rule.outcome not in ("fail", "pass", "not_refuted")]
    if failed and errors:
        text = f"FAIL: evidence of {claims.beyond} in {_of(failed, ruling)}"
        without = f"; no verdict on {_names(undecided)}" if undecided else ""
        return Overall("fail", EXIT_FAIL, text + without + "." + notes)
    if not any(rule.judged for rule in ruling):
        outcome: Outcome = "void" if ruling and all(rule.outcome == "void" for rule in ruling) else "inconclusive"
        return Overall(outcome, EXIT_NOTHING, f"NO VERDICT: {_why_nothing(ruling, verdicts)}." + notes)
    passed = [rule for rule in ruling if rule.outcome == "pass"]
    unrefuted = [rule for rule in ruling if rule.outcome == "not_refuted"]
    if undecided or failed:
        text = "INCONCLUSIVE: "
        text += f"no verdict on {_of(undecided, ruling)}" if undecided else "only warn-level rules were set"
        text += f"; {claims.beyond} in {_names(failed)}, which only warn" if failed else ""
        if passed:
            others = f"{len(passed)} others" if unrefuted else f"the other {len(passed)}"
            text += f"; in {others} evidence that {claims.within}"
        text += _unrefuted(unrefuted)
        return Overall("inconclusive", EXIT_INCONCLUSIVE if strict else EXIT_PASS, text + "." + notes)
    kind = "error-level rules" if len(ruling) < len(found) else "rules"
    text = f"in all of {len(ruling)} {kind}" if len(ruling) > 1 else f"in rule {ruling[0].rule}"
    if not unrefuted:
        return Overall("pass", EXIT_PASS, f"PASS: {text} evidence that {claims.within}." + notes)
    if passed:
        text = f"in {len(passed)} of {len(ruling)} {kind} evidence that {claims.within}{_unrefuted(unrefuted)}"
    else:
        text += " no claim was refuted, which proves nothing"
    return Overall("not_refuted", EXIT_PASS, f"NOT REFUTED: {text}." + notes)


def _unrefuted(rules: Sequence[RuleOutcome]) -> str:
    return f"; not refuted, which proves nothing: {_names(rules)}" if rules else ""


def _by_design(row: dict[str, Any]) -> bool:
    return bool(row["finding_id"] is None or row["reason"].startswith(DESIGN))


def _for_answers(row: dict[str, Any]) -> bool:
    return bool(row["reason"].startswith(ANSWERS))


def _not_measured(row: dict[str, Any]) -> bool:
    return bool(row["reason"].startswith(NOT_MEASURED))


def _for_scorer(row: dict[str, Any]) -> bool:
    return bool(row["outcome"] == "void" and row["reason"].startswith(SCORER))


def _for_split(row: dict[str, Any]) -> bool:
    return bool(row["outcome"] == "void" and row["reason"].startswith(SPLIT))


def _tested(row: dict[str, Any]) -> bool:
    """Whether a row took part in a test; one that only may not pass did."""
    return not _by_design(row) and not (_for_answers(row) and row["p_adjusted"] is None)


def _notes(verdicts: pa.Table, found: Sequence[RuleOutcome], claims: Claims, *, warn_failures: bool) -> str:
    """What stands beside the outcome: warnings, and groups that could not be judged."""
    notes = ""
    warned = [rule for rule in found if rule.level == "warn" and rule.outcome == "fail"]
    if warned and warn_failures:
        notes += f" Warning: {claims.beyond} in {_names(warned)}."
    waiting = [rule for rule in found if rule.level == "warn" and rule.outcome not in ("fail", "pass", "not_refuted")]
    if waiting and warn_failures:
        many = "1 warn-level rule" if len(waiting) == 1 else f"{len(waiting)} warn-level rules"
        notes += f" No verdict on {many}."
    judged = {rule.rule for rule in found if rule.judged}
    left = {
        row["finding_id"]: row["reason"] for row in verdicts.to_pylist() if row["rule"] in judged and _by_design(row)
    }
    few = [reason.removeprefix(TOO_FEW).partition(":")[0] for reason in left.values() if reason.startswith(TOO_FEW)]
    if few:
        many = " or ".join(sorted(set(few)))
        notes += f" {len(few)} comparison{' has' if len(few) == 1 else 's have'} too few {many} for a verdict."
    if len(left) > len(few):
        rest = len(left) - len(few)
        notes += f" {rest} comparison{'' if rest == 1 else 's'} could not be judged for other reasons of the design."
    lost = {row["finding_id"] for row in verdicts.to_pylist() if row["level"] != "off" and _for_answers(row)}
    if lost:
        many = "1 comparison has" if len(lost) == 1 else f"{len(lost)} comparisons have"
        notes += f" {many} no verdict for what came back: answers missing, improbable or without spread."
    voided = {row["finding_id"] for row in verdicts.to_pylist() if row["level"] != "off" and _for_scorer(row)}
    if voided and judged:
        many = "1 comparison is" if len(voided) == 1 else f"{len(voided)} comparisons are"
        notes += f" {many} void, since the scorer itself tells the groups apart."
    apart = {row["finding_id"] for row in verdicts.to_pylist() if row["level"] != "off" and _for_split(row)}
    if apart and judged:
        many = "1 figure is" if len(apart) == 1 else f"{len(apart)} figures are"
        notes += f" {many} void, since members and held-out records differ by themselves."
    missing = [row["rule"] for row in verdicts.to_pylist() if row["level"] == "off" and _not_measured(row)]
    if missing:
        notes += f" Not judged, as it could not be measured: {', '.join(missing)}."
    return notes


def _why_nothing(ruling: Sequence[RuleOutcome], verdicts: pa.Table) -> str:
    if not ruling:
        return "nothing was evaluated, since no rule covers a finding of this run"
    rows = [row for row in verdicts.to_pylist() if row["rule"] == ruling[0].rule]
    if len(ruling) == 1 and len(rows) == 1 and rows[0]["finding_id"] is None:
        reason = str(rows[0]["reason"]).removesuffix(".")
        return reason[:1].lower() + reason[1:]
    scorers = {row["rule"] for row in verdicts.to_pylist() if _for_scorer(row)}
    splits = {row["rule"] for row in verdicts.to_pylist() if _for_split(row)}
    void = [rule for rule in ruling if rule.outcome == "void"]
    biased, apart = ([rule for rule in void if rule.rule in some] for some in (scorers, splits))
    dead = [rule for rule in void if rule.rule not in scorers | splits]
    if len(void) == len(ruling):
        causes = ["the positive controls do not move the answers"] if dead else []
        causes += ["the scorers themselves tell the groups apart"] if biased else []
        causes += ["members and held-out records differ by themselves"] if apart else []
        return f"{' or '.join(causes)}, so nothing may be concluded from them"
    text = "no rule has a finding that the design and the answers allow to judge"
    text += f", and positive controls do not move the answers of {_names(dead)}" if dead else ""
    text += f", and the scorers themselves tell the groups apart in {_names(biased)}" if biased else ""
    return text + (f", and members and held-out records differ by themselves in {_names(apart)}" if apart else "")


def _of(some: Sequence[RuleOutcome], every: Sequence[RuleOutcome]) -> str:
    return f"{len(some)} of {len(every)} rule{'' if len(every) == 1 else 's'} ({_names(some)})"


def _names(some: Sequence[RuleOutcome]) -> str:
    names = [rule.rule for rule in some]
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"
