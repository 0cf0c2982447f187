"""The figures of the benchmark: false alarms of ours beside other rules', and power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from audit.calibration.rivals import BLOCK_T, MAX_MIN, POINT, ROW_BOOTSTRAP
from audit.calibration.values import Row
from reports.figures import canvas
from reports.labels import Translate
from reports.svg import COLOURS, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rates reach from none to all; a log axis shows .03 and 1, and what is less than this lies on its edge.
LEAST: Final = 0.004
TARGET: Final = 0.06
_RULES: Final = (
    (POINT, "D", "fail"),
    (ROW_BOOTSTRAP, "s", "inconclusive"),
    (BLOCK_T, "^", "void"),
    (MAX_MIN, "x", "muted"),
)
_EFFECTS: Final = (0.1, 0.2, 0.3, 0.5)


def false_alarms(rows: Sequence[Row], prefix: str, t: Translate, wide: bool) -> str | None:
    """Draw one row a null: our false-alarm rate with its Monte-Carlo interval, other rules' as marks; None without."""
    nulls = [row for row in rows if row.id.startswith("null-") and row.rivals and "unmasked" not in row.id]
    if not nulls:
        return None
    title = t("False alarms where nothing is planted")
    description = t("Each row is one null world. The same numbers stand in the table of false alarms.")
    return render(lambda: _alarms(nulls, t, wide), prefix, title, description)


def power_curves(rows: Sequence[Row], prefix: str, t: Translate, wide: bool) -> str | None:
    """Draw how often a planted number is found, by its size; None without such rows."""
    found = {size: row for size in _EFFECTS for row in rows if row.id == f"power-number-{size:g}"}
    if len(found) < 2:
        return None
    title = t("How often a planted gap is found")
    description = t("Power of each rule by the size of the gap. The same numbers stand in the table of power.")
    return render(lambda: _power(found, t, wide), prefix, title, description)


def _alarms(nulls: Sequence[Row], t: Translate, wide: bool) -> Figure:
    height = 22.0 if wide else 36.0
    width, left, right = (760.0, 170.0, 16.0) if wide else (330.0, 6.0, 6.0)
    top = 48.0 if wide else 92.0
    figure, axes = canvas(width, len(nulls) * height, left, right, top, 42.0)
    axes.set_xscale("log")
    axes.set_xlim(LEAST * 0.8, 1.35)
    axes.set_ylim(len(nulls) - 0.5, -0.5)
    axes.axvline(TARGET, color=COLOURS["band-edge"], linewidth=1.3, linestyle=(0, (4, 3)))
    for y, row in enumerate(nulls):
        line = y if wide else y + 0.22
        for name, marker, colour in _RULES:
            for rival in row.rivals:
                if rival.name == name:
                    _mark(axes, rival.figure, line, marker, colour)
        ends = [max(LEAST, row.figure + reach * row.se) for reach in (-1.96, 1.96)]
        axes.plot(ends, [line, line], color=COLOURS["accent"], linewidth=2.2, solid_capstyle="butt")
        _mark(axes, row.figure, line, "o", "accent")
        label = row.id.removeprefix("null-").replace("-", " ")
        place = axes.get_yaxis_transform()
        if wide:
            axes.text(-0.02, y, label, transform=place, ha="right", va="center", fontsize=10.5)
        else:
            axes.text(0.0, y - 0.22, label, transform=place, ha="left", va="center", fontsize=10.5)
    axes.set_yticks([])
    _log_ticks(axes)
    axes.set_xlabel(t("share of audits with a false alarm"), fontsize=10.5, labelpad=6)
    _plain(axes)
    _legend(axes, wide, t)
    return figure


def _mark(axes: Axes, rate: float, line: float, marker: str, colour: str) -> None:
    size = 6.5 if marker == "o" else 5.5
    axes.plot([max(rate, LEAST)], [line], marker, color=COLOURS[colour], markersize=size, clip_on=False)


def _log_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    places = (LEAST, 0.01, 0.05, 0.1, 0.3, 1.0)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", ".01", ".05", ".1", ".3", "1"]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=10, length=3)


def _power(found: dict[float, Row], t: Translate, wide: bool) -> Figure:
    width, left, right = (760.0, 60.0, 16.0) if wide else (330.0, 40.0, 10.0)
    figure, axes = canvas(width, 230.0, left, right, 48.0 if wide else 92.0, 46.0)
    sizes = sorted(found)
    for name, marker, colour in _RULES:
        rates = [next((r.figure for r in found[size].rivals if r.name == name), float("nan")) for size in sizes]
        axes.plot(
            sizes, rates, color=COLOURS[colour], linewidth=1.2, marker=marker, markersize=5.5, linestyle=(0, (3, 2))
        )
    ours = [found[size] for size in sizes]
    axes.plot(sizes, [row.figure for row in ours], color=COLOURS["accent"], linewidth=2.2, marker="o", markersize=6.5)
    for size, row in zip(sizes, ours, strict=True):
        ends = [row.figure + reach * row.se for reach in (-1.96, 1.96)]
        axes.plot([size, size], ends, color=COLOURS["accent"], linewidth=2.2, solid_capstyle="butt")
    axes.axhline(0.95, color=COLOURS["band-edge"], linewidth=1.3, linestyle=(0, (4, 3)))
    axes.set_ylim(0, 1.04)
    axes.set_xticks(sizes)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95])
    axes.tick_params(labelsize=10, length=3)
    axes.set_xlabel(t("planted gap, in standard deviations of the noise"), fontsize=10.5, labelpad=6)
    _plain(axes, keep_left=True)
    _legend(axes, wide, t)
    return figure


def _plain(axes: Axes, keep_left: bool = False) -> None:
    for side in ("right", "top") if keep_left else ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _legend(axes: Axes, wide: bool, t: Translate) -> None:
    from matplotlib.lines import Line2D

    marks = [("o", "accent", t("evenhand, 95 % Monte-Carlo interval")), *((m, c, name) for name, m, c in _RULES)]
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=COLOURS[colour], markersize=6, label=label)
        for marker, colour, label in marks
    ]
    handles.append(Line2D([], [], color=COLOURS["band-edge"], linestyle=(0, (4, 3)), label=t("target")))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.02 if wide else 0.0, 1.0),
        ncols=3 if wide else 1,
        fontsize=9.5,
        frameon=False,
        borderpad=0.2,
        labelspacing=0.25,
        handletextpad=0.4,
        columnspacing=1.4,
    )
