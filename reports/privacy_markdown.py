"""summary.md of a privacy audit: verdict, rules, headline figures, groups, what was not measured; and no text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from audit.tables import replacing
from reports.labels import group, when
from reports.language import catalogue, mark
from reports.privacy_groups import GroupTable, group_tables, main_groups
from reports.privacy_labels import CATEGORIES, CONTROLS, TOPICS
from reports.privacy_tiles import tiles
from reports.privacy_values import PrivacyRule, PrivacyView
from reports.privacy_wording import PrivacyWording, group_name, seen
from reports.text import markdown

MOST_BYTES: Final = 1_000_000  # a job summary holds 1 MiB
_MOST_ROWS: Final = 400
_MOST_LETTERS: Final = 400
_RULES: Final = (mark("Outcome"), mark("Rule"), mark("Limit"), mark("Figure, 95 % interval"), mark("Reason"))
_TILES: Final = (mark("Figure"), mark("Value, 95 % interval"), mark("Beside"), mark("What it means"))
_GROUPS: Final = (
    *(mark("Metric"), mark("Group"), mark("Level, 95 % interval"), mark("Control")),
    *(mark("Minus reference"), mark("What it shows"), mark("Counted")),
)


def write_privacy_markdown(view: PrivacyView, path: Path, language: str = "en") -> Path:
    """Write the summary to ``path`` in one step; below 1 MiB, and without a text even of a revealed view.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    text = render(view, language)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def render(view: PrivacyView, language: str = "en") -> str:
    """Return the summary."""
    t = catalogue(language).gettext
    w = PrivacyWording(t)
    icon, word, _ = w.outcome(view.overall.outcome)
    lines = [f"# {icon} {word}", "", markdown(view.overall.sentence), ""]
    if view.rules:
        lines += [f"## {t('Rules')}", "", *_table(w, _RULES, [_rule(rule, w) for rule in view.rules]), ""]
    else:
        lines += [t("No rule looks at this run, so nothing is judged."), ""]
    lines += [f"## {t('Headline figures')}", "", *_table(w, _TILES, _tiles(view, w)), ""]
    shown = main_groups(view, group_tables(view))
    if shown:
        rows = [row for table in shown for row in _groups(table, w)]
        note = t("Contrasts are described one by one: among many, some intervals leave zero out by chance.")
        lines += [f"## {t('Whose data leaks')}", "", *_table(w, _GROUPS, rows), "", note, ""]
    lines += [f"## {t('What was not measured')}", "", *_missing(view, w), ""]
    lines += _looked(view, w)
    text = "\n".join(lines)
    return text if len(text.encode("utf-8")) < MOST_BYTES else "\n".join(lines[:3]) + "\n"


def _table(w: PrivacyWording, heads: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    made = [f"| {' | '.join(w.t(head) for head in heads)} |", "|" + "---|" * len(heads)]
    made += [f"| {' | '.join(markdown(_short(cell)) or '–' for cell in row)} |" for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        made += ["", w.t("{n} more are in the tables of the run.").format(n=len(rows) - _MOST_ROWS)]
    return made


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def _rule(rule: PrivacyRule, w: PrivacyWording) -> list[str]:
    icon, word, _ = w.outcome(rule.outcome)
    level = "" if rule.level == "error" else f" ({rule.level})"
    about = [rule.rule]
    if rule.metric:
        about.append(w.name(rule.metric))
    measure = rule.measure
    if measure is not None:
        about.append(w.t(CATEGORIES.get(measure.category or "", measure.category or "")))
        if measure.statistic == "difference" and measure.reference:
            control = w.t(CONTROLS.get(measure.reference, measure.reference))
            about.append(w.t("minus {control}").format(control=control))
        if measure.group:
            about.append(group_name(w, measure.axis, measure.group))
    return [
        f"– {w.t('Not judged')}" if rule.level == "off" else f"{icon} {word}{level}",
        ", ".join(part for part in about if part),
        w.limit(rule),
        w.whole(measure),
        rule.reason or w.claim(rule),
    ]


def _tiles(view: PrivacyView, w: PrivacyWording) -> list[list[str]]:
    rows = []
    for tile in tiles(view, w):
        if tile.why_not is not None:
            rows.append([tile.title, "–", "–", w.t("Not measured: {why}").format(why=tile.why_not)])
        else:
            value = " ".join(part for part in (tile.figure, tile.unit, tile.interval) if part)
            rows.append([tile.title, value, tile.beside, tile.meaning])
    return rows


def _groups(table: GroupTable, w: PrivacyWording) -> list[list[str]]:
    return [
        [
            w.name(table.metric),
            f"{w.axis(table.axis)}: {group(row.group, start=False)}"
            + (f" ({w.t('reference')})" if row.group == table.reference else ""),
            w.whole(row.level),
            f"{w.t(CONTROLS[table.control])}: {w.whole(row.control)}" if table.control and row.control else "–",
            w.whole(row.contrast),
            w.found(row.contrast),
            seen(row.level),
        ]
        for row in table.rows
    ]


def _missing(view: PrivacyView, w: PrivacyWording) -> list[str]:
    if not view.not_measured:
        return [w.t("Every part of the audit was run.")]
    return [
        f"- **{markdown(w.t(TOPICS.get(topic, topic)))}**: {markdown(_short(why))}" for topic, why in view.not_measured
    ]


def _looked(view: PrivacyView, w: PrivacyWording) -> list[str]:
    missing = w.t("not recorded")
    model = view.subject.model
    facts = [
        (w.t("Model"), model.get("name")),
        (w.t("Revision"), model.get("revision")),
        (w.t("Weights (SHA-256)"), model.get("weights_sha256")),
        (w.t("Base model"), view.base.get("name") or w.t("none")),
        (w.t("Records"), ", ".join(f"{n:,} {role.replace('_', ' ')}" for role, n in view.records) or w.t("none")),
        (w.t("Generated texts"), f"{view.generations:,}" if view.generations is not None else w.t("none")),
        (w.t("Date"), when(view.subject.created)),
        (w.t("Seed"), view.subject.seed),
        (w.t("Command"), view.subject.command),
    ]
    lines = [f"- {name}: {markdown(_short(value)) if value else missing}" for name, value in facts]
    note = w.t("No evidence of a leak is not evidence that nothing leaks: read it with the intervals beside it.")
    return [f"## {w.t('What was looked at')}", "", *lines, "", note, ""]
