"""The figures of the privacy audit: exposures, ROC on log axes, and figures with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.figures import canvas
from reports.labels import Metric, Translate
from reports.privacy_labels import PARTS
from reports.privacy_scores import LEAST_FPR
from reports.privacy_values import Curve, Distribution
from reports.svg import COLOURS, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Mean exposure of what a model never saw: log₂ e, the mean of −log₂ of a uniform number.
NULL_BITS: Final = math.log2(math.e)
_SOLID: Final = "solid"
_LINES: Final[Mapping[tuple[str, str], tuple[str, Any, float]]] = {
    ("target", "inserted"): ("fail", _SOLID, 2.4),
    ("target", "not_inserted"): ("accent", (0, (6, 2)), 1.8),
    ("base", "inserted"): ("muted", (0, (2, 2)), 1.6),
}
_ROC: Final[Mapping[str, tuple[str, Any]]] = {
    "blind": ("muted", (0, (2, 2))),
    "loss": ("accent", _SOLID),
    "zlib": ("accent", (0, (6, 2))),
    "reference": ("fail", _SOLID),
    "min_k": ("inconclusive", _SOLID),
    "min_k_plus": ("inconclusive", (0, (6, 2))),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a figure of intervals; ``control`` rows are drawn open. A change has a sign."""

    label: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    control: bool = False
    colour: str = "accent"
    signed: bool = False


def exposures(found: Sequence[Distribution], prefix: str, title: str, t: Translate, wide: bool) -> str | None:
    """Draw the share of canaries with at most so many bits, beside what chance gives; None without canaries."""
    shown = [one for one in found if (one.arm, one.category) in _LINES]
    if not shown:
        return None
    description = t("Distribution functions of exposure. Means with intervals stand in the table after the figure.")
    return render(lambda: _exposures(shown, t, wide), prefix, title, description)


def roc(found: Sequence[Curve], prefix: str, title: str, t: Translate, wide: bool) -> str | None:
    """Draw members found against false alarms, both on log axes; None without curves."""
    if not found:
        return None
    description = t("Both axes are logarithmic. Areas and rates with intervals stand in the table after the figure.")
    return render(lambda: _roc(found, t, wide), prefix, title, description)


def intervals(
    lines: Sequence[Line],
    metric: Metric,
    prefix: str,
    title: str,
    t: Translate,
    wide: bool,
    mark: tuple[float, str] | None = None,
) -> str | None:
    """Draw one row a figure: estimate and 95 % interval; ``mark`` is a value to compare with, and its name.

    Rows without an estimate are left out, and None is returned where none has one.
    """
    shown = [line for line in lines if line.estimate is not None]
    if not shown:
        return None
    description = t("Points are estimates, lines 95 % intervals. The same numbers stand in the table after the figure.")
    return render(lambda: _intervals(shown, metric, t, wide, mark), prefix, title, description)


def _exposures(found: Sequence[Distribution], t: Translate, wide: bool) -> Figure:
    import numpy as np

    width, left, right = (760.0, 62.0, 16.0) if wide else (330.0, 44.0, 10.0)
    figure, axes = canvas(width, 230.0, left, right, 52.0 if wide else 92.0, 46.0)
    most = max(NULL_BITS * 3, *(one.bits[-1] for one in found)) * 1.04
    grid = np.linspace(0, most, 120)
    axes.plot(grid, 1 - 2.0**-grid, color=COLOURS["band-edge"], linewidth=1.4, linestyle=(0, (4, 3)))
    for one in sorted(found, key=lambda one: list(_LINES).index((one.arm, one.category)), reverse=True):
        colour, dashes, thick = _LINES[one.arm, one.category]
        n = len(one.bits)
        axes.step(
            [0.0, *one.bits, most],
            [0.0, *(i / n for i in range(1, n + 1)), 1.0],
            where="post",
            color=COLOURS[colour],
            linestyle=dashes,
            linewidth=thick,
        )
    axes.set_xlim(0, most)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(labelsize=10, length=3)
    axes.set_xticks([tick for tick in _round_ticks(0, most, 8 if wide else 5) if tick <= most * 0.98])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
    axes.set_xlabel(t("exposure of a canary (bits)"), fontsize=10.5, labelpad=6)
    words = {
        ("target", "inserted"): t("inserted into the training"),
        ("target", "not_inserted"): t("never inserted"),
        ("base", "inserted"): t("the inserted ones, under the base model"),
    }
    keys = [(*_LINES[key], words[key]) for key in _LINES if any((one.arm, one.category) == key for one in found)]
    _plain(axes)
    _legend(axes, [*keys, ("band-edge", (0, (4, 3)), 1.4, t("what chance gives"))], 2 if wide else 1)
    return figure


def _roc(found: Sequence[Curve], t: Translate, wide: bool) -> Figure:
    import numpy as np
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    width, left, right = (620.0, 62.0, 16.0) if wide else (330.0, 46.0, 12.0)
    figure, axes = canvas(width, 360.0 if wide else 250.0, left, right, 52.0 if wide else 112.0, 48.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(LEAST_FPR, 1.0)
    axes.set_ylim(LEAST_FPR, 1.15)
    axes.plot([LEAST_FPR, 1], [LEAST_FPR, 1], color=COLOURS["band-edge"], linewidth=1.4, linestyle=(0, (4, 3)))
    for curve in sorted(found, key=lambda curve: list(_ROC).index(curve.attack)):
        colour, dashes = _ROC[curve.attack]
        shown = [(x, y) for x, y in zip(curve.fpr, curve.tpr, strict=True) if y > 0]
        if shown:
            # Where none is found the line runs below the axis, and begins at its foot.
            foot = [(shown[0][0], LEAST_FPR)] if len(shown) < len(curve.fpr) else []
            points = np.array([*foot, *shown])
            axes.step(points[:, 0], points[:, 1], where="post", color=COLOURS[colour], linestyle=dashes, linewidth=1.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0.001, 0.01, 0.1, 1]))
        axis.set_major_formatter(FixedFormatter(["0.1 %", "1 %", "10 %", "100 %"]))
        axis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=10, length=3)
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.grid(color=COLOURS["grid"], linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel(t("held-out records taken for members"), fontsize=10.5, labelpad=6)
    if wide:
        axes.set_ylabel(t("members found"), fontsize=10.5, labelpad=2)
    keys = [(*_ROC[curve.attack], 1.9, t(PARTS[curve.attack])) for curve in found]
    _plain(axes)
    _legend(axes, [*keys, ("band-edge", (0, (4, 3)), 1.4, t("guessing"))], 4 if wide else 2)
    return figure


def _intervals(
    lines: Sequence[Line], metric: Metric, t: Translate, wide: bool, mark: tuple[float, str] | None
) -> Figure:
    row = 25.0 if wide else 38.0
    width, left, right = (760.0, 250.0, 158.0) if wide else (330.0, 6.0, 6.0)
    figure, axes = canvas(width, len(lines) * row, left, right, 26.0 if mark else 8.0, 44.0)
    scale = metric.factor
    ends = [
        value * scale
        for line in lines
        for value in (line.estimate, line.ci_low, line.ci_high)
        if value is not None and math.isfinite(value)
    ]
    if mark:
        ends.append(mark[0] * scale)
    around_zero = mark is not None and mark[0] == 0.0
    low, high = (min(ends) if metric.unit == "AUC" or around_zero else 0.0), max(ends)
    if metric.unit == "bits":
        # Of two or three canaries an interval has hardly an end: it would make dots of all the others.
        points = [scale * (line.estimate or 0.0) for line in lines]
        high = min(high, 2.5 * max(*points, NULL_BITS))
    room = 0.06 * (high - low) or 0.5
    low, high = (low if low == 0.0 else low - room), high + room
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    if mark:
        place = mark[0] * scale
        # On narrow pages the labels stand above the points, and a line through all would cross them.
        rows = [(-0.5, len(lines) - 0.5)] if wide else [(y - 0.02, y + 0.46) for y in range(len(lines))]
        for span in rows:
            axes.plot([place, place], span, color=COLOURS["band-edge"], linewidth=1.4, linestyle=(0, (4, 3)))
        side = "left" if place < (low + high) / 2 else "right"
        axes.text(place, -0.62, mark[1], ha=side, va="bottom", fontsize=9.5, color=COLOURS["muted"])
    for y, line in enumerate(lines):
        _interval(axes, y, line, metric, wide)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=10, length=3)
    edge = (high - low) * (0.02 if wide else 0.06)
    axes.set_xticks([tick for tick in _round_ticks(low, high, 7 if wide else 4) if low <= tick <= high - edge])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))
    axes.set_xlabel(t(metric.unit), fontsize=10.5, labelpad=6)
    _plain(axes, left=False)
    return figure


def _interval(axes: Axes, y: int, line: Line, metric: Metric, wide: bool) -> None:
    at = y if wide else y + 0.2
    scale, colour = metric.factor, COLOURS["muted" if line.control else line.colour]
    if line.ci_low is not None and line.ci_high is not None:
        ends = [line.ci_low * scale, line.ci_high * scale]
        axes.plot(ends, [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
    face = COLOURS["paper"] if line.control else colour
    value = (line.estimate or 0.0) * scale
    axes.plot([value], [at], "o", color=colour, markerfacecolor=face, markersize=6.5, clip_on=False)
    text = metric.text(line.estimate, line.signed)
    if line.ci_low is not None and line.ci_high is not None:
        text += f"  [{metric.text(line.ci_low)}, {metric.text(line.ci_high)}]"
    place = axes.get_yaxis_transform()
    label = line.label if len(line.label) <= 40 else f"{line.label[:39]}…"
    if wide:
        axes.text(-0.03, y, label, transform=place, ha="right", va="center", fontsize=11)
        axes.text(1.02, y, text, transform=place, ha="left", va="center", fontsize=10.5, color=COLOURS["muted"])
    else:
        axes.text(0.0, y - 0.2, label, transform=place, ha="left", va="center", fontsize=10.5)
        axes.text(1.0, y - 0.2, text, transform=place, ha="right", va="center", fontsize=10, color=COLOURS["muted"])


def _round_ticks(low: float, high: float, most: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(value) for value in MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def _plain(axes: Axes, left: bool = True) -> None:
    for side in ("right", "top") if left else ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _legend(axes: Axes, keys: Sequence[tuple[str, Any, float, str]], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[colour], linestyle=dashes, linewidth=thick, label=label)
        for colour, dashes, thick, label in keys
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=columns,
        fontsize=9.5,
        frameon=False,
        borderpad=0.2,
        labelspacing=0.3,
        handlelength=2.6,
        handletextpad=0.5,
        columnspacing=1.4,
    )
