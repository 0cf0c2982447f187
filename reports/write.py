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
        A run folder, of a fairness audit or a privacy audit, or the folder of a mitigation.
    reveal
        Show personal values that the page of a privacy audit masks otherwise; the summary never shows them.

    Raises
    ------
    ConfigError
        If a table or the verdict is missing or not readable.
    """
    page, summary = folder / "report.html", folder / "summary.md"
    kind = Manifest.load(folder).data.get("kind")
    if kind == "privacy":
        from reports.privacy_html import write_privacy_html
        from reports.privacy_markdown import write_privacy_markdown
        from reports.privacy_view import build_privacy_view

        found = build_privacy_view(folder, reveal=reveal)
        write_privacy_markdown(found, summary)
        # Masked or not, it tells of people's data.
        with tables.for_owner_alone():
            return write_privacy_html(found, page)
    if kind == "mitigation":
        from reports.frontier_html import write_frontier_html
        from reports.frontier_markdown import write_frontier_markdown
        from reports.frontier_view import build_frontier_view

        variants = build_frontier_view(folder)
        # Its figures of leakage are computed from people's records, without noise.
        with tables.for_owner_alone():
            write_frontier_markdown(variants, summary)
            return write_frontier_html(variants, page)
    from reports.html import write_html
    from reports.markdown import write_markdown
    from reports.view import build_view

    view = build_view(folder)
    write_markdown(view, summary)
    return write_html(view, page)
