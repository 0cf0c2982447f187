"""The figures: a forest plot of signed gaps and a heat map of where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.labels import AXES, Metric, Translate, axis_order, group, humanise
from reports.svg import COLOURS, render
from reports.values import Gap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINT: Final = 72.0  # matplotlib's inch in units of the drawing
_MARKERS: Final = {"pass": "o", "fail": "s", "inconclusive": "D", "void": "o"}
_PER_TOLERANCE: Final = (0.1, 1 / 3, 2 / 3, 1.0)


@dataclass(frozen=True, slots=True)
class HeatColumn:
    """One column of the heat map: a task's gaps on one metric, by (axis, group)."""

    title: str
    metric: Metric
    gaps: Sequence[Gap]


def group_label(axis: str, name: str, t: Translate) -> str:
    """Write a group with its axis: 'Gender: female'."""
    return f"{t(AXES.get(axis, humanise(axis)))}: {group(name, start=False)}"


def forest(
    gaps: Sequence[Gap], metric: Metric, control: float | None, prefix: str, title: str, t: Translate, wide: bool
) -> str:
    """Draw gaps largest first: estimate, 95 % interval, tolerance band and the MDE as ticks.

    Parameters
    ----------
    gaps
        Contrasts of one task and metric.
    control
        Effect of the positive control on the metric; a second scale shows gaps as its share.
    wide
        With labels beside the rows (about 760 units across) or above them (330 units).
    """
    description = t(
        "Each row is one group against its reference. The same numbers stand in the table after the figure."
    )
    return render(lambda: _forest(gaps, metric, control, t, wide), prefix, title, description)


def _forest(gaps: Sequence[Gap], metric: Metric, control: float | None, t: Translate, wide: bool) -> Figure:
    ordered = sorted(gaps, key=lambda gap: -abs(gap.estimate or 0.0))
    row = 25.0 if wide else 37.0
    width, left, right = (760.0, 206.0, 166.0) if wide else (330.0, 6.0, 6.0)
    top, bottom = (42.0 if control else 12.0), 44.0
    figure, axes = canvas(width, len(ordered) * row, left, right, top, bottom)
    scale = metric.factor
    ends = [
        abs(value) * scale
        for gap in ordered
        for value in (gap.estimate, gap.ci_low, gap.ci_high, gap.mde, gap.tolerance)
        if value
    ]
    limit = 1.08 * max(ends, default=1.0)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    tolerances = {gap.tolerance for gap in ordered if gap.tolerance is not None}
    if len(tolerances) == 1:
        band = tolerances.pop() * scale
        axes.axvspan(-band, band, color=COLOURS["band"], linewidth=0)
        for edge in (-band, band):
            axes.axvline(edge, color=COLOURS["band-edge"], linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(0, color=COLOURS["muted"], linewidth=1)
    for y, gap in enumerate(ordered):
        _row(axes, y, gap, metric, t, wide)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=10, length=3)
    axes.set_xticks(_ticks(limit, wide))
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value, metric))
    compared = t("Group over reference") if metric.ratio else t("Gap, group minus reference")
    axes.set_xlabel(f"{compared} ({t(metric.unit)})", fontsize=10.5, labelpad=6)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if control:
        _control_scale(axes, control * scale, limit, t, wide)
    return figure


def _row(axes: Axes, y: int, gap: Gap, metric: Metric, t: Translate, wide: bool) -> None:
    colour = COLOURS.get(gap.outcome or "", COLOURS["accent"])
    scale = metric.factor
    line = y if wide else y + 0.2
    if gap.estimate is not None and gap.ci_low is not None and gap.ci_high is not None:
        style = (0, (3, 2)) if gap.outcome == "void" else "solid"
        axes.plot(
            [gap.ci_low * scale, gap.ci_high * scale],
            [line, line],
            color=colour,
            linewidth=2.2,
            linestyle=style,
            solid_capstyle="butt",
        )
    if gap.estimate is not None:
        face = COLOURS["paper"] if gap.outcome in {"void", None} else colour
        axes.plot(
            [gap.estimate * scale],
            [line],
            _MARKERS.get(gap.outcome or "", "o"),
            color=colour,
            markerfacecolor=face,
            markersize=6.5,
        )
    if gap.mde is not None:
        for side in (-gap.mde * scale, gap.mde * scale):
            axes.plot([side, side], [line - 0.2, line + 0.2], color=COLOURS["muted"], linewidth=1.2)
    label = group_label(gap.axis, gap.group, t)
    text = f"{metric.text(gap.estimate, signed=True)}  [{metric.text(gap.ci_low)}, {metric.text(gap.ci_high)}]"
    place = axes.get_yaxis_transform()
    if wide:
        axes.text(-0.02, y, label, transform=place, ha="right", va="center", fontsize=11)
        axes.text(1.02, y, text, transform=place, ha="left", va="center", fontsize=10.5, color=COLOURS["muted"])
    else:
        axes.text(0.0, y - 0.2, label, transform=place, ha="left", va="center", fontsize=11)
        axes.text(1.0, y - 0.2, text, transform=place, ha="right", va="center", fontsize=10, color=COLOURS["muted"])


def _tick(value: float, metric: Metric) -> str:
    """Label of a place on the axis; that of a log-ratio is the ratio."""
    if metric.ratio:
        return f"{math.exp(value):.2f}"
    return f"{value:+.6g}".replace("-", "−") if value else "0"


def _ticks(limit: float, wide: bool) -> list[float]:
    """Round places on a scale from -limit to limit, none so near the edge that its label would be cut."""
    from matplotlib.ticker import MaxNLocator

    edge = limit * (0.97 if wide else 0.88)
    return [float(value) for value in MaxNLocator(7 if wide else 5).tick_values(-limit, limit) if abs(value) <= edge]


def _control_scale(axes: Axes, effect: float, limit: float, t: Translate, wide: bool) -> None:
    functions: Any = (lambda x: 100 * x / effect, lambda share: share * effect / 100)
    top = axes.secondary_xaxis("top", functions=functions)
    top.tick_params(labelsize=10, length=3)
    top.set_xticks(_ticks(100 * limit / effect, wide))
    top.xaxis.set_major_formatter(lambda value, _: f"{value:+.6g} %".replace("-", "−") if value else "0")
    top.set_xlabel(t("as a share of what the facts of the case do"), fontsize=10.5, labelpad=5)


def heat_map(columns: Sequence[HeatColumn], reference: dict[str, str], prefix: str, title: str, t: Translate) -> str:
    """Draw tasks across and groups down; the colour is the gap as a share of the tolerance, centred at 0."""
    description = t(
        "Every field holds a gap and the cells behind it. The same numbers stand in the table after the figure."
    )
    return render(lambda: _heat_map(columns, reference, t), prefix, title, description)


def _heat_map(columns: Sequence[HeatColumn], reference: dict[str, str], t: Translate) -> Figure:
    from matplotlib.patches import Rectangle

    cells = {(i, gap.axis, gap.group): gap for i, column in enumerate(columns) for gap in column.gaps}
    axes_order = sorted({axis for _, axis, _ in cells}, key=axis_order)
    lines: list[tuple[str, str | None]] = []
    for axis in axes_order:
        lines.append((axis, None))
        lines += [(axis, name) for name in sorted({name for _, held, name in cells if held == axis})]
    left, cell, height = 118.0, 112.0, 28.0
    figure, axes = canvas(left + cell * len(columns) + 4, height * len(lines), left, 4.0, 40.0, 4.0)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(lines), 0)
    axes.set_axis_off()
    for i, column in enumerate(columns):
        axes.text(i + 0.5, -0.85, column.title, ha="center", va="center", fontsize=11, weight=700)
        axes.text(i + 0.5, -0.32, t(column.metric.unit), ha="center", va="center", fontsize=9.5, color=COLOURS["muted"])
    for y, (axis, name) in enumerate(lines):
        if name is None:
            against = t("against {x}").format(x=group(reference.get(axis, "–"), start=False))
            axes.text(
                -left / cell,
                y + 0.62,
                t(AXES.get(axis, humanise(axis))),
                ha="left",
                va="center",
                fontsize=11,
                weight=700,
            )
            axes.text(0.06, y + 0.62, against, ha="left", va="center", fontsize=9.5, color=COLOURS["muted"])
            continue
        axes.text(-0.08, y + 0.5, group(name), ha="right", va="center", fontsize=10.5)
        for i, column in enumerate(columns):
            gap = cells.get((i, axis, name))
            box: dict[str, Any] = {"xy": (i + 0.015, y + 0.04), "width": 0.97, "height": 0.92, "linewidth": 0}
            axes.add_patch(Rectangle(facecolor=COLOURS[f"heat-{heat(gap)}"], **box))
            if gap is None:
                continue
            if gap.underpowered:
                axes.add_patch(Rectangle(fill=False, hatch="////", edgecolor=COLOURS["hatch"], **box))
            value = column.metric.text(gap.estimate, signed=True)
            axes.text(i + 0.52, y + 0.5, value, ha="right", va="center", fontsize=10.5, weight=700)
            axes.text(i + 0.58, y + 0.5, f"n {gap.n_cells:,}", ha="left", va="center", fontsize=9.5)
    return figure


def heat(gap: Gap | None) -> str:
    """Return the palette step of a gap: n4 (group gets less) … 0 … p4 (group gets more)."""
    if gap is None or gap.estimate is None:
        return "0"
    unit = gap.tolerance or gap.mde
    return step(gap.estimate / unit) if unit else "0"


def step(share: float) -> str:
    """Return the palette step of a signed share of the tolerance.

    >>> step(-1.2), step(0.05), step(0.5)
    ('n4', '0', 'p2')
    """
    size = sum(abs(share) >= edge for edge in _PER_TOLERANCE)
    return "0" if not size else f"{'n' if share < 0 else 'p'}{size}"


def canvas(width: float, inner: float, left: float, right: float, top: float, bottom: float) -> tuple[Figure, Axes]:
    """A figure whose plot is ``inner`` units high, with margins in units; nothing is fitted to fonts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = inner + top + bottom
    figure = Figure(figsize=(width / _POINT, height / _POINT), dpi=_POINT)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / width, bottom / height, (width - left - right) / width, inner / height))
    return figure, axes
