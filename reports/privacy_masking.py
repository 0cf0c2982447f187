"""Personal values made unreadable: what a report shows of a text while values are not revealed.

Two rules. Of a leaked text only the shape is left (:func:`blot`). Of a generated text the
detected spans go, and with them every other place where a known value stands, and every
word that by its look might be one that the detector missed: with a digit, an at sign, a
dot inside, a capital letter, or of a script that has no capitals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reports.privacy_values import Piece
from reports.text import visible

MASK: Final = "•"
# Letters and digits that a value must have before it is looked for elsewhere: "Jo" would be found in half of all words.
_LEAST: Final = 4
_FRAME: Final = frozenset(" \n\t.,;:!?()[]{}<>\"'`@#%&*+-/\\=_|~$^")
_TOKEN: Final = re.compile(r"\S+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
# Words that begin sentences in a shop and name no one. What is not here and has a capital is masked.
_WORDS: Final = """
    a about after all also although and any are as at be because before both but by can customer dear does each
    enjoy every everything for from have hello here hi how however i i'm i've if in is it it's item its just
    more most no not now of on once one only or order our out overall parcel payment please product refund
    regards return review sadly service she shipping since sorry still thank thanks that the their then there
    these they this those though to too unfortunately until very was we we'll we're were what when where which
    while who why with would yes yet you your yours
"""
_COMMON: Final = frozenset(_WORDS.split())
# The same for Chinese: characters that carry the grammar, and few names.
_COMMON_HAN: Final = frozenset(
    "的了是我您你他她它们在不没有和与也都就还很太这那个要会能可以请谢好吗呢吧啊为从到把被让对说去来收货退款发订单商品客服"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text that hold personal information of a type."""

    start: int
    end: int
    type: str


def blot(text: str) -> str:
    r"""Return the shape of ``text``: blanks and ASCII punctuation stay, every other character is a dot.

    >>> blot("Mail ann@x.org,\nor 李娜")
    '•••• •••@•.•••,\n•• ••'
    """
    return "".join(character if character in _FRAME else MASK for character in text)


def mask(
    text: str, spans: Iterable[Span], values: Iterable[str] = (), window: slice = slice(None)
) -> tuple[Piece, ...]:
    """Return ``text`` in pieces with spans, further places of ``values`` and what looks like a value masked.

    All of ``text`` is looked at, so that no value is cut in two; the pieces are those of ``window``.

    >>> pieces = mask("Dear Ann Lee, call Bo on 555 for me", [Span(5, 8, "PERSON")])
    >>> "".join(piece.text for piece in pieces)
    'Dear ••• •••, call •• on ••• for me'
    """
    types: list[str | None] = [None] * len(text)
    hidden = [False] * len(text)
    for span in spans:
        first, last = _whole_tokens(text, span)
        hidden[first:last] = [True] * (last - first)
        start, end = _inside(text, span)
        types[start:end] = [span.type] * (end - start)
    for start, end in [*_places(text, values), *_suspicious(text)]:
        hidden[start:end] = [True] * (end - start)
    return _pieces(text[window], types[window], hidden[window])


def reveal(text: str, spans: Iterable[Span], window: slice = slice(None)) -> tuple[Piece, ...]:
    """Return ``text`` in pieces as it stands, spans named.

    >>> [(piece.text, piece.type) for piece in reveal("Dear Ann,", [Span(5, 8, "PERSON")])]
    [('Dear ', None), ('Ann', 'PERSON'), (',', None)]
    """
    types: list[str | None] = [None] * len(text)
    for span in spans:
        start, end = _inside(text, span)
        types[start:end] = [span.type] * (end - start)
    return _pieces(text[window], types[window], [False] * len(text[window]))


def _inside(text: str, span: Span) -> tuple[int, int]:
    start = min(max(span.start, 0), len(text))
    return start, min(max(span.end, start), len(text))


def _whole_tokens(text: str, span: Span) -> tuple[int, int]:
    """A span that ends within a word leaves half a value behind: take the word whole, but not its punctuation."""
    start, end = _inside(text, span)
    while 0 < start < end and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while start < end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return start, end


def _places(text: str, values: Iterable[str]) -> list[tuple[int, int]]:
    """Where known values stand, whatever case, blanks and punctuation they are written with."""
    plain, origin = _plain(text)
    found = []
    for value in values:
        wanted, _ = _plain(value)
        if len(wanted) < _LEAST:
            continue
        at = plain.find(wanted)
        while at >= 0:
            found.append((origin[at], origin[at + len(wanted) - 1] + 1))
            at = plain.find(wanted, at + 1)
    return found


def _plain(text: str) -> tuple[str, list[int]]:
    """Letters and digits alone, folded, and where each stood."""
    letters, origin = [], []
    for place, character in enumerate(text):
        for folded in unicodedata.normalize("NFKC", character).casefold():
            if folded.isalnum():
                letters.append(folded)
                origin.append(place)
    return "".join(letters), origin


def _suspicious(text: str) -> list[tuple[int, int]]:
    found = []
    for token in _TOKEN.finditer(text):
        word = token[0]
        if any(letter.isdigit() for letter in word) or re.search(r"[@&]|\w[.:/\\_]+\w", word):
            found.append(token.span())
            continue
        for part in _WORD.finditer(word):
            first = token.start() + part.start()
            if any(letter.isupper() for letter in part[0]):
                if part[0].casefold().replace("\u2019", "'") not in _COMMON:
                    found.append((first, first + len(part[0])))
                continue
            found += [
                (first + place, first + place + 1)
                for place, letter in enumerate(part[0])
                if unicodedata.category(letter) == "Lo" and letter not in _COMMON_HAN
            ]
    return found


def _pieces(text: str, types: Sequence[str | None], hidden: Sequence[bool]) -> tuple[Piece, ...]:
    """Join characters of one kind; a hidden one keeps only its place."""
    pieces: list[Piece] = []
    start = 0
    for place in range(1, len(text) + 1):
        if place < len(text) and (types[place], hidden[place]) == (types[start], hidden[start]):
            continue
        part = text[start:place]
        shown = blot(part) if hidden[start] else visible(part)
        pieces.append(Piece(shown, types[start], hidden[start]))
        start = place
    return tuple(pieces) if text else ()
