"""Which tokens of a record an attacker must get back, and which were given."""

from __future__ import annotations

from typing import Final

# Fewer tokens than these say little of what was learnt by heart.
LEAST: Final = 10


def suffix_range(n_tokens: int, prefix: int, suffix: int) -> tuple[int, int] | None:
    """Scored tokens [first, last) that must come back; None where a record is too short.

    After ``prefix`` tokens the next ``suffix`` ones (Carlini et al. 2022, arXiv 2202.07646, have 50
    of both). A record that ends before has its second half asked, and at least ten tokens of it.
    The first token of a record is given and not scored, hence the one less.

    >>> suffix_range(200, 50, 50), suffix_range(60, 50, 50), suffix_range(12, 50, 50)
    ((49, 99), (30, 60), None)
    """
    if n_tokens + 1 >= prefix + suffix:
        return prefix - 1, prefix - 1 + suffix
    half = min(suffix, n_tokens // 2)
    return (n_tokens - half, n_tokens) if half >= LEAST else None
