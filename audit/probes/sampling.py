"""A balanced incomplete block sample: which persona is asked in which block when not all can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from audit.values import content_hash


def balanced_sample(
    blocks: Sequence[str], groups: Mapping[str, Sequence[str]], size: int, seed: int
) -> list[tuple[str, str]]:
    """Choose ``size`` different (block, persona) cells, evenly in every margin.

    Each step goes to the group asked least, in it to the persona asked least, and
    puts that persona into the block where its group, then anyone, was asked least.
    Ties fall by a hash of the seed, so that the sample is the same on every machine.

    Parameters
    ----------
    blocks
        Block ids, different from each other.
    groups
        Group to persona ids; a persona stands in one group.
    size
        Cells wanted; 0, or more than there are, means all.
    seed
        Of the ties.

    Returns
    -------
    list of (block, persona)
        In order of block, then persona, as they are given. Groups differ by one cell
        at most, personas of a group too, until a group has no cell left.

    >>> cells = balanced_sample(["b1", "b2"], {"x": ["p", "q"], "y": ["r", "s"]}, 4, seed=0)
    >>> sorted(block for block, _ in cells), sorted(persona for _, persona in cells)
    (['b1', 'b1', 'b2', 'b2'], ['p', 'q', 'r', 's'])
    """
    everyone = [persona for personas in groups.values() for persona in personas]
    total = len(blocks) * len(everyone)
    if size == 0 or size >= total:
        return [(block, persona) for block in blocks for persona in everyone]
    chosen: set[tuple[str, str]] = set()
    asked: Counter[tuple[str, ...]] = Counter()

    def tie(*parts: str) -> str:
        return content_hash([seed, *parts], 16)

    while len(chosen) < size:
        open_groups = [group for group, people in groups.items() if asked["group", group] < len(people) * len(blocks)]
        group = min(open_groups, key=lambda g: (asked["group", g], tie(g)))
        persona = min(groups[group], key=lambda p: (asked["persona", p], tie(p)))
        free = [block for block in blocks if (block, persona) not in chosen]
        block = min(free, key=lambda b: (asked["group in block", group, b], asked["block", b], tie(persona, b)))
        chosen.add((block, persona))
        asked.update([("group", group), ("persona", persona), ("block", block), ("group in block", group, block)])
    return [(block, persona) for block in blocks for persona in everyone if (block, persona) in chosen]
