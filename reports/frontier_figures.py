"""The frontier drawn: a row a variant, with leakage, utility and gaps side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

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
    figure = blank(width, top + bottom + _ROW * len(labels))
    for i, panel in enumerate(panels):
        axes = placed(figure, left + i * (each + gap), top, each, _ROW * len(labels))
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
    figure = blank(width, block * len(panels))
    for i, panel in enumerate(panels):
        axes = placed(figure, left, i * block + top, each, high)
        _panel(axes, panel, each, len(labels), 52, left)
        for y, label in enumerate(labels):
            axes.text(
                -left / each, y, label, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=10.5
            )
    return figure


def blank(width: float, height: float) -> Canvas:
    """An empty drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72.0, height / 72.0), dpi=72.0)
    FigureCanvasAgg(figure)
    return figure


def placed(figure: Canvas, left: float, top: float, width: float, height: float) -> Axes:
    """Axes by their place in units from the upper left corner."""
    whole, high = figure.get_size_inches() * 72.0
    return figure.add_axes((left / whole, 1 - (top + height) / high, width / whole, height / high))


def _panel(axes: Axes, panel: Panel, width: float, rows: int, letters: int, indent: float = 0.0) -> None:
    scale = panel.metric.factor
    low, high = limits(panel)
    axes.set_xlim(low, high)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.hlines([y - 0.5 for y in range(rows + 1)], low, high, colors=COLOURS["grid"], linewidths=0.4)
    if panel.mark is not None:
        _guide(axes, panel.mark * scale, rows, "muted", "solid")
    if panel.base is not None:
        _guide(axes, panel.base * scale, rows, "band-edge", "dashed")
    for y, dot in enumerate(panel.dots):
        _dot(axes, y, dot, panel, (low, high))
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=9.5, length=3)
    edge = (high - low) * 15 / width
    axes.set_xticks([tick for tick in ticks(low, high, 4 if width < 180 else 5) if low + edge <= tick <= high - edge])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))
    axes.set_xlabel(panel.unit, fontsize=10, labelpad=4)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    lines = textwrap.wrap(panel.title, letters)[:3]
    axes.text(
        -indent / width, -0.5 - 8 / _ROW, "\n".join(lines), transform=axes.get_yaxis_transform(),
        ha="left", va="bottom", fontsize=10.5, weight=700, linespacing=1.25,
    )  # fmt: skip


def _guide(axes: Axes, value: float, rows: int, colour: str, dashes: Literal["solid", "dashed"]) -> None:
    """A value to compare with. The numbers stand above the points: a line through all would cross them."""
    low, high = ([y + end for y in range(rows)] for end in (-0.02, 0.48))
    axes.vlines([value] * rows, low, high, colors=COLOURS[colour], linewidths=1.3, linestyles=dashes)


def limits(panel: Panel) -> tuple[float, float]:
    """Both ends of a scale that holds every value with its interval."""
    ends = [value for dot in panel.dots for value in (dot.estimate, dot.low, dot.high)]
    ends += [panel.base, panel.mark]
    known = [value * panel.metric.factor for value in ends if value is not None]
    low, high = min(known), max(known)
    room = (high - low) * 0.09 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _dot(axes: Axes, y: int, dot: Dot, panel: Panel, limits: tuple[float, float]) -> None:
    if dot.estimate is None:
        axes.text(
            0.5, y - 0.24, dot.why, transform=axes.get_yaxis_transform(), ha="center", va="center", fontsize=9.5,
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


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round places on a scale."""
    from matplotlib.ticker import MaxNLocator

    return [float(value) for value in MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
