"""Drawing evenly at random: every item once in each round."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

DOMAINS: Final = ("example.com", "example.org", "example.net")  # RFC 2606: nobody's


def rounds(items: Sequence[T], chance: random.Random) -> Iterator[T]:
    """Deal ``items`` without end, in each round all of them in an order of its own.

    >>> deal = rounds("ab", random.Random(0))
    >>> sorted(next(deal) for _ in range(6))
    ['a', 'a', 'a', 'b', 'b', 'b']
    """
    while True:
        yield from chance.sample(items, len(items))


def unused(draw: Callable[[], str], used: set[str], tries: int | None = None) -> str:
    """Draw until the value is a new one, and remember it; after ``tries`` an old one will do."""
    value = draw()
    while value in used and tries != 0:
        value, tries = draw(), None if tries is None else tries - 1
    used.add(value)
    return value


def filled(pattern: str, chance: random.Random, letters: str = "ABCDEFGHJKLMNPQRSTUVWXYZ") -> str:
    """Fill a pattern: # a digit, % a digit that is not 0, ? a letter, * a letter or digit.

    >>> filled("SO-%##", random.Random(1))
    'SO-391'
    """
    kinds = {"#": "0123456789", "%": "123456789", "?": letters, "*": letters + "23456789"}
    return "".join(chance.choice(kinds[sign]) if sign in kinds else sign for sign in pattern)


def any_of(patterns: Sequence[str], chance: random.Random) -> str:
    """Fill one of several patterns."""
    return filled(chance.choice(patterns), chance)
