"""Texts without what they reveal: types in place of values, for all that leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from audit.privacy.pii.values import Found, resolve

DOT: Final = "•"
_WORD: Final = re.compile(r"[^\W\d_]+")


def mask(type: str, value: str) -> str:
    """What may be shown of a value: its type, and of a name in Latin letters the initials.

    The dots are always three, so that no length is told. Nothing is told of a number,
    not even its last four digits, nor of a name in Chinese, whose first sign is all of
    the family name.

    >>> mask("PERSON", "Megan Reed"), mask("CREDIT_CARD", "4539 8386 5768 7179"), mask("PERSON", "欧阳若溪")
    ('M••• R•••', '[CREDIT_CARD]', '[PERSON]')
    """
    words = _WORD.findall(value)
    if type != "PERSON" or not words or not all(word[0].isascii() and word[0].isalpha() for word in words):
        return f"[{type}]"
    # One letter alone would be shown whole.
    if any(len(word) == 1 for word in words):
        return f"[{type}]"
    return " ".join(word[0].upper() + 3 * DOT for word in words)


def mask_text(text: str, founds: Sequence[Found]) -> str:
    """``text`` with every finding replaced by its type.

    >>> mask_text("call Joe on 503-501-3084", [Found(5, 8, "PERSON", 0.5), Found(12, 24, "PHONE_NUMBER", 0.8)])
    'call [PERSON] on [PHONE_NUMBER]'
    """
    parts, at = [], 0
    for found in resolve(founds):
        parts += [text[at : found.start], f"[{found.type}]"]
        at = found.end
    return "".join(parts) + text[at:]
