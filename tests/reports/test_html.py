from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit import tables
from audit.config import Config
from audit.gate import decide, overall, to_json
from reports import build_view, write_html
from reports.html import render

Make = Callable[..., Path]
KINDS = ["pass", "fail", "dead"]
VOID = {"meta", "link", "br", "img", "input", "hr"}
FORBIDDEN = re.compile(r"\b(fair|unfair|compliant|compliance|causal|causes)\b", re.IGNORECASE)


class Page(HTMLParser):
    """Tags, attributes and text of a page; notes tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_tag_closes(run_folder: Make, kind: str) -> None:
    page = Page(render(build_view(run_folder(kind))))
    assert (page.unbalanced, page.open) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_report_states_the_verdict_of_the_evidence_file(run_folder: Make, kind: str) -> None:
    folder = run_folder(kind)
    evidence = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    text = render(build_view(folder))
    assert f"<h1>{html.escape(evidence['sentence'], quote=False)}</h1>" in text
    hero = next(attrs for tag, attrs in Page(text).tags if attrs.get("id") == "verdict")
    assert (hero["data-outcome"], hero["data-exit-code"]) == (evidence["outcome"], str(evidence["exit_code"]))


def test_every_judged_gap_is_in_the_report_with_its_outcome(run_folder: Make) -> None:
    folder = run_folder("fail")
    rows = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    shown = {
        a["data-finding"]: a["data-outcome"] for _, a in Page(render(build_view(folder))).tags if "data-finding" in a
    }
    assert shown == {row["finding_id"]: row["outcome"] for row in rows}


def test_gaps_in_how_often_a_listed_answer_is_given_are_shown(run_folder: Make) -> None:
    folder = run_folder("fail")
    page = Page(render(build_view(folder)))
    assert page.text.count("How often a listed answer is given") == 2  # of both tasks that are read exactly
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    gaps = [row for row in rows if row["kind"] == "contrast" and row["metric"] == "answer_mass"]
    (gap,) = [row for row in gaps if (row["task"], row["group"]) == ("refund_decision", "black_female")]
    shown = f"{100 * gap['estimate']:+.1f}".replace("-", "−")
    assert f"Race × gender: Black female against White male {shown} [" in page.text
    assert "Answer mass %" in page.text  # a column of the levels


def test_a_row_without_a_test_shows_no_smallest_findable_gap_and_no_p(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    row = next(row for row in rows if row["rule"] == "refund-gender")
    row |= {"outcome": "inconclusive", "reason": "answers: 9 of 10 answers of female could not be read."}
    row |= {"mde": None, "p_adjusted": None}
    tables.write("verdicts", tables.from_rows("verdicts", rows), folder / "verdicts.parquet")
    text = render(build_view(folder))
    line = re.search(rf'<tr data-finding="{row["finding_id"]}".*?</tr>', text, re.DOTALL)
    assert line is not None
    cells = re.findall(r'<td class="n">(.*?)</td>', line[0])
    assert (cells[2], cells[4]) == ("–", "–")
    assert "Not judged, for what came back" in Page(text).text
    assert re.search(r'<td class="n">[^<]+<br><span class="muted small">equivalence</span></td>', text)


def test_dead_control_is_said_plainly(run_folder: Make) -> None:
    text = Page(render(build_view(run_folder("dead")))).text
    assert "Refund decision: no verdict for this task." in text
    assert "The positive control does not move the log-odds of the favourable answer" in text


def test_hostile_completions_never_become_markup(run_folder: Make) -> None:
    text = render(build_view(run_folder("fail", names=4, hostile=True)))
    page = Page(text)
    assert "alert(" in page.text
    assert not [tag for tag, _ in page.tags if tag in {"script", "img", "iframe", "object", "link", "base", "form"}]
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]
    assert all((attrs.get("href") or "#").startswith("#") for _, attrs in page.tags)
    assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "⟨U+202E⟩" in page.text
    assert "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }}" in page.text
    assert "javascript:alert(3)" in page.text
    assert "⟨U+0000⟩" in page.text


def test_hostile_names_and_groups_stay_words(run_folder: Make, tmp_path: Path) -> None:
    folder = run_folder("pass", own="hostile names")
    evil = "<b onclick=alert(1)>$x$ {{1}} \u202e"
    for name in ("personas", "findings", "verdicts"):
        rows = tables.read(name, folder / f"{name}.parquet").to_pylist()
        for row in rows:
            if name == "personas":
                row["attributes"] = {axis: evil if group == "female" else group for axis, group in row["attributes"]}
            elif name == "findings" and row["group"] == "female":
                row["group"] = evil
            elif name == "verdicts":
                row["reason"] = evil
        tables.write(name, tables.from_rows(name, rows), folder / f"{name}.parquet")
    page = Page(render(build_view(folder)))
    assert (page.unbalanced, page.open) == ([], [])
    assert not [1 for tag, attrs in page.tags if "onclick" in attrs]
    assert "$x$" in page.text


@pytest.mark.parametrize("kind", KINDS)
def test_same_tables_give_the_same_bytes(run_folder: Make, tmp_path: Path, kind: str) -> None:
    folder = run_folder(kind)
    first = write_html(build_view(folder), tmp_path / "a.html").read_bytes()
    assert first == write_html(build_view(folder), tmp_path / "b.html").read_bytes()
    assert b"Matplotlib" not in first


def test_policy_allows_only_the_one_style_sheet(run_folder: Make) -> None:
    text = render(build_view(run_folder("pass")))
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert sheet
    digest = base64.b64encode(hashlib.sha256(sheet[1].encode()).digest()).decode()
    page = Page(text)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not [1 for _, attrs in page.tags if "style" in attrs or "src" in attrs]


def test_identifiers_are_unique_and_references_resolve(run_folder: Make) -> None:
    page = Page(render(build_view(run_folder("fail"))))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = {a[key][1:] for _, a in page.tags for key in ("href", "xlink:href") if (a.get(key) or "").startswith("#")}
    wanted |= {name for _, attrs in page.tags for name in (attrs.get("aria-labelledby") or "").split()}
    wanted |= {
        name
        for _, attrs in page.tags
        for value in attrs.values()
        for name in re.findall(r"url\(#([^)]+)\)", value or "")
    }
    assert wanted <= set(ids)


def test_every_table_has_a_caption_and_scopes(run_folder: Make) -> None:
    page = Page(render(build_view(run_folder("fail"))))
    counts = [tag for tag, _ in page.tags]
    assert counts.count("caption") == counts.count("table") > 10
    assert all(attrs.get("scope") in {"row", "col"} for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("role") == "img" for tag, attrs in page.tags if tag == "svg" and attrs.get("class") == "plot")


@pytest.mark.parametrize("kind", KINDS)
def test_wording_claims_no_more_than_evidence(run_folder: Make, kind: str) -> None:
    text = re.sub(r"fairlearn", "", Page(render(build_view(run_folder(kind)))).text)
    assert FORBIDDEN.findall(text) == []


def test_figures_use_the_page_palette_alone(run_folder: Make) -> None:
    page = Page(render(build_view(run_folder("fail"))))
    css = (Path(__file__).parents[2] / "reports" / "templates" / "report.css").read_text(encoding="utf-8")
    for _, attrs in page.tags:
        for key in ("fill", "stroke"):
            value = attrs.get(key) or "none"
            assert value == "none" or value.startswith(("var(--", "url(#")), value
            if value.startswith("var("):
                assert f"{value[4:-1]}:" in css


def test_report_is_small_enough(run_folder: Make) -> None:
    assert len(render(build_view(run_folder("fail", names=4, hostile=True))).encode()) < 1_500_000


def test_report_without_rules_says_that_nothing_is_judged(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    nothing = tables.from_rows("verdicts", [])
    tables.write("verdicts", nothing, folder / "verdicts.parquet")
    evidence = to_json(nothing, tables.read("findings", folder / "findings.parquet"), overall(nothing))
    (folder / "verdicts.json").write_text(evidence, encoding="utf-8")
    text = Page(render(build_view(folder))).text
    assert "No rule looks at this run, so nothing is judged." in text
    assert "NO VERDICT" in text


def test_contrasts_without_numbers_are_dashes(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    for row in rows:
        row |= dict.fromkeys(("estimate", "se", "df", "ci_low", "ci_high", "p_value", "mde"))
    findings = tables.from_rows("findings", rows)
    tables.write("findings", findings, folder / "findings.parquet")
    verdicts = decide(findings, Config())
    tables.write("verdicts", verdicts, folder / "verdicts.parquet")
    (folder / "verdicts.json").write_text(to_json(verdicts, findings, overall(verdicts)), encoding="utf-8")
    page = Page(render(build_view(folder)))
    assert (page.unbalanced, page.open) == ([], [])
    assert "nan" not in page.text.lower().split()


def test_run_without_any_answer_can_be_shown(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    for name in ("completions", "scores", "findings", "verdicts"):
        tables.write(name, tables.from_rows(name, []), folder / f"{name}.parquet")
    assert "There is no pair to show." in Page(render(build_view(folder))).text
