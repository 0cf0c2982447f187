"""What canaries say: the forms of a locale, read from forms/<locale>.toml."""

from __future__ import annotations

import math
import random
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from audit.config import Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.slots import slots_in

SHIPPED: Final = Path(__file__).parent / "forms"
# 10^10: where a secret has fewer values, one that is never planted is hard to tell from one that is.
SMALLEST_SPACE: Final = 10**10
_DRAWN: Final = {"#": string.digits, "@": string.ascii_uppercase}


@dataclass(frozen=True, slots=True)
class Form:
    """One wording of a canary: ``text`` holds {name} and {secret}; in ``secret`` # is a digit, @ a capital letter.

    ``type`` is the kind of personal information that the secret is; ``reply`` what the shop answers in a chat.
    """

    id: str
    locale: str
    type: str
    text: str
    secret: str
    reply: str

    @property
    def space(self) -> int:
        """How many secrets there are, the |R| of exposure.

        >>> Form("x", "en", "GIFT_CARD", "{name}: {secret}", "@# ## ##########", "Thanks.").space == 26 * 10**13
        True
        """
        return math.prod(len(_DRAWN[sign]) for sign in self.secret if sign in _DRAWN)

    def draw(self, chance: random.Random) -> str:
        """Draw a secret, each of ``space`` equally likely."""
        return "".join(chance.choice(_DRAWN[sign]) if sign in _DRAWN else sign for sign in self.secret)

    def fill(self, name: str, secret: str) -> str:
        """Return the text with a name and a secret."""
        return self.text.format(name=name, secret=secret)


class _FormFile(Strict):
    id: str = Field(min_length=1)
    type: str = Field(min_length=1)
    text: str
    secret: str


class _FormsFile(Strict):
    locale: str
    reply: str = Field(min_length=1)
    forms: tuple[_FormFile, ...] = Field(min_length=1)


def load_forms(locale: str) -> dict[str, Form]:
    """Return the forms of ``locale`` by id, in the order of their file.

    Raises
    ------
    ConfigError
        If there are none for the locale, or the file is wrong.
    """
    path = SHIPPED / f"{locale}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ConfigError(f"locale {locale!r}: there are no canaries for it; known are {known}")
    return read_forms(path)


def load_form(locale: str, form: str) -> Form:
    """Return one form of ``locale``.

    Raises
    ------
    ConfigError
        If there is no such form.
    """
    forms = load_forms(locale)
    if form not in forms:
        raise ConfigError(f"form {form!r}: there is none in {locale}; known are {', '.join(forms)}")
    return forms[form]


def read_forms(path: Path) -> dict[str, Form]:
    """Read a file of forms and check each: both slots once, and a secret of at least ``SMALLEST_SPACE`` values."""
    parsed = parse(_FormsFile, read_toml(path), str(path))
    forms: dict[str, Form] = {}
    for entry in parsed.forms:
        where = f"{path}: forms {entry.id!r}"
        form = Form(entry.id, parsed.locale, entry.type, entry.text, entry.secret, parsed.reply)
        if form.id in forms:
            raise ConfigError(f"{where}: stands twice; give each an id of its own")
        if sorted(slots_in(form.text, ("name", "secret"), f"{where}: text")) != ["name", "secret"]:
            raise ConfigError(f"{where}: text: needs the slots {{name}} and {{secret}}, each exactly once")
        if form.space < SMALLEST_SPACE:
            raise ConfigError(f"{where}: secret: {form.space:,} values are too few; add # until there are 10 digits")
        forms[form.id] = form
    return forms
