"""Where chance comes from: the operating system, or a seed where a plant must be drawn again."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

_STEPS: Final = 2**64


def source(seed: int | None, purpose: str) -> random.Random:
    """Return a source of chance for one purpose, independent of the sources for others.

    Without a seed it is the operating system's: nobody can draw it again. With one, it is the same on every machine.

    >>> source(7, "coins").random() == source(7, "coins").random()
    True
    >>> source(7, "coins").random() == source(7, "places").random()
    False
    """
    return random.SystemRandom() if seed is None else random.Random(f"evenhand plant {seed} {purpose}")


def keyed_share(seed: int | None, purpose: str) -> Callable[[bytes], float]:
    """Return a function from bytes to [0, 1), even over its values and always the same for the same bytes.

    It lets rows be put on a side one by one, a customer's always on the same, without a list of customers.
    The key is from the operating system where there is no seed.

    >>> share = keyed_share(7, "sides")
    >>> share(b"customer 1") == share(b"customer 1")
    True
    >>> round(sum(share(b"%d" % i) < 0.1 for i in range(20_000)) / 20_000, 2)
    0.1
    """
    key = secrets.token_bytes(32) if seed is None else blake2b(f"{seed} {purpose}".encode()).digest()

    def share(value: bytes) -> float:
        digest = blake2b(value, digest_size=8, key=key).digest()
        # The upper 53 bits: a float holds no more, and the quotient would round up to 1.
        return (int.from_bytes(digest, "big") >> 11) / (_STEPS >> 11)

    return share
