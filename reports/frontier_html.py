"""report.html of a mitigation: what DP bought and cost, and which gaps grew, in one file that loads nothing."""

from __future__ import annotations

from pathlib import Path

from reports import frontier_labels as names
from reports.frontier_choice import spoken
from reports.frontier_drawings import grown, overview, trade_off
from reports.frontier_missing import lacking, unmeasured
from reports.frontier_spent import refutations, spent, told_epsilon
from reports.frontier_story import cards, headline
from reports.frontier_tables import changes, gap_grids, group_grids, levels
from reports.frontier_values import FrontierView
from reports.frontier_wording import FrontierWording
from reports.language import catalogue
from reports.page import render_page, write_text


def write_frontier_html(view: FrontierView, path: Path, language: str = "en") -> Path:
    """Write the report to ``path`` in one step.

    Parameters
    ----------
    view
        From :func:`reports.build_frontier_view`. The same view gives the same bytes.
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


def render(view: FrontierView, language: str = "en") -> str:
    """Return the whole page."""
    translations = catalogue(language)
    w = FrontierWording(translations.gettext)
    found = [(cell, grids) for cell in view.cells if (grids := changes(view, w, cell))]
    pair = spoken(view)
    return render_page(
        "frontier.html.j2",
        translations,
        language,
        view=view,
        w=w,
        names=names,
        model=view.subject.model.get("name"),
        headline=headline(view, w),
        refutations=refutations(view, w),
        cards=cards(view, w),
        lacking=lacking(view, w),
        unmeasured=unmeasured(view, w),
        overview=overview(view, w),
        trade_off=trade_off(view, w),
        grown=grown(view, w),
        spent=spent(view),
        told_epsilon=told_epsilon,
        levels=levels(view, w),
        changes=found,
        told=pair[0].name if pair else view.cells[0].name if view.cells else "",
        gaps=gap_grids(view, w),
        groups=group_grids(view, w),
    )
