"""The frontier in a real Chromium: readable by everyone, silent on the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import build_frontier_view, write_frontier_html
from tests.reports import test_browser
from tests.reports.frontier_runs import write_frontier
from tests.reports.test_browser import opened
from tests.reports.test_privacy_browser import OPEN

pytestmark = pytest.mark.browser
browser = test_browser.browser  # the fixture
SIZES = [(390, 844), (1440, 900)]
LATE = {"dp-cda-e8": "out of memory: lower finetune.physical_batch"}
# Every kind of row once: further ones are the same mark-up again, and slow to check.
FEWER = """document.querySelectorAll(
    'section tr:nth-of-type(n+4), #changes details:nth-of-type(n+3)'
).forEach(one => one.remove())"""


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    made: dict[str, Path] = {}

    def make(**options: Any) -> Path:
        key = str(sorted(options.items()))
        if key not in made:
            folder = write_frontier(tmp_path_factory.mktemp("frontier"), **options)
            made[key] = write_frontier_html(build_frontier_view(folder), folder / "report.html")
        return made[key]

    return make


@pytest.mark.parametrize(
    ("options", "scheme", "width"),
    [({"bound": 9.3, "unfinished": LATE}, "light", 1440), ({}, "dark", 390), ({"cells": ("base",)}, "dark", 1440)],
)
def test_axe_finds_nothing(
    browser: Any, page_of: Callable[..., Path], options: dict[str, Any], scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, noted = opened(browser, page_of(**options), width=width, color_scheme=scheme)
    page.evaluate(OPEN)
    page.evaluate(FEWER)
    found = axe.Axe().run(page)
    page.context.close()
    assert [(item["id"], [node["target"] for node in item["nodes"][:3]]) for item in found.response["violations"]] == []
    assert noted == []


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("options", [{}, {"hostile": True}])
def test_page_never_scrolls_sideways_and_labels_stay_inside(
    browser: Any, page_of: Callable[..., Path], options: dict[str, Any], width: int, height: int
) -> None:
    page, _ = opened(browser, page_of(**options), width=width, height=height, java_script_enabled=True)
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
