"""Sentences about a view that more than one format needs; every one goes through the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from audit.gate.wording import ANSWERS, DESIGN, SCORER
from reports.labels import (
    ARMS,
    AXES,
    CHANNELS,
    CLAIMS,
    HARMS,
    NO_CLAIM,
    OUTCOMES,
    TASKS,
    TESTED,
    WORST_FIRST,
    Metric,
    Translate,
    group,
    humanise,
    metric,
    number,
)
from reports.values import Gap, ReportView, RuleResult, TaskView


@dataclass(frozen=True, slots=True)
class Wording:
    """Words in one language."""

    t: Translate

    def task(self, task: TaskView) -> str:
        """Name a task: by its suite, by the catalogue, else by its id."""
        return task.title or self.t(TASKS.get(task.task, humanise(task.task)))

    def axis(self, axis: str) -> str:
        """Name an axis."""
        return self.t(AXES.get(axis, humanise(axis)))

    def arm(self, arm: str) -> str:
        """Name an arm."""
        return self.t(ARMS.get(arm, humanise(arm).lower()))

    def channel(self, channel: str | None) -> str:
        """Say how a cue reaches the model."""
        return self.t(CHANNELS.get(channel or "", channel or "–"))

    def harms(self, task: TaskView) -> str:
        """Name the harms of a task."""
        return ", ".join(self.t(HARMS.get(harm, humanise(harm).lower())) for harm in task.harm)

    def outcome(self, outcome: str) -> tuple[str, str, str]:
        """Return icon, word and meaning of an outcome."""
        icon, word, meaning = OUTCOMES.get(outcome, ("•", humanise(outcome), ""))
        return icon, self.t(word), self.t(meaning) if meaning else ""

    def against(self, gap: Gap) -> str:
        """Say who is compared with whom."""
        return self.t("{group} against {reference}").format(
            group=group(gap.group), reference=group(gap.reference, start=False)
        )

    def unit(self, task: TaskView, name: str, level: bool = False) -> str:
        """Return the unit of a metric; shares are percentages as a level and percentage points as a gap."""
        found = metric(name, task.unit)
        if level and (found.factor == 100.0 or found.unit == "percentage points"):
            return "%"
        return self.t(found.unit)

    def about(self, name: str) -> Metric:
        """Look a metric up."""
        return metric(name)

    def title(self, name: str) -> str:
        """Name a metric, and what of it is compared where it is not the mean."""
        found = metric(name)
        return f"{self.t(found.title)}, {self.t(found.part)}" if found.part else self.t(found.title)

    def value(self, value: float | None, name: str, signed: bool = False) -> str:
        """Write a value of a metric in the unit shown."""
        return metric(name).text(value, signed)

    def size(self, value: float | None, name: str) -> str:
        """Write a tolerance or another size of a gap in the unit shown."""
        return metric(name).size(value)

    def interval(self, low: float | None, high: float | None, name: str) -> str:
        """Write an interval, or a dash where there is none."""
        if low is None or high is None:
            return "–"
        return f"[{self.value(low, name)}, {self.value(high, name)}]"

    def claim(self, rule: RuleResult, task: TaskView) -> str:
        """Say what a rule concludes: evidence of a difference, or none."""
        if rule.outcome == "inconclusive" and rule.reason.startswith(DESIGN):
            return self.t("Not judged, for reasons of the design.")
        if rule.outcome == "inconclusive" and rule.reason.startswith(ANSWERS):
            return self.t("Not judged, for what came back: answers missing, improbable or without spread.")
        if rule.outcome == "void" and rule.reason.startswith(SCORER):
            return self.t("No verdict: the scorer itself tells these groups apart.")
        known = CLAIMS.get(rule.outcome)
        if known is None or rule.gap is None:
            return self.outcome(rule.outcome)[2]
        x = f"{self.size(rule.tolerance, rule.gap.metric)} {self.unit(task, rule.gap.metric)}"
        if metric(rule.gap.metric).ratio:
            x = self.t("that of a ratio of {x}").format(x=self.size(rule.tolerance, rule.gap.metric))
        return self.t(known).format(x=x)

    def hypothesis(self, rule: RuleResult) -> str:
        """Name what the adjusted p of a rule is of; nothing where nothing was tested."""
        return "" if rule.p_adjusted is None else self.t(TESTED.get(rule.outcome, NO_CLAIM))

    def lenient(self, task: TaskView) -> str:
        """Say so where a task's tolerance is larger than what the facts of the case do to its main metric."""
        effects = (control.estimate for control in task.controls if control.metric == task.main_metric)
        effect = next(effects, None) if not task.dead_controls else None
        given = [
            rule.tolerance
            for rule in task.rules
            if rule.metric == task.main_metric and rule.level != "off" and rule.tolerance is not None
        ]
        times = max(given, default=0.0) / abs(effect) if effect else 0.0
        if times <= 1:
            return ""
        return self.t("The tolerance is {times} times what the facts of the case do.").format(times=number(times, 1))

    def floor(self, task: TaskView, gap: Gap) -> str:
        """Say what irrelevant sentences do where the gap is that of an explicit cue."""
        if gap.floor is None:
            return ""
        size = f"{self.value(gap.floor, gap.metric)} {self.unit(task, gap.metric)}"
        return self.t("Irrelevant sentences of its shape move the answer by {size} on average.").format(size=size)


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop.

    >>> sentence("design: too few names")
    'Design: too few names.'
    """
    text = text.strip()
    return text and text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def claims(task: TaskView, metric_name: str, w: Wording) -> list[tuple[str, int, str]]:
    """Return outcome, number of comparisons and what is concluded, one for each outcome and tolerance; worst first."""
    found: dict[tuple[int, str, str], int] = {}
    for rule in task.rules:
        if rule.gap is not None and rule.gap.metric == metric_name and rule.level != "off":
            place = WORST_FIRST.index(rule.outcome) if rule.outcome in WORST_FIRST else len(WORST_FIRST)
            key = (place, rule.outcome, w.claim(rule, task))
            found[key] = found.get(key, 0) + 1
    return [(outcome, count, claim) for (_, outcome, claim), count in sorted(found.items())]


def largest(task: TaskView) -> Gap | None:
    """Return the largest gap on the task's main metric, all categories together, of a design that allows a verdict."""
    found = [
        gap
        for gap in task.gaps
        if gap.metric == task.main_metric and gap.category is None and gap.ci_low is not None and not gap.too_small
    ]
    return max(found, key=lambda gap: abs(gap.estimate or 0.0), default=None)


def judged_metrics(task: TaskView) -> tuple[str, ...]:
    """Return the metrics that a rule of the gate looks at, the main one first."""
    found = {
        rule.metric for rule in task.rules if rule.metric is not None and rule.gap is not None and rule.level != "off"
    }
    return tuple(sorted(found, key=lambda name: (name != task.main_metric, name)))


def model_name(view: ReportView) -> str | None:
    """Return the audited model's name if the manifest has it."""
    return view.subject.model.get("name")
