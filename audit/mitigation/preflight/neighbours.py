"""Units made up to be looked at next to each other: what a refusal says of them gives nothing away about the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from audit.mitigation.values import Unit

LONG: Final = "a very long text"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """``others`` make a batch; each of ``joining`` is put among them, by what it is like.

    ``crowd`` is one unit short of a whole physical batch, and empty where ``others`` are.
    """

    others: tuple[Unit, ...]
    joining: dict[str, Unit]
    crowd: tuple[Unit, ...]


def made_up(vocabulary: int, max_tokens: int, *, texts: int, physical_batch: int) -> Neighbours:
    """Random tokens in lengths that differ: beside a short text, a long one pads all the others.

    All but one are short, since a large model on a processor is to be looked at within a minute.

    Parameters
    ----------
    vocabulary
        How many tokens the model knows.
    max_tokens
        Length of the longest text that is trained on.
    texts
        How many texts a unit has at most: one that is made up has as many, all of them short.
    physical_batch
        How many units are read at once at most.

    >>> found = made_up(700, 64, texts=16, physical_batch=8)
    >>> [len(unit.rows[0]) for unit in found.others], len(found.joining[LONG].rows[0])
    ([9, 16, 5], 64)
    >>> len(found.joining["a unit of several texts"].rows), len(found.crowd)
    (16, 7)
    """
    draws = np.random.Generator(np.random.PCG64(0))

    def text(tokens: int) -> tuple[int, ...]:
        found: list[int] = draws.integers(0, vocabulary, max(2, min(tokens, max_tokens))).tolist()
        return tuple(found)

    second = (text(16), text(6))
    others = (Unit("first", (text(9),)), Unit("second", second[:texts]), Unit("third", (text(5),)))
    rare = int(draws.integers(0, vocabulary))
    joining = {
        "a text of rare tokens": Unit("rare", (text(14),)),
        "a text of one token again and again": Unit("repeated", ((rare,) * max(2, min(12, max_tokens)),)),
        LONG: Unit("long", (text(max_tokens),)),
        "a very short text": Unit("short", (text(2),)),
        "a copy of a text in it": Unit("copy", others[0].rows),
        "a text of one token, with nothing to predict": Unit("empty", ((rare,),)),
    }
    if texts > 1:
        lengths = (5, 12, 8, *(3 + place % 5 for place in range(texts)))
        joining["a unit of several texts"] = Unit("several", tuple(map(text, lengths[:texts])))
    size = physical_batch - 1
    crowd = tuple(Unit(f"one of {size}", (text(4 + place % 7),)) for place in range(size)) if size > len(others) else ()
    return Neighbours(others, joining, crowd)
