"""Where a report's sentences come from.

Every sentence stands in English in the code or the template, wrapped in ``_()``; a
catalogue ``locale/<language>/LC_MESSAGES/evenhand.mo`` replaces it. With none, the
English stays.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "evenhand"
FOLDER = Path(__file__).parent / "locale"


def catalogue(language: str = "en") -> gettext.NullTranslations:
    """Return the translations into ``language``; English where there are none."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True)


def mark(message: str) -> str:
    """Mark a sentence of a table of constants for the catalogue; it is looked up where it is shown."""
    return message
