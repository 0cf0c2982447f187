"""The frontier drawn: a row a variant with leakage, utility and gaps side by side; and each against the other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.labels import Metric, Translate
from reports.svg import COLOURS, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Colour, marker and whether it is filled, by what the step to this variant shows.
_TONES: Final = {
    "worse": ("fail", "s", True),
    "better": ("pass", "D", True),
    "unclear": ("muted", "o", False),
    "": ("accent", "o", True),
}
_ROW: Final = 36.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure of one variant; without an estimate ``why`` stands in its place."""

    estimate: float | None
    low: float | None = None
    high: float | None = None
    tone: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One column: a figure of every variant. ``mark`` is a value to compare with, ``base`` that of the base model."""

    title: str
    metric: Metric
    unit: str
    dots: tuple[Dot, ...]
    base: float | None
    mark: float | None = None
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """One variant in a plot of two figures; ``path`` joins those of one making, in the order of their ε."""

    label: str
    x: Dot
    y: Dot
    path: str
    private: bool
    augmented: bool


def multiples(
    labels: Sequence[str], panels: Sequence[Panel], prefix: str, title: str, t: Translate, wide: bool
) -> str | None:
    """Draw one row a variant and one column a figure; columns stand below each other on narrow pages."""
    shown = [panel for panel in panels if any(dot.estimate is not None for dot in panel.dots)]
    if not shown:
        return None
    description = t(
        "Each row is one variant, each column one figure with its 95 % interval. A square is worse and a diamond "
        "better than the variant one step before. The same numbers stand in the tables after the figure."
    )
    draw = _beside if wide else _below
    return render(lambda: draw(labels, shown), prefix, title, description)


def _beside(labels: Sequence[str], panels: Sequence[Panel]) -> Canvas:
    left, right, gap, top, bottom, width = 128.0, 8.0, 22.0, 56.0, 42.0, 760.0
    each = (width - left - right - gap * (len(panels) - 1)) / len(panels)
    figure = _empty(width, top + bottom + _ROW * len(labels))
    for i, panel in enumerate(panels):
        axes = _place(figure, left + i * (each + gap), top, each, _ROW * len(labels))
        _panel(axes, panel, each, len(labels), max(14, int(each / 6.4)))
        if not i:
            for y, label in enumerate(labels):
                axes.text(
                    -12 / each, y, label, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=11
                )
    return figure


def _below(labels: Sequence[str], panels: Sequence[Panel]) -> Canvas:
    left, right, top, bottom, width, row = 104.0, 8.0, 38.0, 44.0, 330.0, 33.0
    each, high = width - left - right, row * len(labels)
    block = top + high + bottom
    figure = _empty(width, block * len(panels))
    for i, panel in enumerate(panels):
        axes = _place(figure, left, i * block + top, each, high)
        _panel(axes, panel, each, len(labels), 52, left)
        for y, label in enumerate(labels):
            axes.text(
                -left / each, y, label, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=10.5
            )
    return figure


def _empty(width: float, height: float) -> Canvas:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72.0, height / 72.0), dpi=72.0)
    FigureCanvasAgg(figure)
    return figure


def _place(figure: Canvas, left: float, top: float, width: float, height: float) -> Axes:
    """Axes by their place in units from the upper left corner."""
    whole, high = figure.get_size_inches() * 72.0
    return figure.add_axes((left / whole, 1 - (top + height) / high, width / whole, height / high))


def _panel(axes: Axes, panel: Panel, width: float, rows: int, letters: int, indent: float = 0.0) -> None:
    scale = panel.metric.factor
    low, high = _limits(panel)
    axes.set_xlim(low, high)
    axes.set_ylim(rows - 0.5, -0.5)
    for y in range(rows + 1):
        axes.axhline(y - 0.5, color=COLOURS["grid"], linewidth=0.4)
    for value, colour, thick, dashes in (
        (panel.mark, "muted", 1.1, "solid"),
        (panel.base, "band-edge", 1.5, (0, (3, 2))),
    ):
        # The numbers stand above the points: a line through all would cross them.
        for y in range(rows) if value is not None else ():
            ends = [(value or 0.0) * scale] * 2
            axes.plot(ends, [y - 0.02, y + 0.48], color=COLOURS[colour], linewidth=thick, linestyle=dashes)
    for y, dot in enumerate(panel.dots):
        _dot(axes, y, dot, panel, (low, high))
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=9.5, length=3)
    edge = (high - low) * 15 / width
    axes.set_xticks([tick for tick in _ticks(low, high, 4 if width < 180 else 5) if low + edge <= tick <= high - edge])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))
    axes.set_xlabel(panel.unit, fontsize=10, labelpad=4)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    lines = textwrap.wrap(panel.title, letters)[:3]
    axes.text(
        -indent / width, -0.5 - 8 / _ROW, "\n".join(lines), transform=axes.get_yaxis_transform(),
        ha="left", va="bottom", fontsize=10.5, weight=700, linespacing=1.25,
    )  # fmt: skip


def _limits(panel: Panel) -> tuple[float, float]:
    ends = [value for dot in panel.dots for value in (dot.estimate, dot.low, dot.high)]
    ends += [panel.base, panel.mark]
    known = [value * panel.metric.factor for value in ends if value is not None]
    low, high = min(known), max(known)
    room = (high - low) * 0.09 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _dot(axes: Axes, y: int, dot: Dot, panel: Panel, limits: tuple[float, float]) -> None:
    if dot.estimate is None:
        axes.text(
            0.5, y, dot.why, transform=axes.get_yaxis_transform(), ha="center", va="center", fontsize=9.5,
            color=COLOURS["muted"], style="italic",
        )  # fmt: skip
        return
    colour, marker, filled = _TONES[dot.tone]
    scale, at = panel.metric.factor, y + 0.17
    value = dot.estimate * scale
    if dot.low is not None and dot.high is not None:
        axes.plot(
            [dot.low * scale, dot.high * scale], [at, at], color=COLOURS[colour], linewidth=2, solid_capstyle="butt"
        )
    face = COLOURS[colour] if filled else COLOURS["paper"]
    size = 7.0 if marker == "o" else 6.2
    axes.plot([value], [at], marker, color=COLOURS[colour], markerfacecolor=face, markersize=size, markeredgewidth=1.5)
    share = (value - limits[0]) / (limits[1] - limits[0])
    side = "left" if share < 0.22 else "right" if share > 0.78 else "center"
    place = max(0.0, share - 0.04) if side == "left" else min(1.0, share + 0.04) if side == "right" else share
    axes.text(
        place, y - 0.24, panel.metric.text(dot.estimate, panel.signed), transform=axes.get_yaxis_transform(),
        ha=side, va="center", fontsize=10, color=COLOURS["ink"],
    )  # fmt: skip


def _ticks(low: float, high: float, most: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(value) for value in MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


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
    figure = _empty(width if columns > 1 or not wide else 520.0, block * (1 if wide else len(shown)))
    for i, (panel, some) in enumerate(shown):
        place = (i * (each + left + right) + left, top) if wide else (left, i * block + top)
        _plane(_place(figure, *place, each, high), panel, x, some, each, high, left)
    return figure


def _plane(axes: Axes, y: Panel, x: Panel, spots: Sequence[Spot], width: float, height: float, left: float) -> None:
    fx, fy = x.metric.factor, y.metric.factor
    across = Panel("", x.metric, "", tuple(spot.x for spot in spots), None)
    up = Panel("", y.metric, "", tuple(spot.y for spot in spots), None, y.mark)
    ends = (_limits(across), _limits(up))
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
        axis.set_ticks([tick for tick in _ticks(low, high, 5) if low + edge <= tick <= high - edge])
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
