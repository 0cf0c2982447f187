from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from audit import tables
from reports import build_view, write_markdown
from reports.markdown import MOST_BYTES, render
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


def test_no_answer_of_the_model_is_in_the_summary(run_folder: Make) -> None:
    folder = run_folder("fail", names=4, hostile=True)
    text = render(build_view(folder))
    assert len(text.encode()) < MOST_BYTES
    for row in tables.read("completions", folder / "completions.parquet").to_pylist():
        if row["text"]:
            assert row["text"][:40] not in text
    assert "alert" not in text


@given(st.text(max_size=80))
def test_escaped_text_stays_text(text: str) -> None:
    shown = markdown(text)
    assert "\n" not in shown
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(f"x {shown}")
    kinds = {child.type for token in tokens for child in token.children or []}
    assert kinds <= {"text", "text_special"}


@given(st.text(max_size=80))
def test_visible_text_holds_no_hidden_character(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert not set(visible(text)) & set("\x00\x07\x1b\x9b\u200e\u202e\u2066\ufeff\ud800")


@given(st.text(alphabet="ab ,.\n", max_size=40), st.text(alphabet="ab ,.\n", max_size=40))
def test_diff_gives_both_texts_back(left: str, right: str) -> None:
    pieces = diff(left, right)
    assert "".join(piece.text for piece in pieces if piece.where != "right") == left
    assert "".join(piece.text for piece in pieces if piece.where != "left") == right
