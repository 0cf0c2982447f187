"""report.html: one file that loads nothing, runs nothing and can be read by everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from reports import labels
from reports.dots import dots
from reports.figures import HeatColumn, forest, heat_map, step
from reports.language import catalogue
from reports.noise import distance, meaning, sizes, title, uneven
from reports.page import render_page, write_text
from reports.text import diff
from reports.values import CategoryTable, Gap, Level, LevelTable, ReportView, RuleResult, TaskView
from reports.wording import Wording, claims, judged_metrics, largest, model_name

PAIRS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class ForestFigure:
    """A forest plot, once for wide pages and once for narrow ones."""

    metric: str
    title: str
    wide: Markup
    narrow: Markup


def write_html(view: ReportView, path: Path, language: str = "en") -> Path:
    """Write the report to ``path`` in one step.

    Parameters
    ----------
    view
        From :func:`reports.build_view`. The same view gives the same bytes.
    path
        Where report.html goes.
    language
        Of the sentences; one without a catalogue is English.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    return write_text(render(view, language), path)


def render(view: ReportView, language: str = "en") -> str:
    """Return the whole page."""
    translations = catalogue(language)
    t = translations.gettext
    judged = [task for task in view.tasks if task.judged]
    return render_page(
        "report.html.j2",
        translations,
        language,
        view=view,
        w=Wording(t),
        model=model_name(view),
        judged=judged,
        texts=[task for task in view.tasks if task.output_form == "text"],
        noise_figures={task.task: _noise_figures(task, i, t) for i, task in enumerate(judged)},
        meaning=meaning,
        sizes=sizes,
        uneven=uneven,
        noise_title=title,
        distance=distance,
        forests={task.task: _forests(task, i, t) for i, task in enumerate(judged)},
        heat_map=_heat_map(judged, t),
        largest=largest,
        claims=claims,
        judged_metrics=judged_metrics,
        mde_heat=_mde_heat,
        category_heat=_category_heat,
        text_metrics=_text_metrics,
        gap_rows=_gap_rows,
        diff=diff,
        pairs_shown=PAIRS_SHOWN,
        level_cell=_level_cell,
        rules_on=_rules_on,
    )


def _forests(task: TaskView, position: int, t: labels.Translate) -> list[ForestFigure]:
    effects = {control.metric: control.estimate for control in task.controls if control.state == "alive"}
    figures = []
    for i, name in enumerate(judged_metrics(task)):
        ruled = {rule.finding_id for rule in task.rules}
        gaps = [gap for gap in task.gaps if gap.metric == name and gap.finding_id in ruled]
        about = labels.metric(name, task.unit)
        title = t("Gaps between groups: {task}, {metric}").format(
            task=Wording(t).task(task), metric=Wording(t).title(name).lower()
        )
        drawn = [
            Markup(forest(gaps, about, effects.get(name), f"forest-{position}-{i}-{size}", title, t, size == "wide"))
            for size in ("wide", "narrow")
        ]
        figures.append(ForestFigure(name, title, *drawn))
    return figures


def _noise_figures(task: TaskView, position: int, t: labels.Translate) -> list[ForestFigure]:
    """Distances across and within groups on the task's main metric; nothing where there are none."""
    figures = []
    for about in task.noise[:1]:
        metric = distance(about, task)
        name = title(about, Wording(t))
        heading = t("More than noise? {task}, {metric}").format(task=Wording(t).task(task), metric=name.lower())
        drawn = [
            dots(about, metric, f"noise-{position}-{size}", heading, t, size == "wide") for size in ("wide", "narrow")
        ]
        figures += [ForestFigure(about.metric, heading, *(Markup(one) for one in drawn if one))] if all(drawn) else []
    return figures


def _rules_on(task: TaskView, metric: str) -> list[RuleResult]:
    """Rules on one metric, largest gap first, as in the forest plot."""
    found = [(rule.gap, rule) for rule in task.rules if rule.gap is not None and rule.gap.metric == metric]
    return [rule for _, rule in sorted(found, key=lambda item: -abs(item[0].estimate or 0.0))]


def _heat_map(judged: Sequence[TaskView], t: labels.Translate) -> Markup | None:
    columns: list[HeatColumn] = []
    reference: dict[str, str] = {}
    for task in judged:
        gaps = [gap for gap in task.gaps if gap.metric == task.main_metric and gap.category is None]
        reference |= {gap.axis: gap.reference for gap in gaps}
        if gaps and task.main_metric:
            columns.append(HeatColumn(Wording(t).task(task), labels.metric(task.main_metric, task.unit), gaps))
    if not columns:
        return None
    return Markup(heat_map(columns, reference, "heat", t("Where the gaps lie: groups by task"), t))


def _category_heat(task: TaskView, table: CategoryTable, row: tuple[Level | None, ...], cell: Level | None) -> str:
    """Palette step of a level against the reference group's in the same category."""
    base = row[table.groups.index(table.reference)] if table.reference in table.groups else None
    unit = _tolerance(task, table.metric)
    if unit is None or cell is None or base is None or cell.estimate is None or base.estimate is None:
        return "0"
    return step((cell.estimate - base.estimate) / unit)


def _tolerance(task: TaskView, metric: str) -> float | None:
    """The tolerance on ``metric``; the main metric's carried over by the control's effects where it has none."""
    given = {gap.metric: gap.tolerance for gap in task.gaps if gap.tolerance}
    if metric in given:
        return given[metric]
    effects = {control.metric: control.estimate for control in task.controls if control.state == "alive"}
    main, effect, of_main = given.get(task.main_metric or ""), effects.get(metric), effects.get(task.main_metric or "")
    return main * effect / of_main if main and effect and of_main else None


def _mde_heat(gap: Gap | None) -> str:
    """Palette step of a gap that no tolerance judges: its share of the smallest gap that could be found."""
    return step(gap.estimate / gap.mde) if gap is not None and gap.estimate is not None and gap.mde else "0"


def _text_metrics(task: TaskView) -> list[str]:
    return list(dict.fromkeys(name for table in task.levels for name in table.metrics))


def _gap_rows(task: TaskView, axis: str) -> list[tuple[str, dict[str, Gap]]]:
    """Gaps of one axis, a row a group and a column a metric."""
    rows: dict[str, dict[str, Gap]] = {}
    for gap in task.gaps:
        if gap.axis == axis and gap.category is None:
            rows.setdefault(gap.group, {})[gap.metric] = gap
    return sorted(rows.items())


def _level_cell(table: LevelTable, row: tuple[Level | None, ...]) -> int:
    """Cells behind a row of levels: the most that any metric has."""
    return max((level.n_cells for level in row if level is not None), default=0)
