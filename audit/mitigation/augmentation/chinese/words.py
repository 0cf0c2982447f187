"""What stands around a place in a Chinese text."""

from __future__ import annotations

import re
from typing import Final

from audit.privacy.pii.recognisers.words import signs, words

HAN: Final = "\u4e00-\u9fff"
SURNAME: Final = f"(?:{'|'.join(sorted(words('zh', 'compound')))}|[{signs('zh', 'single')}])"
_CLAUSE: Final = re.compile(r"[^，。！？；,!?;\n]*$")  # noqa: RUF001


def clause_before(text: str, at: int) -> str:
    """What of the clause stands before ``at``.

    >>> clause_before("很好，我妈70岁", 5)
    '我妈'
    """
    found = _CLAUSE.search(text, max(0, at - 40), at)
    return found[0] if found else ""


def split_name(name: str) -> tuple[str, str]:
    """Surname and given name.

    >>> split_name("欧阳丽娟"), split_name("王刚"), split_name("丽娟")
    (('欧阳', '丽娟'), ('王', '刚'), ('', '丽娟'))
    """
    found = re.match(rf"{SURNAME}(?=[{HAN}]{{1,2}}$)", name)
    # Two signs are a surname and a given name of one sign, unless the first is no surname.
    return (found[0], name[found.end() :]) if found else ("", name)
