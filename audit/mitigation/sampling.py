"""Which units a step takes: each by a coin of its own, so that the accounting holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audit.mitigation.keys import Keys
from audit.mitigation.values import Sampling


class PoissonBatches:
    """The batches of the steps ``start`` to ``sampling.steps``, as places of units; a batch may be empty.

    A unit's presence in a step depends on nothing but its own coin. Within a batch units stand by length, so that
    little is padded. Of ``world`` processes that train together each takes every ``world``-th unit of the
    same batch, from the ``rank``-th on.

    Parameters
    ----------
    lengths
        Tokens of each unit's longest row.

    >>> list(PoissonBatches([5, 3, 4], Sampling(1.0, 2, 3.0), Keys.of(0)))
    [[1, 2, 0], [1, 2, 0]]
    """

    def __init__(
        self, lengths: Sequence[int], sampling: Sampling, keys: Keys, *, start: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.lengths = np.asarray(lengths, np.int64)
        self.sampling, self.keys = sampling, keys
        self.start, self.rank, self.world = start, rank, world

    def __len__(self) -> int:
        return max(0, self.sampling.steps - self.start)

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.sampling.steps):
            yield self.share(self.draw(step))

    def draw(self, step: int) -> list[int]:
        """Places of the units that ``step`` takes, over all processes."""
        taken = np.flatnonzero(self.keys.sampling(step).random(len(self.lengths)) < self.sampling.sample_rate)
        found: list[int] = taken[np.argsort(self.lengths[taken], kind="stable")].tolist()
        return found

    def share(self, places: Sequence[int]) -> list[int]:
        """What of a batch this process reads."""
        return list(places[self.rank :: self.world])
