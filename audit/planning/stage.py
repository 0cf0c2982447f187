"""The plan of a run: nothing is asked of the model and nothing is written."""

from __future__ import annotations

from pathlib import Path

from audit.backends import open_backend
from audit.config import Config
from audit.errors import NothingEvaluatedError
from audit.gate import check_rules
from audit.planning.requests import count
from audit.planning.rules import rule_plans
from audit.planning.sources import defaults, from_run
from audit.planning.speed import seconds
from audit.planning.values import Plan, Work
from audit.probes import design_warnings, expand, load_personas
from audit.sequential.design import LOOKS


def plan(config: Config, *, run: Path | None = None, timed: bool = True) -> Plan:
    """Tell what a run with ``config`` will ask, what that takes, and what each rule could find.

    Parameters
    ----------
    config
        As for :func:`~audit.pipeline.run_audit`.
    run
        An earlier run folder, of this model or one that varies as it does: its
        variance components, at their upper 80 % limits, stand in for the defaults, and
        its speed if it was of this model.
    timed
        Whether to tell a time; without an earlier run a matrix product is timed for it.

    Raises
    ------
    ConfigError
        For a mistake in the config, a suite or a persona file, an unknown model, or a
        ``run`` that is none.
    NothingEvaluatedError
        If the suites give no probe.
    """
    check_rules(config)
    known = from_run(run, config) if run is not None else defaults()
    personas, probes = expand(config)
    if not probes.num_rows:
        raise NothingEvaluatedError("the suites give no probe; name tasks that 'evenhand list' shows in [run] tasks")
    backend = open_backend(config)
    counted = count(probes, backend, config)
    spent, time_by = seconds(backend, counted.cost, config, run) if timed else (None, "not asked for")
    looks = LOOKS if config.run.until_verdict == "looks" else 1
    rows, levels = rule_plans(probes, personas, config, known, looks=looks)
    work = Work(
        prompt_tokens=sum(row.prompt_tokens for row in counted.requests),
        computed_tokens=counted.computed,
        sampled_tokens=sum(row.sampled_tokens for row in counted.requests),
        tokens_by=counted.words,
        seconds=spent,
        time_by=time_by,
    )
    warnings = design_warnings(load_personas(config), config)
    if config.run.until_verdict == "steps":
        warnings.append("run.until_verdict: what steps can find is not planned; the figures are of one test at the end")
    return Plan(
        model=config.model.name,
        requests=counted.requests,
        work=work,
        rules=rows,
        alpha=levels.alpha,
        tests=levels.tests,
        claims=levels.claims,
        components_by=known.words,
        warnings=tuple(warnings),
    )
