"""Texts that stand more than once, found with eight bytes a text.

Whether a model was trained on a text can only be asked of one that stands in one place: a text of which a copy
is on the other side is both, and leaving it out of one side alone leaves the other full of stock phrases,
which any model finds likely.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def text_key(text: str) -> int:
    """Return an 8-byte hash of a text, blanks aside.

    >>> text_key("Works. Thanks!") == text_key(" Works.  Thanks! "), text_key("Works.") == text_key("works.")
    (True, False)
    """
    plain = " ".join(text.split())
    return int.from_bytes(blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def keys_of(texts: Iterable[str]) -> Keys:
    """Hash a stream of texts, each as often as it comes: shape (texts,)."""
    return np.frombuffer(array("Q", map(text_key, texts)).tobytes(), np.uint64)


def repeated(*sides: Keys) -> frozenset[int]:
    """The keys that stand more than once over all sides together.

    >>> few = repeated(keys_of(["a", "b", "b"]), keys_of(["c", "a"]))
    >>> [text_key(text) in few for text in "abc"]
    [True, True, False]
    """
    keys, counts = np.unique(np.concatenate(sides), return_counts=True)
    return frozenset(keys[counts > 1].tolist())


def shared(held_out: Keys, members: Keys) -> float:
    """Share of the different held-out texts that stand among the members; in [0, 1].

    >>> shared(keys_of(["a", "b", "b", "c", "d"]), keys_of(["a", "a"]))
    0.25
    """
    alone = np.unique(held_out)
    return float(np.isin(alone, members).mean()) if len(alone) else 0.0
