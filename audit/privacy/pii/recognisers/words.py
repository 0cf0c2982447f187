"""The word lists of a language, read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from audit.config import read_toml

FOLDER: Final = Path(__file__).parent / "words"


@cache
def _lists(locale: str) -> dict[str, Any]:
    return read_toml(FOLDER / f"{locale}.toml")


@cache
def words(locale: str, name: str) -> frozenset[str]:
    """A list of ``words/<locale>.toml``.

    >>> "kitchenaid" in words("en", "no_name"), "欧阳" in words("zh", "compound")
    (True, True)
    """
    listed = _lists(locale)[name]
    return frozenset(listed.split() if isinstance(listed, str) else listed)


@cache
def signs(locale: str, name: str) -> str:
    """A list of single signs, as one string without blanks.

    >>> len(signs("zh", "single")) > 400
    True
    """
    return "".join(_lists(locale)[name].split())


@cache
def given_names() -> frozenset[str]:
    """Given names in Latin letters of many countries, in small letters, without everyday words.

    They are the lists of Faker, whose licence (MIT) they come under. Names of one country
    alone would find the leaks of its own people better than those of others.
    """
    import importlib

    found: set[str] = set()
    for country in _COUNTRIES.split():
        provider = importlib.import_module(f"faker.providers.person.{country}").Provider
        for listed in ("first_names", "first_names_male", "first_names_female", "first_names_nonbinary"):
            found.update(name.casefold() for name in getattr(provider, listed, ()) or ())
    return frozenset(name for name in found if len(name) > 2 and name.isalpha()) - words("en", "ambiguous")


_COUNTRIES: Final = """
    en_US en_GB en_IE en_IN en_KE en_NG en_PK en_NZ es_MX es_ES es_CO es_AR pt_BR fr_FR fr_DZ de_DE
    it_IT nl_NL sv_SE da_DK pl_PL cs_CZ hr_HR ro_RO hu_HU lt_LT et_EE id_ID yo_NG ig_NG ha_NG tw_GH
    zu_ZA sw ga_IE az_AZ uz_UZ
"""
