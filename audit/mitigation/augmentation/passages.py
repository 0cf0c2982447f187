"""A record as the axes read it: one string, what in it must not change, and how edits are put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from audit.mitigation.augmentation.values import Copy, Edit
from audit.privacy.records.values import Record
from audit.values import Persona

# E-mail addresses, links, and words with letters and digits: codes. "76-year-old" is none.
EMAIL: Final = re.compile(r"(?P<local>[A-Za-z0-9._%+-]+)@[A-Za-z0-9.-]+[A-Za-z0-9]")
_CODES: Final = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+[A-Za-z0-9]|\b(?:https?://|www\.)[^\s\u4e00-\u9fff，。]+"
    r"|(?<![A-Za-z0-9_-])(?!\d{1,3}[ -]?(?:year|yr|yo\b|y/o))(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]+",
    re.IGNORECASE,
)

Span = tuple[int, int]
# What an axis makes of a passage: the edits of one copy after another, each along that axis alone.
Axis = Callable[["Passage", Random], Iterator[list[Edit]]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A record's text, or the contents of its turns joined by line breaks.

    ``kept`` are the spans of codes, addresses and of what is known to be an identifier but no name; ``people`` are
    the personas whose names stand in copies.
    """

    record: Record
    text: str
    kept: tuple[Span, ...]
    people: Sequence[Persona]

    @classmethod
    def of(cls, record: Record, people: Sequence[Persona]) -> Passage:
        """Read a record."""
        text = "\n".join(content for _, content in record.turns) if record.turns else record.text
        kept = [match.span() for match in _CODES.finditer(text)]
        for kind, value in record.identifiers.items():
            if kind != "PERSON" and value:
                kept += _places(value, text)
        return cls(record, text, tuple(kept), people)

    def is_kept(self, start: int, end: int) -> bool:
        """Whether any of the characters must stay."""
        return any(start < last and first < end for first, last in self.kept)

    def copy(self, edits: Iterable[Edit]) -> Copy:
        """The record with ``edits`` put in; of two that overlap the first stands."""
        apart: list[Edit] = []
        for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
            if not apart or edit.start >= apart[-1].end:
                apart.append(edit)
        changes = tuple(sorted({edit.change for edit in apart if edit.change is not None}))
        if not self.record.turns:
            return Copy(_edited(self.text, 0, len(self.text), apart), (), changes)
        turns, at = [], 0
        for role, content in self.record.turns:
            turns.append((role, _edited(self.text, at, at + len(content), apart)))
            at += len(content) + 1
        return Copy("\n".join(f"{role}: {content}" for role, content in turns), tuple(turns), changes)


def _places(value: str, text: str) -> Iterator[Span]:
    at = text.find(value)
    while at >= 0:
        yield at, at + len(value)
        at = text.find(value, at + len(value))


def _edited(text: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    parts, at = [], start
    for edit in edits:
        if start <= edit.start and edit.end <= end:
            parts += [text[at : edit.start], edit.text]
            at = edit.end
    return "".join((*parts, text[at:end]))


def without_pairs(text: str, edits: Sequence[Edit], joint: re.Pattern[str], kinds: Sequence[str]) -> list[Edit]:
    """Leave out what names both of a pair, as "mom and dad": it tells no group.

    ``kinds`` says for each edit what it is of; two of one kind with ``joint`` between them are such a pair.
    """
    paired: set[int] = set()
    for place in range(len(edits) - 1):
        first, second = edits[place], edits[place + 1]
        opposed = kinds[place] == kinds[place + 1] and first.change != second.change
        if opposed and place not in paired and joint.fullmatch(text, first.end, second.start):
            paired |= {place, place + 1}
    return [edit for place, edit in enumerate(edits) if place not in paired]
