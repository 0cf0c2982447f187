from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy_masking import Span, blot, mask, reveal

TEXTS = st.text(max_size=60) | st.text(alphabet="ab Zé李•@.\n1\u202e\u200d", max_size=60)
FRAME = set("• \n\t.,;:!?()[]{}<>\"'`@#%&*+-/\\=_|~$^")
SPANS = st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=4)


@given(TEXTS)
def test_a_shape_has_no_letter_and_no_digit(text: str) -> None:
    left = blot(text)
    assert len(left) == len(text)
    assert not any(letter.isalnum() for letter in left)
    assert set(left) <= FRAME


@given(TEXTS, SPANS)
def test_a_masked_text_is_a_shape_wherever_spans_lie(text: str, places: list[tuple[int, int]]) -> None:
    pieces = mask(text, [Span(start, end, "PERSON") for start, end in places])
    assert "".join(piece.text for piece in pieces) == blot(text)
    assert all(piece.masked for piece in pieces)


@given(TEXTS, SPANS)
def test_pieces_tell_where_each_type_stands_and_how_long_it_is(text: str, places: list[tuple[int, int]]) -> None:
    pieces = mask(text, [Span(start, end, "PERSON") for start, end in places])
    marked = [kind for piece in pieces for kind in [piece.type] * len(piece.text)]
    inside = [any(max(start, 0) <= place < end for start, end in places) for place in range(len(text))]
    assert [kind == "PERSON" for kind in marked] == inside


@pytest.mark.parametrize(
    "text",
    [
        "my mother soledad okonkwo has epilepsy and her pin is four two nine nine",
        "twenty seven old mill road",
        "he an and my do live at will road",  # names that are common words, too
        "那英和于是在家",
        "a\u0301nn o\u200bhara ⅷ ٣ \uff12",
    ],
)
def test_no_word_is_left_of_what_no_detector_marks(text: str) -> None:
    assert set("".join(piece.text for piece in mask(text, []))) <= FRAME


def test_revealed_text_is_whole_and_its_hidden_characters_show() -> None:
    pieces = reveal("Dear Ann\u202e,", [Span(5, 8, "PERSON")])
    assert [(piece.text, piece.type) for piece in pieces] == [("Dear ", None), ("Ann", "PERSON"), ("⟨U+202E⟩,", None)]
