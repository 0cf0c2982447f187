"""The word lists of a language, read once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

from audit.config import read_toml

FOLDER: Final = Path(__file__).parent


@cache
def table(locale: str, name: str) -> dict[str, Any]:
    """A table of ``<locale>.toml``."""
    found: dict[str, Any] = read_toml(FOLDER / f"{locale}.toml")[name]
    return found


@cache
def words(locale: str, name: str, key: str) -> frozenset[str]:
    """The words of a list in a table.

    >>> "fiancé" in words("en", "gender", "pairs"), "吉他" in words("zh", "gender", "keep")
    (True, True)
    """
    return frozenset(table(locale, name)[key].split())


def two_ways(listed: str) -> dict[str, str]:
    """Each word's counterpart; of several the first that is listed.

    >>> two_ways("mom dad  mum dad")
    {'mom': 'dad', 'dad': 'mom', 'mum': 'dad'}
    """
    found: dict[str, str] = {}
    parts = listed.split()
    for female, male in zip(parts[::2], parts[1::2], strict=True):
        found.setdefault(female, male)
        found.setdefault(male, female)
    return found


def any_of(terms: Iterable[str]) -> str:
    """An expression for any of the terms, the longest first.

    >>> any_of(["old", "older"])
    'older|old'
    """
    return "|".join(map(re.escape, sorted(terms, key=lambda term: (-len(term), term))))
