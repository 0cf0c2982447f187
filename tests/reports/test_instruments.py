"""Scorers and names as instruments: what the report shows of them, and where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import tables
from audit.config import Config, parse
from audit.gate import decide, overall, to_json
from audit.values import content_hash
from reports import build_view
from reports.html import render
from reports.values import ReportView

COMMON = {
    "domain": "fairness",
    "locale": "en",
    "cue_channel": "name",
    "n_cells": 100,
    "n_blocks": 30,
    "method": "made up",
}
BIAS = COMMON | {
    "kind": "test", "statistic": "scorer_bias", "arm": "scorer_check", "metric": "tone", "scale": "VADER compound",
    "axis": "race", "group": "black", "reference": "white", "n_templates": 29, "n_personas": 6,
    "estimate": 0.02, "se": 0.005, "df": 10.0, "ci_low": 0.01, "ci_high": 0.03,
}  # fmt: skip
INFERENCE = COMMON | {
    "kind": "test", "statistic": "inference", "arm": "manipulation", "metric": "infers", "scale": "probability",
    "task": "infer_race", "axis": "race", "group": "black", "n_templates": 4, "n_personas": 6,
    "estimate": 0.012, "se": 0.01, "df": 5.0, "ci_low": -0.014, "ci_high": 0.038,
}  # fmt: skip
LEVEL = INFERENCE | {
    "kind": "level",
    "statistic": "mean",
    "estimate": 0.27,
    "se": None,
    "ci_low": None,
    "ci_high": None,
}
CONTROL = COMMON | {
    "kind": "contrast", "statistic": "contrast", "arm": "positive_control", "metric": "tone", "scale": "VADER compound",
    "task": "service_reply", "cue_channel": None, "axis": "control", "group": "favourable",
    "reference": "unfavourable", "n_templates": 12, "n_personas": 0, "estimate": 0.8, "se": 0.1, "df": 11.0,
    "ci_low": 0.6, "ci_high": 1.0, "p_value": 0.001, "mde": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def viewed(run_folder: Callable[..., Path]) -> Callable[..., ReportView]:
    """The view of a passing run with some findings more, judged anew."""

    def view(*extra: dict[str, Any], own: str) -> ReportView:
        folder = run_folder("pass", own=own)
        known = tables.read("findings", folder / "findings.parquet").to_pylist()
        added = [row | {"finding_id": content_hash([own, place], 16)} for place, row in enumerate(extra)]
        findings = tables.check("findings", tables.from_rows("findings", [*known, *added]))
        tables.write("findings", findings, folder / "findings.parquet")
        config = parse(Config, {"gate": {"min_personas": 3, "min_templates": 12}}, "a test")
        verdicts = decide(findings, config)
        tables.write("verdicts", verdicts, folder / "verdicts.parquet")
        (folder / "verdicts.json").write_text(to_json(verdicts, findings, overall(verdicts)), encoding="utf-8")
        return build_view(folder)

    return view


@pytest.fixture(scope="module")
def view(viewed: Callable[..., ReportView]) -> ReportView:
    none = {"estimate": 0.0, "se": 0.0, "ci_low": 0.0, "ci_high": 0.0, "metric": "words"}
    return viewed(
        CONTROL,
        BIAS | {"estimate": 0.05, "ci_low": 0.04, "ci_high": 0.06},
        BIAS | {"group": "asian"},
        BIAS | {"axis": "gender", "group": "female", "reference": "male", "estimate": -0.06},
        BIAS | none,
        LEVEL,
        LEVEL | {"metric": "answer_mass", "group": None, "estimate": 0.4},
        INFERENCE,
        INFERENCE | {"group": "white", "estimate": 0.2, "ci_low": 0.1, "ci_high": 0.3},
        own="instruments",
    )


def test_each_metric_has_one_line_its_widest_comparison_and_a_void_mark(view: ReportView) -> None:
    tone, words = view.scorer_checks
    assert (tone.metric, tone.comparisons, tone.texts) == ("tone", 3, 29)
    voids = [rule for task in view.tasks for rule in task.rules if rule.reason.startswith("void: the scorer of tone")]
    assert {(rule.axis, rule.group) for rule in voids} == {("race", "black"), ("gender", "female")}
    assert (tone.axis, tone.group, tone.estimate, tone.voided) == ("gender", "female", -0.06, 2)
    assert (words.metric, words.estimate, words.voided) == ("words", 0.0, 0)


def test_a_voided_comparison_is_shown_before_a_wider_one_that_no_rule_judges(
    viewed: Callable[..., ReportView],
) -> None:
    odd = BIAS | {"axis": "religion", "group": "none", "reference": "some", "estimate": 0.9}
    (tone,) = viewed(CONTROL, BIAS | {"estimate": 0.05}, odd, own="before").scorer_checks
    assert (tone.group, tone.voided) == ("black", 1)


def test_what_names_are_taken_for_is_told_with_what_is_not_shown(view: ReportView) -> None:
    black, white = view.inferences
    assert (black.group, black.told, black.own, black.answer_mass) == ("black", False, 0.27, 0.4)
    assert (white.group, white.told, white.own) == ("white", True, None)


def test_the_page_shows_both_tables_in_the_instruments_section(view: ReportView) -> None:
    page = render(view)
    section = page.partition('<section id="instrument"')[2].partition("</section>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "29 fixed texts in which only the identity is swapped" in text
    assert "Gender: female against male −0.060 points" in text and "2 void" in text
    assert "all groups alike" in text
    assert "Race: Black 27 % +1.2 [−1.4, 3.8]" in text and "not shown" in text


def test_such_findings_show_in_no_other_table(view: ReportView, viewed: Callable[..., ReportView]) -> None:
    plain = viewed(CONTROL, own="plain")
    assert not plain.scorer_checks and not plain.inferences
    assert [task.task for task in view.tasks] == [task.task for task in plain.tasks]
    for one, other in zip(view.tasks, plain.tasks, strict=True):
        assert [gap.finding_id for gap in one.gaps] == [gap.finding_id for gap in other.gaps]
        assert (one.levels, one.by_category, one.placebos, one.pairs) == (
            other.levels,
            other.by_category,
            other.placebos,
            other.pairs,
        )
    assert view.axes == plain.axes
    section = render(plain).partition('<section id="instrument"')[2].partition("</section>")[0]
    assert "identity is swapped" not in section and "taken for" not in section


def test_a_rule_that_is_void_for_its_scorer_says_so(view: ReportView) -> None:
    page = render(view)
    assert "No verdict: the scorer itself tells these groups apart." in page
    assert "Void: the scorer of tone itself puts +0.05" in page
