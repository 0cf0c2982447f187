"""Ages that Chinese texts state of a grown person, decades of birth (90后), and what authors call themselves (老年人).

Whom a ware suits (适合18岁以上) and how long it lasts are facts of it. Where a second age stands, or that of a child
or a grandparent, there is no copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.ages import GROUPS, TENS, group_of
from audit.mitigation.augmentation.chinese.words import clause_before
from audit.mitigation.augmentation.lists import any_of, table
from audit.mitigation.augmentation.passages import Passage
from audit.mitigation.augmentation.values import Edit

_DIGITS: Final = "零一二三四五六七八九"
_AGE: Final = r"(?P<age>1[89]|[2-9]\d|[二三四五六七八九]十[一二三四五六七八九]?|十[八九])"
_NUMBER: Final = rf"(?<![\d.十百千]){_AGE}"
_SUBJECT: Final = re.compile(r"[我他她]|本人|老人|父亲|母亲|爸|妈|老公|老婆|先生|太太")
# 岁 is said of what lives; so only ranges, limits and differences are no age of a person.
_PATTERNS: Final = (
    re.compile(
        rf"(?<![满合近\-~至到小大差了轻老]){_NUMBER}(?:多|来|几|出头)?周?岁(?!以[上下内]|及以|之间|[-~至到]|\+)"
    ),
    re.compile(rf"(?:快|都|今年|已经|马上|年近|年过){_NUMBER}(?=多?了)"),
)
_OTHER: Final = re.compile(r"(?<![\d.十轻了])(?:1[0-7]|\d|[一二两三四五六七八九])个?半?(?:多|来)?(?:周?岁|个月大)")
_SELF: Final = (
    "(?:作为(?:一个|一名|个|一位)?|身为(?:一个|一名|个)?|我是(?:一个|个|名)?"
    "|我们(?:这些|这种)?|我(?:这个|一个|这种)|咱们?)"
)


def copies(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """A copy for each of the other two groups that the rest of the text allows."""
    text = passage.text
    ages = _ages(passage)
    said = [match for pattern in _said() for match in pattern.finditer(text)]
    values = {_value(match["age"]) for match in ages if match}
    if None in ages or len(values) > 1 or (values and _OTHER.search(text)):
        return
    own = {*map(group_of, values), *(_group_of(match["told"]) for match in said)}
    if len(own) != 1:
        return
    group = next(iter(own))
    targets = [target for target in GROUPS if target != group and _allows(text, target)]
    chance.shuffle(targets)
    for target in targets:
        change = ("age", group, target)
        yield [
            *(Edit(*match.span("age"), _aged(match["age"], target), change) for match in ages if match),
            *(Edit(*match.span("told"), _same(match["told"], target), change) for match in said),
        ]


def _ages(passage: Passage) -> list[re.Match[str] | None]:
    """The ages of grown people; None for one of somebody whom the axis is not about."""
    found: dict[int, re.Match[str] | None] = {}
    for place, pattern in enumerate(_PATTERNS):
        for match in pattern.finditer(passage.text):
            before = clause_before(passage.text, match.start())
            if passage.is_kept(*match.span("age")) or (place and not _SUBJECT.search(before)):
                continue
            found[match.start("age")] = None if _others().search(before) else match
    return list(found.values())


def _value(age: str) -> int:
    """The age as a number.

    >>> _value("六十八"), _value("十八"), _value("76")
    (68, 18, 76)
    """
    if age[0].isascii():
        return int(age)
    tens, _, rest = age.partition("十")
    return 10 * (_DIGITS.index(tens) if tens else 1) + (_DIGITS.index(rest) if rest else 0)


def _aged(age: str, target: str) -> str:
    """The age with the tens of ``target``: 六十八 as 二十八."""
    tens = TENS[target]
    return f"{tens}{age[1:]}" if age[0].isascii() else f"{_DIGITS[tens]}十{age.partition('十')[2]}"


def _allows(text: str, target: str) -> bool:
    """Whether no fact of the text holds at the other end of life alone."""
    other = {"young": "older", "older": "young"}.get(target)
    return other is None or _bound(other).search(text) is None


def _group_of(told: str) -> str:
    return next(group for told_of in _told() for group, listed in zip(GROUPS, told_of, strict=True) if told in listed)


def _same(told: str, target: str) -> str:
    row = next(row for row in _told() if any(told in listed for listed in row))
    return row[GROUPS.index(target)][0]


@cache
def _told() -> list[list[list[str]]]:
    """Rows of a word or decade by group; the first of a group stands in copies."""
    listed = table("zh", "age")
    return [*([[word] for word in row] for row in listed["words"]), listed["decades"]]


@cache
def _said() -> tuple[re.Pattern[str], ...]:
    listed = table("zh", "age")
    terms = any_of(word for row in listed["words"] for word in row)
    decades = any_of(word for row in listed["decades"] for word in row)
    return (
        re.compile(rf"{_SELF}(?P<told>{terms})"),
        re.compile(rf"(?:{_SELF}|本人|我)(?P<told>{decades})(?!\d)"),
    )


@cache
def _others() -> re.Pattern[str]:
    return re.compile(any_of(table("zh", "age")["others"].split()))


@cache
def _bound(group: str) -> re.Pattern[str]:
    return re.compile(any_of(table("zh", "age")["bound"][group].split()))
