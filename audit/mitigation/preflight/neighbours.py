"""Units made up to be looked at next to each other: what a refusal says of them gives nothing away about the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.mitigation.values import Unit


@dataclass(frozen=True, slots=True)
class Neighbours:
    """``others`` make a batch; each of ``joining`` is put among them, by what it is like."""

    others: tuple[Unit, ...]
    joining: dict[str, Unit]


def made_up(vocabulary: int, max_tokens: int, *, texts: int = 3) -> Neighbours:
    """Random tokens in lengths that differ: beside a short text, a long one pads all the others.

    Parameters
    ----------
    vocabulary
        How many tokens the model knows.
    max_tokens
        Length of the longest text that is trained on.
    texts
        How many texts a unit has at most; made-up units have up to three.

    >>> found = made_up(700, 64)
    >>> [len(unit.rows[0]) for unit in found.others], len(found.joining["a very long text"].rows[0])
    ([12, 24, 7], 64)
    """
    draws = np.random.Generator(np.random.PCG64(0))

    def text(tokens: int) -> tuple[int, ...]:
        found: list[int] = draws.integers(0, vocabulary, max(2, min(tokens, max_tokens))).tolist()
        return tuple(found)

    second = (text(24), text(9))
    others = (Unit("first", (text(12),)), Unit("second", second[:texts]), Unit("third", (text(7),)))
    rare = int(draws.integers(0, vocabulary))
    joining = {
        "a text of rare tokens": Unit("rare", (text(16),)),
        "a text of one token again and again": Unit("repeated", ((rare,) * max(2, min(20, max_tokens)),)),
        "a very long text": Unit("long", (text(max_tokens),)),
        "a very short text": Unit("short", (text(2),)),
        "a copy of a text in it": Unit("copy", others[0].rows),
        "a text of one token, with nothing to predict": Unit("empty", ((rare,),)),
    }
    if texts > 1:
        joining["a unit of several texts"] = Unit("several", (text(5), text(18), text(11))[:texts])
    return Neighbours(others, joining)
