"""Ages that English texts state of a grown person: the tens change, and words for old and young with them.

A warranty's years, a size and a sofa's age are none: only phrases that cannot be of a thing are read. Where a
second age stands, a child's too, there is no copy: what is known of a family's ages holds together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.ages import GROUPS, TENS, group_of
from audit.mitigation.augmentation.english.words import articled, like
from audit.mitigation.augmentation.lists import any_of, table, words
from audit.mitigation.augmentation.passages import Passage
from audit.mitigation.augmentation.values import Edit

_SPELT: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBER: Final = rf"(?P<age>1[89]|[2-9]\d|(?:{'|'.join(_SPELT[2:])})(?:-[a-z]+)?)"
_OTHER: Final = re.compile(
    r"\b(?:[1-9]|1[0-7]|two|three|four|five|six|seven|eight|nine|ten)[- ](?:years?|yr|months?)[- ]olds?\b"
)
_END: Final = (
    r"(?= ?(?:[.,;!?)]|$| and\b| but\b| now\b| years?\b| yrs?\b| this\b| next\b| so\b| in (?:May|June|July)\b))"
)


def copies(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """A copy for each of the other two groups that the rest of the text allows."""
    text = passage.text
    ages = [match for pattern in _patterns() for match in pattern.finditer(text)]
    ages = list({match.start("age"): match for match in ages if not passage.is_kept(*match.span("age"))}.values())
    if len({match["age"].lower() for match in ages}) > 1 or (ages and _OTHER.search(text)):
        return
    said = [(match, _group_said(match)) for match in _words().finditer(text)]
    own = {*(group_of(_value(match["age"])) for match in ages), *(group for _, group in said)}
    if len(own) != 1:
        return
    targets = [group for group in GROUPS if group not in own and _allows(text, group)]
    chance.shuffle(targets)
    for target in targets:
        change = ("age", next(iter(own)), target)
        edits = []
        for match in ages:
            start, new = articled(text, match.start("age"), _aged(match["age"], target))
            edits.append(Edit(start, match.end("age"), new, change))
        for match, _ in said:
            name = match.lastgroup or ""
            start, new = articled(text, match.start(name), like(_same(match[name], target), match[name]))
            edits.append(Edit(start, match.end(name), new, change))
        yield edits


def _value(age: str) -> int:
    return int(age) if age[0].isdigit() else 10 * _SPELT.index(_tens(age))


def _tens(age: str) -> str:
    tens = age.split("-")[0].lower()
    return {"twenties": "twenty", "thirties": "thirty", "forties": "forty", "fifties": "fifty"}.get(tens) or re.sub(
        "ies$", "y", tens
    )


def _aged(age: str, target: str) -> str:
    """The age with the tens of ``target``: 76 as 26, "seventy-six" as "twenty-six", "seventies" as "twenties"."""
    if age[0].isdigit():
        return f"{TENS[target]}{age[1:]}"
    tens, rest = age[: len(age.split("-")[0])], age[len(age.split("-")[0]) :]
    new = _SPELT[TENS[target]]
    return like(re.sub("y$", "ies", new) if tens.lower().endswith("ies") else new, tens) + rest


def _allows(text: str, target: str) -> bool:
    """Whether no fact of the text holds at the other end of life alone."""
    other = {"young": "older", "older": "young"}.get(target)
    return other is None or _bound(other).search(text) is None


def _group_said(match: re.Match[str]) -> str:
    told = match[match.lastgroup or ""].lower()
    return next(group for row in _rows() for group, word in zip(GROUPS, row, strict=True) if word == told)


def _same(told: str, target: str) -> str:
    row = next(row for row in _rows() if told.lower() in row)
    return row[GROUPS.index(target)]


def _rows() -> list[list[str]]:
    listed = table("en", "age")
    return [*listed["words"], listed["adjectives"]]


@cache
def _bound(group: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(table('en', 'age')['bound'][group])})\b", re.IGNORECASE)


@cache
def _words() -> re.Pattern[str]:
    listed = table("en", "age")
    young, _, old = listed["adjectives"]
    return re.compile(
        rf"\b(?:(?P<word>{any_of(word for row in listed['words'] for word in row)})"
        rf"|(?P<young>{young}) (?=(?:{any_of(listed['young_before'].split())})\b)"
        rf"|(?P<other>{old}|middle-aged) (?=(?:{any_of(listed['elderly_before'].split())})\b))(?! discount)",
        re.IGNORECASE,
    )


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    person = any_of(words("en", "age", "persons"))
    is_somebody = (
        rf"(?:I['’]m|I am|[Hh]e is|[Ss]he is|[Hh]e['’]s|[Ss]he['’]s|who is|who['’]s|(?:{person}) is|(?:{person})['’]s)"
    )
    in_the = r"\bin (?:my|her|his|their)(?: early| mid| late)?[ -]"
    listed = (
        rf"\b{_NUMBER}[- ]years?[- ]old(?= (?:[a-z-]+ )?(?:{person})\b)",
        rf"\b{_NUMBER}[- ]?y/?o(?= (?:[a-z-]+ )?(?:{person})\b)",
        rf"\b(?:{is_somebody})(?: now| already| almost| nearly| over)? {_NUMBER}{_END}",
        rf"\b[Aa]t (?:the age of |age )?{_NUMBER}(?: years old)?(?=,? I\b)",
        rf"\bI(?: just|['’]ve just| have)? turn(?:ed)? {_NUMBER}{_END}",
        rf"\b(?:I['’]ll be|I will be|[Aa]ged|[Mm]y age is) {_NUMBER}{_END}",
        rf"\b(?:{person}), {_NUMBER},",
        rf"{in_the}(?P<age>(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies)\b",
        rf"{in_the}(?P<age>[2-9]0)(?=['’]?s\b)",
    )
    return tuple(map(re.compile, listed))
