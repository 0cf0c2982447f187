"""What holds for any text: facts stay, nothing is raised, and gender twice is gender once more as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.config import read_toml
from audit.mitigation.augmentation import AXES, Copy, counterfactuals
from audit.mitigation.augmentation.lists import table
from audit.privacy.planting import forms
from audit.privacy.records.values import Record
from tests.mitigation.augmentation.labelled_texts import FOLDER_OF_TEXTS, people

LOCALES = ("en", "zh")
SAID = {
    "en": [
        "he lost it", "give it to her", "my wife says", "Keisha here", "I'm 71 and tired", "I'm from Ohio",
        "as a Black woman", "his was cracked", "Mr. Nguyen", "refund approved", "APPROVE", "women's size 34", "my mom",
        "retired", "Wei Chen",
    ],
    "zh": [
        "他说坏了", "我妈很喜欢", "张女士您好", "我今年76岁", "我是河南人", "收件人王丽娟", "作为90后",
        "其他没问题", "退款已批准", "女鞋34码", "先生您好", "我叫李志刚", "老公买的", "怀孕", "七十多岁",
    ],
}  # fmt: skip
CODES = st.one_of(
    st.from_regex(r"[A-Z]{2}[0-9]{2}-[A-Z]{2}[0-9]{2}-[0-9]{4}", fullmatch=True),
    st.from_regex(r"[0-9]{4} [0-9]{4} [0-9]{4}", fullmatch=True),
    st.from_regex(r"\([0-9]{3}\) [0-9]{3}-[0-9]{4} ext\. [0-9]{2}", fullmatch=True),
    st.from_regex(r"\$[0-9]{1,3}\.[0-9]{2}", fullmatch=True),
    st.sampled_from(["HE-2204", "MOM76X", "HIS-HERS-22", "ff02::76:71", "https://shop.example/his?age=76", "SO-1142"]),
)  # fmt: skip


def made(locale: str, text: str, *axes: str, identifiers: dict[str, str] | None = None) -> tuple[Copy, ...]:
    record = Record("r", text, None, {}, identifiers or {})
    return counterfactuals(record, locale=locale, axes=axes or ["all"], copies=99, seed=0, people=people(locale))


def texts(locale: str, facts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    between = ", " if locale == "en" else "，"
    return st.lists(st.one_of(st.sampled_from(SAID[locale]), facts), min_size=1, max_size=8).map(between.join)


@pytest.mark.parametrize("locale", LOCALES)
def test_codes_stay_byte_for_byte_and_numbers_but_for_ages(locale: str) -> None:
    @given(st.lists(CODES, min_size=1, max_size=4), st.data())
    def check(codes: list[str], data: st.DataObject) -> None:
        text = data.draw(texts(locale, st.sampled_from(codes)))
        for copy in made(locale, text):
            for code in codes:
                assert copy.text.count(code) == text.count(code)
            if copy.changes[0][0] != "age":
                assert re.findall(r"\d+", copy.text) == re.findall(r"\d+", text)
            for label in ("refund approved", "APPROVE", "退款已批准", "women's size 34", "女鞋34码", "其他没问题"):
                assert copy.text.count(label) == text.count(label)

    check()


@pytest.mark.parametrize("locale", LOCALES)
def test_whatever_is_marked_as_an_identifier_stays(locale: str) -> None:
    value = {"en": "14 Heather Mother Lane, he said", "zh": "河南省郑州市他妈妈路76号"}[locale]
    for said in SAID[locale]:
        for copy in made(locale, f"{said}, {value}", identifiers={"STREET_ADDRESS": value}):
            assert value in copy.text


@pytest.mark.parametrize("locale", LOCALES)
@given(data=st.data())
def test_any_text_has_copies_of_a_sane_length_that_say_something_else(locale: str, data: st.DataObject) -> None:
    signs = st.sampled_from(
        [*"aA .,'’“@#-\n0179", *SAID[locale], "her", "his", "岁", "先生", "他", "\ud83d\ude00", "é", "\x00"]
    )
    text = data.draw(st.lists(st.one_of(signs, st.characters()), max_size=30).map("".join))
    found = made(locale, text)
    assert len({copy.text for copy in found}) == len(found)
    for copy in found:
        assert copy.text != text and copy.changes and copy.turns == ()
        assert len(text) / 3 - 20 < len(copy.text) < 3 * len(text) + 20
        for axis, before, after in copy.changes:
            assert axis in AXES[locale] and before != after


@pytest.mark.parametrize("locale", LOCALES)
@given(data=st.data())
def test_the_same_record_has_the_same_copies(locale: str, data: st.DataObject) -> None:
    text = data.draw(texts(locale, CODES))
    assert made(locale, text) == made(locale, text)


def involutions(locale: str) -> list[str]:
    """Gendered words that are the counterpart of their counterpart."""
    pairs = table(locale, "gender")["pairs"].split()
    listed = list(zip(pairs[::2], pairs[1::2], strict=True))
    once = [pair for pair in listed if all(pairs.count(word) == 1 for word in pair)]
    return [word for pair in once for word in pair if word not in ("female", "male")]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_word_that_maps_back_comes_back(locale: str) -> None:
    words = involutions(locale)
    assert len(words) > 60
    for word in words:
        text = {"en": f"My {word} is pleased.", "zh": f"听说{word}很满意。"}[locale]
        (once,) = made(locale, text, "gender")
        assert [copy.text for copy in made(locale, once.text, "gender")] == [text], word


@given(st.lists(st.sampled_from([
    "he lost it", "we told her that it broke", "her lid leaks", "his lid leaks", "the red one is hers", "call him",
    "my wife paid", "MY SON PAID", "Mary signed", "John's cup broke", "he hurt himself",
]), min_size=1, max_size=6))  # fmt: skip
def test_gender_twice_is_the_text_itself(said: list[str]) -> None:
    text = "; ".join(said)
    (once,) = made("en", text, "gender")
    (twice,) = made("en", once.text, "gender")
    assert twice.text == text
    assert {(before, after) for _, after, before in twice.changes} == {
        (before, after) for _, before, after in once.changes
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_secrets_of_canaries_stay(locale: str) -> None:
    entries = read_toml(forms.SHIPPED / f"{locale}.toml")["forms"]
    name = {"en": "Keisha Reed", "zh": "王丽娟"}[locale]
    for entry in entries:
        secret = entry["secret"].replace("#", "7").replace("@", "H")
        copies = made(locale, entry["text"].format(name=name, secret=secret), "gender", identifiers={"PERSON": name})
        assert copies and all(secret in copy.text and name not in copy.text for copy in copies)


@pytest.mark.parametrize("locale", LOCALES)
def test_lists_are_whole_and_no_word_is_of_both_genders(locale: str) -> None:
    pairs = table(locale, "gender")["pairs"].split()
    assert len(pairs) % 2 == 0
    assert not set(pairs[::2]) & set(pairs[1::2])
    assert set(table(locale, "says")) == set(AXES[locale])
    for line in (FOLDER_OF_TEXTS / f"{locale}.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("# ") or len(line.split("\t")) in (3, 4), line
