"""What every page shares: how templates are read, the one style sheet, and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import gettext
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import labels
from reports.wording import sentence

_TEMPLATES: Final = Path(__file__).parent / "templates"


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
