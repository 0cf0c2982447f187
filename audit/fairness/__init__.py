"""Scores to findings: what each group got, and what may be concluded from it.

Levels come from fairlearn's ``MetricFrame`` on cell means, contrasts from
:mod:`audit.statistics`. No tolerance is known here: that is the gate's.
"""

from audit.fairness.metrics import SCALES
from audit.fairness.stage import measure
from audit.fairness.terms import Terms

__all__ = ["SCALES", "Terms", "measure"]
