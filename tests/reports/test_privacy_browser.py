"""The privacy report in a real Chromium: readable by everyone, silent on the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import build_privacy_view, write_privacy_html
from tests.reports import test_browser
from tests.reports.privacy_runs import write_privacy_run
from tests.reports.test_browser import SIZES, opened

pytestmark = pytest.mark.browser
browser = test_browser.browser  # the fixture
OPEN = "document.querySelectorAll('details').forEach(found => { found.open = true })"
# Every kind of row once: further ones are the same mark-up again, and slow to check.
FEWER = """document.querySelectorAll(
    '#method tr:nth-of-type(n+4), .pair:nth-of-type(n+4), #groups details:nth-of-type(n+3)'
).forEach(one => one.remove())"""


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    made: dict[str, Path] = {}

    def make(reveal: bool = False, **options: Any) -> Path:
        key = f"{reveal} {sorted(options.items())}"
        if key not in made:
            folder = write_privacy_run(tmp_path_factory.mktemp("privacy"), hostile=True, **options)
            made[key] = write_privacy_html(build_privacy_view(folder, reveal=reveal), folder / "report.html")
        return made[key]

    return make


@pytest.mark.parametrize(("scheme", "size"), [("light", SIZES[1]), ("dark", SIZES[0])])
def test_axe_finds_nothing(browser: Any, page_of: Callable[..., Path], scheme: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = page_of(reveal=scheme == "dark")
    page, noted = opened(browser, path, width=size[0], height=size[1], color_scheme=scheme)
    page.evaluate(OPEN)
    page.evaluate(FEWER)
    found = axe.Axe().run(page)
    page.context.close()
    assert [(item["id"], [node["target"] for node in item["nodes"][:3]]) for item in found.response["violations"]] == []
    assert noted == []


def test_axe_finds_nothing_where_little_was_measured(browser: Any, page_of: Callable[..., Path]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, noted = opened(browser, page_of(generations_only=True), color_scheme="dark")
    found = axe.Axe().run(page)
    page.context.close()
    assert [item["id"] for item in found.response["violations"]] == []
    assert noted == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_page_never_scrolls_sideways_and_labels_stay_inside(
    browser: Any, page_of: Callable[..., Path], width: int, height: int
) -> None:
    page, _ = opened(browser, page_of(reveal=True), width=width, height=height)
    page.evaluate(OPEN)
    wide = page.evaluate("document.documentElement.scrollWidth")
    outside = page.evaluate(
        """[...document.querySelectorAll('svg.plot')].flatMap(svg => {
            const box = svg.getBoundingClientRect()
            return [...svg.querySelectorAll('text')].filter(text => {
                const own = text.getBoundingClientRect()
                return own.width && (own.left < box.left - 1 || own.right > box.right + 1)
            }).map(text => text.textContent)
        })"""
    )
    page.context.close()
    assert wide <= width
    assert outside == []
