from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from audit import tables
from reports import build_view, html, write_markdown
from reports.markdown import render
from reports.summary import MOST_BYTES
from reports.text import diff, markdown, visible

Make = Callable[..., Path]


@pytest.mark.parametrize("kind", ["pass", "fail", "dead"])
def test_verdict_comes_first(run_folder: Make, tmp_path: Path, kind: str) -> None:
    folder = run_folder(kind)
    lines = write_markdown(build_view(folder), tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    evidence = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    assert lines[2] == markdown(evidence["sentence"])
    assert lines[0].lower().split()[-1] == evidence["outcome"]


def test_every_rule_is_a_row_and_failures_lead(run_folder: Make) -> None:
    folder = run_folder("fail")
    rows = [line for line in render(build_view(folder)).splitlines() if line.startswith("| ")][1:]
    verdicts = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    assert len(rows) == len(verdicts)
    failures = sum(row["outcome"] == "fail" for row in verdicts)
    assert all("Fail" in row for row in rows[:failures])


def test_each_p_names_its_hypothesis_and_rows_without_a_test_have_neither_p_nor_power(run_folder: Make) -> None:
    view = build_view(run_folder("fail"))
    small = replace(view.rules[0], outcome="inconclusive", p_adjusted=None, mde=None, reason="design: too few names.")
    first = view.tasks[0]
    told = {}
    for rule in (*first.rules, small):
        text = render(replace(view, tasks=(replace(first, rules=(rule,)),)))
        told[rule.outcome, rule.mde is None] = [cell.strip() for cell in text.split("\n| ")[2].split(" | ")]
    assert told["pass", False][7].split("\n")[0].endswith(" equivalence |")
    assert told["fail", False][7].split("\n")[0].endswith(" beyond |")
    assert told["inconclusive", True][5] == "–" and told["inconclusive", True][7].startswith("– |")


def test_a_tolerance_above_what_the_facts_do_stands_by_the_verdict(run_folder: Make) -> None:
    view = build_view(run_folder("pass"))
    words = "times what the facts of the case do."
    assert words not in render(view)
    task = next(task for task in view.tasks if task.task == "refund_decision")
    weak = replace(task, controls=tuple(replace(control, estimate=0.1) for control in task.controls))
    changed = replace(view, tasks=(weak,))
    assert f"The tolerance is 2.0 {words}" in render(changed)
    assert f"The tolerance is 2.0 {words}" in html.render(changed)


def test_no_answer_of_the_model_is_in_the_summary(run_folder: Make) -> None:
    folder = run_folder("fail", names=4, hostile=True)
    text = render(build_view(folder))
    assert len(text.encode()) < MOST_BYTES
    for row in tables.read("completions", folder / "completions.parquet").to_pylist():
        if row["text"]:
            assert row["text"][:40] not in text
    assert "alert" not in text


# Half of the texts are made of what means something to Markdown, in words and numbers.
MARKUP = st.text(alphabet="\\`*_{}[]()<>#+-=.!|~$&:/@ ^x1é\n", max_size=40)


@given(st.text(max_size=80) | MARKUP)
@example("[x](javascript:alert) ![x](y) [x]: z")
@example("[x]: javascript:alert")
@example("a_b_c __x__ _y_ x_ **z** ~~z~~")
@example("<b>x</b> <!-- --> <?x?> <x@y.z> <http://x.y> &lt; &#60;")
@example("1. x")
@example("+")
@example("a|b")
def test_escaped_text_stays_text_inside_a_line_and_as_one(text: str) -> None:
    shown = markdown(text)
    assert "\n" not in shown
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    wanted = " ".join(visible(text).split())
    for line in (f"x {shown}", shown):
        defined: dict[str, object] = {}
        tokens = parser.parse(f"a | b\n---|---\n{line} | c\n\n{line}\n\n- {line}", defined)
        kinds = {child.type for token in tokens for child in token.children or []}
        assert kinds <= {"text", "text_special"}
        blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
        assert blocks <= {"paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td"} | {
            "bullet_list",
            "list_item",
        }
        assert not defined.get("references")
    (whole,) = [token for token in parser.parse(f"x {shown}") if token.type == "inline"]
    said = "".join(child.content for child in whole.children or []).removeprefix("x").strip()
    assert said.replace("@\u200c", "@") == wanted.replace("@\u200c", "@")


@pytest.mark.parametrize(
    "text",
    ["+0.070 [−0.017, 0.157] log-odds", "2 of 8 rules (refund-race, discount-age)", "< .001", "0.0 a refund_decision"],
)
def test_ordinary_words_and_numbers_stand_as_they_are(text: str) -> None:
    assert markdown(text) == text


@given(st.text(max_size=80))
def test_visible_text_holds_no_hidden_character(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert not set(visible(text)) & set("\x00\x07\x1b\x9b\u200e\u202e\u2066\ufeff\ud800")


@given(st.text(alphabet="ab ,.\n", max_size=40), st.text(alphabet="ab ,.\n", max_size=40))
def test_diff_gives_both_texts_back(left: str, right: str) -> None:
    pieces = diff(left, right)
    assert "".join(piece.text for piece in pieces if piece.where != "right") == left
    assert "".join(piece.text for piece in pieces if piece.where != "left") == right
