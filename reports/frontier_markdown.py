"""summary.md of a mitigation: the answers, every variant's main figures, budgets, and what is not finished."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.frontier_drawings import chosen
from reports.frontier_missing import lacking
from reports.frontier_spent import Spent, refutations, spent, told_epsilon
from reports.frontier_story import cards, headline
from reports.frontier_values import Cell, FrontierView
from reports.frontier_wording import FrontierWording
from reports.labels import when
from reports.language import catalogue, mark
from reports.page import write_text
from reports.summary import facts, joined, table
from reports.text import markdown

_BUDGET: Final = (
    *(mark("Variant"), mark("ε"), mark("δ"), mark("Noise multiplier")),
    *(mark("ε by attack, at least"), mark("What that shows")),
)
_CHANGES: Final = (
    mark("Variant"),
    mark("Against"),
    mark("Figure"),
    mark("Change, 95 % interval"),
    mark("What it shows"),
)
_LACKING: Final = (mark("Variant"), mark("Part"), mark("Status"), mark("Reason"))
_ICONS: Final = {"worse": "■", "better": "◆", "unclear": "○"}


def write_frontier_markdown(view: FrontierView, path: Path, language: str = "en") -> Path:
    """Write the summary to ``path`` in one step; below 1 MiB.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    return write_text(render(view, language), path)


def render(view: FrontierView, language: str = "en") -> str:
    """Return the summary."""
    t = catalogue(language).gettext
    w = FrontierWording(t)
    lines = [f"# {markdown(headline(view, w))}", ""]
    lines += [line for sentence in refutations(view, w) for line in (f"> **✗ {markdown(sentence)}**", "")]
    for card in cards(view, w):
        lines += [f"## {markdown(card.title)}", ""]
        lines += (
            [markdown(" ".join(part for part in (card.figure, card.small) if part)), ""] if card.figure != "–" else []
        )
        lines += [f"- {_ICONS.get(line.tone, '')} {markdown(line.text)}".replace("-  ", "- ") for line in card.lines]
        lines.append("")
    note = t(
        "“No change shown” is not “no change”. All changes are described one by one: among many comparisons, up to one "
        "in twenty shows a change by chance."
    )
    lines += [note, ""]
    lines += _unfinished(view, w)
    lines += _frontier(view, w)
    if budgets := spent(view):
        lines += [f"## {t('Privacy budget')}", "", *table(t, _BUDGET, [_budget(one, w) for one in budgets]), ""]
    return joined([*lines, *_looked(view, w)])


def _unfinished(view: FrontierView, w: FrontierWording) -> list[str]:
    found = lacking(view, w)
    if not found:
        return []
    rows = [[w.cell(one.cell), one.what, one.status, one.reason] for one in found]
    command = view.subject.command
    again = w.t("To go on, run the same command; what is finished is not done again.")
    told = [again, "", *(["```", _code(command), "```"] if command else [])]
    return [f"## {w.t('Not finished')}", "", *table(w.t, _LACKING, rows), "", *told, ""]


def _code(command: str) -> str:
    """A command on one line that cannot end its block."""
    return " ".join(command.split()).replace("```", "` ` `")


def _frontier(view: FrontierView, w: FrontierWording) -> list[str]:
    """The figures of the overview as levels, a row a variant, and how they changed by a step."""
    places = chosen(view)
    if not places:
        return []
    heads = [w.t("Variant")]
    for place in places:
        scale = view.scale(place)
        name = w.gap(place) if place.reference else w.name(place, scale)
        unit = w.units(place, scale)
        heads.append(markdown(f"{name} ({unit})" if unit else name))
    rows = [
        [w.cell(cell), *(" ".join((w.value(one), w.between(one))) for one in (view.level(cell, p) for p in places))]
        for cell in view.cells
    ]
    lines = [f"## {w.t('Frontier')}", "", *table(lambda text: text, heads, rows), ""]
    moved = [row for cell in view.cells if (before := view.step(cell)) for row in _moved(view, w, cell, before)]
    return [*lines, *table(w.t, _CHANGES, moved), ""] if moved else lines


def _moved(view: FrontierView, w: FrontierWording, cell: Cell, before: Cell) -> list[list[str]]:
    rows = []
    for place in chosen(view):
        one = view.change(cell, before, place.size if place.domain == "fairness" else place)
        if one is None:
            continue
        name = w.name(place, one.scale)
        if place.domain == "fairness":
            name = w.t("size of the gap, {whose}").format(whose=w.whose(place))
        tone = _ICONS.get(w.tone(one), "")
        rows.append([w.cell(cell), w.inside(before), name, w.whole(one), f"{tone} {w.shown(one)}".strip()])
    return rows


def _budget(one: Spent, w: FrontierWording) -> list[str]:
    figures = [told_epsilon(one, w), *(w.count(found.estimate if found else None) for found in (one.delta, one.noise))]
    if one.bound is None:
        return [w.cell(one.cell), *figures, "–", w.t("not attacked yet")]
    shows = w.t("✗ Refuted") if one.refuted else w.t("Not refuted; no proof of it")
    return [w.cell(one.cell), *figures, w.count(one.bound.estimate), shows]


def _looked(view: FrontierView, w: FrontierWording) -> list[str]:
    found = [
        (w.t("Model before"), view.subject.model.get("name")),
        (w.t("Variants"), "; ".join(w.cell(cell) for cell in view.cells)),
        (w.t("Date"), when(view.subject.created)),
        (w.t("Seed"), view.subject.seed),
        (w.t("Command"), view.subject.command),
    ]
    return [f"## {w.t('What was looked at')}", "", *facts(w.t, found), ""]
