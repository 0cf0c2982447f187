"""Before a gap is judged: did the instrument work, and is the design large enough?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audit.config import GateConfig
from audit.gate.wording import amount, between, noun

Row = Mapping[str, Any]

# Begins the reason of every row that the design, not the answers, leaves without a verdict.
DESIGN = "design: "
TOO_FEW = DESIGN + "too few "


def is_alive(control: Row) -> bool:
    """Whether a positive control's 95 % interval lies above 0: facts in favour of the customer raise the metric."""
    low = control["ci_low"]
    return low is not None and math.isfinite(low) and low > 0


def void_reason(finding: Row, controls: Sequence[Row]) -> str | None:
    """Why the positive control voids a finding; None if it is alive.

    The control of the finding's own metric decides. A metric without one (refusals,
    say) is void unless some control of its task is alive.
    """
    of_task = [row for row in controls if (row["task"], row["locale"]) == (finding["task"], finding["locale"])]
    own = [row for row in of_task if row["metric"] == finding["metric"]]
    asked = own or of_task
    if any(is_alive(row) for row in asked):
        return None
    if not asked:
        return (
            f"No verdict on the task {finding['task']}: it has no positive control in this run, so nothing shows that "
            "its answers follow the facts."
        )
    row = asked[0]
    effect = "could not be estimated"
    if row["estimate"] is not None:
        effect = f"is {amount(row['estimate'], row['scale'])}{between(row['ci_low'], row['ci_high'], 95)}"
    return (
        f"No verdict on the task {finding['task']}: its positive control does not move the answer. The effect on "
        f"{row['metric']} of facts in favour of the customer, against facts that are not, {effect}, "
        "which is not shown to be above 0."
    )


def design_reason(finding: Row, levels: Sequence[Row], gate: GateConfig) -> str | None:
    """Why the design allows no verdict on a contrast; None if it does."""
    named = noun(finding["cue_channel"])
    if finding["n_personas"] < gate.min_personas:
        return (
            f"{TOO_FEW}{named}: {finding['group']} against {finding['reference']} has {finding['n_personas']} in the "
            f"smaller group, and a verdict needs {gate.min_personas}."
        )
    if finding["n_templates"] < gate.min_templates:
        found = finding["n_templates"]
        return f"{TOO_FEW}templates: the contrast rests on {found}, and a verdict needs {gate.min_templates}."
    masses = [row["estimate"] for row in levels if _is_mass_of(row, finding) and row["estimate"] is not None]
    if masses and min(masses) < gate.min_answer_mass:
        return (
            f"{DESIGN}the answers read carry {min(masses):.2g} of the model's probability, and a verdict needs "
            f"{gate.min_answer_mass:.2g}: the model would mostly say something else."
        )
    spread = [finding[column] for column in ("estimate", "se", "df")]
    if any(value is None or not math.isfinite(value) for value in spread) or not finding["se"] > 0:
        return f"{DESIGN}the answers never vary, or too little was compared, so that the gap has no standard error."
    return None


def unmeasured_reason(level: Row, levels: Sequence[Row], gate: GateConfig) -> str:
    """Why a group that has a level has no contrast."""
    named, group, reference = noun(level["cue_channel"]), level["group"], level["reference"]
    if reference is None:
        axis = level["axis"]
        return f"{DESIGN}the reference group of {axis} is not in this run: {group} has nothing to be compared with."
    keys = ("task", "locale", "metric", "cue_channel", "axis")
    count = next(
        (r["n_personas"] for r in levels if r["group"] == reference and all(r[k] == level[k] for k in keys)), 0
    )
    few = f"{TOO_FEW}{named}: {group} has {level['n_personas']} and {reference} {count}"
    return f"{few}, and a verdict needs {gate.min_personas}."


def _is_mass_of(level: Row, finding: Row) -> bool:
    keys = ("task", "locale", "cue_channel", "axis")
    inside = level["group"] in (finding["group"], finding["reference"])
    return level["metric"] == "answer_mass" and inside and all(level[key] == finding[key] for key in keys)
