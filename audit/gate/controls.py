"""Before a gap is judged: did the instrument work, and is the design large enough?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audit.config import GateConfig
from audit.fairness.metrics import RATIO, RATIO_SCALE, base_metric
from audit.gate.answers import Side, lost, sides
from audit.gate.limits import amount, between
from audit.gate.wording import ANSWERS, DESIGN, TOO_FEW, noun

Row = Mapping[str, Any]


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
    asked = [row for row in of_task if row["metric"] == base_metric(finding["metric"])] or of_task
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


def facts_effect(finding: Row, controls: Sequence[Row], levels: Sequence[Row] = ()) -> float | None:
    """What the facts of the case do to a finding's own metric; None where no control measured it.

    ``levels`` are those of the control's poles. Of a ratio the effect is that of the poles' means, as a log-ratio.
    """
    place = (finding["task"], finding["locale"], base_metric(finding["metric"]))
    own = [row for row in controls if (row["task"], row["locale"], row["metric"]) == place]
    if finding["scale"] != RATIO_SCALE or not own:
        return own[0]["estimate"] if own else None
    means = {row["group"]: row["estimate"] for row in levels if (row["task"], row["locale"], row["metric"]) == place}
    poles = [means.get(own[0][pole]) or 0.0 for pole in ("group", "reference")]
    return math.log(poles[0] / poles[1]) if min(poles) > 0 else None


def design_reason(finding: Row, both: Sequence[Side], gate: GateConfig) -> str | None:
    """Why what was asked allows no verdict on a contrast; None if it does.

    Names and templates asked are counted, whatever came back for them. A contrast that
    rests on fewer though no answer is missing is the design's too: in a sample, blocks
    need not hold both groups.
    """
    named, whole = noun(finding["cue_channel"]), not any(side.missing for side in both)
    personas, templates = (min(getattr(side, name) for side in both) for name in ("personas", "templates"))
    if whole:
        personas, templates = min(personas, finding["n_personas"]), min(templates, finding["n_templates"])
    if personas < gate.min_personas:
        return (
            f"{TOO_FEW}{named}: {finding['group']} against {finding['reference']} has {personas} in the "
            f"smaller group, and a verdict needs {gate.min_personas}."
        )
    if templates < gate.min_templates:
        return f"{TOO_FEW}templates: the contrast rests on {templates}, and a verdict needs {gate.min_templates}."
    return None


def unmeasured_reason(level: Row, levels: Sequence[Row], gate: GateConfig, metric: str) -> str:
    """Why a group that has a level has no contrast on ``metric``, which may be made from the level's."""
    group, reference = level["group"], level["reference"]
    if reference is None:
        axis = level["axis"]
        return f"{DESIGN}the reference group of {axis} is not in this run: {group} has nothing to be compared with."
    both = sides(level, levels)
    if min(side.personas for side in both) < gate.min_personas:
        here, there = (side.personas for side in both)
        few = f"{TOO_FEW}{noun(level['cue_channel'])}: {group} has {here} and {reference} {there}"
        return f"{few}, and a verdict needs {gate.min_personas}."
    if any(side.missing for side in both):
        return f"{ANSWERS}{lost(both)}."
    means = [row["estimate"] or 0.0 for row in levels if _beside(row, level)]
    if metric.endswith(f":{RATIO}") and min(means, default=0.0) <= 0:
        return f"{ANSWERS}the mean of {level['metric']} is 0 for {group} or {reference}, so that there is no ratio."
    if metric != level["metric"] and level["cue_channel"] == "explicit" and not metric.endswith(f":{RATIO}"):
        return f"{DESIGN}quantiles are measured where names are drawn, not of phrasings; name cue_channel 'name'."
    return f"{ANSWERS}{level['metric']} is the same in every answer, so that the gap has no standard error."


def _beside(row: Row, level: Row) -> bool:
    """Whether a level is the group's or its reference's, on the same metric."""
    keys = ("task", "locale", "cue_channel", "axis", "metric")
    return row["group"] in (level["group"], level["reference"]) and all(row[key] == level[key] for key in keys)
