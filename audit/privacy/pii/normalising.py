"""When two written values are the same value, and when a value says who it belongs to."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

from audit.privacy.pii.check_digits import digits_of

_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_EXTENSION: Final = re.compile(r"(?i)\s*(?:#|x|ext\.?|extension|转|分机)\s*\d{1,6}\s*$")
# Country codes that are written before a number here, and what else may be glued to it.
COUNTRY_CODES: Final = ("1", "44", "61", "86", "91", "852", "853", "886")
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ALL_HAN: Final = re.compile(rf"[{_HAN}]+(?:[·•・][{_HAN}]+)*")
_WORD: Final = re.compile(r"[^\W\d_]+(?:[''’-][^\W\d_]+)*")
# RFC 1918 and 4193, loopback, link-local, masks; not the ranges for documentation, which invented texts use.
_LOCAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/3"),
        *("::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)
_LETTERS_OF_A_NAME: Final = 2
_DIGITS_OF_A_PHONE: Final = 7
_SIGNS_OF_A_CODE: Final = 6


def plain(text: str) -> str:
    r"""Text in one spelling: compatibility forms joined, case folded, signs that nobody sees dropped.

    >>> plain("\uff21B\u200bc"), plain("\ud800x")
    ('abc', 'x')
    """
    text = text.encode("utf-8", "ignore").decode("utf-8")
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()


def normalise(type: str, value: str) -> str:
    """One spelling for all writings of a value.

    Phones become national digits without trunk zero and extension, cards and social
    security numbers digits, addresses of machines their canonical form; of names,
    streets and codes only letters and digits count.

    >>> normalise("PHONE_NUMBER", "+1 (404) 555-0132") == normalise("PHONE_NUMBER", "404.555.0132")
    True
    >>> normalise("EMAIL_ADDRESS", "Kasia_W@Example.org"), normalise("STREET_ADDRESS", "27, Old Mill Rd.")
    ('kasia_w@example.org', '27oldmillrd')
    """
    text = plain(value)
    if type == "PHONE_NUMBER":
        return _phone(text)
    if type in ("CREDIT_CARD", "US_SSN"):
        return digits_of(text)
    if type == "EMAIL_ADDRESS":
        return "".join(text.split())
    if type == "IP_ADDRESS":
        try:
            return str(ipaddress.ip_address(text.strip()))
        except ValueError:
            return "".join(text.split())
    return "".join(char for char in text if char.isalnum())


def distinctive(type: str, value: str) -> bool:
    """Whether a value points at somebody: found again in other data, it is hardly there by chance.

    A given name alone is not, nor is a private machine address, a short code, or a street without a number.

    >>> distinctive("PERSON", "Priya"), distinctive("PERSON", "Priya R."), distinctive("PERSON", "Priya Raghunathan")
    (False, False, True)
    >>> distinctive("PERSON", "王"), distinctive("PERSON", "欧阳若溪"), distinctive("ORDER_NUMBER", "1234")
    (False, True, False)
    """
    key = normalise(type, value)
    if type == "PERSON":
        text = plain(value).strip()
        if _ALL_HAN.fullmatch(text):
            return len(key) > 1
        return sum(len(word) >= _LETTERS_OF_A_NAME for word in _WORD.findall(text)) > 1
    if type == "EMAIL_ADDRESS":
        return "@" in key
    if type == "PHONE_NUMBER":
        return len(key) >= _DIGITS_OF_A_PHONE and len(set(key)) > 1
    if type == "IP_ADDRESS":
        try:
            address = ipaddress.ip_address(key)
        except ValueError:
            return False
        return not is_local(address)
    if type == "STREET_ADDRESS":
        return any(char.isdigit() for char in key) and len(key) >= _SIGNS_OF_A_CODE
    return len(key) >= _SIGNS_OF_A_CODE and len(set(key)) > 1


def is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address means the same machine in every house: a router's, a mask, the machine itself.

    >>> is_local(ipaddress.ip_address("192.168.1.1")), is_local(ipaddress.ip_address("24.128.90.66"))
    (True, False)
    """
    return any(address in network for network in _LOCAL if network.version == address.version)


def _phone(text: str) -> str:
    text = _EXTENSION.sub("", text)
    digits = digits_of(text)
    abroad = re.match(r"\s*\(?\s*(?:\+|00)", text)
    if abroad:
        digits = digits.removeprefix("00") if not text.lstrip(" (").startswith("+") else digits
        for code in sorted(COUNTRY_CODES, key=len, reverse=True):
            if digits.startswith(code) and len(digits) - len(code) >= _DIGITS_OF_A_PHONE:
                digits = digits[len(code) :]
                break
    elif re.match(r"\s*1[\s.(-]", text) and len(digits) == 11:
        digits = digits[1:]
    return digits.lstrip("0")
