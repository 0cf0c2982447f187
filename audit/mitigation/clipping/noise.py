"""Gaussian noise, added in place: in pieces, by several threads, and the same whatever their number.

It is drawn in double precision, and rounded once, when it is added. torch draws normal numbers in single precision from
uniform ones of 24 bits, and none beyond sqrt(48 ln 2) = 5.77 in size: a sum that lies further out than that could come
from the unit alone, which no (ε, δ) allows for. numpy's ziggurat draws its tail from uniforms of 53 bits, up to 12.2
(3.65 + sqrt(106 ln 2)), and CUDA's Box-Muller in double precision goes up to 8.65; what would lie beyond has a
probability of 5e-18 a value at most.

torch's generator on the processor uses 32 bits of the seed it is given (``manual_seed(s)`` and
``manual_seed(s + 2**32)`` draw the same), and two of a training's many pieces would soon share one. So each piece's
generator gets its whole state, 256 bits, from the 256 that the optimizer's own generator draws.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

# Values in a piece; part of what a seed gives, so never changed.
PIECE: Final = 1 << 19
# Values drawn before they are added: they stay in the cache, and are too few for torch to start threads for.
_CACHED: Final = 1 << 15
# Words of 32 bits that numpy mixes a seed into; its usual 4 would hold half of the key.
_POOL: Final = 8
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
        for seed in [np.random.SeedSequence(entropy, spawn_key=(place, number), pool_size=_POOL)]
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
    # As Matsumoto and Nishimura do, so that the state is never all zeros: the first word is set.
    words = np.random.SeedSequence(key, pool_size=_POOL).generate_state(_STATE_WORDS).astype(np.uint64)
    words[0] = 0x80000000
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    state[_HEAD : _HEAD + 8 * _STATE_WORDS] = torch.from_numpy(words.view(np.uint8))
    generator.set_state(state)
    return generator


def _entropy(generator: torch.Generator | None) -> list[int]:
    if generator is None:
        return [int(word) for word in np.random.SeedSequence(secrets.randbits(256), pool_size=_POOL).generate_state(8)]
    drawn = torch.randint(1 << 32, (8,), generator=generator, device=generator.device)
    return [int(word) for word in drawn.tolist()]


def _flat(tensor: Tensor) -> Tensor:
    if not tensor.is_contiguous():
        raise ValueError("noise is added in place: the sum of gradients must lie in one piece")
    return tensor.view(-1)


def _add(flat: Tensor, std: float, seed: np.random.SeedSequence) -> None:
    if flat.device.type == "cuda":  # Philox, which takes 64 bits
        word = int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator(device=flat.device).manual_seed(word)
        flat.add_(torch.empty_like(flat, dtype=torch.float64).normal_(generator=generator), alpha=std)
        return
    draws, buffer = _draws(seed), np.empty(min(_CACHED, len(flat)))
    for part in flat.split(_CACHED):  # type: ignore[no-untyped-call]
        drawn = buffer[: len(part)]
        draws.standard_normal(out=drawn)
        part.add_(torch.from_numpy(drawn).to(part.device), alpha=std)


def _draws(seed: np.random.SeedSequence) -> np.random.Generator:
    """numpy's fastest generator, its whole state drawn from ``seed``: seeded by numpy it would hold 192 bits."""
    bits = np.random.SFC64(0)
    words: Any = {"state": seed.generate_state(4, np.uint64)}
    bits.state = {"bit_generator": "SFC64", "state": words, "has_uint32": 0, "uinteger": 0}
    bits.random_raw(12)  # until each bit of the state has moved all others, as numpy's own seeding does
    return np.random.Generator(bits)
