"""summary.md of a privacy audit: verdict, rules, headline figures, groups, what was not measured; and no text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.labels import group, when
from reports.language import catalogue, mark
from reports.page import write_text
from reports.privacy_groups import GroupTable, group_tables, main_groups
from reports.privacy_labels import CATEGORIES, CONTROLS, TOPICS
from reports.privacy_tiles import tiles
from reports.privacy_values import PrivacyRule, PrivacyView
from reports.privacy_wording import PrivacyWording, group_name, seen
from reports.summary import facts, joined, short, table
from reports.text import markdown

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
    return write_text(render(view, language), path)


def render(view: PrivacyView, language: str = "en") -> str:
    """Return the summary."""
    t = catalogue(language).gettext
    w = PrivacyWording(t)
    icon, word, _ = w.outcome(view.overall.outcome)
    lines = [f"# {icon} {word}", "", markdown(view.overall.sentence), ""]
    if view.rules:
        lines += [f"## {t('Rules')}", "", *table(t, _RULES, [_rule(rule, w) for rule in view.rules]), ""]
    else:
        lines += [t("No rule looks at this run, so nothing is judged."), ""]
    lines += [f"## {t('Headline figures')}", "", *table(t, _TILES, _tiles(view, w)), ""]
    shown = main_groups(view, group_tables(view))
    if shown:
        rows = [row for one in shown for row in _groups(one, w)]
        note = t("Contrasts are described one by one: among many, some intervals leave zero out by chance.")
        lines += [f"## {t('Whose data leaks')}", "", *table(t, _GROUPS, rows), "", note, ""]
    lines += [f"## {t('What was not measured')}", "", *_missing(view, w), ""]
    return joined([*lines, *_looked(view, w)])


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


def _groups(found: GroupTable, w: PrivacyWording) -> list[list[str]]:
    return [
        [
            w.name(found.metric),
            f"{w.axis(found.axis)}: {group(row.group, start=False)}"
            + (f" ({w.t('reference')})" if row.group == found.reference else ""),
            w.whole(row.level),
            f"{w.t(CONTROLS[found.control])}: {w.whole(row.control)}" if found.control and row.control else "–",
            w.whole(row.contrast),
            w.found(row.contrast),
            seen(row.level),
        ]
        for row in found.rows
    ]


def _missing(view: PrivacyView, w: PrivacyWording) -> list[str]:
    if not view.not_measured:
        return [w.t("Every part of the audit was run.")]
    return [
        f"- **{markdown(w.t(TOPICS.get(topic, topic)))}**: {markdown(short(why))}" for topic, why in view.not_measured
    ]


def _looked(view: PrivacyView, w: PrivacyWording) -> list[str]:
    model = view.subject.model
    found = [
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
    note = w.t("No evidence of a leak is not evidence that nothing leaks: read it with the intervals beside it.")
    return [f"## {w.t('What was looked at')}", "", *facts(w.t, found), "", note, ""]
