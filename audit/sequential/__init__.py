"""Runs that stop early: at pre-planned looks, or at the step at which a confidence sequence decides."""

from audit.sequential.design import Look, plan_looks, rows_of_look, wanted
from audit.sequential.running import check_plan, until_verdict
from audit.sequential.steps import plan_steps, step_differences

__all__ = [
    "Look",
    "check_plan",
    "plan_looks",
    "plan_steps",
    "rows_of_look",
    "step_differences",
    "until_verdict",
    "wanted",
]
