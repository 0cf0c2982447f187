"""Which figures the frontier draws, and of what: the view's figures become panels, dots and spots."""

from __future__ import annotations

from dataclasses import replace

from reports.frontier_choice import gaps, leaks, main_gaps, sizes, spoken, utilities
from reports.frontier_figures import Dot, Panel, multiples
from reports.frontier_plane import Spot, plane
from reports.frontier_values import Cell, Figure, FrontierView, Place
from reports.frontier_wording import FrontierWording
from reports.labels import Metric
from reports.page import Draw, Drawing, both
from reports.privacy_figures import NULL_BITS, Line, intervals

_PANELS = 4
_MOST_GAPS = 40


def overview(view: FrontierView, w: FrontierWording) -> Drawing | None:
    """Every variant by leakage, utility and the gaps that grew most."""
    panels = [_panel(view, w, place) for place in chosen(view)]
    labels = [w.cell(cell) for cell in view.cells]
    return both(
        lambda prefix, wide: multiples(labels, panels, prefix, w.t("The variants side by side"), w.t, wide), "overview"
    )


def chosen(view: FrontierView) -> list[Place]:
    """Return what the overview draws: one leak, one measure of utility, gaps; a second leak where there is room."""
    first, use = leaks(view)[:1], utilities(view)[:1]
    found = main_gaps(view, _PANELS - len(first) - len(use))
    room = _PANELS - len(first) - len(use) - len(found)
    second = [place for place in leaks(view) if first and place.family != first[0].family][:room]
    return [*first, *second, *use, *found]


def trade_off(view: FrontierView, w: FrontierWording) -> Drawing | None:
    """Utility against leakage, and against the gap that grew most."""
    use = utilities(view)[:1]
    if not use:
        return None
    x = _panel(view, w, use[0])
    x = replace(x, unit=" ".join([w.name(use[0]), f"({x.unit})" if x.unit and x.unit != "%" else x.unit]).strip())
    pairs = []
    for place in (*leaks(view)[:1], *main_gaps(view, 1)):
        y = _panel(view, w, place)
        spots = [
            Spot(w.cell(cell), x.dots[i], y.dots[i], _path(cell), cell.private, cell.augmented)
            for i, cell in enumerate(view.cells)
        ]
        pairs.append((y, spots))
    return both(lambda prefix, wide: plane(pairs, x, prefix, w.t("What is traded for what"), w.t, wide), "plane")


def grown(view: FrontierView, w: FrontierWording) -> list[tuple[str, Drawing]]:
    """How the size of each gap changed by the step of the headline, one figure a task."""
    pair = spoken(view)
    if pair is None:
        return []
    found = []
    for i, places in enumerate(gaps(view).values()):
        changes = sizes(view, *pair, places)[:_MOST_GAPS]
        if not changes:
            continue
        lines = [_line(w, one) for one in changes]
        place = changes[0].place
        about = replace(w.metric(place, changes[0].scale), part="")
        title = w.t("Change of the size of gaps: {task}, {cell} against {before}").format(
            task=w.named_task(place.task), cell=w.cell(pair[0]), before=w.inside(pair[1])
        )
        drawn = both(_draw(lines, about, title, w), f"grown-{i}")
        if drawn is not None:
            found.append((title, drawn))
    return found


def _line(w: FrontierWording, one: Figure) -> Line:
    colour = {"up": "fail", "down": "pass"}.get(one.shows)
    bounds = (one.estimate, one.ci_low, one.ci_high)
    return Line(_whose(w, one.place), *bounds, control=colour is None, colour=colour or "accent", signed=True)


def _draw(lines: list[Line], about: Metric, title: str, w: FrontierWording) -> Draw:
    return lambda prefix, wide: intervals(lines, about, prefix, title, w.t, wide, (0.0, w.t("no change")))


def _whose(w: FrontierWording, place: Place) -> str:
    whose = w.whose(replace(place, task=None))
    return whose.rpartition(": ")[2] if len(whose) > 40 else whose


def _panel(view: FrontierView, w: FrontierWording, place: Place) -> Panel:
    scale = view.scale(place)
    signed = place.reference is not None
    dots = tuple(_dot(view, w, cell, place) for cell in view.cells)
    base = next((dot.estimate for cell, dot in zip(view.cells, dots, strict=True) if cell.variant == "base"), None)
    mark = 0.0 if signed else {"exposure": NULL_BITS, "auc": 0.5}.get(place.family)
    title = w.name(place, scale)
    if place.domain == "fairness":
        title = w.gap(place)
    return Panel(title, w.metric(place, scale), w.units(place, scale), dots, base, mark, signed)


def _dot(view: FrontierView, w: FrontierWording, cell: Cell, place: Place) -> Dot:
    found, before = view.level(cell, place), view.step(cell)
    if found is None:
        stages = {
            "fairness": ("fairness", "trained"),
            "privacy": ("privacy", "trained"),
            "utility": ("utility", "trained"),
        }
        waits = any(
            one.name in stages.get(place.domain, ()) and one.status not in ("done", "off") for one in cell.stages
        )
        waits = waits or any(
            one.cell == cell.name and one.place.domain == place.domain and one.status == "unfinished" and not one.versus
            for one in view.figures
        )
        return Dot(None, why=w.t("not finished") if waits else w.t("not measured"))
    change = view.change(cell, before, place.size if signed_gap(place) else place) if before else None
    tone = w.tone(change) if change is not None else ""
    return Dot(found.estimate, found.ci_low, found.ci_high, tone)


def signed_gap(place: Place) -> bool:
    """Whether it is a gap with its sign: it is worse where its size grows."""
    return place.domain == "fairness" and not place.of_size


def _path(cell: Cell) -> str:
    """DP by ε, with plain fine-tuning at its end, where ε has no bound."""
    return {"dp": "plain", "ft": "plain", "dp+cda": "cda", "ft+cda": "cda"}.get(cell.variant, "")
