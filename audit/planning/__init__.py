"""Before a run: what it will ask, what that costs, and what it could find."""

from audit.planning.shares import Shares, expected_error, name_shares, pair_shares
from audit.planning.sources import Known, defaults, from_run
from audit.planning.stage import plan
from audit.planning.values import Plan, Requests, RulePlan, Work

__all__ = [
    "Known",
    "Plan",
    "Requests",
    "RulePlan",
    "Shares",
    "Work",
    "defaults",
    "expected_error",
    "from_run",
    "name_shares",
    "pair_shares",
    "plan",
]
