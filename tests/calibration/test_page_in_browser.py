"""The calibration page in a real Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.calibration import write_calibration
from tests.calibration.test_page import benchmark
from tests.reports.test_browser import browser, opened  # noqa: F401  (a fixture)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1440)])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    browser: Any,  # noqa: F811
    tmp_path: Path,
    scheme: str,
    width: int,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = write_calibration(benchmark(evil=True), tmp_path)
    page, noted = opened(browser, path, width=width, color_scheme=scheme)
    wide = page.evaluate("document.documentElement.scrollWidth")
    found = axe.Axe().run(page)
    page.context.close()
    assert [(item["id"], [node["target"] for node in item["nodes"][:3]]) for item in found.response["violations"]] == []
    assert noted == []
    assert wide <= width
