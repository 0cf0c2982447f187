"""Gender in Chinese texts: every gendered word and given name becomes its counterpart.

There are no blanks between words: of all that could begin at a sign the longest is read, and the words that must stay
(其他, 吉他, 老婆饼) are among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.chinese import names
from audit.mitigation.augmentation.chinese.words import HAN, SURNAME
from audit.mitigation.augmentation.lists import any_of, table, two_ways, words
from audit.mitigation.augmentation.passages import Passage, without_pairs
from audit.mitigation.augmentation.values import Edit

_JOINT: Final = re.compile("[和与跟、/及]?|或者?|还是|以及")
_OWN: Final = "我他她你您咱俺"
# One sign alone, where somebody's: 我妈, 她哥.
_SHORT: Final = {"妈": "爸", "爸": "妈", "哥": "姐", "姐": "哥", "弟": "妹", "妹": "弟"}
_TITLES: Final = {"先生": "女士", "女士": "先生", "小姐": "先生", "太太": "先生", "男士": "女士"}
# Behind 我 or 她 a 先生 is a husband.
_SPOUSE: Final = re.compile(rf"[{_OWN}]$|[{_OWN}]的$")
_ADDRESSED: Final = re.compile(rf"(?:^|[^{HAN}]|[位名]|尊敬的|亲爱的|{SURNAME}[{HAN}]{{0,2}})$")


def copies(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """One copy, in which female and male change places; none where gender is a fact of the text itself."""
    if _bound().search(passage.text):
        return
    edits = [*_words(passage), *names.gender_edits(passage, chance)]
    if edits:
        yield edits


def _words(passage: Passage) -> list[Edit]:
    text, edits, kinds = passage.text, list[Edit](), list[str]()
    for match in _any().finditer(text):
        word = match[0]
        other = None if passage.is_kept(*match.span()) else _counterpart(text, match)
        if other is not None:
            change = ("gender", "female", "male") if word in _female() else ("gender", "male", "female")
            edits.append(Edit(*match.span(), other, change))
            kinds.append(min(word, other))
    return without_pairs(text, edits, _JOINT, kinds)


def _counterpart(text: str, match: re.Match[str]) -> str | None:
    word, start, end = match[0], *match.span()
    if word in words("zh", "gender", "keep"):
        return None
    if word in words("zh", "gender", "ware_words") and _wares().match(text, end):
        return None
    if word in _SHORT:
        # 他妈 alone would be an oath.
        swear = word == "爸" and text[start - 1] == "她"
        return "妈妈" if swear else _SHORT[word]
    if word in _TITLES:
        before = text[max(0, start - 5) : start]
        if word == "先生" and _SPOUSE.search(before):
            return "太太"
        return _TITLES[word] if word in ("先生", "太太") or _ADDRESSED.search(before) else None
    return _pairs()[word]


@cache
def _pairs() -> dict[str, str]:
    listed = table("zh", "gender")
    female, male = listed["one_way"].split()
    return {**two_ways(listed["pairs"]), female: male}


@cache
def _female() -> frozenset[str]:
    listed = table("zh", "gender")
    return frozenset(
        (*listed["pairs"].split()[::2], *listed["one_way"].split()[::2], *"妈姐妹", "女士", "小姐", "太太")
    )


@cache
def _any() -> re.Pattern[str]:
    listed = table("zh", "gender")
    terms = {*listed["pairs"].split(), *listed["one_way"].split()[:1], *listed["keep"].split(), *_TITLES}
    return re.compile(f"{any_of(terms)}|(?<=[{_OWN}])[{''.join(_SHORT)}]")


@cache
def _wares() -> re.Pattern[str]:
    return re.compile(any_of(table("zh", "gender")["wares"].split()))


@cache
def _bound() -> re.Pattern[str]:
    return re.compile(any_of(table("zh", "gender")["bound"].split()))
