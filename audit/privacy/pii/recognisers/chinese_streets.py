"""Postal addresses in Chinese: from province, city, district or street to the last room or post code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.privacy.pii.recognisers.words import words
from audit.privacy.pii.values import NAMED, SHAPED, Found

_H: Final = "\u4e00-\u9fff"
_LONG_FIRST: Final = sorted(words("zh", "cities"), key=lambda name: (-len(name), name))
_PROVINCE: Final = (
    rf"(?:(?:{'|'.join(sorted(words('zh', 'provinces')))})(?:省|市|壮族自治区|回族自治区"
    rf"|维吾尔自治区|自治区|特别行政区)?)"
)
_CITY: Final = rf"(?:(?:{'|'.join(_LONG_FIRST)})(?:[{_H}]{{0,6}}?自治州|地区|市|州|盟)?)"
# Districts, counties, towns and villages have no list: short, and closed by their kind.
_DISTRICT: Final = rf"(?:[{_H}]{{1,7}}?(?:新区|园区|开发区|高新区|自治县|区|县|市|旗))"
_TOWN: Final = rf"(?:[{_H}]{{1,6}}?(?:街道|镇|乡|苏木|办事处))"
_ROAD: Final = (
    rf"(?:[{_H}A-Za-z0-9]{{1,9}}?(?:大道|大街|路|街|道|巷|弄|胡同|里|条|公路|国道|村|屯|庄|社区"
    rf"|小区|花园|广场|大厦|公寓|工业园"
    rf"|产业园|科技园|校区|大学)(?:[东西南北中](?:段|路|街)?)?(?:[一二三四五六七八九十]段)?)"
)
_NO: Final = r"(?:[0-9\uff10-\uff19A-Za-z一二三四五六七八九十甲乙丙丁百附增\-\uff0d—#]+)"
_KIND: Final = r"(?:号院|号楼|号库|号门|号线|号|栋|幢|座|单元|门|楼|层|室|户|组|队|弄|院|区|期|铺|档|房|舱)"
_DETAIL: Final = (
    rf"(?:附{_NO}号?|增{_NO}号?|(?:[{_H}]{{0,10}}?[A-Za-z0-9甲乙丙丁一二三四五六七八九十东西南北中附\-]{{1,8}}{_KIND})("
    rf"?:[左右东西南北中](?=[，,。\uff01!\uff1f?；;\s]|$))?"
    rf"|(?:[{_H}A-Za-z0-9]{{2,12}}?(?:小区|花园|花苑|公寓|大厦|广场|中心|家园|新村|苑|城|府|园"
    rf"|庭|湾|公馆|里|宿舍|酒店|写字楼|产业园"
    rf"|科技园|创意园|学校|大学|医院|商场|公司|仓库|驿站|门店|校区|天象|旁)[A-Z]?(?:座|区)?)"
    rf"|[A-Z]座|[A-Z]?\d{{1,4}}(?:-\d{{1,4}}){{1,3}}|[A-Z]\d{{1,4}}|\d{{2,4}}(?![\d年月日元件个块点]))"
)
# Behind a comma only what is plainly a part of a house.
_STRICT: Final = r"(?:[A-Za-z0-9一二三四五六七八九十]{1,6}(?:号楼|栋|幢|座|单元|楼|层|室|户))"
_MORE: Final = (
    rf"(?:[ ]?{_DETAIL}|[,，][ ]?{_STRICT}){{0,8}}(?:[ ,，]?(?:售后部|收发室|传达室|门卫|前台"
    rf"|快递柜))?(?:[ ,，]?邮编[:：]?\d{{6}})?"
)
_NUMBER: Final = rf"(?:{_NO}(?:号院|号楼|号|弄|栋|幢|座|单元)|附{_NO}号)"

_PLACED: Final = re.compile(
    rf"(?:{_PROVINCE}[ ]?{_CITY}?|{_CITY})[ ]?{_DISTRICT}{{0,2}}?[ ]?{_TOWN}?[ ]?{_ROAD}{{1,2}}"
    rf"?[ ]?(?:{_NUMBER}|\d{{1,5}}(?=[{_H}A-Z ])){_MORE}"
)
# A place without a street: a district and a building, with a number somewhere.
_BUILDING: Final = re.compile(
    rf"(?:{_PROVINCE}[ ]?{_CITY}?|{_CITY}){_DISTRICT}{{0,2}}?{_TOWN}?[{_H}]{{2,14}}?\d{{1,4}}(?"
    rf":号楼|栋|幢|座|单元|号|室){_MORE}"
)
_OPEN: Final = re.compile(
    (
        rf"(?:(?<=[到在住送往发寄去至是])|(?<=地址)|(?<=[:：，,。；;\uff01!\uff1f?\s“\"（(])"
        rf"|^)(?P<address>{_DISTRICT}?{_TOWN}?[{_H}]{{1,8}}?(?:大道|大街|路|街|道|巷|弄|胡同){_NUMBER}{_MORE})"
    ),
    re.MULTILINE,
)
# What may stand before an open beginning and is no part of it.
_VERB: Final = re.compile(
    "(?:我们?|她|他|家)?(?:现在)?(?:住在?|家在|在|寄到|寄往|送到|发到|搬到|改到|改成|换成|收货地址|地址)(?:是|为"
    "|[:：])?(?=[\u4e00-\u9fff]{2})"
)
_ROOMS: Final = re.compile(
    (
        rf"(?:(?<=[到在住送往发寄去至是])|(?<=地址)|(?<=[:：，,。；;\uff01!\uff1f?\s])"
        rf"|^)(?P<address>[{_H}]{{2,8}}?(?:小区|花园"
        rf"|花苑|公寓|家园|新村|苑|城|府|公馆|宿舍){_NO}(?:号楼|栋|幢|座|单元|号){_MORE})"
    ),
    re.MULTILINE,
)


def find(text: str) -> Iterator[Found]:
    """Addresses of houses; a street, a town or a district alone is none.

    >>> text = "换货寄到成都市武侯区桐梓林东路6号附9号可以吗。中山路太吵了"
    >>> [text[f.start:f.end] for f in find(text)][:1]
    ['成都市武侯区桐梓林东路6号附9号']
    """
    for match in _PLACED.finditer(text):
        yield _found(text, *match.span(), NAMED)
    for match in _BUILDING.finditer(text):
        yield _found(text, *match.span(), SHAPED)
    for pattern in (_OPEN, _ROOMS):
        for match in pattern.finditer(text):
            yield _found(text, *match.span("address"), SHAPED - 0.1)


def _found(text: str, start: int, end: int, score: float) -> Found:
    before = _VERB.match(text[start:end])
    start += before.end() if before else 0
    while end > start and text[end - 1] in " ,，、":
        end -= 1
    return Found(start, end, "STREET_ADDRESS", score)
