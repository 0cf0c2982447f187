"""A token trie over prompts: what they share is computed once.

Prompts of one block differ in a few tokens. Sorted, they are packed into units of
bounded size; each unit is a tree of segments (runs of tokens without a branch) in
one flat sequence, parents before children.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Tokens = Sequence[int]

# A branch point costs some attention calls; below this many saved tokens it isn't worth them.
MIN_SAVING = 24


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens: ``start`` is its place in the flat sequence, ``depth`` in the prompt."""

    parent: int
    start: int
    depth: int
    length: int


@dataclass(slots=True)
class Tree:
    """Segments in one flat sequence of ``tokens``; grows as answers are spelled out."""

    segments: list[Segment] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def add(self, parent: int, tokens: Tokens) -> int:
        """Append a segment below ``parent`` (-1: a root) and return its number."""
        above = self.segments[parent] if parent >= 0 else None
        depth = above.depth + above.length if above else 0
        self.segments.append(Segment(parent, len(self.tokens), depth, len(tokens)))
        self.tokens.extend(tokens)
        return len(self.segments) - 1

    def path(self, segment: int) -> list[int]:
        """Segment numbers from the root down to ``segment``, itself included."""
        found = []
        while segment >= 0:
            found.append(segment)
            segment = self.segments[segment].parent
        return found[::-1]

    def places(self, segments: Sequence[int]) -> npt.NDArray[np.int64]:
        """Places in the flat sequence of all tokens of ``segments``, in their order."""
        parts = [self.segments[segment] for segment in segments]
        ranges = [np.arange(part.start, part.start + part.length) for part in parts]
        return np.concatenate(ranges) if ranges else np.empty(0, np.int64)

    def last(self, segment: int) -> int:
        """Place of the last token of ``segment`` in the flat sequence."""
        found = self.segments[segment]
        return found.start + found.length - 1

    def positions(self) -> npt.NDArray[np.int64]:
        """Each token's place in its own prompt; shape (tokens,)."""
        return np.concatenate([np.arange(part.depth, part.depth + part.length) for part in self.segments])


def build(sequences: Sequence[Tokens], min_saving: int = MIN_SAVING) -> tuple[Tree, list[int]]:
    """Build the tree of ``sequences`` and tell each one's last segment.

    >>> tree, ends = build([[1, 2, 3], [1, 2, 4], [1, 2, 3]], min_saving=1)
    >>> tree.tokens, ends
    ([1, 2, 3, 4], [1, 2, 1])
    >>> tree.positions().tolist()
    [0, 1, 2, 2]
    """
    tree, ends = Tree(), [-1] * len(sequences)
    order = _sorted(sequences)

    def grow(members: list[int], depth: int, parent: int) -> None:
        first, last = sequences[members[0]], sequences[members[-1]]
        shared = common_prefix(first, last)
        if shared == len(last) and len(first) == len(last):
            end = tree.add(parent, first[depth:]) if shared > depth else parent
            for member in members:
                ends[member] = end
            return
        # A sequence that ends where the others go on must have a segment of its own to end in.
        ends_here = shared > depth and len(first) == shared
        if shared > depth and (ends_here or (shared - depth) * (len(members) - 1) >= min_saving):
            parent, depth = tree.add(parent, first[depth:shared]), shared
        start = 0
        for stop in range(1, len(members) + 1):
            here = sequences[members[start]]
            if stop == len(members) or sequences[members[stop]][shared : shared + 1] != here[shared : shared + 1]:
                if len(here) == depth:
                    for member in members[start:stop]:
                        ends[member] = parent
                else:
                    grow(members[start:stop], depth, parent)
                start = stop

    if order:
        grow(order, 0, -1)
    return tree, ends


def _sorted(sequences: Sequence[Tokens]) -> list[int]:
    """Indices in lexicographic order: sequences that share much stand side by side."""
    return sorted(range(len(sequences)), key=lambda index: list(sequences[index]))


def common_prefix(first: Tokens, second: Tokens) -> int:
    """Length of the longest common prefix.

    >>> common_prefix([1, 2, 3], [1, 2, 4])
    2
    """
    for index, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return index
    return min(len(first), len(second))


def size(sequences: Sequence[Tokens]) -> int:
    """Number of distinct prefixes: the tokens that a perfect trie computes.

    >>> size([[1, 2, 3], [1, 2, 4], [1, 2, 3]])
    4
    """
    order = [sequences[index] for index in _sorted(sequences)]
    total = len(order[0]) if order else 0
    for before, after in pairwise(order):
        total += len(after) - common_prefix(before, after)
    return total


def units(sequences: Sequence[Tokens], max_tokens: int) -> Iterator[list[int]]:
    """Split into units whose tries have about ``max_tokens`` tokens, neighbours together.

    Yields indices into ``sequences``. A unit holds at least one sequence, however long.

    >>> list(units([[1, 2, 3], [7, 8, 9], [1, 2, 4]], max_tokens=4))
    [[0, 2], [1]]
    """
    order = _sorted(sequences)
    unit: list[int] = []
    total = 0
    for index in order:
        new = len(sequences[index])
        if unit:
            new -= common_prefix(sequences[unit[-1]], sequences[index])
            if total + new > max_tokens:
                yield unit
                unit, total, new = [], 0, len(sequences[index])
        unit.append(index)
        total += new
    if unit:
        yield unit
