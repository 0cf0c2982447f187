"""Words of an English text, what stands around them, and words put in their place."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final, NamedTuple

from audit.mitigation.augmentation.lists import any_of, table
from audit.privacy.pii.recognisers.words import words as known_words

_WORD: Final = re.compile(r"[Mm][Aa]['’][Aa][Mm]|[^\W\d_]+")
_BEHIND_APOSTROPHE: Final = re.compile(r"[^\W\d_]['’]$")
# A sentence, a line or what somebody says begins.
_BEGINS: Final = re.compile(r"(?:^|[.!?:;\n\"“(\-–—])\s*$")
_ARTICLE: Final = re.compile(r"\b(an?) $", re.IGNORECASE)


class Word(NamedTuple):
    """A word and where it stands; ``low`` is in small letters, with a straight apostrophe."""

    start: int
    end: int
    text: str
    low: str


@lru_cache(maxsize=8)
def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text, without what stands behind an apostrophe."""
    return tuple(
        Word(*match.span(), match[0], match[0].lower().replace("’", "'"))
        for match in _WORD.finditer(text)
        if not _BEHIND_APOSTROPHE.search(text, max(0, match.start() - 2), match.start())
    )


@lru_cache(maxsize=8)
def fixed_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where terms stand that are no person: "dad jokes", "Uncle Ben's"."""
    begin, terms = _fixed()
    straight = text.replace("’", "'")
    matches = (terms.match(straight, word.start) for word in words_of(text) if word.low in begin)
    return tuple(match.span() for match in matches if match)


@cache
def _fixed() -> tuple[frozenset[str], re.Pattern[str]]:
    """The words that terms begin with, and the terms."""
    terms = {*table("en", "gender")["fixed"], *known_words("en", "known")}
    begin = frozenset(match[0] for match in map(_WORD.match, terms) if match)
    return begin, re.compile(rf"(?:{any_of(terms)})(?!\w)", re.IGNORECASE)


@cache
def everyday() -> frozenset[str]:
    """Given names that are everyday words, months or places, in small letters."""
    return known_words("en", "ambiguous")


def begins(text: str, at: int) -> bool:
    """Whether a sentence begins there, so that a capital says nothing.

    >>> begins("It broke. Will you call?", 10), begins("Ask Will.", 4)
    (True, False)
    """
    return _BEGINS.search(text, max(0, at - 4), at) is not None


def like(word: str, model: str) -> str:
    """``word`` in capitals where ``model`` is.

    >>> like("she", "He"), like("wife", "HUSBAND"), like("ma'am", "Sir"), like("her", "his")
    ('She', 'WIFE', "Ma'am", 'her')
    """
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def articled(text: str, start: int, word: str) -> tuple[int, str]:
    """Where ``word`` begins when the article before it changes with it, and the two together.

    >>> articled("an elderly man", 3, "young"), articled("the old", 4, "young")
    ((0, 'a young'), (4, 'young'))
    """
    found = _ARTICLE.search(text, max(0, start - 4), start)
    fitting = "an" if word[:1].lower() in "aeiou" else "a"
    if found is None or found[1].lower() == fitting:
        return start, word
    return found.start(1), f"{like(fitting, found[1]) if len(found[1]) > 1 else _single(fitting, found[1])} {word}"


def _single(article: str, model: str) -> str:
    return article.capitalize() if model.isupper() else article
