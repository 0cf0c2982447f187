"""E-mail addresses, addresses of machines, telephone numbers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from audit.privacy.pii.check_digits import digits_of
from audit.privacy.pii.normalising import is_local
from audit.privacy.pii.recognisers.labels import NOTHING, REACH_BEFORE, Label, label_of, labels_in
from audit.privacy.pii.values import CHECKED, NAMED, SHAPED, Found

_EMAIL: Final = re.compile(
    r"(?<![0-9A-Za-z_.+-])[0-9A-Za-z_](?:[0-9A-Za-z!#$%&'*+/?^_`{|}~.-]{0,62}[0-9A-Za-z_+-])?"
    r"@(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.){1,5}[A-Za-z]{2,18}(?![0-9A-Za-z])"
)
# Written with blanks, so that no filter sees it.
_SPACED: Final = re.compile(
    r"(?<![0-9A-Za-z.])[0-9A-Za-z._-]{2,40} ?(?:@|\(at\)|\[at\]) ?[0-9A-Za-z-]{2,40} ?(?:\."
    r"|\(dot\)) ?(?:com|net|org|cn|edu)(?![0-9A-Za-z])"
)
_IPV4: Final = re.compile(r"(?<![\d.A-Za-z-])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d|[A-Za-z])")
_IPV6: Final = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:])")
_SMALL: Final = 30  # in all four parts it is rather a version
_VERSION: Final = re.compile(r"(?i)(?:\bv|ver\.?|version|版本|固件)\s?$")

_NORTH_AMERICA: Final = re.compile(
    r"(?<![\d\w.+-])(?:\+?1[ .-]?)?(?:\((?P<a>[2-9]\d\d)\)"
    r"|(?P<b>[2-9]\d\d))[ .-]{0,2}(?P<c>[2-9]\d\d)[ .-]?(?P<d>\d{4})"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?![\d\w]|[-.]\d)"
)
_TOLL_FREE: Final = frozenset({"800", "888", "877", "866", "855", "844", "833", "822", "900"})
_INTERNATIONAL: Final = re.compile(
    r"(?<![0-9A-Za-z])(?P<sign>\+|00)(?P<code>[1-9]\d{0,2})[ .-]?(?:\(0\))?(?:[ .-]?\(?\d{2,5}\)?){2,5}(?![0-9A-Za-z])"
)
_BRITISH: Final = re.compile(
    r"(?<![\d\w+-])0(?:7\d{3}[ -]?\d{3}[ -]?\d{3}|[12]\d{2,4}[ -]\d{3,4}[ -]?\d{3,4})(?![\d\w-])"
)
_INDIAN: Final = re.compile(r"(?<![\d\w+-])0?[6-9]\d{4} \d{5}(?![\d\w-])")

_CHINESE_MOBILE: Final = re.compile(
    r"(?<![\dA-Za-z])(?:\(?(?:\+|00)?86\)?[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?![\dA-Za-z]|-\d)"
)
_CHINESE_LANDLINE: Final = re.compile(
    r"(?<![\dA-Za-z-])(?:(?:\+|00)86[- ]?)?[(（]?0(?:10|2\d|[3-9]\d{2})[)）]?[- ]?"
    r"(?:\d{7,8}|\d{4}[ -]\d{3,4}|\d{3}[ -]\d{4})(?:[-转]\d{2,5})?(?![\dA-Za-z]|-\d)"
)


def find(text: str, locale: str) -> Iterator[Found]:
    """E-mail addresses, machines' addresses and private telephone numbers.

    >>> {f.type for f in find("kasia_w@example.org, not 1-800-555-0100", "en")}
    {'EMAIL_ADDRESS'}
    """
    for pattern in (_EMAIL, _SPACED):
        for match in pattern.finditer(text):
            yield Found(*match.span(), "EMAIL_ADDRESS", CHECKED)
    yield from _machines(text, locale)
    yield from _chinese(text) if locale == "zh" else _western(text)


def _machines(text: str, locale: str) -> Iterator[Found]:
    labels = None
    for match in _IPV4.finditer(text):
        try:
            address = ipaddress.IPv4Address(match[0])
        except ValueError:
            continue
        labels = labels_in(text, locale) if labels is None else labels
        kind, _ = label_of(text, *match.span(), labels)
        named = kind == "IP_ADDRESS"
        small = all(int(part) < _SMALL for part in match[0].split("."))
        if kind == NOTHING or _VERSION.search(text[: match.start()][-10:]):
            continue
        if is_local(address) or (small and not named):
            continue
        yield Found(*match.span(), "IP_ADDRESS", NAMED)
    for match in _IPV6.finditer(text):
        try:
            ipaddress.IPv6Address(match[0])
        except ValueError:
            continue
        if len(match[0]) >= 6 and any(char.isdigit() for char in match[0]):
            yield Found(*match.span(), "IP_ADDRESS", NAMED)


def _western(text: str) -> Iterator[Found]:
    labels = labels_in(text, "en")
    for match in _NORTH_AMERICA.finditer(text):
        area = match["a"] or match["b"]
        if area in _TOLL_FREE or len(set(digits_of(match[0]))) < 3:
            continue
        kind, near = label_of(text, *match.span(), labels)
        bare = match[0].isdigit()
        other = kind not in (None, "PHONE_NUMBER")
        # Ten digits in a row may be anything; written in three parts they are something else only beside its word.
        if kind == NOTHING or (other and (bare or near < 4)) or (match[0].isdigit() and len(match[0]) > 10):
            continue
        yield Found(*match.span(), "PHONE_NUMBER", SHAPED)
    for pattern in (_BRITISH, _INDIAN):
        for match in pattern.finditer(text):
            kind, near = label_of(text, *match.span(), labels)
            if kind in (None, "PHONE_NUMBER") or 20 < near <= REACH_BEFORE:
                yield Found(*match.span(), "PHONE_NUMBER", SHAPED)
    yield from _abroad(text, labels)


def _chinese(text: str) -> Iterator[Found]:
    labels = labels_in(text, "zh")
    for match in _CHINESE_MOBILE.finditer(text):
        kind, near = label_of(text, *match.span(), labels)
        if not (kind in (NOTHING, "ORDER_NUMBER", "TRACKING_NUMBER", "LOYALTY_NUMBER", "GIFT_CARD") and near < 2):
            yield Found(*match.span(), "PHONE_NUMBER", SHAPED)
    for match in _CHINESE_LANDLINE.finditer(text):
        kind, near = label_of(text, *match.span(), labels)
        if not (kind not in (None, "PHONE_NUMBER", "CREDIT_CARD") and near < 2):
            yield Found(*match.span(), "PHONE_NUMBER", SHAPED)
    yield from _abroad(text, labels)


def _abroad(text: str, labels: list[Label]) -> Iterator[Found]:
    for match in _INTERNATIONAL.finditer(text):
        if match["sign"] == "00" and label_of(text, *match.span(), labels)[0] != "PHONE_NUMBER":
            continue
        if 9 <= len(digits_of(match[0])) <= 15:
            yield Found(*match.span(), "PHONE_NUMBER", SHAPED)
