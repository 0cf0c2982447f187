from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.backends.trie import build, common_prefix, size, units

# Few different tokens, so that much is shared.
SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=14)


def prefixes(sequences: list[list[int]]) -> set[tuple[int, ...]]:
    return {tuple(run[:cut]) for run in sequences for cut in range(1, len(run) + 1)}


@given(SEQUENCES, st.sampled_from([1, 3, 24]))
def test_every_sequence_is_spelled_by_its_path(sequences: list[list[int]], min_saving: int) -> None:
    tree, ends = build(sequences, min_saving)
    for sequence, end in zip(sequences, ends, strict=True):
        parts = [tree.segments[number] for number in tree.path(end)]
        assert [token for part in parts for token in tree.tokens[part.start :][: part.length]] == sequence
        assert parts[-1].depth + parts[-1].length == len(sequence)
        assert tree.tokens[tree.last(end)] == sequence[-1]


@given(SEQUENCES, st.sampled_from([1, 3, 24]))
def test_segments_lie_in_a_row_and_parents_come_first(sequences: list[list[int]], min_saving: int) -> None:
    tree, _ = build(sequences, min_saving)
    assert [part.start for part in tree.segments] == [
        sum(part.length for part in tree.segments[:number]) for number in range(len(tree.segments))
    ]
    assert all(part.parent < number and part.length > 0 for number, part in enumerate(tree.segments))


@given(SEQUENCES)
def test_positions_count_from_each_prompts_beginning(sequences: list[list[int]]) -> None:
    tree, ends = build(sequences, 1)
    positions = tree.positions()
    for sequence, end in zip(sequences, ends, strict=True):
        parts = [tree.segments[number] for number in tree.path(end)]
        found = [place for part in parts for place in positions[part.start : part.start + part.length]]
        assert found == list(range(len(sequence)))


@given(SEQUENCES)
def test_size_is_the_number_of_distinct_prefixes(sequences: list[list[int]]) -> None:
    assert size(sequences) == len(prefixes(sequences))


@given(SEQUENCES)
def test_a_tree_that_saves_all_it_can_holds_each_prefix_once(sequences: list[list[int]]) -> None:
    assert len(build(sequences, 1)[0].tokens) == size(sequences)


@given(SEQUENCES, st.integers(1, 30))
def test_a_tree_that_branches_less_holds_more_but_no_more_than_all(sequences: list[list[int]], saving: int) -> None:
    assert size(sequences) <= len(build(sequences, saving)[0].tokens) <= sum(map(len, sequences))


@given(SEQUENCES, st.integers(1, 20))
def test_units_hold_every_sequence_once_and_keep_to_their_size(sequences: list[list[int]], most: int) -> None:
    found = list(units(sequences, most))
    assert sorted(index for unit in found for index in unit) == list(range(len(sequences)))
    for unit in found:
        assert len(unit) == 1 or size([sequences[index] for index in unit]) <= most


@given(SEQUENCES, st.integers(1, 20))
def test_units_do_not_depend_on_the_order_of_different_sequences(sequences: list[list[int]], most: int) -> None:
    once = list(map(list, {tuple(run) for run in sequences}))
    contents = [[once[index] for index in unit] for unit in units(once, most)]
    turned = once[::-1]
    assert contents == [[turned[index] for index in unit] for unit in units(turned, most)]


@given(st.lists(st.integers(0, 1), max_size=6), st.lists(st.integers(0, 1), max_size=6))
def test_common_prefix_is_common_and_the_longest(first: list[int], second: list[int]) -> None:
    found = common_prefix(first, second)
    assert first[:found] == second[:found]
    assert first[: found + 1] != second[: found + 1] or found == min(len(first), len(second))


def test_no_sequences_make_an_empty_tree() -> None:
    tree, ends = build([])
    assert (tree.tokens, ends, size([]), list(units([], 9))) == ([], [], 0, [])


@pytest.mark.parametrize("saving", [1, 24])
def test_a_sequence_that_others_begin_with_ends_in_a_segment_of_its_own(saving: int) -> None:
    tree, ends = build([[5, 6], [5, 6, 7], [5, 6, 8]], saving)
    assert tree.last(ends[0]) == 1
    assert len(set(ends)) == 3
