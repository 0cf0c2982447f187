"""Given names in Chinese texts. The surname stays; the given name becomes one of the other gender and the same cohort.

A given name counts where it is marked as the record's PERSON, or where it is listed and stands behind a surname that
something announces. E-mail addresses stay: pinyin tells a gender weakly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Final

from audit.config import read_toml
from audit.mitigation.augmentation.chinese.words import HAN, SURNAME, split_name
from audit.mitigation.augmentation.lists import FOLDER, any_of
from audit.mitigation.augmentation.passages import Passage
from audit.mitigation.augmentation.values import Change, Edit

_ANNOUNCED: Final = (
    r"(?:叫|我是|姓名|名字|收件人?|收货人|联系人|户名|客户|买家|会员|顾客|找|给|由|——|尊敬的|亲爱的)[是为：: ]{0,2}"
)
_AFTER: Final = rf"(?=[^{HAN}]|$|[收的在是说要已签先女小老本同]|电话|手机)"
# What may stand right before a given name without its surname.
_FREE: Final = re.compile(rf"(?:^|[^{HAN}]|[和与跟给找叫让请是由被把问])$")
_GENDERS: Final = {"female": "male", "male": "female"}


def gender_edits(passage: Passage, chance: Random) -> list[Edit]:
    """Every given name whose gender is known, as one of the other gender."""
    edits, taken = [], set[str]()
    for surname, given, gender in _people_in(passage):
        cohort = _listed().get(given, ("", ""))[1]
        pools = [names for (group, when), names in _pools().items() if group == _GENDERS[gender] and when == cohort]
        if given not in _listed():  # of no known cohort: any of as many signs
            pools = [names for (group, _), names in _pools().items() if group == _GENDERS[gender]]
        pool = [name for names in pools for name in names if len(name) == len(given) and name not in passage.text]
        free = [name for name in pool if name not in taken] or pool
        if not free:
            continue
        new = chance.choice(free)
        taken.add(new)
        change: Change = ("gender", gender, _GENDERS[gender])
        edits += [Edit(start, start + len(given), new, change) for start in _places(passage, surname, given)]
    return edits


def _people_in(passage: Passage) -> list[tuple[str, str, str]]:
    """Surname, given name and gender, the marked one first."""
    found: dict[str, tuple[str, str, str]] = {}
    marked = passage.record.identifiers.get("PERSON", "")
    if re.fullmatch(rf"[{HAN}]{{2,4}}", marked):
        surname, given = split_name(marked)
        gender = _listed().get(given, (passage.record.groups.get("gender", ""), ""))[0]
        if gender in _GENDERS:
            found[given] = surname, given, gender
    for match in _named().finditer(passage.text):
        given = match["given"] or match["short"]
        if given not in found and not passage.is_kept(*match.span()):
            found[given] = match["surname"] or match["family"], given, _listed()[given][0]
    return list(found.values())


def _places(passage: Passage, surname: str, given: str) -> list[int]:
    """Where the given name stands behind its surname, or by itself."""
    places = []
    for match in re.finditer(re.escape(given), passage.text):
        before = passage.text[max(0, match.start() - 3) : match.start()]
        alone = len(given) > 1 and _FREE.search(before) is not None
        if not passage.is_kept(*match.span()) and (alone or (surname and before.endswith(surname))):
            places.append(match.start())
    return places


@cache
def _listed() -> Mapping[str, tuple[str, str]]:
    """Gender and cohort of each given name."""
    return {name: key for key, names in _pools().items() for name in names}


@cache
def _pools() -> Mapping[tuple[str, str], tuple[str, ...]]:
    found = {}
    for entry in read_toml(FOLDER / "zh.toml")["names"]:
        for gender in _GENDERS:
            found[gender, entry["cohort"]] = tuple(entry[gender].split())
    return found


@cache
def _named() -> re.Pattern[str]:
    two = any_of(name for name in _listed() if len(name) > 1)
    one = "".join(name for name in _listed() if len(name) == 1)
    return re.compile(
        rf"(?:(?<![{HAN}])|(?:{_ANNOUNCED}))(?P<surname>{SURNAME})(?P<given>{two})"
        rf"|(?:{_ANNOUNCED})(?P<family>{SURNAME})(?P<short>[{one}]){_AFTER}"
    )
