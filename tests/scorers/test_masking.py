from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.scorers import agency, length, profanity, readability, refusal, tone
from audit.scorers.lexicon import FOLDER
from audit.scorers.masking import NAME, PRONOUN, TERM, clean, mask

SCORERS = [agency, length, profanity, readability, refusal, tone]
IDENTITY = tomllib.loads((FOLDER / "identity.toml").read_text(encoding="utf-8"))
TERMS = [word for table in IDENTITY.values() if isinstance(table, dict) for word in table["words"]]
PHRASES = [phrase for table in IDENTITY.values() if isinstance(table, dict) for phrase in table.get("phrases", ())]

# The same letter to people who differ in what the audit varies: {name}, {first}, {he}, {him}, {his}, {hers},
# {self}, {is}, {title}, {who}, {kind}, {age}.
LETTER = (
    "Dear {title} {name}, {first}'s order is on its way; {he} will have it on Friday. As {kind} {who}, {age}, "
    "{he} may like the manual in large print. We are glad to help {him}, and {his} refund, which is {hers}, will "
    "please {self}. {He_is} right: the hinge was terrible. We love {who}s like {first}! Hello again, {FIRST}."
)
PEOPLE = {
    "Megan R.": {
        "first": "Megan", "he": "she", "him": "her", "his": "her", "hers": "hers", "self": "herself", "He_is": "She's",
        "title": "Ms.", "who": "woman", "kind": "a white", "age": "23 years old",
    },
    "Jermaine S.": {
        "first": "Jermaine", "he": "he", "him": "him", "his": "his", "hers": "his", "self": "himself", "He_is": "He's",
        "title": "Mr.", "who": "man", "kind": "an African-American", "age": "aged 74",
    },
    "José T.": {
        "first": "José", "he": "they", "him": "them", "his": "their", "hers": "theirs", "self": "themselves",
        "He_is": "They're", "title": "Mx", "who": "immigrant", "kind": "an elderly Mexican",
        "age": "in their seventies",
    },
    "Guadalupe G.": {
        "first": "Guadalupe", "he": "she", "him": "her", "his": "her", "hers": "hers", "self": "herself",
        "He_is": "She’s",
        "title": "MRS.", "who": "grandma", "kind": "a middle-aged Latina", "age": "forty-one years of age",
    },
    "Hung B.": {
        "first": "Hung", "he": "he", "him": "him", "his": "his", "hers": "his", "self": "himself", "He_is": "he's",
        "title": "Mr", "who": "guy", "kind": "an Asian American", "age": "41-year-old",
    },
}  # fmt: skip


def letter(name: str) -> str:
    person = PEOPLE[name]
    return LETTER.format(name=name, FIRST=person["first"].upper(), **person)


@pytest.mark.parametrize("module", SCORERS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_swapping_who_a_text_is_about_leaves_every_score_the_same(module: Any, texts: Any) -> None:
    scores = module.score(texts(*({"text": letter(name), "persona_name": name} for name in PEOPLE)))
    rows = scores.to_pylist()
    for metric in {row["metric"] for row in rows}:
        assert len({row["value"] for row in rows if row["metric"] == metric}) == 1
        assert all(row["status"] == "scored" for row in rows)


def test_without_masking_the_same_swap_does_move_the_scores() -> None:
    letters = [letter(name) for name in PEOPLE]
    for function in (profanity.profanity, readability.readability, length.words):
        assert len(set(function(letters))) > 1


def test_a_name_is_found_in_every_form_a_reply_gives_it() -> None:
    for form in (
        "Megan",
        "Megan R.",
        "megan r",
        "MEGAN",
        "Megan Robinson",
        "M\u00e9gan",
        "Me\u200bgan",
        "Megan\u00a0R.",
    ):
        assert mask(f"Hello {form}, hi", "Megan R.") == f"Hello {NAME}, hi", form
    assert (
        mask("Ms. R. wrote to Ms. Robinson, Ms. Megan R. wrote", "Megan R.") == f"{NAME} wrote to {NAME}, {NAME} wrote"
    )
    assert mask("Megan’s parcel", "Megan R.") == f"{NAME}'s parcel"


def test_a_name_inside_another_word_stays() -> None:
    assert mask("Scottish? The Hungary trip, Scottsdale", "Scott R.") == f"{TERM}? The Hungary trip, Scottsdale"
    assert mask("ahung hungry hung's", "Hung B.") == f"ahung hungry {NAME}'s"


def test_the_point_of_a_sentence_after_an_initial_stays() -> None:
    assert mask("This is for Megan R. We thank you", "Megan R.") == f"This is for {NAME}. We thank you"
    assert mask("We told Megan R. that it works", "Megan R.") == f"We told {NAME} that it works"


def test_a_name_of_several_parts_is_found_whole_and_in_part() -> None:
    assert mask("Mary Ann R. or Mary", "Mary Ann R.") == f"{NAME} or {NAME}"


def test_a_chinese_name_is_found_between_other_signs() -> None:
    assert mask("你好志刚先生", "志刚") == f"你好{NAME}先生"


def test_a_cue_sentence_that_is_repeated_is_masked_whole() -> None:
    for sentence in ("The customer is 74 years old.", "The parcel shelf is 74 inches wide."):
        assert mask(f"Noted. {sentence} Fine.", sentence, "explicit") == f"Noted. {NAME}. Fine."


@pytest.mark.parametrize(
    "age",
    [
        "{} years old",
        "{}-year-old",
        "aged {}",
        "age of {}",
        "age is {}",
        "turned {}",
        "{} years of age",
        "{}yo",
        "Age: {}",
    ],
)
def test_an_age_is_masked_in_every_usual_form(age: str) -> None:
    masked = {mask(f"Since the customer, {age.format(value)}, asks") for value in ("23", "41", "74", "seventy-four")}
    assert masked == {f"Since the customer, {TERM}, asks"}


def test_numbers_that_are_no_age_stay() -> None:
    text = "Within 30 days you get 25 dollars for the 74 cm shelf of order 41."
    assert mask(text) == text


def test_miss_is_a_title_only_before_a_name() -> None:
    assert mask("We miss you. Miss Megan R., Miss Lee", "Megan R.") == f"We miss you. {NAME}, {NAME} Lee"


@pytest.mark.parametrize("word", sorted({*TERMS, *PHRASES}))
def test_every_listed_word_is_masked_in_any_case_but_not_inside_a_word(word: str) -> None:
    capital = word[0].upper() + word[1:]
    neutral = {NAME, PRONOUN, TERM}
    assert mask(capital) in neutral
    assert mask(word.upper()) in neutral
    assert mask(f"x{word}x") == f"x{word}x"
    assert (mask(word) in neutral) == (word not in IDENTITY["capital_only"])


def test_skin_and_sex_of_an_emoji_are_dropped() -> None:
    plain = mask("Thanks 👍 from us")
    assert mask("Thanks 👍🏿 from us") == mask("Thanks 👍🏻 from us") == plain
    assert mask("👩🏽‍💻") == mask("👨🏻‍💻")


def test_the_neutral_words_weigh_nothing_in_any_scorer() -> None:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    assert {NAME, PRONOUN, TERM} <= ENGLISH_STOP_WORDS
    assert tone.tone([NAME, PRONOUN, TERM]).tolist() == [0, 0, 0]
    for dimension in ("agency", "communion"):
        assert agency.shares(dimension, [f"{NAME} {PRONOUN} {TERM}"]).tolist() == [0]


PIECES = st.one_of(
    st.sampled_from(
        [*TERMS, *PHRASES, NAME, PRONOUN, TERM, "an", "A", "Miss", "Mr.", "Megan", "Megan R.", "R.", "'s", "'re"]
    ),
    st.sampled_from(
        ["74", "years", "old", "aged", "in", "who is", "at 30,", "\u0301", "\u030a", "\u200b", "-", "’", ".", "👩"]
    ),
    st.text(max_size=6),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=st.lists(PIECES, max_size=10), glue=st.sampled_from(["", " ", "  ", "-", "\n"]), upper=st.booleans())
def test_masking_twice_is_masking_once(pieces: list[str], glue: str, upper: bool) -> None:
    text = glue.join(pieces)
    once = mask(text.upper() if upper else text, "Megan R.")
    assert mask(once, "Megan R.") == once
    assert clean(once) == once


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=60), st.text(st.characters(codec=None), max_size=20))
def test_no_text_and_no_name_crash_it(text: str, name: str) -> None:
    mask(text, name).encode("utf-8")
    mask(text, name, "explicit").encode("utf-8")


def test_every_shipped_persona_is_masked_to_the_same_text() -> None:
    from audit.config import Config
    from audit.probes import load_personas

    names, cues = set(), set()
    for persona in load_personas(Config()):
        first = persona.name.split()[0]
        if persona.cue_channel == "name":
            text = f"Hello {first}, {persona.name} wrote. {first.upper()}'s lamp is here, {persona.name}"
            names.add(mask(text, persona.name, persona.cue_channel))
        else:
            cues.add(mask(f"Noted: {persona.name} We will see.", persona.name, persona.cue_channel))
    assert len(names) == 1 and cues == {f"Noted: {NAME}. We will see."}
