"""Gender in English texts: every gendered word and name of a person becomes its counterpart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.english import names
from audit.mitigation.augmentation.english.pronouns import of_her, of_his
from audit.mitigation.augmentation.english.words import Word, begins, fixed_spans, like, words_of
from audit.mitigation.augmentation.lists import table, two_ways, words
from audit.mitigation.augmentation.passages import Passage, without_pairs
from audit.mitigation.augmentation.values import Edit

_JOINT: Final = re.compile(r"\s?(?:/|&|,? (?:and|or)|, nor)\s?|/|[ ]?\(|-or-|-and-")
_POSSESSIVE: Final = re.compile(r"['’]s?(?![^\W_])")
_EXCLAIMS: Final = re.compile(r"\b(?:oh|hey|hell|holy|ooh|yo|wow|damn),? $", re.IGNORECASE)
_THEN: Final = re.compile(r"[,!]| (?:was|were|is|are|did|do|does|am|oh) ")
_FIGURES: Final = re.compile(
    r"[ -]?(?:[A-Z]{1,4}[- ]?\d|\d|[Pp]rinters?\b|[Ll]aser\b|[Ss]ewing\b|[Tt]oner\b|[Ii]nkjet\b)"
)


def copies(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """One copy, in which female and male change places; none where gender is a fact of the text itself."""
    if _bound().search(passage.text):
        return
    edits = [*_words(passage), *names.gender_edits(passage, chance)]
    if edits:
        yield edits


def _words(passage: Passage) -> list[Edit]:
    text, found = passage.text, words_of(passage.text)
    edits, kinds = [], []
    for place, word in enumerate(found):
        if word.low not in _meant() or passage.is_kept(word.start, word.end):
            continue
        if any(first <= word.start < last for first, last in fixed_spans(text)):
            continue
        other = _counterpart(text, found, place)
        if other is not None:
            female = word.low in _female()
            change = ("gender", "female", "male") if female else ("gender", "male", "female")
            edits.append(Edit(word.start, word.end, like(other, word.text), change))
            kinds.append(_kind(word.low, other))
    return without_pairs(text, edits, _JOINT, kinds)


def _counterpart(text: str, found: tuple[Word, ...], place: int) -> str | None:
    """What stands for the word in a copy; None where it is no person, or a fact of the ware."""
    word = found[place]
    before = found[place - 1].low if place else ""
    then = found[place + 1] if place + 1 < len(found) else None
    if word.low == "her":
        return of_her(text, found, place)
    if word.low == "his":
        return of_his(text, found, place)
    if word.low == "hers":
        return "his"
    if word.low in ("sir", "madam", "ma'am"):
        return "sir" if word.low != "sir" else "madam" if before == "dear" else "ma'am"
    if word.low in _titles():
        named = then is not None and then.text[0].isupper() and re.fullmatch(r"\.? ", text[word.end : then.start])
        if not named or word.text[0].islower():
            return None
        return "mr" + ("." if word.low == "miss" else "") if word.low != "mr" else "ms"
    if word.low in ("female", "male"):
        # "I'm a female", "a male customer"; not "male to female cable".
        said = before in ("a", "old") and (then is None or not text[word.end : then.start].isspace())
        person = then is not None and then.low in words("en", "gender", "person_words")
        return _pairs()[word.low] if said or person else None
    if then is not None and then.low in words("en", "gender", "ware_only"):
        return None
    if word.low in words("en", "gender", "ware_words") and _of_a_ware(text, found, place):
        return None
    if word.low in ("man", "boy", "girl") and (
        _EXCLAIMS.search(text[: word.start])
        or (begins(text, word.start) and word.text[0].isupper() and _THEN.match(text, word.end))
        or (word.low == "man" and before == "to")
    ):
        return None
    if word.text == "Brother" and (_FIGURES.match(text, word.end) or not begins(text, word.start)):
        return None
    return _pairs()[word.low]


def _of_a_ware(text: str, found: tuple[Word, ...], place: int) -> bool:
    word = found[place]
    before = found[place - 1].low if place else ""
    many = word.low.endswith("s") or word.low in ("men", "women")
    possessive = _POSSESSIVE.match(text, word.end) is not None
    if many and (possessive or before in ("for", "in")):
        return True
    near = [after.low for after in found[place + 1 : place + (4 if possessive else 2)]]
    return any(ware in words("en", "gender", "wares") for ware in near) and (possessive or many)


def _kind(word: str, other: str) -> str:
    if word in ("her", "his", "hers", "him", "he", "she"):
        return "subject" if word in ("he", "she") else "pronoun"
    return "address" if word in ("sir", "madam", "ma'am") or word in _titles() else min(word, other)


@cache
def _pairs() -> dict[str, str]:
    return {**two_ways(table("en", "gender")["pairs"]), "him": "her"}


@cache
def _titles() -> frozenset[str]:
    return words("en", "gender", "female_titles") | {"mr"}


@cache
def _female() -> frozenset[str]:
    listed = table("en", "gender")["pairs"].split()[::2]
    return frozenset((*listed, "her", "hers", "madam", "ma'am", *words("en", "gender", "female_titles")))


@cache
def _meant() -> frozenset[str]:
    return frozenset(_pairs()) | _female() | _titles() | {"his", "sir"}


@cache
def _bound() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(table('en', 'gender')['bound'])})(?!\w)", re.IGNORECASE)
