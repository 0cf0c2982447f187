"""Postal addresses in English, from the house number or box to the post code or last unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.privacy.pii.values import NAMED, SHAPED, Found

_SUFFIX: Final = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Drive|Dr|Lane|Ln|Boulevard|Blvd|Court|Ct|Circle|Cir"
    r"|Place|Pl|Square|Sq|Terrace|Ter"
    r"|Parkway|Pkwy|Highway|Hwy|Trail|Trl|Way|Row|Close|Crescent|Cres|Gardens|Grove|Alley|Loop"
    r"|Plaza|Pike|Turnpike|Run|Path|Walk"
    r"|Ridge|Hollow|Crossing|Xing|Cove|Point|Pt|Broadway|Expressway|Expy|Mews|Heights|Hts|Bend"
    r"|Landing|Ferry|Commons|Quay|Hill)"
)
_STATE: Final = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]"
    r"|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
    r"|ON|QC|BC|AB|MB|SK|NS|NB|NL|PE)"
)
_POST_CODE: Final = r"(?:\d{5}(?:-\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{6})(?![\dA-Za-z])"
_DIRECTION: Final = r"(?:[NSEW]{1,2}|North|South|East|West|Northeast|Northwest|Southeast|Southwest)\.?"
_NAME: Final = r"(?:(?-i:[A-Z0-9])[\w'’.-]*)"
_NUMBER: Final = r"\d{1,6}(?:[-/]\d{1,4})?[A-Z]?(?: ?½| 1/2)?"
_UNIT: Final = (
    r"(?:(?:Apt|Apartment|Unit|Suite|Ste|Floor|Fl|Room|Rm|Flat|Dock|Bldg|Building|Lot|Space"
    r"|Trailer|Box|PH|Penthouse|Door|#)\.? ?#?[\w-]{1,8}"
    r"|\d{1,3}(?:st|nd|rd|th)? ?(?:Floor|Fl|F)\b\.?|\d{1,3}[A-Z]\b|Upper|Lower|Rear)"
)
_GAP: Final = r"(?:,? |,\s?|\n)"
_CITY: Final = r"(?:(?:Mt|St|Ft)\. )?[A-Z][\w'’-]+(?:[ -](?:of |du |de |la )?[A-Z][\w'’.-]*){0,3}"
_TAIL: Final = (
    rf"(?:{_GAP}{_UNIT}){{0,2}}(?:{_GAP}(?:{_CITY}{_GAP})?{_STATE}(?:,? {_POST_CODE})?(?![\w])"
    rf"|{_GAP}{_CITY},? {_POST_CODE})?"
)

_STREET: Final = re.compile(
    rf"(?<![\w$€£#./-])(?:(?:{_UNIT}|(?-i:[A-Z])[\w'’.-]*(?: {_NAME}){{0,3}}),? ){{0,2}}{_NUMBER},? (?:{_DIRECTION} )?"
    rf"(?:(?:(?:{_NAME}|of|the|de|la|del|los|las) ){{1,4}}(?i:{_SUFFIX})\b\.?(?: \d{{1,4}}\b)?"
    rf"|(?i:Highway|Hwy|Route|Rte|Broadway|Calle|Avenida|Rue|Via|County Road|CR"
    rf"|FM)\b(?: {_NAME}){{0,3}})"
    rf"(?: {_DIRECTION}(?![\w]))?{_TAIL}"
)
# Without a word for the street the post code must say what it is.
_CODED: Final = re.compile(
    rf"(?<![\w$€£#./-])(?:(?:H\.? ?No\.?|No\.?|Plot|Flat"
    rf"|Door No\.?) ?)?{_NUMBER}(?:[-/]\d{{1,5}})*,? (?:{_DIRECTION} )?[A-Z0-9][\w'’.,/ -]{{3,7"
    rf"0}}?[, \n](?:{_STATE},? )?{_POST_CODE}"
)
_BOX: Final = re.compile(
    (
        rf"(?<!\w)(?:P\.? ?O\.? ?Box|Post Office Box|(?:RR|R\.R\.|HC"
        rf"|Rural Route) ?#?\d{{1,3}},? Box|PMB) ?#?\d{{1,6}}[A-Z]?{_TAIL}"
    ),
    re.IGNORECASE,
)
# In small letters only where somebody says that it is an address.
_SAID: Final = re.compile(
    rf"(?:address(?: is|:)?|ship(?:ped)? (?:it )?to|deliver(?:ed)? to|send (?:it )?to"
    rf"|live (?:at|on)|moved to|(?:we|i)(?:'m| are| am)(?: at)?) "
    rf"(?P<address>{_NUMBER} (?:[a-z0-9.'-]+ ){{1,4}}{_SUFFIX}\b(?:,? (?:{_UNIT}))?(?:,? [a-z]+"
    rf"(?: [a-z]+)?,? {_STATE},? \d{{5}})?)",
    re.IGNORECASE,
)
_LEADING: Final = re.compile(r"^(?:[A-Z][\w'’.-]*(?: [A-Z][\w'’.-]*){0,3}),? (?=\d)")
_PARK: Final = re.compile(
    r"(?i)\b(?:park|village|estates?|house|building|towers?|apartments?|plaza|center|centre"
    r"|lot|unit|apt|suite|flat|floor)\b"
)


def find(text: str) -> Iterator[Found]:
    """Addresses of houses and boxes.

    >>> text = "Send it to 418 Birchwood Ln Apt 3, Dayton, OH 45419, not there."
    >>> sorted({text[f.start:f.end] for f in find(text)})
    ['418 Birchwood Ln Apt 3, Dayton, OH 45419']
    """
    for match in _STREET.finditer(text):
        start = match.start() + _before_the_number(match[0])
        yield _found(text, start, match.end(), NAMED)
    for match in _CODED.finditer(text):
        if "\n\n" not in match[0] and re.search(r"[A-Za-z]{3}", match[0]):
            yield _found(text, *match.span(), SHAPED)
    for match in _BOX.finditer(text):
        yield _found(text, *match.span(), NAMED)
    for match in _SAID.finditer(text):
        yield _found(text, *match.span("address"), SHAPED)


def _before_the_number(address: str) -> int:
    """How much of the front is not of the address: a word that happened to stand before the number."""
    lead = _LEADING.match(address)
    return lead.end() if lead and not _PARK.search(lead[0]) else 0


def _found(text: str, start: int, end: int, score: float) -> Found:
    while end > start and text[end - 1] in " ,.;\n":
        end -= 1
    return Found(start, end, "STREET_ADDRESS", score)
