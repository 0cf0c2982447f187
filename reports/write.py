"""Every report of a run, whatever kind of run it is."""

from __future__ import annotations

from pathlib import Path

from audit import tables
from audit.manifest import Manifest


def write_reports(folder: Path, *, reveal: bool = False) -> Path:
    """Write report.html and summary.md into a run folder; return the page's path.

    Parameters
    ----------
    folder
        A run folder, of a fairness audit or a privacy audit.
    reveal
        Show personal values that the page of a privacy audit masks otherwise; the summary never shows them.

    Raises
    ------
    ConfigError
        If a table or the verdict is missing or not readable.
    """
    page, summary = folder / "report.html", folder / "summary.md"
    if Manifest.load(folder).data.get("kind") == "privacy":
        from reports.privacy_html import write_privacy_html
        from reports.privacy_markdown import write_privacy_markdown
        from reports.privacy_view import build_privacy_view

        found = build_privacy_view(folder, reveal=reveal)
        write_privacy_markdown(found, summary)
        # Masked or not, it tells of people's data.
        with tables.for_owner_alone():
            return write_privacy_html(found, page)
    from reports.html import write_html
    from reports.markdown import write_markdown
    from reports.view import build_view

    view = build_view(folder)
    write_markdown(view, summary)
    return write_html(view, page)
