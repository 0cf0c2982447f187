"""The frontier drawn as a plane: utility against leakage, and against a gap."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.frontier_figures import Dot, Panel, blank, limits, placed, ticks
from reports.labels import Translate
from reports.svg import COLOURS, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True, slots=True)
class Spot:
    """One variant in a plot of two figures; ``path`` joins those of one making, in the order of their ε."""

    label: str
    x: Dot
    y: Dot
    path: str
    private: bool
    augmented: bool


def plane(
    spots: Sequence[tuple[Panel, Sequence[Spot]]], x: Panel, prefix: str, title: str, t: Translate, wide: bool
) -> str | None:
    """Draw utility against leakage, and utility against a gap, one plot each; variants with an ε are joined by it."""
    shown = [
        (panel, [spot for spot in some if spot.x.estimate is not None and spot.y.estimate is not None])
        for panel, some in spots
    ]
    shown = [(panel, some) for panel, some in shown if len(some) > 1]
    if not shown:
        return None
    description = t("Variants by utility and by leakage or gap. The same numbers stand in the tables after the figure.")
    return render(lambda: _planes(shown, x, wide), prefix, title, description)


def _planes(shown: Sequence[tuple[Panel, Sequence[Spot]]], x: Panel, wide: bool) -> Canvas:
    width, left, right, top, bottom = (760.0, 54.0, 14.0, 46.0, 44.0) if wide else (330.0, 48.0, 10.0, 40.0, 46.0)
    high = 250.0 if wide else 230.0
    columns = len(shown) if wide else 1
    each = min(width / columns, 520.0) - left - right
    block = top + high + bottom
    figure = blank(width if columns > 1 or not wide else 520.0, block * (1 if wide else len(shown)))
    for i, (panel, some) in enumerate(shown):
        place = (i * (each + left + right) + left, top) if wide else (left, i * block + top)
        _plane(placed(figure, *place, each, high), panel, x, some, each, high, left)
    return figure


def _plane(axes: Axes, y: Panel, x: Panel, spots: Sequence[Spot], width: float, height: float, left: float) -> None:
    fx, fy = x.metric.factor, y.metric.factor
    across = Panel("", x.metric, "", tuple(spot.x for spot in spots), None)
    up = Panel("", y.metric, "", tuple(spot.y for spot in spots), None, y.mark)
    ends = (limits(across), limits(up))
    axes.set_xlim(*ends[0])
    axes.set_ylim(*ends[1])
    if y.mark is not None:
        axes.axhline(y.mark * fy, color=COLOURS["muted"], linewidth=1.1)
    for path in sorted({spot.path for spot in spots if spot.path}):
        along = [spot for spot in spots if spot.path == path]
        xs = [(spot.x.estimate or 0.0) * fx for spot in along]
        ys = [(spot.y.estimate or 0.0) * fy for spot in along]
        dashes = "solid" if path == "plain" else (0, (4, 3))
        axes.plot(xs, ys, color=COLOURS["band-edge"], linewidth=1.4, linestyle=dashes)
    for spot in spots:
        _spot(axes, spot, fx, fy)
    _names(axes, spots, fx, fy, width, height)
    for axis, low, high, room in ((axes.xaxis, *ends[0], 18 / width), (axes.yaxis, *ends[1], 8 / height)):
        edge = (high - low) * room
        axis.set_ticks([tick for tick in ticks(low, high, 5) if low + edge <= tick <= high - edge])
        axis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))
    axes.tick_params(labelsize=9.5, length=3)
    axes.set_xlabel(x.unit, fontsize=10, labelpad=4)
    lines = textwrap.wrap(f"{y.title} ({y.unit})" if y.unit else y.title, int((width + left) / 6.2))[:2]
    axes.text(
        -left / width, 1 + 10 / height, "\n".join(lines), transform=axes.transAxes, ha="left", va="bottom",
        fontsize=10.5, weight=700, linespacing=1.25,
    )  # fmt: skip
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)


def _spot(axes: Axes, spot: Spot, fx: float, fy: float) -> None:
    at = ((spot.x.estimate or 0.0) * fx, (spot.y.estimate or 0.0) * fy)
    colour = COLOURS["accent" if spot.private else "muted"]
    for dot, factor, across in ((spot.x, fx, True), (spot.y, fy, False)):
        if dot.low is not None and dot.high is not None:
            span, still = [dot.low * factor, dot.high * factor], [at[1 if across else 0]] * 2
            axes.plot(*((span, still) if across else (still, span)), color=colour, linewidth=1.2)
    marker = "D" if spot.augmented else "o"
    face = colour if spot.private else COLOURS["paper"]
    axes.plot([at[0]], [at[1]], marker, color=colour, markerfacecolor=face, markersize=7, markeredgewidth=1.6)


def _names(axes: Axes, spots: Sequence[Spot], fx: float, fy: float, width: float, height: float) -> None:
    """Names beside the points, each where neither a point nor another name lies."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    places = [
        (
            ((spot.x.estimate or 0.0) * fx - x0) / (x1 - x0) * width,
            ((spot.y.estimate or 0.0) * fy - y0) / (y1 - y0) * height,
        )
        for spot in spots
    ]
    taken = [(x - 6, x + 6, y) for x, y in places]
    for spot, (x, y) in zip(spots, places, strict=True):
        long = 5.9 * len(spot.label)
        tries = [(side, up) for up in (10, -10, 22, -22, 34, -34, 46, -46) for side in (9, -9)]
        for side, up in tries:
            left = x + side if side > 0 else x + side - long
            inside = left >= 0 and left + long <= width and 6 <= y + up <= height - 2
            if inside and not any(left < b and left + long > a and abs(y + up - v) < 12 for a, b, v in taken):
                break
        else:
            side, up = (9, 10) if x < width / 2 else (-9, 10)
            left = x + side if side > 0 else x + side - long
        taken.append((left, left + long, y + up))
        axes.text(
            left / width, (y + up) / height, spot.label, transform=axes.transAxes, ha="left", va="center", fontsize=10
        )  # fmt: skip
