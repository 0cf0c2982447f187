"""Is a gap more than noise? Distances across and within groups, beside those of changes that mean nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audit.fairness.metrics import DISTANCES
from audit.statistics import benjamini_hochberg
from reports.labels import Metric, axis_order, metric, number, percent
from reports.language import mark
from reports.values import Floor, Magnitude, Noise, TaskView
from reports.wording import Wording

Row = Mapping[str, Any]
Key = tuple[str, str, str, str]  # axis, group, reference, cue channel
# Which columns of a finding, by its statistic, become which fields of a magnitude.
_FIELDS = {
    "excess": {"estimate": "across", "floor": "within", "p_value": "p_value"},
    "signal_to_floor": {"estimate": "signal", "ci_low": "signal_low", "ci_high": "signal_high"},
    "heterogeneity": {"p_value": "uneven_p"},
    "worst_case": {"ci_low": "worst_low", "ci_high": "worst_high"},
    "wasserstein": {"estimate": "apart", "floor": "apart_by_chance", "p_value": "apart_p"},
}
_ARMS = ("paraphrase", "irrelevant")


def noise(findings: Iterable[Row], main: str | None, alpha: float) -> tuple[Noise, ...]:
    """Return what is known of noise for a task's main metric and, after it, for others that have distances.

    "Beyond noise" and "uneven" are said at a false discovery rate of ``alpha`` over the
    comparisons of one metric (Benjamini-Hochberg): this is description, no rule.
    """
    found: dict[str, dict[Key, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    floors: dict[str, list[Floor]] = defaultdict(list)
    for row in findings:
        if row["category"] is not None:
            continue
        if row["statistic"] == "floor" and row["arm"] in _ARMS:
            names = ("arm", "estimate", "ci_low", "ci_high", "n_blocks", "n_personas")
            floors[row["metric"]].append(Floor(*(row[name] for name in names)))
        elif row["statistic"] in _FIELDS and row["arm"] == "target" and row["axis"] and row["group"]:
            key = (row["axis"], row["group"], row["reference"] or "", row["cue_channel"] or "")
            fields = _FIELDS[row["statistic"]]
            found[row["metric"]][key] |= {field: row[column] for column, field in fields.items()}
    measured = [name for name, rows in found.items() if any("across" in values for values in rows.values())]
    wanted = [name for name in [main or "", *sorted(measured)] if found.get(name) or floors.get(name)]
    return tuple(_noise(name, found[name], floors[name], alpha) for name in dict.fromkeys(wanted))


def _noise(name: str, rows: Mapping[Key, dict[str, Any]], floors: Sequence[Floor], alpha: float) -> Noise:
    keys = sorted(rows, key=lambda key: (axis_order(key[0]), -(rows[key].get("across") or 0.0), key))
    beyond, uneven = (_found(keys, rows, field, alpha) for field in ("p_value", "uneven_p"))
    measured = []
    for key in keys:
        axis, group, reference, channel = key
        known = rows[key] | {"beyond": key in beyond, "uneven": key in uneven}
        measured.append(Magnitude(axis=axis, group=group, reference=reference, cue_channel=channel or None, **known))
    ordered = sorted(floors, key=lambda floor: _ARMS.index(floor.arm))
    return Noise(name, DISTANCES.get(name) == "flip", tuple(measured), tuple(ordered))


def _found(keys: Sequence[Key], rows: Mapping[Key, dict[str, Any]], field: str, alpha: float) -> set[Key]:
    """Keys of which the p in ``field`` is at most ``alpha`` when adjusted for the number of them."""
    tested = [key for key in keys if rows[key].get(field) is not None]
    if not tested:
        return set()
    adjusted = benjamini_hochberg([rows[key][field] for key in tested])
    return {key for key, p in zip(tested, adjusted, strict=True) if p <= alpha}


def distance(about: Noise, task: TaskView) -> Metric:
    """Look up how the distances of a metric are named and written."""
    if about.flips:
        return Metric(mark("Flips of the answer"), mark("percent of pairs"), "", 100.0, 1)
    return metric(about.metric, task.unit)


def size(value: float | None, about: Noise, task: TaskView, w: Wording) -> str:
    """Write a distance with its unit; of an answer that flips it is how often."""
    if about.flips:
        return percent(value, 1)
    return f"{w.size(value, about.metric)} {w.unit(task, about.metric)}"


def meaning(about: Noise, task: TaskView, w: Wording) -> str:
    """Say in a sentence what the distances of a metric mean."""
    tested = [row for row in about.rows if row.p_value is not None]
    beyond = [row for row in tested if row.beyond]
    if not tested:
        return w.t("No distance between groups could be held against one within a group.")
    if not beyond:
        text = w.t(
            "In none of {n} comparisons are customers of two groups shown to lie further apart than customers of one."
        )
        return text.format(n=len(tested))
    text = w.t("In {k} of {n} comparisons customers of two groups lie further apart than customers of one")
    text = text.format(k=len(beyond), n=len(tested))
    signal = max((row.signal for row in beyond if row.signal is not None), default=None)
    if signal is not None:
        text += w.t(", at most {times} times as far").format(times=number(signal, 2))
    text += "."
    paraphrase = next((floor.estimate for floor in about.floors if floor.arm == "paraphrase"), None)
    if paraphrase is not None and max(row.across or 0.0 for row in beyond) <= paraphrase:
        text += " " + w.t("Even so, the same question in other words moves the answer as far or further.")
    return text


def sizes(about: Noise, task: TaskView, w: Wording) -> str:
    """Say how far each kind of change moves the answer on average."""
    tested = [row for row in about.rows if row.across is not None and row.within is not None]
    parts = []
    if tested:
        across, within = (sum(getattr(row, side) for row in tested) / len(tested) for side in ("across", "within"))
        parts.append((w.t("{x} for a customer of another group"), across))
        parts.append((w.t("{x} for another customer of the same group"), within))
    words = {
        "paraphrase": w.t("{x} for the same question in other words"),
        "irrelevant": w.t("{x} for an attribute that should not matter"),
    }
    parts += [(words[floor.arm], floor.estimate) for floor in about.floors if floor.estimate is not None]
    if not parts:
        return ""
    begun = w.t("How often the answer flips:") if about.flips else w.t("How far the answer moves on average:")
    return f"{begun} {', '.join(text.format(x=size(value, about, task, w)) for text, value in parts)}."


def uneven(about: Noise, w: Wording) -> str:
    """Say where the gap differs from case to case, so that a mean may hide it."""
    tested = [row for row in about.rows if row.uneven_p is not None]
    found = sum(row.uneven for row in tested)
    if not found:
        return ""
    text = w.t("In {k} of {n} comparisons the gap differs from case to case; where its sign does, a mean hides it.")
    return text.format(k=found, n=len(tested))


def title(about: Noise, w: Wording) -> str:
    """Name the distance of a metric."""
    return w.t("Flips of the answer") if about.flips else w.title(about.metric)
