"""Texts made unreadable: what a report shows of them while personal values are not revealed.

One rule, for leaked and for generated texts: only the shape is left, and of a generated
text which type of personal information stood where. A list of harmless words would let
through what it cannot know: a name in small letters, a number spelled out, an illness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reports.privacy_values import Piece
from reports.text import visible

MASK: Final = "•"
_FRAME: Final = frozenset(" \n\t.,;:!?()[]{}<>\"'`@#%&*+-/\\=_|~$^")


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


def mask(text: str, spans: Iterable[Span]) -> tuple[Piece, ...]:
    """Return the shape of ``text`` in pieces, spans named; no letter and no digit is left.

    >>> [(piece.text, piece.type) for piece in mask("Dear Ann,", [Span(5, 8, "PERSON")])]
    [('•••• ', None), ('•••', 'PERSON'), (',', None)]
    """
    return tuple(Piece(blot(part), kind, masked=True) for part, kind in _parts(text, spans))


def reveal(text: str, spans: Iterable[Span]) -> tuple[Piece, ...]:
    """Return ``text`` in pieces as it stands, spans named.

    >>> [(piece.text, piece.type) for piece in reveal("Dear Ann,", [Span(5, 8, "PERSON")])]
    [('Dear ', None), ('Ann', 'PERSON'), (',', None)]
    """
    return tuple(Piece(visible(part), kind) for part, kind in _parts(text, spans))


def _parts(text: str, spans: Iterable[Span]) -> list[tuple[str, str | None]]:
    """Cut ``text`` where a span begins or ends; where spans overlap the later one counts."""
    types: list[str | None] = [None] * len(text)
    for span in spans:
        start = min(max(span.start, 0), len(text))
        end = min(max(span.end, start), len(text))
        types[start:end] = [span.type] * (end - start)
    return [(text[start:end], types[start]) for start, end in _runs(types)]


def _runs(values: Sequence[str | None]) -> list[tuple[int, int]]:
    cuts = [place for place in range(1, len(values)) if values[place] != values[place - 1]]
    return list(zip([0, *cuts], [*cuts, len(values)], strict=True)) if values else []
