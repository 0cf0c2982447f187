"""Chinese number plates, of fuel cars (five signs) and new-energy ones (six)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.privacy.pii.values import NAMED, Found

# GA 36: no I and no O, which look like digits.
_PLATE: Final = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·•・.\- ]?"
    r"(?:[A-HJ-NP-Z] ?(?=[0-9A-HJ-NP-Z]*\d)[0-9A-HJ-NP-Z]{4,5}"
    r"|(?=[0-9A-HJ-NP-Z]*\d)[0-9A-HJ-NP-Z]{5,6}|[0-9A-HJ-NP-Z]{4}[学警挂港澳])(?![0-9A-Za-z])"
)


def find(text: str) -> Iterator[Found]:
    """Number plates.

    >>> [text[f.start:f.end] for text in ["车是沪A·8F3K2，新能源沪AD28816"] for f in find(text)]
    ['沪A·8F3K2', '沪AD28816']
    """
    for match in _PLATE.finditer(text):
        yield Found(*match.span(), "CN_PLATE", NAMED)
