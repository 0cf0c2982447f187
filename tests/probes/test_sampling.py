"""The balanced incomplete block sample."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.probes.sampling import balanced_sample

sizes = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def design(counts: list[int]) -> dict[str, list[str]]:
    return {f"g{group}": [f"g{group}p{person}" for person in range(count)] for group, count in enumerate(counts)}


@settings(max_examples=60, deadline=None)
@given(counts=sizes, n_blocks=st.integers(1, 6), size=st.integers(1, 60), seed=st.integers(0, 99))
def test_cells_are_distinct_and_as_many_as_wanted(counts: list[int], n_blocks: int, size: int, seed: int) -> None:
    blocks = [f"b{block}" for block in range(n_blocks)]
    cells = balanced_sample(blocks, design(counts), size, seed)
    assert len(cells) == len(set(cells)) == min(size, n_blocks * sum(counts))
    assert cells == sorted(cells)


@settings(max_examples=60, deadline=None)
@given(counts=sizes, n_blocks=st.integers(1, 6), size=st.integers(1, 60), seed=st.integers(0, 99))
def test_personas_of_a_group_and_open_groups_differ_by_one(
    counts: list[int], n_blocks: int, size: int, seed: int
) -> None:
    groups = design(counts)
    cells = balanced_sample([f"b{block}" for block in range(n_blocks)], groups, size, seed)
    of_persona = Counter(persona for _, persona in cells)
    of_group = {group: sum(of_persona[persona] for persona in people) for group, people in groups.items()}
    for people in groups.values():
        asked = [of_persona[persona] for persona in people]
        assert max(asked) - min(asked) <= 1
    not_full = [of_group[group] for group, people in groups.items() if of_group[group] < len(people) * n_blocks]
    assert not not_full or max(of_group.values()) - min(not_full) <= 1 or max(not_full) - min(not_full) <= 1


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 180), seed=st.integers(0, 99))
def test_blocks_are_even_over_all_and_in_each_group(size: int, seed: int) -> None:
    blocks = [f"b{block}" for block in range(12)]
    cells = balanced_sample(blocks, design([10, 10, 10, 7, 8]), size, seed)
    over_all = Counter(block for block, _ in cells)
    assert max(over_all.values()) - min(over_all[block] for block in blocks) <= 2
    for group in ("g0", "g3"):
        inside = Counter(block for block, persona in cells if persona.startswith(group))
        assert max(inside[block] for block in blocks) - min(inside[block] for block in blocks) <= 2


def test_the_seed_decides_the_sample() -> None:
    blocks, groups = ["b0", "b1", "b2"], design([4, 4])
    assert balanced_sample(blocks, groups, 6, 1) == balanced_sample(blocks, groups, 6, 1)
    assert len({tuple(balanced_sample(blocks, groups, 6, seed)) for seed in range(8)}) > 1


def test_size_zero_means_all() -> None:
    assert len(balanced_sample(["b0", "b1"], design([3, 2]), 0, 0)) == 10
