"""The known-bias benchmark: is the instrument right? Simulated audits whose truth is known."""

from audit.calibration.benchmark import calibrate, studies_of
from audit.calibration.plan import Plan, plan_for
from audit.calibration.record import make_folder, to_json, write_json
from audit.calibration.values import Benchmark, Rival, Row, Target

__all__ = [
    "Benchmark",
    "Plan",
    "Rival",
    "Row",
    "Target",
    "calibrate",
    "make_folder",
    "plan_for",
    "studies_of",
    "to_json",
    "write_json",
]
