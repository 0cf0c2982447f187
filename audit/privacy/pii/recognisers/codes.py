"""Numbers of a shop: orders, parcels, gift cards, loyalty cards, bank cards, social security and identity numbers.

A number is what its check digit says, then what the label beside it says, then what its
shape says. A label that says "model" or "batch" silences everything but a valid parcel number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.privacy.pii import check_digits
from audit.privacy.pii.recognisers.labels import NOTHING, REACH_BEFORE, Label, labels_in, labels_of
from audit.privacy.pii.values import CHECKED, NAMED, SHAPED, Found

LEFT: Final = r"(?<![0-9A-Za-z@_/$€£¥&+-])(?<!\d\.)"
RIGHT: Final = r"(?![0-9A-Za-z@_]|[-./]\w|,\d|°|%|″)"
# One word of signs, its parts joined by hyphens; or digits in blocks, maybe behind letters.
_SOLID: Final = r"[0-9A-Za-z]+(?:[-–][0-9A-Za-z]+)*"
_NO_PREFIX: Final = (
    r"(?!(?:SSN|SS|UPS|USPS|DHL|EMS|SKU|UPC|EAN|PIN|TEL|RMA|PO|IMEI|ISBN|CARD|CALL|ID|NO|IP|MAC|OS|ORDER|FEDEX)\b)"
)
_BLOCKS: Final = rf"(?:{_NO_PREFIX}[A-Z]{{1,4}}\d{{0,4}} )?\d{{2,8}}(?:[ -]\d{{2,8}}){{1,6}}"
_CANDIDATE: Final = re.compile(rf"{LEFT}(?:{_BLOCKS}|{_SOLID}){RIGHT}")
_DATE: Final = re.compile(
    r"(?:19|20)\d\d[-–]\d{1,2}[-–]\d{1,2}|\d{1,2}[-–]\d{1,2}[-–](?:19|20)?\d\d|\d{1,4}[-–]\d{1,4}"
)
_SIZE: Final = re.compile(
    r"(?i)\d+(?:x\d+)+(?:mm|cm|in)?|\d+(?:mm|cm|m|kg|g|mg|lb|lbs|oz|w|v|hz|khz|mah|ml|l|gb|tb"
    r"|mb|k|p|ft|in|th|nd|rd|st|am|pm|h|s|min)"
)
_UNIT: Final = re.compile(
    r"\s?(?:mm|cm|kg|lbs?|oz|watts?|volts?|mAh|ml|GB|TB|psi|Nm|hours?|minutes?|days?|years?"
    r"|pcs|items?|元|块|件|个|条|人|克|斤|米|毫升|瓦)(?![A-Za-z])"
)
_MONEY: Final = re.compile(r"[$€£¥￥]\s?$")

_CARD_LENGTHS: Final = range(13, 20)
_OFTEN: Final = (15, 16, 19)
# Issuers' first digits (ISO/IEC 7812): Visa, Mastercard, Amex, Discover, UnionPay, Diners, JCB and Chinese debit cards.
_ISSUER: Final = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[068]|35|6011|64|65|62|60|9\d{15}|10\d{14}")
_SSN: Final = re.compile(r"(?!000|666|9\d\d)\d{3}(?P<by>[- ]?)(?!00)\d{2}(?P=by)(?!0000)\d{4}")
_AMAZON: Final = re.compile(r"\d{3}-\d{7}-\d{7}")
_ORDER_PREFIX: Final = re.compile(r"(?i)(?:SO|PO|ORD|ORDER|OD|RMA|RET|RTN|RN)-?\d{4,}(?:-[0-9A-Z]+)*")
_CHINESE_PARCEL: Final = re.compile(
    r"SF\d{12,13}|YT\d{13}|JT\d{13}|ZTO\d{12}|STO\d{12}|DPK\d{12}|JDV[A-Z]\d{11,13}|JDK?\d{13}"
    r"|KY\d{13}|CNGX\d{10}|YD\d{13}"
)
_BLOCK: Final = re.compile(r"[0-9A-Z]{2,6}")
_PREFIXED: Final = re.compile(r"[A-Z]{2,5}-\d{4,6}-\d{3,6}")
# Letters and a day, or as many digits as only orders of the large Chinese shops have.
_DATED: Final = re.compile(r"[A-Z]{1,3}20\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{4,}|\d{18,19}")
_MEMBER: Final = re.compile(r"(?:MBR|MEM|VIP|SVIP|LOY)-?\d{5,}")
_BY_LABEL: Final = frozenset({"ORDER_NUMBER", "TRACKING_NUMBER", "GIFT_CARD", "LOYALTY_NUMBER"})
CLOSE: Final = 25
ADJACENT: Final = 2
_CHINESE_PHONE: Final = re.compile(r"0\d{2,3}[- ]\d{3,4}[- ]?\d{3,4}|1[3-9]\d[- ]?\d{4}[- ]?\d{4}")
_FEDEX_WEIGHTS: Final = (3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1)


def find(text: str, locale: str) -> Iterator[Found]:
    """Numbers that belong to somebody.

    >>> [(f.type, text[f.start:f.end]) for text in ["Order #77-2093118, SKU 100482211"] for f in find(text, "en")]
    [('ORDER_NUMBER', '77-2093118')]
    """
    labels = labels_in(text, locale)
    for match in _CANDIDATE.finditer(text):
        yield from _judge(text, match.start(), match.end(), labels, locale)


def _judge(text: str, start: int, end: int, labels: list[Label], locale: str) -> Iterator[Found]:
    code = text[start:end]
    digits = check_digits.digits_of(code)
    if len(digits) < 3 or len(code) < 5:
        return
    if check_digits.ups(code) or check_digits.s10(code):
        yield Found(start, end, "TRACKING_NUMBER", CHECKED)
        return
    if _MONEY.search(text[max(0, start - 2) : start]) or _DATE.fullmatch(code) or _SIZE.fullmatch(code):
        return
    said = labels_of(text, start, end, labels)
    numeric = len(digits) == len(re.sub(r"[- –]", "", code))
    kinds = [kind for kind, _ in said]
    checked = _checked(code, digits, numeric, kinds, locale)
    for kind, near in said:
        if kind == NOTHING and near <= REACH_BEFORE:
            if checked is None or near < 12:
                return
            break
        if kind == "PHONE_NUMBER" and near < 12 and checked is None and numeric and 7 <= len(digits) <= 13:
            return
        if near >= ADJACENT and _CHINESE_PHONE.fullmatch(code):
            return
        # A label close by beats a check digit that one number in ten has by chance.
        if checked == "CREDIT_CARD" and near >= (16 if kind in ("GIFT_CARD", "LOYALTY_NUMBER") else 6):
            break
        if kind == "US_SSN" and locale == "en" and _SSN.fullmatch(code):
            yield Found(start, end, "US_SSN", NAMED)
            return
        if kind in _BY_LABEL and checked in (None, "CREDIT_CARD", kind) and _fits(kind, code, digits, numeric, locale):
            score = CHECKED if checked else NAMED if near < CLOSE else SHAPED - 0.05
            if checked or not _UNIT.match(text, end):
                yield Found(start, end, kind, score)
            return
    if checked is not None:
        yield Found(start, end, checked, CHECKED)
    elif not _UNIT.match(text, end) and "CN_ID" not in kinds:
        yield from _by_shape(start, end, code, digits, numeric, locale)


def _checked(code: str, digits: str, numeric: bool, kinds: list[str], locale: str) -> str | None:
    """What the check digit says a number is."""
    if locale == "zh" and check_digits.cn_id(code) and _born(code):
        return "CN_ID"
    if not numeric:
        return None
    if len(digits) in (20, 22) and digits[0] == "9" and check_digits.usps(digits):
        return "TRACKING_NUMBER"
    # Of 13 digits it may as well be a bar code; of other lengths a card is hardly ever without its word.
    if len(digits) not in ((*_CARD_LENGTHS,) if "CREDIT_CARD" in kinds[:1] else _OFTEN):
        return None
    card = _ISSUER.match(digits) and check_digits.luhn(digits) and len(set(digits)) > 1
    return "CREDIT_CARD" if card else None


def _born(code: str) -> bool:
    return code[6:8] in ("19", "20") and "01" <= code[10:12] <= "12" and "01" <= code[12:14] <= "31"


def _fits(kind: str, code: str, digits: str, numeric: bool, locale: str) -> bool:
    """Whether a number may be what its label says."""
    if kind == "GIFT_CARD":
        return len(code) >= 8 and (len(digits) >= 8 if numeric else len(digits) >= 2 and code.upper() == code)
    if kind == "TRACKING_NUMBER":
        return len(digits) >= 9 and (numeric or code.upper() == code)
    if kind == "LOYALTY_NUMBER":
        return len(digits) >= 5
    return len(digits) >= (6 if locale == "zh" else 5) or (len(digits) >= 4 and not numeric)


def _by_shape(start: int, end: int, code: str, digits: str, numeric: bool, locale: str) -> Iterator[Found]:
    if _AMAZON.fullmatch(code) or _ORDER_PREFIX.fullmatch(code):
        yield Found(start, end, "ORDER_NUMBER", SHAPED)
    elif _CHINESE_PARCEL.fullmatch(code):
        yield Found(start, end, "TRACKING_NUMBER", SHAPED)
    elif locale == "en" and "-" in code and _SSN.fullmatch(code):
        yield Found(start, end, "US_SSN", SHAPED)
    elif _is_voucher(code):
        yield Found(start, end, "GIFT_CARD", SHAPED - 0.1)
    elif re.fullmatch(_MEMBER, code):
        yield Found(start, end, "LOYALTY_NUMBER", SHAPED - 0.1)
    elif _PREFIXED.fullmatch(code) or (locale == "zh" and _DATED.fullmatch(code)):
        yield Found(start, end, "ORDER_NUMBER", SHAPED - 0.2)
    elif locale == "en" and numeric and len(digits) == 12 and _fedex(digits) and not _upc(digits):
        yield Found(start, end, "TRACKING_NUMBER", SHAPED - 0.1)


def _is_voucher(code: str) -> bool:
    """Three to five blocks, letters in two of them, and one that mixes letters and digits."""
    blocks = code.split("-")
    lettered = [block for block in blocks if re.search("[A-Z]", block)]
    return (
        3 <= len(blocks) <= 5
        and all(map(_BLOCK.fullmatch, blocks))
        and len(lettered) > 1
        and any(re.search("[0-9]", block) for block in lettered)
        and not _ORDER_PREFIX.match(code)
    )


def _fedex(digits: str) -> bool:
    """FedEx Express: MOD 11 over the first eleven digits, weights 3 1 7, then MOD 10."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, _FEDEX_WEIGHTS, strict=False))
    return total % 11 % 10 == int(digits[-1])


def _upc(digits: str) -> bool:
    return (sum(map(int, digits[1::2])) + 3 * sum(map(int, digits[::2]))) % 10 == 0
