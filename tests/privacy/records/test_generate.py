"""Generated records: the same for a seed, every identifier known, unique and in the text, groups balanced."""

from __future__ import annotations

import re
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.privacy.records import (
    LOCALES,
    Record,
    find_layout,
    generate,
    generated_layout,
    group_counts,
    read_records,
    write_records,
)
from audit.privacy.records.generate import SHIPPED, sentences_of
from audit.probes.personas import load_personas

N = 720


@pytest.fixture(scope="module", params=LOCALES)
def locale(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def records(locale: str) -> tuple[Record, ...]:
    return tuple(generate(N, locale=locale, seed=3))


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, locale: str, records: tuple[Record, ...]) -> None:
    first = write_records(records, tmp_path / "a.jsonl").read_bytes()
    assert write_records(generate(N, locale=locale, seed=3), tmp_path / "b.jsonl").read_bytes() == first
    assert tuple(generate(5, locale=locale, seed=4)) != records[:5]


def test_the_first_records_do_not_depend_on_how_many_there_are(locale: str, records: tuple[Record, ...]) -> None:
    assert tuple(generate(10, locale=locale, seed=3)) == records[:10]
    assert tuple(generate(0, locale=locale)) == ()


def test_another_seed_gives_other_people(locale: str, records: tuple[Record, ...]) -> None:
    others = {record.customer for record in generate(100, locale=locale, seed=4)}
    assert not others & {record.customer for record in records}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "jsonl.gz"])
def test_a_written_file_is_recognised_and_comes_back_as_it_was(
    tmp_path: Path, ending: str, records: tuple[Record, ...]
) -> None:
    some = records[:240]
    path = write_records(some, tmp_path / f"a.{ending}")
    assert find_layout("auto", path).name == "generated"
    assert tuple(read_records(path, find_layout("auto", path))) == some
    assert tuple(read_records(path, generated_layout())) == some


def test_three_to_five_identifiers_stand_in_each_text_once(records: tuple[Record, ...]) -> None:
    for record in records:
        assert 3 <= len(record.identifiers) <= 5
        assert all(record.text.count(value) == 1 for value in record.identifiers.values()), record.text
        assert not re.search(r"[{}⏎]", record.text)


def test_no_two_customers_share_a_value(records: tuple[Record, ...]) -> None:
    for kind in {kind for record in records for kind in record.identifiers}:
        values = [record.identifiers[kind] for record in records if kind in record.identifiers]
        assert len(values) == len(set(values)), kind
    assert len({record.customer for record in records}) == len({record.text for record in records}) == N


def test_every_type_of_the_locale_is_there(locale: str, records: tuple[Record, ...]) -> None:
    kinds = {kind for record in records for kind in record.identifiers}
    shop = {"PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "STREET_ADDRESS", "ORDER_NUMBER", "GIFT_CARD", "LOYALTY_NUMBER"}
    assert kinds == shop | ({"CN_ID", "CN_PLATE"} if locale == "zh" else set())


def test_groups_are_balanced_at_every_length(locale: str, records: tuple[Record, ...]) -> None:
    cells = 10 if locale == "en" else 12
    for size in (cells, 5 * cells, N):
        counts = Counter(tuple(sorted(record.groups.items())) for record in records[:size])
        assert set(counts.values()) == {size // cells}
    assert set(group_counts(records)) == ({"gender", "race"} if locale == "en" else {"gender", "region"})


def test_each_round_of_groups_has_an_order_of_its_own(locale: str, records: tuple[Record, ...]) -> None:
    cells = 10 if locale == "en" else 12
    order = [tuple(record.groups.values()) for record in records]
    orders = {tuple(order[start : start + cells]) for start in range(0, N, cells)}
    assert len(orders) == N // cells


def test_frames_do_not_go_with_groups(locale: str, records: tuple[Record, ...]) -> None:
    # Where forms and groups went round together, some pairs would never meet.
    pairs = {(record.groups["gender"], tuple(sorted(record.identifiers))) for record in records}
    forms = {form for _, form in pairs}
    assert len(forms) >= 8
    assert len(pairs) == 2 * len(forms)


def test_first_names_alone_carry_the_group_in_english() -> None:
    people = list(generate(2_500, seed=1))
    groups: dict[str, set[tuple[str, ...]]] = {}
    surnames: dict[str, Counter[str]] = {}
    for record in people:
        first, surname = record.identifiers["PERSON"].split(" ", 1)
        groups.setdefault(first, set()).add(tuple(record.groups.values()))
        surnames.setdefault(record.groups["race"], Counter())[surname] += 1
    assert all(len(found) == 1 for found in groups.values())
    shipped = {persona.name.rsplit(" ", 1)[0] for persona in load_personas(Config()) if persona.cue_channel == "name"}
    assert set(groups) == shipped
    assert not {"Garcia", "Nguyen", "Patel", "Kim", "Washington", "Hernandez"} & set().union(*surnames.values())
    shares = [surnames[race]["Smith"] / surnames[race].total() for race in surnames]
    assert max(shares) - min(shares) < 0.03


def test_given_names_tell_the_gender_in_chinese() -> None:
    given: dict[str, set[str]] = {"female": set(), "male": set()}
    for record in generate(1_500, locale="zh"):
        name = record.identifiers["PERSON"]
        given[record.groups["gender"]] |= {name[1:], name[-1:]} if len(name) == 2 else {name[-2:], name[-1:]}
    assert not {name for name in given["female"] & given["male"] if len(name) == 2}
    assert not {"红霞", "楠", "佳", "颖"} & (given["female"] | given["male"]), "both genders bear these"


def test_chinese_numbers_are_valid_and_agree_with_the_author() -> None:
    signs = dict(zip(("广东省", "浙江省", "四川省", "河南省", "辽宁省", "陕西省"), "粤浙川豫辽陕", strict=True))
    codes = dict(zip(signs, ("44", "33", "51", "41", "21", "61"), strict=True))
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    kinds: Counter[str] = Counter()
    for record in generate(1_200, locale="zh"):
        known, region = record.identifiers, record.groups["region"]
        kinds.update(known.keys())
        if number := known.get("CN_ID"):
            assert re.fullmatch(r"\d{17}[\dX]", number) and number.startswith(codes[region])
            last = 10 if number[-1] == "X" else int(number[-1])
            assert (sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False)) + last) % 11 == 1
            assert int(number[16]) % 2 == (record.groups["gender"] == "male")
        if plate := known.get("CN_PLATE"):
            assert re.fullmatch(rf"{signs[region]}[A-Z]·?[0-9A-HJ-NP-Z]{{5,6}}", plate)
        if address := known.get("STREET_ADDRESS"):
            assert address.startswith(region)
        if phone := known.get("PHONE_NUMBER"):
            assert re.fullmatch(r"1[3-9]\d{9}", re.sub(r"[ -]", "", phone))
    assert min(kinds.values()) > 50


def test_american_phones_are_of_the_numbering_plan() -> None:
    for record in generate(800):
        if phone := record.identifiers.get("PHONE_NUMBER"):
            digits = re.sub(r"\D", "", phone)[-10:]
            assert re.fullmatch(r"[2-9]\d{2}[2-9](?!11)\d{2}\d{4}", digits)
            assert digits[3:6] != "555"


def test_addresses_are_at_domains_that_are_nobodys(records: tuple[Record, ...]) -> None:
    mails = [record.identifiers["EMAIL_ADDRESS"] for record in records if "EMAIL_ADDRESS" in record.identifiers]
    assert {mail.partition("@")[2] for mail in mails} == {"example.com", "example.org", "example.net"}


def test_no_two_people_have_a_full_name_while_there_are_others(records: tuple[Record, ...]) -> None:
    assert len({record.identifiers["PERSON"] for record in records}) == N


def test_shipped_sentences_are_many_distinct_and_dealt_evenly(locale: str, records: tuple[Record, ...]) -> None:
    sentences = (SHIPPED / "texts" / f"{locale}.txt").read_text(encoding="utf-8").splitlines()
    assert len(sentences) >= 320
    assert len({sentence.casefold() for sentence in sentences}) == len(sentences)
    assert all(
        sentence == sentence.strip() and sentence[-1] in (".", "!", "?", "。", "\uff01", "\uff1f")
        for sentence in sentences
    )
    used = Counter(sentence for record in records for sentence in sentences if sentence in record.text)
    assert set(used) == set(sentences)
    assert max(used.values()) <= min(used.values()) + 1


def test_records_are_short(locale: str, records: tuple[Record, ...]) -> None:
    lengths = sorted(len(record.text) for record in records)
    assert lengths[len(lengths) // 2] < (170 if locale == "en" else 80)
    assert lengths[-1] < (260 if locale == "en" else 120)


def test_own_sentences_take_the_place_of_the_shipped_ones() -> None:
    own = ["reviews\tsentiment", "It hums {softly}.\t1", "", "  Never   again.\t0", "It hums {softly}.\t0"]
    assert sentences_of(own) == ["It hums {softly}.", "Never again."]
    records = list(generate(30, texts=iter(own)))
    assert all("It hums {softly}." in record.text or "Never again." in record.text for record in records)


def test_a_first_line_is_a_header_only_before_labels() -> None:
    assert sentences_of(["Good.\t1", "Bad.\t0"]) == ["Good.", "Bad."]
    assert sentences_of(["Good.", "Bad."]) == ["Good.", "Bad."]


def test_no_sentence_is_an_error() -> None:
    with pytest.raises(ConfigError, match="texts: there is no sentence in it"):
        generate(3, texts=["", " \t1"])


def test_an_unknown_locale_is_an_error() -> None:
    with pytest.raises(ConfigError, match="customers cannot be made for 'fr'; known are en, zh"):
        generate(3, locale="fr")


def test_without_faker_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(ConfigError, match=r"pip install 'evenhand\[privacy\]'"):
        generate(3)


def test_records_are_made_one_by_one() -> None:
    assert len(list(islice(generate(10**9), 3))) == 3
