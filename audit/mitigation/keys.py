"""Where sampling and noise come from: a key for each step, used once.

A step has its number in the budget ledger, and no number is paid for twice. So a run that was killed and goes on
draws other noise than before, without any state of a generator being kept.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import numpy as np

_SAMPLING: Final = 0
_NOISE: Final = 1
_START: Final = 2


@dataclass(frozen=True, slots=True)
class Keys:
    """Randomness of a training, by purpose and step.

    ``entropy`` is the operating system's unless a person gave a seed; whoever knows a seed can take the noise off.
    ``before`` is how many trainings were begun before in the same folder: with the same seed they drew other noise.

    >>> Keys.of(3).noise(0) == Keys.of(3).noise(0) != Keys.of(3).noise(1)
    True
    >>> Keys.of(None).noise(0) == Keys.of(None).noise(0)
    False
    """

    entropy: int
    given: bool
    before: int = 0

    @classmethod
    def of(cls, seed: int | None, before: int = 0) -> Keys:
        """Keys from ``seed``, or fresh ones of the operating system's where it is None."""
        return cls(secrets.randbits(256), given=False) if seed is None else cls(seed, given=True, before=before)

    def sampling(self, step: int) -> np.random.Generator:
        """What draws the units of ``step``."""
        return np.random.Generator(np.random.PCG64(self._sequence(_SAMPLING, step)))

    def noise(self, step: int) -> int:
        """256 bits of the noise of ``step``; a seed of torch's generator would keep 32 of them."""
        words = self._sequence(_NOISE, step).generate_state(4, np.uint64)
        return int.from_bytes(words.astype("<u8").tobytes(), "little")

    def start(self) -> int:
        """Seed of 63 bits of what is random before the first step: the adapters' first weights."""
        return int(self._sequence(_START, 0).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def _sequence(self, purpose: int, step: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.entropy, purpose, step, self.before], pool_size=8)  # words: 256 bits
