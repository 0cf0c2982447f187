"""Rules that decide by a model's log-odds and treat groups alike: fitted with fairlearn, exported for a service."""

from audit.mitigation.decisions.applying import apply_rule
from audit.mitigation.decisions.card import card, findings
from audit.mitigation.decisions.export import export_rule, mend
from audit.mitigation.decisions.figures import Figure
from audit.mitigation.decisions.fit import TOLERANCE, check_allowed, fit_rule
from audit.mitigation.decisions.rule import CONSTRAINTS, LABELS, METHODS, Curve, DecisionRule, read_rule

__all__ = [
    "CONSTRAINTS",
    "LABELS",
    "METHODS",
    "TOLERANCE",
    "Curve",
    "DecisionRule",
    "Figure",
    "apply_rule",
    "card",
    "check_allowed",
    "export_rule",
    "findings",
    "fit_rule",
    "mend",
    "read_rule",
]
