"""What the head of a frontier says in plain words: what DP bought, what it cost, which gaps grew, what CDA did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reports.frontier_choice import gaps, leaks, sizes, spoken, steps, utilities
from reports.frontier_spent import refutations
from reports.frontier_values import Cell, Figure, FrontierView, Place
from reports.frontier_wording import FrontierWording, lower

_MOST_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence; ``tone`` is worse, better, unclear or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One answer of the head: a figure, and sentences that explain it."""

    key: str
    title: str
    figure: str
    small: str
    lines: tuple[Line, ...]
    tone: str = ""


def headline(view: FrontierView, w: FrontierWording) -> str:
    """Return the one sentence that everything else explains."""
    contradicted = refutations(view, w)
    if contradicted:
        return contradicted[0]
    pair = spoken(view)
    if pair is None:
        measured = [
            cell for cell in view.cells if any(f.cell == cell.name and f.status == "measured" for f in view.figures)
        ]
        if not measured:
            return w.t("Nothing is measured yet.")
        if not any(cell.private for cell in measured):
            names = ", ".join(w.inside(cell) for cell in measured)
            return w.t("No variant with DP is measured yet; so far there is {names}.").format(names=names)
        return w.t("DP is not yet compared with anything: what it was to be compared with is missing.")
    cell, before = pair
    clauses = [_moved(view, cell, before, place, w) for place in (*leaks(view)[:1], *utilities(view)[:1])]
    clauses.append(_grown(view, cell, before, w))
    told = [clause for clause in clauses if clause]
    listed = w.t("{some} and {last}").format(some=", ".join(told[:-1]), last=told[-1]) if len(told) > 1 else told[0]
    return w.t("With {cell}, against {before}, {listed}.").format(
        cell=w.inside(cell), before=w.inside(before), listed=listed
    )


def _moved(view: FrontierView, cell: Cell, before: Cell, place: Place, w: FrontierWording) -> str:
    now, then, change = view.level(cell, place), view.level(before, place), view.change(cell, before, place)
    if now is None or then is None or change is None:
        return ""
    unit = w.units(place, now.scale)
    words = {
        "up": w.t("{what} rose from {then} to {now}"),
        "down": w.t("{what} fell from {then} to {now}"),
        "unclear": w.t("{what} is not shown to have changed ({then} → {now})"),
    }
    text = words.get(change.shows, w.t("{what} went from {then} to {now}, with no interval"))
    end = f"{w.value(now)} {unit}" if unit else w.value(now)
    return text.format(what=lower(w.name(place, now.scale)), then=w.value(then), now=end)


def _grown(view: FrontierView, cell: Cell, before: Cell, w: FrontierWording) -> str:
    found = _sizes(view, cell, before)
    wider = sum(one.shows == "up" for one in found)
    if not found:
        return ""
    if not wider:
        return w.t("none of {all} gaps is shown to have grown").format(all=len(found))
    return w.t("{n} of {all} gaps grew").format(n=wider, all=len(found))


def _sizes(view: FrontierView, cell: Cell, before: Cell) -> list[Figure]:
    return sizes(view, cell, before, [place for some in gaps(view).values() for place in some])


def cards(view: FrontierView, w: FrontierWording) -> list[Card]:
    """Return the answers of the head; a question to which nothing is known yet says so."""
    bought = _levels_card(view, w, "bought", w.t("What DP kept from leaking"), _by_family(leaks(view)))
    costly = [place for place in utilities(view) if place.metric != "nll"] or utilities(view)
    cost = _levels_card(view, w, "cost", w.t("What DP cost in utility"), costly)
    return [bought, cost, _grew_card(view, w), _cda_card(view, w)]


def _by_family(found: Iterable[Place]) -> list[Place]:
    """The first of each family: one attack, one way, one count."""
    by: dict[str, Place] = {}
    for place in found:
        by.setdefault(place.family, place)
    return list(by.values())


def _private_steps(view: FrontierView) -> list[tuple[Cell, Cell]]:
    """DP against what it is a step away from; that of the headline first."""
    first = spoken(view)
    pairs = [pair for pair in steps(view) if pair[0].private and not pair[0].augmented]
    pairs = pairs or [pair for pair in steps(view) if pair[0].private]
    return sorted(pairs, key=lambda pair: pair != first)


def _levels_card(view: FrontierView, w: FrontierWording, key: str, title: str, places: Sequence[Place]) -> Card:
    figure, small, tone = "–", "", ""
    lines: list[Line] = []
    pairs = _private_steps(view)
    for i, (cell, before) in enumerate(pairs):
        for place in places[: 1 if i else _MOST_LINES]:
            now, then, change = view.level(cell, place), view.level(before, place), view.change(cell, before, place)
            if now is None or then is None or change is None:
                continue
            if figure == "–":
                figure, tone = f"{w.value(then)} → {w.value(now)}", w.tone(change)
                unit = w.units(place, now.scale)
                against = w.t("{cell} against {before}").format(cell=w.cell(cell), before=w.inside(before))
                small = "; ".join(part for part in (unit, against) if part)
            what = ", ".join(part for part in (w.name(place, now.scale), w.named_task(place.task)) if part)
            text = w.t("{what}: {then} → {now}, change {change}: {shown}.").format(
                what=what if not i else w.t("{cell}, {what}").format(cell=w.cell(cell), what=lower(what)),
                then=w.value(then),
                now=w.value(now),
                change=w.whole(change),
                shown=w.shown(change),
            )
            lines.append(Line(text, w.tone(change)))
    if not lines:
        lines = [
            Line(w.t("Not known yet: it takes a variant with DP and the one that it is compared with, both measured."))
        ]
    return Card(key, title, figure, small, tuple(lines), tone)


def widened(view: FrontierView, w: FrontierWording, cell: Cell, before: Cell, shows: str = "up") -> list[Line]:
    """Return a sentence for each gap that is shown to have grown (or shrunk), the largest first."""
    words = {
        "up": w.t("{cell} widened the gap of {whose} by {by} against {before}: {then} → {now}."),
        "down": w.t("{cell} narrowed the gap of {whose} by {by} against {before}: {then} → {now}."),
    }[shows]
    found = [one for one in _sizes(view, cell, before) if one.shows == shows]
    return [
        Line(_of_gap(view, w, words, cell, before, one), "worse" if shows == "up" else "better")
        for one in (found if shows == "up" else reversed(found))
    ]


def _of_gap(view: FrontierView, w: FrontierWording, words: str, cell: Cell, before: Cell, one: Figure) -> str:
    plain = _signed(one.place)
    about = w.metric(one.place, one.scale)
    ends = sorted(abs(value) for value in (one.ci_low, one.ci_high) if value is not None)
    by = f"{about.text(abs(one.estimate or 0.0))} [{', '.join(about.text(end) for end in ends)}]"
    unit = w.units(plain, one.scale, True)
    whose = w.pair(plain)
    if one.place.task:
        whose = w.t("{pair} in {task}").format(pair=whose, task=lower(w.named_task(one.place.task)))
    if one.place.category:
        whose += f" ({w.channel(one.place.category)})"
    return words.format(
        cell=w.inside(cell)[:1].upper() + w.inside(cell)[1:],
        before=w.inside(before),
        whose=whose,
        by=f"{by} {unit}" if unit else by,
        then=w.value(view.level(before, plain)),
        now=w.value(view.level(cell, plain)),
    )


def _signed(place: Place) -> Place:
    return replace(place, metric=place.base)


def _grew_card(view: FrontierView, w: FrontierWording) -> Card:
    title = w.t("Gaps that grew")
    pairs = [*_private_steps(view), *((c, b) for c, b in steps(view) if not c.private and not c.augmented)]
    figure, small, tone = "–", "", ""
    lines: list[Line] = []
    for cell, before in pairs:
        found = _sizes(view, cell, before)
        if not found:
            continue
        wider = [one for one in found if one.shows == "up"]
        if figure == "–":
            figure = w.t("{n} of {all}").format(n=len(wider), all=len(found))
            small = w.t("{cell} against {before}").format(cell=w.cell(cell), before=w.inside(before))
            tone = "worse" if wider else "unclear"
        most = 3 if not lines else 1
        lines += widened(view, w, cell, before)[:most]
        if len(wider) > most:
            more = w.t("{cell} against {before}: {n} more, which the tables below show.")
            left = len(wider) - most
            lines.append(Line(more.format(cell=w.cell(cell), before=w.inside(before), n=left), "worse"))
        if not wider:
            lines.append(Line(_none_grew(w, cell, before, found), "unclear"))
    if not lines:
        lines = [Line(w.t("Not known yet: it takes two variants that are a step apart, both audited."))]
    return Card("grew", title, figure, small, tuple(lines), tone)


def _none_grew(w: FrontierWording, cell: Cell, before: Cell, found: Sequence[Figure]) -> str:
    """No gap is shown to have grown; how much growth the intervals leave open, by metric."""
    most: dict[tuple[str, str], Figure] = {}
    for one in found:
        key = (one.place.base, one.scale)
        if one.ci_high is not None and one.ci_high > (most[key].ci_high or 0.0 if key in most else 0.0):
            most[key] = one
    left = ", ".join(w.amount(one.ci_high, _signed(one.place), one.scale, True).lstrip("+") for one in most.values())
    text = w.t("{cell}: none of {all} gaps is shown to have grown against {before}.").format(
        cell=w.cell(cell), all=len(found), before=w.inside(before)
    )
    return f"{text} {w.t('Growth up to {left} is not ruled out.').format(left=left)}" if left else text


def _cda_card(view: FrontierView, w: FrontierWording) -> Card:
    title = w.t("What CDA did to gaps")
    figure, small, tone = "–", "", ""
    lines: list[Line] = []
    for cell, before in steps(view):
        found = _sizes(view, cell, before) if cell.augmented else []
        if not found:
            continue
        shrunk, grown = (sum(one.shows == shows for one in found) for shows in ("down", "up"))
        if figure == "–":
            figure = w.t("{n} of {all}").format(n=shrunk, all=len(found))
            small = w.t("narrowed, {cell} against {before}").format(cell=w.cell(cell), before=w.inside(before))
            tone = "worse" if grown > shrunk else "better" if shrunk else "unclear"
        text = w.t("{cell}, against {before}: {shrunk} narrower, {grown} wider, {rest} with no change shown.")
        rest = len(found) - shrunk - grown
        said = text.format(cell=w.cell(cell), before=w.inside(before), shrunk=shrunk, grown=grown, rest=rest)
        lines.append(Line(said, "better" if shrunk > grown else "worse" if grown else "unclear"))
        lines += _mended(view, w, cell, before)
        lines += widened(view, w, cell, before)[:2]
    if not lines:
        lines = [Line(w.t("Not known yet: it takes a variant with CDA and the same without it, both audited."))]
    return Card("cda", title, figure, small, tuple(lines), tone)


def _mended(view: FrontierView, w: FrontierWording, cell: Cell, before: Cell) -> list[Line]:
    """Of the gaps that the step before had widened: what became of each."""
    earlier = view.step(before)
    if earlier is None:
        return []
    grown = [one.place for one in _sizes(view, before, earlier) if one.shows == "up"]
    changes = {one.place: one for one in _sizes(view, cell, before)}
    known = [changes[place] for place in grown if place in changes]
    if not known:
        return []
    text = w.t("Of the {n} gaps that {before} had widened, {shrunk} narrowed; of the others no mending is shown.")
    shrunk = sum(one.shows == "down" for one in known)
    if len(known) == 1:
        text = w.t("The gap that {before} had widened narrowed.")
        text = text if shrunk else w.t("No mending is shown of the gap that {before} had widened.")
    elif shrunk == len(known):
        text = w.t("Of the {n} gaps that {before} had widened, all {shrunk} narrowed.")
    line = text.format(n=len(known), before=w.inside(before), shrunk=shrunk)
    return [Line(line, "better" if shrunk == len(known) else "unclear" if not shrunk else "")]
