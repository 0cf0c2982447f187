from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from audit.calibration import Benchmark, Rival, Row, Target
from reports.calibration import render, to_markdown
from tests.reports.test_html import FORBIDDEN, Page

EVIL = "<script>alert(1)</script>{{ 7*7 }}|"


def benchmark(*, mode: str = "full", evil: bool = False) -> Benchmark:
    """Some rows of every kind."""
    beside = tuple(
        Rival(name, figure, 0.01)
        for name, figure in (("point threshold", 0.3), ("signed row bootstrap", 0.2), ("fairlearn bootstrap", 1.0))
    )
    rows = [
        Row(
            "null-pure-noise", "False alarms", "False alarms, pure noise", 0.03, 0.004, 2000, Target(high=0.06), beside
        ),
        Row(
            "null-ties",
            "False alarms",
            EVIL if evil else "ties",
            0.09,
            0.006,
            2000,
            Target(high=0.06),
            beside,
            "a note",
        ),
        *(
            Row(f"power-number-{size:g}", "Power", f"d = {size:g}", power, 0.01, 2000, None, beside)
            for size, power in ((0.1, 0.35), (0.2, 0.92), (0.3, 0.99), (0.5, 1.0))
        ),
        Row("pipeline-ratio", "Through the whole pipeline", "Difference", 3e-16, 0.0, 20, Target(high=1e-12)),
        Row("error-lost", "Intervals and estimates", "Lost", float("nan"), float("nan"), 2000, Target(high=0.02)),
    ]
    versions, machine = (("python", "3.11"), ("numpy", "2.4")), (("processor", "A processor"), ("cores", "2"))
    return Benchmark(tuple(rows), mode, 3, 700.0, "abc123", versions, machine, "evenhand calibrate --seed 3")


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(benchmark()))


def test_every_tag_closes(page: Page) -> None:
    assert (page.unbalanced, page.open) == ([], [])


def test_page_states_the_outcome_and_its_circumstances(page: Page) -> None:
    assert benchmark().sentence == "FAIL: 2 of 4 judged figures miss their targets: null-ties, error-lost."
    for words in (
        benchmark().sentence,
        "seed 3, commit abc123",
        "12 min",
        "A processor",
        "evenhand calibrate --seed 3",
    ):
        assert words in page.text
    assert next(attrs for _, attrs in page.tags if attrs.get("id") == "verdict")["data-outcome"] == "fail"


def test_page_shows_every_row_with_its_result(page: Page) -> None:
    shown = {attrs["data-row"]: attrs["data-passed"] for _, attrs in page.tags if "data-row" in attrs}
    words = {True: "true", False: "false", None: ""}
    assert shown == {row.id: words[row.passed] for row in benchmark().rows}


def test_page_runs_nothing_and_loads_nothing() -> None:
    text = render(benchmark(evil=True))
    page = Page(text)
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert sheet
    digest = base64.b64encode(hashlib.sha256(sheet[1].encode()).digest()).decode()
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not [tag for tag, _ in page.tags if tag in {"script", "img", "iframe", "object", "link", "base", "form"}]
    assert not [1 for _, attrs in page.tags if "style" in attrs or "src" in attrs]
    assert all((attrs.get("href") or "#").startswith("#") for _, attrs in page.tags)
    assert EVIL in page.text


def test_identifiers_are_unique_and_references_resolve(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = {a[key][1:] for _, a in page.tags for key in ("href", "xlink:href") if (a.get(key) or "").startswith("#")}
    wanted |= {name for _, attrs in page.tags for name in (attrs.get("aria-labelledby") or "").split()}
    assert wanted <= set(ids)


def test_tables_have_captions_and_figures_a_role(page: Page) -> None:
    counts = [tag for tag, _ in page.tags]
    assert counts.count("caption") == counts.count("table") == 4
    assert all(attrs.get("scope") in {"row", "col"} for tag, attrs in page.tags if tag == "th")
    plots = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(plots) == 4
    assert all(attrs.get("role") == "img" for attrs in plots)


def test_figures_use_the_page_palette_alone(page: Page) -> None:
    css = (Path(__file__).parents[2] / "reports" / "templates" / "report.css").read_text(encoding="utf-8")
    for _, attrs in page.tags:
        for key in ("fill", "stroke"):
            drawn = attrs.get(key) or "none"
            assert drawn == "none" or drawn.startswith(("var(--", "url(#")), drawn
            assert not drawn.startswith("var(") or f"{drawn[4:-1]}:" in css


def test_wording_claims_no_more_than_evidence(page: Page) -> None:
    assert FORBIDDEN.findall(page.text.replace("fairlearn", "")) == []


def test_same_benchmark_gives_the_same_bytes() -> None:
    assert render(benchmark()) == render(benchmark())


def test_markdown_has_a_line_for_every_row_and_keeps_its_columns() -> None:
    text = to_markdown(benchmark(mode="quick", evil=True))
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Figure")]
    assert len(lines) == len(benchmark().rows)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 8 for line in lines)
    assert "three Monte-Carlo standard errors more" in text
    assert "| 3e−16 | – | ≤ 1e−12 | ✓ pass |" in text
    assert not re.search(r"(?<!\\)<script", text)
