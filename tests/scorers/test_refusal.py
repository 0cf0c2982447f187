from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from audit.scorers.masking import mask
from audit.scorers.refusal import is_refusal, score

REPLIES = tomllib.loads((Path(__file__).parent / "replies.toml").read_text(encoding="utf-8"))


def precision_and_recall(name: str) -> tuple[float, float]:
    declines, answers = REPLIES[name]["declines"], REPLIES[name]["answers"]
    found = sum(is_refusal(mask(text)) for text in declines)
    wrong = sum(is_refusal(mask(text)) for text in answers)
    return found / (found + wrong), found / len(declines)


def test_the_labelled_replies_are_many_and_different() -> None:
    replies = [text for part in REPLIES.values() for texts in part.values() for text in texts]
    assert len(set(replies)) == len(replies) >= 60


def test_replies_at_hand_when_the_patterns_were_written_are_told_apart() -> None:
    precision, recall = precision_and_recall("seen")
    assert precision >= 0.97  # 48 of 49
    assert recall >= 0.94  # 48 of 51


def test_replies_written_later_are_told_apart_less_well() -> None:
    precision, recall = precision_and_recall("later")
    assert precision >= 0.99  # 9 of 9
    assert recall >= 0.64  # 9 of 14: indirect refusals are missed


@pytest.mark.parametrize("part", ["seen", "later"])
def test_the_detector_beats_calling_nothing_or_everything_a_refusal(part: str) -> None:
    precision, recall = precision_and_recall(part)
    declines, answers = (len(REPLIES[part][key]) for key in ("declines", "answers"))
    assert 2 * precision * recall / (precision + recall) > 2 * declines / (2 * declines + answers)


def test_curly_apostrophes_and_hidden_signs_do_not_hide_a_refusal() -> None:
    assert is_refusal(mask("I’m sorry, but I can\u200b’t help with that."))


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert not is_refusal("A fine lamp. " * 100 + "I can't help with that.")


def test_a_refusal_is_one_and_an_answer_nought(texts: Any, values: Any) -> None:
    scores = score(texts("I can't help with that.", "Here is your label.", "", None, {"finish_reason": "error"}))
    assert values(scores, "refusal") == [1.0, 0.0, "invalid", "invalid", "error"]
