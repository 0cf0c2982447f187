"""A picture of a report, as the README shows it.

    python scripts/screenshot_report.py RUN docs/images/report.png [--dark] [--width 1200] [--height 1500]

Needs the extra [dev] and Debian's chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path


def main() -> int:
    """Take the picture; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder with a report.html")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=1500)
    parser.add_argument("--from", dest="anchor", help="id of the section that the picture begins with")
    given = parser.parse_args()
    report, chromium = given.run / "report.html", shutil.which("chromium")
    if not report.is_file() or chromium is None:
        what = "chromium is not installed" if report.is_file() else f"{report}: there is no report"
        print(f"screenshot_report: {what}", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    given.picture.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        size = {"width": given.width, "height": given.height}
        page = browser.new_page(viewport=size, color_scheme="dark" if given.dark else "light")  # type: ignore[arg-type]
        page.goto(report.resolve().as_uri() + (f"#{given.anchor}" if given.anchor else ""))
        page.screenshot(path=str(given.picture))
        browser.close()
    print(given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
