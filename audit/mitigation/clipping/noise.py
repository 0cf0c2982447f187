"""Gaussian noise, added in place: in pieces, by several threads, and the same whatever their number.

torch's generator on the processor uses 32 bits of the seed it is given (``manual_seed(s)`` and
``manual_seed(s + 2**32)`` draw the same), and two of a training's many pieces would soon share one. So each piece's
generator gets a whole state of the Mersenne twister, from 256 bits that the optimizer's own generator draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

# Values in a piece; part of what a seed gives, so never changed.
PIECE: Final = 1 << 19
# Values drawn before they are added: they stay in the cache, and are too few for torch to start threads for.
_CACHED: Final = 1 << 15
_STATE_WORDS: Final = 624
# Offset of the words in torch's own state: its seed (8 bytes), how many are left (4), a flag (4), the next (8).
_HEAD: Final = 24


def add_noise(tensors: Sequence[Tensor], std: float, generator: torch.Generator | None) -> None:
    """Add N(0, ``std``²) to every value of ``tensors``, in place.

    What is drawn depends on ``generator`` and the tensors' shapes alone: not on the threads, and for the processor
    not on which of them works on which piece.

    Parameters
    ----------
    generator
        Gives 256 bits; without one the operating system does.
    """
    if std == 0:
        return
    entropy = _entropy(generator)
    pieces = [
        (flat, seed)
        for place, tensor in enumerate(tensors)
        for number, flat in enumerate(_flat(tensor).split(PIECE))  # type: ignore[no-untyped-call]
        for seed in [np.random.SeedSequence(entropy, spawn_key=(place, number))]
    ]
    if any(flat.device.type != "cpu" for flat, _ in pieces):
        for flat, seed in pieces:
            _add(flat, std, seed)
        return
    # A piece is drawn by one thread: torch's own threads would not help, and their number must not matter.
    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as threads:
        for done in [threads.submit(_add, flat, std, seed) for flat, seed in pieces]:
            done.result()


def generator_of(key: int) -> torch.Generator:
    """Give a generator of the processor that holds all of ``key``, be it 256 bits long.

    >>> one, other = generator_of(5), generator_of(5 + 2**32)
    >>> bool(torch.randn(1, generator=one) == torch.randn(1, generator=other))
    False
    """
    return _whole(np.random.SeedSequence(key))


def _entropy(generator: torch.Generator | None) -> list[int]:
    if generator is None:
        return [int(word) for word in np.random.SeedSequence().generate_state(8)]
    drawn = torch.randint(1 << 32, (8,), generator=generator, device=generator.device)
    return [int(word) for word in drawn.tolist()]


def _flat(tensor: Tensor) -> Tensor:
    if not tensor.is_contiguous():
        raise ValueError("noise is added in place: the sum of gradients must lie in one piece")
    return tensor.view(-1)


def _add(flat: Tensor, std: float, seed: np.random.SeedSequence) -> None:
    if flat.device.type != "cpu":  # Philox, which takes 64 bits
        word = int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator(device=flat.device).manual_seed(word)
        flat.add_(torch.empty_like(flat).normal_(generator=generator), alpha=std)
        return
    generator, buffer = _whole(seed), flat.new_empty(min(_CACHED, len(flat)))
    for part in flat.split(_CACHED):  # type: ignore[no-untyped-call]
        part.add_(buffer[: len(part)].normal_(generator=generator), alpha=std)


def _whole(seed: np.random.SeedSequence) -> torch.Generator:
    """A generator of the processor whose whole state is drawn from ``seed``."""
    words = seed.generate_state(_STATE_WORDS).astype(np.uint64)
    words[0] = 0x80000000  # as Matsumoto and Nishimura do, so that the state is never all zeros
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    state[_HEAD : _HEAD + 8 * _STATE_WORDS] = torch.from_numpy(words.view(np.uint8))
    generator.set_state(state)
    return generator
