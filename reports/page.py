"""What every page shares: how templates are read, the one style sheet, and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import gettext
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.tables import replacing
from reports import labels
from reports.wording import sentence

_TEMPLATES: Final = Path(__file__).parent / "templates"
Draw = Callable[[str, bool], str | None]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, once for wide pages and once for narrow ones."""

    wide: Markup
    narrow: Markup


def both(draw: Draw, prefix: str) -> Drawing | None:
    """Draw a figure for wide and for narrow pages by ``draw(prefix, wide)``; None where there is nothing to draw."""
    wide, narrow = (draw(f"{prefix}-{size}", size == "wide") for size in ("wide", "narrow"))
    return Drawing(Markup(wide), Markup(narrow)) if wide and narrow else None


def render_page(template: str, translations: gettext.NullTranslations, language: str, **context: Any) -> str:
    """Return a whole page: the template with the style sheet, its policy and what the page shows."""
    css, policy = style()
    page = environment(translations).get_template(template)
    return page.render(language=language, css=css, csp=policy, **context)


def write_text(text: str, path: Path) -> Path:
    """Write a page or a summary to ``path`` in one step.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def environment(translations: gettext.NullTranslations) -> Environment:
    """The templates: all data is escaped, and a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(
        number=labels.number,
        p=labels.p_value,
        percent=labels.percent,
        words=labels.humanise,
        group=labels.group,
        when=labels.when,
        sentence=sentence,
    )
    return made


def style() -> tuple[Markup, str]:
    """The style sheet, ours with no data in it, and the content policy that allows it alone."""
    css = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode("utf-8")).digest()).decode("ascii")
    return Markup(css), f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
