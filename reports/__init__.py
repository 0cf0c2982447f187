"""Reports: draw what a run found. One view, several formats.

``write_html(build_view(folder), folder / "report.html")`` is all there is to it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.calibration import write_calibration
    from reports.html import write_html
    from reports.markdown import write_markdown
    from reports.view import build_view

__all__ = ["build_view", "write_calibration", "write_html", "write_markdown"]

_HOMES = {
    "build_view": "reports.view",
    "write_calibration": "reports.calibration",
    "write_html": "reports.html",
    "write_markdown": "reports.markdown",
}


def __getattr__(name: str) -> Any:
    """Import a function when it is asked for: matplotlib and pandas are slow to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
