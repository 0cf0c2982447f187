"""The figure of noise: distance across groups beside that within a group, and beside what means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from reports.figures import canvas, group_label
from reports.labels import Metric, Translate
from reports.svg import COLOURS, render
from reports.values import Floor, Magnitude, Noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: Final = {"paraphrase": (0, (6, 3)), "irrelevant": (0, (1.5, 2.5))}


def dots(about: Noise, metric: Metric, prefix: str, title: str, t: Translate, wide: bool) -> str | None:
    """Draw one row a comparison: a full dot across the groups, an open one within; floors are lines.

    Parameters
    ----------
    about
        Distances of one metric; a row without them is left out, and None is returned where none has them.
    metric
        Of the distances, with the unit to write.
    wide
        With labels beside the rows (about 760 units across) or above them (330 units).
    """
    rows = [row for row in about.rows if row.across is not None and row.within is not None]
    if not rows:
        return None
    description = t("Each row is one group and its reference. The same numbers stand in the table after the figure.")
    floors = [floor for floor in about.floors if floor.estimate is not None]
    return render(lambda: _dots(rows, floors, metric, t, wide), prefix, title, description)


def _dots(rows: Sequence[Magnitude], floors: Sequence[Floor], metric: Metric, t: Translate, wide: bool) -> Figure:
    height = 22.0 if wide else 34.0
    width, left, right = (760.0, 206.0, 100.0) if wide else (330.0, 6.0, 6.0)
    figure, axes = canvas(width, len(rows) * height, left, right, 8.0, 42.0)
    scale = metric.factor
    ends = [scale * (value or 0.0) for row in rows for value in (row.across, row.within)]
    limit = 1.08 * max([*ends, *(scale * (floor.estimate or 0.0) for floor in floors)]) or 1.0
    axes.set_xlim(0, limit)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for floor in floors:
        place = scale * (floor.estimate or 0.0)
        # On narrow pages the labels stand above the dots, and a line through all would cross them.
        spans = [(-0.5, len(rows) - 0.5)] if wide else [(y - 0.02, y + 0.46) for y in range(len(rows))]
        for span in spans:
            axes.plot([place, place], span, color=COLOURS["muted"], linewidth=1.3, linestyle=_DASHES[floor.arm])
    for y, row in enumerate(rows):
        _row(axes, y, row, metric, t, wide)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=10, length=3)
    axes.set_xticks(_ticks(limit, wide))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
    axes.set_xlabel(f"{t('Mean distance of two answers')} ({t(metric.unit)})", fontsize=10.5, labelpad=6)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    return figure


def _row(axes: Axes, y: int, row: Magnitude, metric: Metric, t: Translate, wide: bool) -> None:
    line = y if wide else y + 0.2
    across, within = (metric.factor * (value or 0.0) for value in (row.across, row.within))
    colour = COLOURS["fail"] if row.beyond else COLOURS["accent"]
    axes.plot([across, within], [line, line], color=colour, linewidth=1.4)
    axes.plot([within], [line], "o", color=colour, markerfacecolor=COLOURS["paper"], markersize=6.5, clip_on=False)
    axes.plot([across], [line], "s" if row.beyond else "o", color=colour, markersize=6.5, clip_on=False)
    label = group_label(row.axis, row.group, t)
    text = f"{metric.text(row.across)} / {metric.text(row.within)}"
    place = axes.get_yaxis_transform()
    if wide:
        axes.text(-0.03, y, label, transform=place, ha="right", va="center", fontsize=11)
        axes.text(1.03, y, text, transform=place, ha="left", va="center", fontsize=10.5, color=COLOURS["muted"])
    else:
        axes.text(0.0, y - 0.2, label, transform=place, ha="left", va="center", fontsize=11)
        axes.text(1.0, y - 0.2, text, transform=place, ha="right", va="center", fontsize=10, color=COLOURS["muted"])


def _ticks(limit: float, wide: bool) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    edge = limit * (0.97 if wide else 0.9)
    return [float(value) for value in MaxNLocator(6 if wide else 4).tick_values(0, limit) if 0 <= value <= edge]
