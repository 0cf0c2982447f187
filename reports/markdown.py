"""summary.md: the verdict and the rules for a job summary, with no answer of the model in it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.labels import WORST_FIRST, Translate, number, p_value, percent, when
from reports.language import catalogue, mark
from reports.noise import meaning, sizes, uneven
from reports.page import write_text
from reports.summary import MOST_ROWS, facts, joined, lines_of_table
from reports.text import markdown
from reports.values import ReportView, RuleResult, TaskView
from reports.wording import Wording, largest, model_name

_HEADS: Final = (
    mark("Outcome"),
    mark("Rule"),
    mark("Compared"),
    mark("Gap, 95 % interval"),
    mark("Tolerance"),
    mark("Smallest findable"),
    mark("Share of control"),
    mark("Adjusted p, of what"),
)


def write_markdown(view: ReportView, path: Path, language: str = "en") -> Path:
    """Write the summary to ``path`` in one step; below 1 MiB, whatever the run.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    return write_text(render(view, language), path)


def render(view: ReportView, language: str = "en") -> str:
    """Return the summary: verdict, tasks, rules (worst first), what was tested, how to run it again."""
    t = catalogue(language).gettext
    w = Wording(t)
    icon, word, _ = w.outcome(view.overall.outcome)
    lines = [f"# {icon} {word}", "", markdown(view.overall.sentence), ""]
    tasks = [line for task in view.tasks if task.judged for line in _task(task, w)]
    lines += [*tasks, "" if tasks else t("Nothing was judged.") + "\n"]
    rows: list[tuple[RuleResult, TaskView | None]] = [(rule, task) for task in view.tasks for rule in task.rules]
    rows += [(rule, None) for rule in view.orphan_rules]
    rows.sort(key=lambda row: WORST_FIRST.index(row[0].outcome) if row[0].outcome in WORST_FIRST else 0)
    cells = [_row(rule, task, w) for rule, task in rows[:MOST_ROWS]]
    lines += [f"## {t('Rules')}", "", *lines_of_table(t, _HEADS, cells), ""]
    if len(rows) > MOST_ROWS:
        lines += [t("{n} more are in verdicts.json.").format(n=len(rows) - MOST_ROWS), ""]
    return joined([*lines, *_tested(view, t)])


def _task(task: TaskView, w: Wording) -> list[str]:
    icon, word, _ = w.outcome(task.outcome or "nothing")
    parts = [f"- {icon} **{markdown(w.task(task))}**: {word.lower()}."]
    gap = largest(task)
    if gap is not None:
        value = f"{w.value(gap.estimate, gap.metric, True)} {w.unit(task, gap.metric)}"
        who = markdown(w.against(gap))
        parts.append(w.t("Largest gap: {who}, {value}.").format(who=who, value=markdown(value)))
        if gap.share_of_control is not None:
            share = percent(abs(gap.share_of_control))
            parts.append(w.t("That is {share} of what the facts of the case do.").format(share=share))
        if floor := w.floor(task, gap):
            parts.append(floor)
    if lenient := w.lenient(task):
        parts.append(lenient)
    if task.void:
        parts.append(w.t("No verdict for this task."))
    if task.dead_controls:
        parts.append(w.t("Its positive control does not move the answer."))
    lines = [" ".join(parts)]
    for about in task.noise[:1]:
        told = [meaning(about, task, w), sizes(about, task, w), uneven(about, w)]
        lines.append(f"  - {w.t('More than noise?')} {markdown(' '.join(filter(None, told)))}")
    return lines


def _row(rule: RuleResult, task: TaskView | None, w: Wording) -> list[str]:
    icon, word, _ = w.outcome(rule.outcome)
    level = "" if rule.level == "error" else f" ({rule.level})"
    cells = [f"{icon} {word}{level}", markdown(rule.rule)]
    if rule.gap is None or task is None:
        cells += [markdown(rule.reason[:300]), "–", number(rule.tolerance, 3), "–", "–", "–"]
    else:
        gap = rule.gap
        interval = w.interval(gap.ci_low, gap.ci_high, gap.metric)
        cells += [
            markdown(w.against(gap)),
            markdown(f"{w.value(gap.estimate, gap.metric, True)} {interval} {w.unit(task, gap.metric)}"),
            w.size(rule.tolerance, gap.metric),
            w.size(rule.mde, gap.metric),
            percent(gap.share_of_control, signed=True),
            markdown(f"{p_value(rule.p_adjusted)} {w.hypothesis(rule)}"),
        ]
    return cells


def _tested(view: ReportView, say: Translate) -> list[str]:
    model = view.subject.model
    found = [
        (say("Model"), model_name(view)),
        (say("Revision"), model.get("revision")),
        (say("Weights (SHA-256)"), model.get("weights_sha256")),
        (say("Date"), when(view.subject.created)),
        (say("Probes"), f"{view.probes:,}"),
        (say("Seed"), view.subject.seed),
        (say("Command"), view.subject.command),
    ]
    note = say("No evidence of a difference is not evidence of none: read it with the smallest findable gap beside it.")
    return [f"## {say('What was tested')}", "", *facts(say, found), "", note, ""]
