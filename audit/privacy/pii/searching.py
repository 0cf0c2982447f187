"""Which of many known values stand in a text, however they are written there.

A value is looked for among the letters and digits of a text alone, so that "(404) 555-0132"
is found by "404.555.0132"; it must begin and end where a word does, so that it is not found
inside a longer number. The cost is a few look-ups a word, however many values there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from audit.privacy.pii.normalising import COUNTRY_CODES, normalise, plain

# Chinese has no blanks: every sign may begin or end a value.
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN: Final = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_GRAMS: Final = (8, 4, 2)

Key = tuple[str, str]  # type and normalised value


def key_of(type: str, value: str) -> Key:
    """What two writings of a value have in common."""
    return type, normalise(type, value)


class Index:
    """Values to look for, by their first signs."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_gram: dict[int, dict[str, list[tuple[str, Key]]]] = {size: {} for size in _GRAMS}
        for key in dict.fromkeys(keys):
            for spelling in dict.fromkeys(_spellings(key)):
                size = next((size for size in _GRAMS if len(spelling) >= size), None)
                if size is not None:
                    self._by_gram[size].setdefault(spelling[:size], []).append((spelling, key))
        self._grams = [(size, table) for size, table in self._by_gram.items() if table]

    def inside(self, text: str) -> set[Key]:
        """The values that stand in ``text``.

        >>> index = Index([key_of("PHONE_NUMBER", "404-555-0132"), key_of("PERSON", "Mei Chen")])
        >>> sorted(index.inside("Call MEI CHEN: +14045550132."))
        [('PERSON', 'meichen'), ('PHONE_NUMBER', '4045550132')]
        >>> index.inside("Parcel 99404555013255")
        set()
        """
        if not self._grams:
            return set()
        text = plain(text)
        tokens = _TOKEN.findall(text)
        squeezed = "".join(tokens)
        starts, at = [], 0
        for token in tokens:
            starts.append(at)
            at += len(token)
        ends: set[int] | None = None
        found: set[Key] = set()
        for start in starts:
            for size, table in self._grams:
                for spelling, key in table.get(squeezed[start : start + size], ()):
                    if key in found or not squeezed.startswith(spelling, start):
                        continue
                    ends = ends or {*starts[1:], at}
                    # Without its points an address of a machine is not told from another.
                    if start + len(spelling) in ends and (key[0] != "IP_ADDRESS" or key[1] in text):
                        found.add(key)
        return found


def _spellings(key: Key) -> Iterator[str]:
    squeezed = "".join(_TOKEN.findall(plain(key[1])))
    yield squeezed
    if key[0] == "PHONE_NUMBER" and squeezed:
        yield "0" + squeezed
        for code in COUNTRY_CODES:
            yield code + squeezed
            yield "00" + code + squeezed
