from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.privacy_masking import Span, blot, mask, reveal

TEXTS = st.text(max_size=60) | st.text(alphabet="ab Zé李•@.\n1\u202e\u200d", max_size=60)


def shown(text: str, *spans: Span, values: tuple[str, ...] = ()) -> str:
    return "".join(piece.text for piece in mask(text, spans, values))


@given(TEXTS)
def test_a_shape_has_no_letter_and_no_digit(text: str) -> None:
    left = blot(text)
    assert len(left) == len(text)
    assert not any(letter.isalnum() for letter in left)
    assert not set(left) - set("• \n\t.,;:!?()[]{}<>\"'`@#%&*+-/\\=_|~$^")


@given(TEXTS, st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=4))
def test_nothing_of_a_span_is_left_wherever_it_lies(text: str, places: list[tuple[int, int]]) -> None:
    spans = [Span(start, end, "PERSON") for start, end in places]
    pieces = mask(text, spans)
    marked = "".join(piece.text for piece in pieces if piece.type)
    assert not any(letter.isalnum() for letter in marked)
    assert all(piece.text == blot(piece.text) for piece in pieces if piece.masked)


def test_a_word_that_a_span_cuts_in_two_is_masked_whole() -> None:
    assert shown("the krumholtz family", Span(4, 9, "PERSON")) == "the ••••••••• family"
    assert shown("the krumholtz family", Span(6, 13, "PERSON")) == "the ••••••••• family"


@pytest.mark.parametrize(
    "again",
    [
        "thaddeus krumholtz",
        "thaddeus\nkrumholtz",
        "thaddeus-krumholtz",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "thaddeus") + "krumholtz",  # full width
        "tha\u200bddeuskrumholtz",
    ],
)
def test_a_known_value_is_masked_however_it_is_written(again: str) -> None:
    left = shown(f"so says {again} of us", values=("Thaddeus Krumholtz",))
    assert "krum" not in left and "holtz" not in left and "thadd" not in left
    assert left.startswith("so says •")


def test_a_short_value_is_not_looked_for_in_other_words() -> None:
    assert shown("a job for jo", values=("Jo",)) == "a job for jo"


@pytest.mark.parametrize(
    "value",
    [
        "9405 5036",
        "1Z999AA1",
        "ann@x.org",
        "ann&#64;x",
        "www.ann.org",
        "10.0.0.1",
        "Ann",
        "O'Hara",
        "McKay",
        "ANN",
        "李娜",
        "Łukasz",
    ],
)
def test_what_looks_like_a_value_is_masked_without_a_span(value: str) -> None:
    assert not any(letter.isalnum() for letter in shown(f"{value}"))


def test_ordinary_words_stay() -> None:
    text = "Thank you for your order. We are sorry; it's on the way, isn't it?"
    assert shown(text) == text
    assert shown("您好，您的订单在王府井") == "您好，您的订单在•••"


def test_a_window_shows_its_part_of_what_is_masked_as_a_whole() -> None:
    text = "we sent it to krumholtz in may"
    pieces = mask(text, [Span(14, 23, "PERSON")], (), slice(0, 18))
    assert "".join(piece.text for piece in pieces) == "we sent it to ••••"


def test_revealed_text_is_whole_and_its_hidden_characters_show() -> None:
    pieces = reveal("Dear Ann\u202e,", [Span(5, 8, "PERSON")])
    assert [(piece.text, piece.type) for piece in pieces] == [("Dear ", None), ("Ann", "PERSON"), ("⟨U+202E⟩,", None)]
