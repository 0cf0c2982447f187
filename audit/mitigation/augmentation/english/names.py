"""Names in English texts: whose they are, and names of other groups in their place.

A given name counts where it is marked as the record's PERSON, or where it is one of the personas or of the word
lists and no everyday word: "Grace" and "Will" stay unless they are marked. A surname changes along race alone,
and only if it tells a group.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from audit.mitigation.augmentation.english.name_lists import names_of
from audit.mitigation.augmentation.english.words import Word, begins, everyday, fixed_spans, words_of
from audit.mitigation.augmentation.lists import words
from audit.mitigation.augmentation.passages import EMAIL, Passage
from audit.mitigation.augmentation.values import Change, Edit

_TITLES: Final = frozenset(("mr", "mrs", "ms", "miss", "mx", "dr", "prof"))
# An everyday word is a name here, if it is the author's.
_SAYS_A_NAME: Final = re.compile(
    r"(?:\b(?:name(?:['’]s| is)|this is|i['’]m|i am|hi|hello|dear|hey|thanks|thank you|regards|sincerely|best|cheers"
    r"|love|ask for|name:|customer:|signed|yours),? |(?:^|\s)[-–—] ?|(?:thanks|regards|sincerely|best|cheers),?\n)$",
    re.IGNORECASE,
)
_OWNS_A_SHOP: Final = re.compile(
    r"['’]s (?:Bar|Grill|Kitchen|Pizza|Cafe|Diner|Deli|Bakery|Club|Place|Store|Market|Shop)\b"
)
_NEXT: Final = re.compile(r" ([^\W\d_]+)")
_OF_A_PLACE: Final = re.compile(r"(?:\d[A-Za-z]? |\b(?:the|an?|St\.?|San|Santa) )$")
_RUN: Final = re.compile(r"[A-Za-z]+")
_HERE: Final = re.compile(r",? here\b|['’]s\b")
_ENDS_LINE: Final = re.compile(r"[ \t]*(?:\n|$)")


@dataclass(frozen=True, slots=True)
class Person:
    """A given name of the text, and what it tells of its bearer."""

    name: str
    groups: Mapping[str, str]


def gender_edits(passage: Passage, chance: Random) -> list[Edit]:
    """Every given name whose gender is known, as one of the other gender; of the same race where that is known."""
    known = names_of(passage.people)
    new: dict[str, tuple[str, Change]] = {}
    for person in people_in(passage):
        gender = person.groups.get("gender", "")
        other = {"female": "male", "male": "female"}.get(gender)
        if other is None:
            continue
        low = person.name.lower()
        pool = known.pools.get((other, person.groups.get("race", "")), ())
        if low in known.common:
            pool = (known.common[low],)
        elif not pool:
            pool = tuple(
                sorted(name for name in known.common.values() if known.common_gender.get(name.lower()) == other)
            )
        if drawn := _draw(pool, passage.text, new, chance):
            new[low] = drawn, ("gender", gender, other)
    return _put(passage, new, {})


def race_edits(passage: Passage, race: str, chance: Random) -> list[Edit]:
    """Every given name that tells another race, as one of ``race`` and the same gender; telling surnames with them."""
    known = names_of(passage.people)
    new: dict[str, tuple[str, Change]] = {}
    for person in people_in(passage):
        own, gender = person.groups.get("race", ""), person.groups.get("gender", "")
        if own and own != race:
            pool = known.pools.get((gender, race)) or sum(
                (names for (_, group), names in sorted(known.pools.items()) if group == race), ()
            )
            if drawn := _draw(pool, passage.text, new, chance):
                new[person.name.lower()] = drawn, ("race", own, race)
    family: dict[str, tuple[str, Change]] = {}
    for surname in _surnames_in(passage):
        own = known.surname_race.get(surname.lower(), race)
        if own != race and (drawn := _draw(known.surnames.get(race, ()), passage.text, family, chance)):
            family[surname.lower()] = drawn, ("race", own, race)
    return _put(passage, new, family)


def people_in(passage: Passage) -> list[Person]:
    """The given names in a text and what they tell, in the order of the text, the marked one first."""
    known, found = names_of(passage.people), dict[str, Person]()
    first = _marked(passage)[0]
    if first:
        low = first.lower()
        told = known.groups.get(low) or (
            {"gender": known.common_gender[low]} if low in known.common else passage.record.groups
        )
        found[low] = Person(first, told)
    said = words_of(passage.text)
    for place, word in enumerate(said):
        if word.low in found or not (word.low in known.groups or word.low in known.common_gender):
            continue
        if word.low in everyday() or not _has_capital(word) or _is_surname(passage, said, place, found):
            continue
        if _stands(passage, word):
            told = known.groups.get(word.low) or {"gender": known.common_gender[word.low]}
            found[word.low] = Person(word.text, told)
    return list(found.values())


def _is_surname(passage: Passage, found: Sequence[Word], place: int, first: Container[str]) -> bool:
    """Whether a given name stands right before: "Richard" of "Demetrius Richard"."""
    before = found[place - 1] if place else None
    return before is not None and before.low in first and passage.text[before.end : found[place].start] == " "


def _marked(passage: Passage) -> tuple[str, str]:
    """The given name and the surname of the record's PERSON; empty where there is none, or only an initial."""
    marked = passage.record.identifiers.get("PERSON", "")
    last, comma, first = marked.partition(", ")
    parts = [part.strip(".,") for part in (f"{first} {last}" if comma else marked).split()]
    parts = [part for part in parts if part.lower() not in _TITLES]
    if not parts or not parts[0].isalpha():
        return "", ""
    surname = parts[-1] if len(parts) > 1 and len(parts[-1]) > 1 else ""
    return (parts[0] if len(parts[0]) > 1 else ""), surname


def _surnames_in(passage: Passage) -> Iterator[str]:
    """Surnames behind a given name or a title."""
    if marked := _marked(passage)[1]:
        yield marked
    first = {person.name.lower() for person in people_in(passage)}
    for word, then in pairwise(words_of(passage.text)):
        between = passage.text[word.end : then.start]
        named = (word.low in first and between == " ") or (word.low in _TITLES and between in (" ", ". "))
        if named and _has_capital(then):
            yield then.text


def _draw(pool: Sequence[str], text: str, taken: Mapping[str, tuple[str, Change]], chance: Random) -> str:
    """A name that neither the text has nor another person in it got; empty where there is none."""
    free = [name for name in pool if name not in text and all(name != other for other, _ in taken.values())]
    return chance.choice(free or list(pool)) if pool else ""


def _put(
    passage: Passage, new: Mapping[str, tuple[str, Change]], family: Mapping[str, tuple[str, Change]]
) -> list[Edit]:
    """The names of ``new`` and ``family`` wherever they stand as names, in e-mail addresses as well."""
    if not new and not family:
        return []
    found, edits = words_of(passage.text), []
    first, last = (part.lower() for part in _marked(passage))
    firsts = {first, *new}
    for place, word in enumerate(found):
        drawn = new.get(word.low)
        if drawn is not None and not (
            _stands(passage, word)
            and _is_first(passage, found, place, first, last)
            and not _is_surname(passage, found, place, firsts)
        ):
            drawn = None
        if drawn is None and word.low in family and _is_last(passage, found, place, new, last):
            drawn = family[word.low]
        if drawn is not None:
            name, change = drawn
            edits.append(Edit(word.start, word.end, _cased(name, word.text), change))
    for match in EMAIL.finditer(passage.text):
        for part in _RUN.finditer(match["local"]):
            drawn = new.get(part[0].lower()) or family.get(part[0].lower())
            if drawn is not None and drawn[0].isascii():
                at = match.start() + part.start()
                edits.append(Edit(at, at + len(part[0]), _cased(drawn[0], part[0]), drawn[1]))
    return edits


def _is_first(passage: Passage, found: Sequence[Word], place: int, first: str, last: str) -> bool:
    """Whether the word is a given name here; of an everyday word only where something says so."""
    word, text = found[place], passage.text
    if not _has_capital(word):
        known = names_of(passage.people)
        return (
            word.low == first and word.low not in everyday() and (word.low in known.groups or word.low in known.common)
        )
    if word.low not in everyday():
        return True
    followed = place + 1 < len(found) and found[place + 1].low == last and bool(last)
    signed = begins(text, word.start) and _ENDS_LINE.match(text, word.end) is not None
    said = _SAYS_A_NAME.search(text, max(0, word.start - 20), word.start) or _HERE.match(text, word.end)
    return followed or signed or said is not None


def _is_last(passage: Passage, found: Sequence[Word], place: int, new: Mapping[str, object], last: str) -> bool:
    word, before = found[place], found[place - 1] if place else None
    if not _has_capital(word) or not _stands(passage, word):
        return False
    comma = passage.text.startswith(", ", word.end) and word.low == last
    after = before is not None and (
        before.low in new
        or before.low in _TITLES
        or len(before.text) == 1
        or before.low in names_of(passage.people).common
    )
    return comma or after


def _stands(passage: Passage, word: Word) -> bool:
    """Whether a name may stand here: not in a code, an address, a brand, "Megan Court" or "14 Megan"."""
    if passage.is_kept(word.start, word.end):
        return False
    if any(start <= word.start < end for start, end in fixed_spans(passage.text)):
        return False
    if passage.text[max(0, word.start - 1) : word.start] in ("@", "#", "_", "/", "-"):
        return False
    if _OWNS_A_SHOP.match(passage.text, word.end):
        return False
    near = _NEXT.match(passage.text, word.end)
    if near and near[1].lower() in words("en", "names", "streets") and near[1][0].isupper():
        return False
    return _OF_A_PLACE.search(passage.text, max(0, word.start - 8), word.start) is None


def _has_capital(word: Word) -> bool:
    return word.text[0].isupper()


def _cased(name: str, model: str) -> str:
    if model.isupper() and len(model) > 1:
        return name.upper()
    return name.lower() if model.islower() else name
