"""Check digits: numbers that say themselves whether they are whole."""

from __future__ import annotations

import string
from typing import Final

_UPS: Final = {letter: (ord(letter) - 63) % 10 for letter in string.ascii_uppercase}
_CN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_CHECK: Final = "10X98765432"
_S10_WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)


def digits_of(text: str) -> str:
    """The ASCII digits of a text.

    >>> digits_of("4539 8386-5768.7179")
    '4539838657687179'
    """
    return "".join(char for char in text if char in string.digits)


def luhn(number: str) -> bool:
    """Whether the digits satisfy the Luhn formula (ISO/IEC 7812-1, annex B).

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112"), luhn("")
    (True, False, False)
    """
    digits = [int(char) for char in reversed(digits_of(number))]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return bool(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def ups(number: str) -> bool:
    """Whether a UPS tracking number (1Z and 16 characters) has the check digit it should have.

    Letters count (position + 1) mod 10, A being 2 (UPS 1Z specification).

    >>> ups("1Z999AA10123456784"), ups("1Z999AA10123456785"), ups("1Z12")
    (True, False, False)
    """
    code = number.replace(" ", "").upper()
    if len(code) != 18 or not code.startswith("1Z") or not code[2:].isascii() or not code[2:].isalnum():
        return False
    if not code[-1].isdigit():
        return False
    values = [_UPS.get(char) if char.isalpha() else int(char) for char in code[2:-1]]
    total = sum(value or 0 for value in values[::2]) + 2 * sum(value or 0 for value in values[1::2])
    return (10 - total % 10) % 10 == int(code[-1])


def usps(number: str) -> bool:
    """Whether a USPS number of 20 or 22 digits has its check digit (MOD 10, weights 3 and 1 from the right).

    >>> usps("9400 1112 0255 5000 0000 03"), usps("9400111202555000000000")
    (True, False)
    """
    digits = [int(char) for char in reversed(digits_of(number))]
    return len(digits) in (20, 22) and (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0


def s10(number: str) -> bool:
    """Whether a postal number such as RR473124829FI has its check digit (UPU S10-12).

    >>> s10("RR473124829FI"), s10("RR473124828FI"), s10("RR4731248")
    (True, False, False)
    """
    code = number.replace(" ", "").upper()
    if len(code) != 13 or not (code[:2].isalpha() and code[-2:].isalpha() and code.isascii()):
        return False
    digits = code[2:-2]
    if not (digits.isdigit() and digits.isascii()):
        return False
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(digits, _S10_WEIGHTS, strict=False)) % 11
    return {10: 0, 11: 5}.get(rest, rest) == int(digits[-1])


def cn_id(number: str) -> bool:
    """Whether a Chinese resident identity number of 18 characters has its check character (GB 11643, MOD 11-2).

    >>> cn_id("11010519491231002X"), cn_id("110105194912310021"), cn_id("1101051949")
    (True, False, False)
    """
    code = number.replace(" ", "").upper()
    head = code[:17]
    if len(code) != 18 or not (head.isdigit() and head.isascii()):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(head, _CN_WEIGHTS, strict=True))
    return _CN_CHECK[total % 11] == code[-1]
