"""Word lists with stems, and how often a text uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from audit.config import read_toml

FOLDER: Final = Path(__file__).parent / "lexicons"
WORD: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Whole words, and stems that any ending may follow; both in lower case."""

    words: frozenset[str]
    stems: frozenset[str]
    longest_stem: int

    @classmethod
    def of(cls, entries: Iterable[str]) -> Lexicon:
        """Build from entries, of which a trailing ``*`` marks a stem."""
        listed = tuple(entries)
        stems = frozenset(entry[:-1] for entry in listed if entry.endswith("*"))
        words = frozenset(entry for entry in listed if not entry.endswith("*"))
        return cls(words, stems, max(map(len, stems), default=0))

    def __contains__(self, word: str) -> bool:
        """Whether a word in lower case is meant by an entry."""
        return word in self.words or any(
            word[:end] in self.stems for end in range(1, min(len(word), self.longest_stem) + 1)
        )


def read_lexicon(name: str) -> dict[str, Any]:
    """The content of ``lexicons/<name>.toml``."""
    return read_toml(FOLDER / f"{name}.toml")


@cache
def category(name: str, table: str) -> Lexicon:
    """One list of a lexicon file."""
    return Lexicon.of(read_lexicon(name)[table]["words"])


def share(text: str, lexicon: Lexicon) -> float:
    """Words of ``lexicon`` per 100 words of ``text``; nan where it has no words.

    >>> share("They lead the leading team", Lexicon.of(["lead*"]))
    40.0
    """
    words = WORD.findall(text.casefold())
    if not words:
        return float("nan")
    return 100.0 * sum(word in lexicon for word in words) / len(words)
