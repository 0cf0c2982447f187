"""What a detector hands out: a typed stretch of a text, and how sure the recogniser is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from audit.privacy.records.values import IDENTIFIER_TYPES

# One list everywhere.
TYPES: Final = IDENTIFIER_TYPES

# Scores are ranks, not probabilities: of two findings that overlap the higher one stays.
CHECKED: Final = 0.95  # a check digit holds
NAMED: Final = 0.9  # a word before it says what it is
SHAPED: Final = 0.8  # the shape alone says what it is
GUESSED: Final = 0.5  # a language model or a word list says so


@dataclass(frozen=True, slots=True)
class Found:
    """Characters [start, end) of a text hold personal information of ``type``; ``score`` lies in (0, 1]."""

    start: int
    end: int
    type: str
    score: float


# Texts in; for each its findings, sorted, none overlapping another.
Detector = Callable[[Sequence[str]], list[list[Found]]]


def resolve(found: Sequence[Found]) -> list[Found]:
    """Drop what overlaps something better: the higher score stays, of equal scores the longer, then the first.

    >>> [f.type for f in resolve([Found(0, 9, "PERSON", 0.5), Found(4, 20, "ORDER_NUMBER", 0.9)])]
    ['ORDER_NUMBER']
    >>> [f.end for f in resolve([Found(0, 5, "PERSON", 0.5), Found(0, 9, "PERSON", 0.5)])]
    [9]
    """
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: (-f.score, f.start - f.end, f.start, f.type)):
        if one.start < one.end and all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda f: f.start)
