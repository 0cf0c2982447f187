"""The known-bias benchmark as a page and as Markdown: every figure with its error, its target and what others do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from markupsafe import Markup

from audit.calibration.values import Benchmark, Row
from audit.tables import replacing
from reports.calibration_figures import false_alarms, power_curves
from reports.language import catalogue, mark
from reports.page import environment, style
from reports.text import markdown
from reports.wording import Wording

_FIGURES: Final = (
    (false_alarms, mark("False alarms of each rule where nothing is planted. The dashed line is the target, .06.")),
    (
        power_curves,
        mark("How often each rule finds a planted gap. The dashed line is the power asked for, .95."),
    ),
)
_CAPTIONS: Final[Mapping[str, str]] = {
    "False alarms": mark(
        "Share of audits that find a difference where there is none; 5 %% are meant. The point threshold is .1 in the "
        "unit of the outcome; fairlearn's interval of max − min never holds 0: compare with the signed bootstrap."
    ),
    "Many hypotheses": mark("60 hypotheses in one audit, and what correction leaves of their errors."),
    "Power": mark("Share of audits that find what is planted. A rule that raises false alarms finds more, too."),
    "Intervals and estimates": mark("Share of 95 %% intervals that hold the truth, and how far estimates lie from it."),
    "Equivalence": mark("Share of audits that grant equivalence."),
    "What a mean hides": mark("Gaps that a mean cannot show, and the tests that are there for them."),
    "Build after build": mark(
        "Share of models of which a gate that spends alpha over builds is ever wrong, or sees a change. These are the "
        "levels that such a gate must keep; baselines are not part of evenhand yet."
    ),
    "Stopping early": mark("Runs that are looked at while they grow, judged by the gate itself."),
    "Instruments": mark("Whether what is read exactly is what sampling comes to."),
    "The obvious rules": mark("What point rules and row bootstraps do in the settings that are quoted of them."),
    "Through the whole pipeline": mark(
        "The same audits as suites, tables and files, beside the arrays: nothing is lost on the way. Both use the same "
        "formulas; that these are right is shown by the tests against statsmodels and scipy."
    ),
}
_HEADS: Final = ("Figure", "Value", "MC error", "Target", "Result", "Others on the same data", "Note")


def write_calibration(found: Benchmark, folder: Path, language: str = "en") -> Path:
    """Write calibration.html and calibration.md into ``folder``; return the page's path.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    page = folder / "calibration.html"
    for path, text in ((page, render(found, language)), (folder / "calibration.md", to_markdown(found))):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return page


def render(found: Benchmark, language: str = "en") -> str:
    """Return the whole page; it loads nothing and runs nothing."""
    translations = catalogue(language)
    t = translations.gettext
    css, policy = style()
    drawings = [
        (draw(found.rows, f"{draw.__name__}-{size}", t, size == "wide"), caption, size)
        for draw, caption in _FIGURES
        for size in ("wide", "narrow")
    ]
    return (
        environment(translations)
        .get_template("calibration.html.j2")
        .render(
            found=found,
            language=language,
            css=css,
            csp=policy,
            w=Wording(t),
            sections=sections(found),
            captions=_CAPTIONS,
            figures=[(Markup(svg), caption, size) for svg, caption, size in drawings if svg],
            value=value,
            minutes=_minutes,
        )
    )


def to_markdown(found: Benchmark) -> str:
    """Return the benchmark as Markdown: the sentence, one table a section, and under what it was found."""
    lines = [
        f"# Calibration: {found.sentence.partition(':')[0]}",
        "",
        markdown(found.sentence),
        "",
        *_under_what(found),
    ]
    for name, rows in sections(found):
        lines += ["", f"## {name}", "", f"| {' | '.join(_HEADS)} |", "|---|---:|---:|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def sections(found: Benchmark) -> list[tuple[str, list[Row]]]:
    """Rows by section, in their order."""
    return [(name, list(rows)) for name, rows in groupby(found.rows, key=lambda row: row.section)]


def value(figure: float) -> str:
    """Write a figure: three places, or its size where it is smaller than they can show.

    >>> value(.05), value(2e-15), value(0.0), value(float("nan")), value(1.234)
    ('0.050', '2e−15', '0', '–', '1.234')
    """
    if not math.isfinite(figure):
        return "–"
    if figure == 0:
        return "0"
    text = f"{figure:.3f}" if abs(figure) >= 0.0005 else f"{figure:.0e}"
    return text.replace("-", "−")


def _cells(row: Row) -> list[str]:
    result = {True: "✓ pass", False: "✗ fail", None: "–"}[row.passed]
    beside = "; ".join(f"{rival.name} {value(rival.figure)}" for rival in row.rivals) or "–"
    figures = [value(row.figure), value(row.se) if row.se else "–", row.target.words() if row.target else "–"]
    runs = f"{row.runs:,} runs" if row.runs > 1 else "1 run"
    note = f"{row.note}; {runs}" if row.note else runs
    return [markdown(text) for text in (row.what, *figures, result, beside, note)]


def _under_what(found: Benchmark) -> list[str]:
    facts = [
        f"Command `{found.command}`, {found.mode} mode, seed {found.seed}, commit {found.commit or 'not known'}, "
        f"{_minutes(found.seconds)}.",
        f"Machine: {', '.join(f'{name} {markdown(text)}' for name, text in found.machine)}.",
        f"Versions: {', '.join(f'{name} {text}' for name, text in found.versions)}.",
    ]
    if found.mode == "quick":
        facts.append("Quick mode: few runs, so each target has three Monte-Carlo standard errors more.")
    return ["  \n".join(facts)]


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
