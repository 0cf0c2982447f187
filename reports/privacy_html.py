"""report.html of a privacy audit: one file that loads nothing and runs nothing, with values masked unless asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports import privacy_labels as names
from reports.labels import Translate, group
from reports.language import catalogue, mark
from reports.page import Drawing, both, render_page, write_text
from reports.privacy_figures import NULL_BITS, Line, exposures, intervals, roc
from reports.privacy_groups import GroupTable, group_tables, main_groups
from reports.privacy_labels import privacy_metric
from reports.privacy_tiles import best_attack, one_run, refuted, tiles
from reports.privacy_values import Measure, PrivacyView
from reports.privacy_wording import PrivacyWording, group_name, seen, types_of, ways

_SIDES: Final = {"member": mark("members"), "held_out": mark("held out")}
LEAKS_SHOWN: Final = 3
FINDINGS_SHOWN: Final = 1500


def write_privacy_html(view: PrivacyView, path: Path, language: str = "en") -> Path:
    """Write the report to ``path`` in one step.

    Parameters
    ----------
    view
        From :func:`reports.build_privacy_view`, which decides whether values are masked. The same
        view gives the same bytes.
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


def render(view: PrivacyView, language: str = "en") -> str:
    """Return the whole page."""
    translations = catalogue(language)
    t = translations.gettext
    w = PrivacyWording(t)
    grouped = group_tables(view)
    return render_page(
        "privacy.html.j2",
        translations,
        language,
        view=view,
        w=w,
        names=names,
        model=view.subject.model.get("name"),
        base=view.base.get("name"),
        tiles=tiles(view, w),
        exposure_figure=_exposure_figure(view, t),
        roc_figure=_roc_figure(view, t),
        extraction_figure=_extraction_figure(view, w),
        best=best_attack(view),
        ways=ways,
        types_of=types_of,
        one_run=one_run(view.bound),
        refuted=refuted(view, w),
        groups=_by_metric(grouped),
        group_figures=_group_figures(grouped, main_groups(view, grouped), w),
        group_name=group_name,
        seen=seen,
        recall=[m for m in view.measures if m.family == "pii_recall" and m.statistic == "mean"],
        methods=tuple(dict.fromkeys(m.method for m in view.measures)),
        leaks_shown=LEAKS_SHOWN,
        findings=view.measures[:FINDINGS_SHOWN],
    )


def _exposure_figure(view: PrivacyView, t: Translate) -> Drawing | None:
    """Distributions where they are known, else the means with their intervals."""
    title = t("Exposure of canaries")
    if view.distributions:
        return both(lambda prefix, wide: exposures(view.distributions, prefix, title, t, wide), "exposure")
    lines = [
        _line(view.level("exposure", category, arm), f"{t(names.CATEGORIES[category])}, {t(names.MODELS[arm])}", arm)
        for arm in ("target", "base")
        for category in ("inserted", "not_inserted")
    ]
    known = [line for line in lines if line is not None]
    nothing = (NULL_BITS, t("nothing learnt: 1.44"))
    return both(
        lambda prefix, wide: intervals(known, privacy_metric("exposure"), prefix, title, t, wide, nothing), "exposure"
    )


def _roc_figure(view: PrivacyView, t: Translate) -> Drawing | None:
    title = t("Members found against false alarms")
    return both(lambda prefix, wide: roc(view.curves, prefix, title, t, wide), "roc")


def _extraction_figure(view: PrivacyView, w: PrivacyWording) -> Drawing | None:
    lines = []
    for metric in (*ways(view, "extraction"), *ways(view, "identifier")):
        for arm, category in (("target", "member"), ("target", "held_out"), ("base", "member")):
            whose = w.t(names.MODELS[arm] if arm == "base" else _SIDES[category])
            what = w.t("records") if metric.startswith("extraction") else w.t("identifiers")
            label = f"{what}, {w.part(metric.partition(':')[2])}: {whose}"
            control = arm == "base" or category == "held_out"
            lines.append(_line(view.level(metric, category, arm), label, "base" if control else arm))
    known = [line for line in lines if line is not None]
    about = privacy_metric("extraction")
    return both(lambda prefix, wide: intervals(known, about, prefix, w.t("What comes back"), w.t, wide), "extraction")


def _line(measure: Measure | None, label: str, arm: str) -> Line | None:
    if measure is None:
        return None
    return Line(label, measure.estimate, measure.ci_low, measure.ci_high, control=arm == "base")


def _by_metric(found: list[GroupTable]) -> list[tuple[str, list[GroupTable]]]:
    by: dict[str, list[GroupTable]] = {}
    for table in found:
        by.setdefault(table.metric, []).append(table)
    return list(by.items())


def _group_figures(found: list[GroupTable], main: list[GroupTable], w: PrivacyWording) -> dict[str, Drawing]:
    """One figure for each of the main metrics, all axes in it; reference groups are drawn open."""
    figures = {}
    wanted = {table.metric for table in main}
    for i, (metric, axes) in enumerate(_by_metric([table for table in found if table.metric in wanted])):
        lines = [
            Line(
                f"{w.axis(table.axis)}: {group(row.group, start=False)}",
                row.level.estimate,
                row.level.ci_low,
                row.level.ci_high,
                control=row.group == table.reference,
            )
            for table in axes
            for row in table.rows
            if row.level is not None
        ]
        marks = {"exposure": (NULL_BITS, w.t("nothing learnt: 1.44")), "auc": (0.5, w.t("guessing"))}
        drawn = _draw_groups(lines, metric, f"groups-{i}", w, marks.get(metric.partition(":")[0]))
        if drawn is not None:
            figures[metric] = drawn
    return figures


def _draw_groups(
    lines: list[Line], metric: str, prefix: str, w: PrivacyWording, place: tuple[float, str] | None
) -> Drawing | None:
    title = w.t("{metric} by group of the author").format(metric=w.name(metric))
    about = privacy_metric(metric)
    return both(lambda name, wide: intervals(lines, about, name, title, w.t, wide, place), prefix)
