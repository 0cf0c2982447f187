"""The gate: findings to verdicts, and verdicts to one sentence and an exit code.

Everything that states a verdict (command line, Python, report) calls these functions.
"""

from audit.gate.controls import is_alive
from audit.gate.evidence import to_json
from audit.gate.judging import decide
from audit.gate.looks import decide_looks, undecided
from audit.gate.outcome import DIFFERENCES, LEAKS, Claims, Overall, RuleOutcome, overall, rule_outcomes
from audit.gate.privacy import decide_privacy
from audit.gate.privacy_ruleset import check_privacy_rules, privacy_rules
from audit.gate.ruleset import check_rules, rules
from audit.gate.steps import decide_steps

__all__ = [
    "DIFFERENCES",
    "LEAKS",
    "Claims",
    "Overall",
    "RuleOutcome",
    "check_privacy_rules",
    "check_rules",
    "decide",
    "decide_looks",
    "decide_privacy",
    "decide_steps",
    "is_alive",
    "overall",
    "privacy_rules",
    "rule_outcomes",
    "rules",
    "to_json",
    "undecided",
]
