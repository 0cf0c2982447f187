"""Reports: draw what a run found. One view, several formats.

``write_html(build_view(folder), folder / "report.html")`` is all there is to it; for a
privacy audit it is ``write_privacy_html(build_privacy_view(folder), …)``, and for a mitigation
``write_frontier_html(build_frontier_view(folder), …)``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.calibration import write_calibration
    from reports.frontier_html import write_frontier_html
    from reports.frontier_markdown import write_frontier_markdown
    from reports.frontier_view import build_frontier_view
    from reports.html import write_html
    from reports.markdown import write_markdown
    from reports.privacy_html import write_privacy_html
    from reports.privacy_markdown import write_privacy_markdown
    from reports.privacy_view import build_privacy_view
    from reports.view import build_view
    from reports.write import write_reports

__all__ = [
    "build_frontier_view",
    "build_privacy_view",
    "build_view",
    "write_calibration",
    "write_frontier_html",
    "write_frontier_markdown",
    "write_html",
    "write_markdown",
    "write_privacy_html",
    "write_privacy_markdown",
    "write_reports",
]

_HOMES = {
    "build_frontier_view": "reports.frontier_view",
    "build_privacy_view": "reports.privacy_view",
    "build_view": "reports.view",
    "write_calibration": "reports.calibration",
    "write_frontier_html": "reports.frontier_html",
    "write_frontier_markdown": "reports.frontier_markdown",
    "write_html": "reports.html",
    "write_markdown": "reports.markdown",
    "write_privacy_html": "reports.privacy_html",
    "write_privacy_markdown": "reports.privacy_markdown",
    "write_reports": "reports.write",
}


def __getattr__(name: str) -> Any:
    """Import a function when it is asked for: matplotlib and pandas are slow to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
