"""Asks until every rule has its verdict: look by look, or step by step."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from audit import pipeline
from audit.config import Config
from audit.errors import ConfigError
from audit.fairness.metrics import BOUNDS
from audit.gate import decide_looks, decide_steps, rules, undecided
from audit.manifest import Manifest
from audit.probes import references
from audit.run_folder import Run
from audit.sequential.design import LOOKS, Need, plan_looks, rows_of_look, wanted
from audit.sequential.steps import Step, plan_steps, rows_of_steps, step_differences
from audit.values import Rule

# Steps asked between two looks at the confidence sequences; any number is valid.
STEPS_AT_ONCE = 4


def until_verdict(run: Run) -> pa.Table:
    """Ask until all rules are decided or all that was planned is asked; write ``completions``.

    What to ask next follows from the answers so far and the seed, so that a stopped run
    goes on where it was.

    Raises
    ------
    ConfigError
        If no rule covers the run, or the budget cannot lead to any verdict.
    """
    needs = wanted(run.table("probes"), run.table("personas"), run.config)
    parts = _by_steps(run, needs) if run.config.run.until_verdict == "steps" else _by_looks(run, needs)
    return pipeline.join_parts(run, parts)


def check_plan(probes: pa.Table, personas: pa.Table, config: Config) -> None:
    """Check, before anything is written, that a run that stops early can lead to a verdict.

    Raises
    ------
    ConfigError
        If no rule covers the run or can be judged in this way, or the budget is too small.
    """
    needs = wanted(probes, personas, config)
    if config.run.until_verdict == "steps":
        _steps(probes, personas, needs, config)
    else:
        plan_looks(probes, personas, needs, config)


def _steps(
    probes: pa.Table, personas: pa.Table, needs: set[Need], config: Config
) -> tuple[tuple[Step, ...], list[Rule]]:
    """The steps, and the rules that they can judge."""
    steps = plan_steps(probes, personas, needs, references(config), config.run.seed)
    able = [rule for rule in rules(config) if rule.level != "off" and _by_a_sequence(rule, steps)]
    if not able:
        raise ConfigError(
            "run.until_verdict: no rule can be judged by steps, which need a metric with bounds (p_favourable in place "
            "of log_odds) and an axis that names carry; leave out --steps for planned looks, or add such a rule"
        )
    budget, least = config.run.budget, rows_of_steps(probes, _due(steps, 1, needs)).size
    if budget is not None and budget < least:
        raise ConfigError(f"run.budget: {budget} probes do not pay for the first steps; allow at least {least}")
    return steps, able


def _due(steps: Sequence[Step], first: int, needs: set[Need]) -> list[Step]:
    """The steps that are asked together, from step ``first`` on."""
    return [s for s in steps if first <= s.number < first + STEPS_AT_ONCE and (s.task, s.axis) in needs]


def _by_looks(run: Run, needs: set[Need]) -> list[str]:
    probes, personas = run.table("probes"), run.table("personas")
    planned = plan_looks(probes, personas, needs, run.config)
    findings: list[pa.Table] = []
    for look in planned:
        before = planned[look.number - 2] if look.number > 1 else None
        rows = rows_of_look(probes, personas, look, before, needs)
        if not rows.size:
            break
        pipeline.complete_part(run, f"-{look.number}", rows)
        findings.append(pipeline.measure_look(run, look.number))
        verdicts, _ = decide_looks(findings, run.config, planned=LOOKS)
        needs = undecided(verdicts, run.config) & needs
        asked = ", ".join(f"{len(templates)} wordings of {task}" for task, templates in look.templates.items())
        run.progress.warn(f"look {look.number} of {LOOKS}, {asked}: {_left(needs)}")
        if not needs:
            break
    _note(run, "looks", planned=LOOKS, made=len(findings))
    return [f"-{number}" for number in range(1, len(findings) + 1)]


def _by_steps(run: Run, needs: set[Need]) -> list[str]:
    probes, known = run.table("probes"), references(run.config)
    planned = set(needs)
    steps, able = _steps(probes, run.table("personas"), needs, run.config)
    run.progress.warn(f"rules that steps can judge: {', '.join(rule.name for rule in able)}; the others get no verdict")
    budget, asked = run.config.run.budget, 0
    parts: list[str] = []
    done: list[Step] = []
    for first in range(1, max(step.number for step in steps) + 1, STEPS_AT_ONCE):
        due = _due(steps, first, needs)
        rows = rows_of_steps(probes, due)
        if not rows.size or (budget is not None and asked + rows.size > budget):
            break
        parts.append(f"-{len(parts) + 1}")
        asked += rows.size
        pipeline.complete_part(run, parts[-1], rows)
        done += due
        findings = pipeline.measure_look(run, len(parts))
        differences = step_differences(run.table(f"scores{parts[-1]}"), probes, done, known)
        verdicts, _ = decide_steps(differences, findings, run.config)
        needs = undecided(verdicts, run.config, names_grow=True) & needs
        run.progress.warn(f"step {max(step.number for step in due)}: {_left(needs)}")
    _note(run, "steps", needs=sorted(planned))
    return parts


def _by_a_sequence(rule: Rule, steps: Sequence[Step]) -> bool:
    return rule.metric in BOUNDS and any((step.task, step.axis) == (rule.task, rule.axis) for step in steps)


def _left(needs: set[Need]) -> str:
    return "all rules are decided" if not needs else f"{len(needs)} of the tasks × axes go on"


def _note(run: Run, key: str, **values: object) -> None:
    manifest = Manifest.load(run.folder)
    manifest.data[key] = values
    manifest.save()
