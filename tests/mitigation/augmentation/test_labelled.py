"""Copies as a person wrote them by hand: all of what was worked on, and how many of what was not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from audit.mitigation.augmentation.english.pronouns import of_her, of_his
from audit.mitigation.augmentation.english.words import words_of
from tests.mitigation.augmentation.labelled_texts import FOLDER_OF_TEXTS, Labelled, labelled


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_there_are_enough_texts_and_each_half_has_some_without_a_copy(locale: str) -> None:
    halves = [list(labelled(locale, half)) for half in ("develop", "held out")]
    assert sum(map(len, halves)) >= 60
    for half in halves:
        assert len(half) >= 30
        assert sum(text.expected == "=" for text in half) >= 6


@pytest.mark.parametrize(
    "text", [*labelled("en", "develop"), *labelled("zh", "develop")], ids=lambda text: text.record.text
)
def test_copy_reads_as_a_person_wrote_it(text: Labelled) -> None:
    assert text.problem() is None


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_most_of_what_nobody_worked_on_reads_right(locale: str) -> None:
    problems = [text.problem() for text in labelled(locale, "held out")]
    assert sum(problem is None for problem in problems) >= 0.9 * len(problems), "\n".join(filter(None, problems))


@pytest.mark.parametrize(("half", "share"), [("develop", 1.0), ("held out", 0.85)])
def test_her_and_his_are_told_apart(half: str, share: float) -> None:
    answers = list(pronouns(half))
    assert len(answers) >= 40
    wrong = [(text, wanted, got) for text, wanted, got in answers if wanted != got]
    assert len(wrong) <= (1 - share) * len(answers), wrong


def pronouns(half: str) -> Iterator[tuple[str, str, str]]:
    """Text, what is written there for each "her" and "his", and what was told."""
    at = ""
    for line in (FOLDER_OF_TEXTS / "pronouns.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            at = line[2:]
        elif at == half:
            text = re.sub(r"\[\w+\]", "", line)
            marked = iter([m for m in re.finditer(r"(\w+)\[(\w+)\]", line) if m[1].lower() in ("her", "his")])
            found = words_of(text)
            for place, word in enumerate(found):
                # Of the two alone; "hers" and "him" have one counterpart each.
                if word.low in ("her", "his"):
                    told = (of_her if word.low == "her" else of_his)(text, found, place)
                    yield text, next(marked)[2].lower(), told
