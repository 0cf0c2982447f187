"""How many copies there are, of which groups, in which order; chats; what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import Config, RunConfig
from audit.errors import ConfigError
from audit.mitigation.augmentation import AXES, Copy, check_axes, counterfactuals, describe, people_for
from audit.privacy.records.values import Record
from tests.mitigation.augmentation.labelled_texts import people

TEXT = "Hi, this is Keisha Cole from customer care. I'm 27, I'm from Texas, and my husband wants his money back."


def made(record: Record | str, *axes: str, copies: int = 99, seed: int = 0, locale: str = "en") -> tuple[Copy, ...]:
    record = record if isinstance(record, Record) else Record("r", record)
    return counterfactuals(record, locale=locale, axes=axes, copies=copies, seed=seed, people=people(locale))


def test_along_an_axis_each_other_group_comes_once() -> None:
    groups = {axis: {copy.changes[0][2] for copy in made(TEXT, axis)} for axis in AXES["en"]}
    assert groups["age"] == {"middle", "older"}
    assert groups["race"] == {"white", "hispanic", "east_asian", "south_asian"}
    assert groups["region"] == {"northeast", "midwest", "west"}
    assert len(made(TEXT, "all")) == 2 + 1 + 4 + 3


def test_a_copy_changes_one_axis_alone() -> None:
    for copy in made(TEXT, "all"):
        assert len({axis for axis, _, _ in copy.changes}) == 1
        assert ("Texas" not in copy.text) == (copy.changes[0][0] == "region")
        assert ("27" not in copy.text) == (copy.changes[0][0] == "age")


def test_another_race_has_the_gender_and_another_gender_the_race() -> None:
    names = {person.name.split(" ")[0]: person.attributes for person in people("en") if person.cue_channel == "name"}
    for copy in made("This is Keisha.", "race"):
        groups = names[copy.text.removeprefix("This is ").rstrip(".")]
        assert groups["gender"] == "female" and groups["race"] == copy.changes[0][2]
    (copy,) = made("This is Keisha.", "gender")
    assert names[copy.text.removeprefix("This is ").rstrip(".")] == {
        "gender": "male",
        "race": "black",
        "race_gender": "black_male",
    }


def test_axes_take_turns() -> None:
    first = made(TEXT, "all", copies=4)
    assert {copy.changes[0][0] for copy in first} == set(AXES["en"])


def test_the_first_copies_do_not_depend_on_how_many_are_asked_for_nor_on_other_records() -> None:
    asked = made(TEXT, "all")
    made("Somebody else wrote that he is from Ohio.", "all")
    assert made(TEXT, "all") == asked
    for copies in range(len(asked)):
        assert made(TEXT, "all", copies=copies) == asked[:copies]


def test_seed_and_record_choose_the_names() -> None:
    records = [Record(f"{number}", "This is Keisha.") for number in range(9)]
    drawn = {made(record, "race", copies=1, seed=seed)[0].text for record in records for seed in (0, 1)}
    assert len(drawn) > 4


def test_a_text_that_carries_nothing_stands_alone() -> None:
    assert made("The kettle leaks.", "all") == ()
    assert made("水壶漏水。", "all", locale="zh") == ()


def test_no_axis_and_no_copies_are_no_copy() -> None:
    assert made(TEXT) == made(TEXT, "gender", copies=0) == ()


def test_people_of_two_genders_change_places() -> None:
    (copy,) = made("My wife asked and my son paid.", "gender")
    assert copy.text == "My husband asked and my daughter paid."
    assert copy.changes == (("gender", "female", "male"), ("gender", "male", "female"))


def test_a_name_is_the_same_in_every_turn_and_roles_stay() -> None:
    turns = (("customer", "Hi, Keisha here, he lost it."), ("agent", "Sorry, Keisha. Did he sign?"), ("customer", "No"))
    record = Record("r", "\n".join(f"{role}: {said}" for role, said in turns), None, {}, {}, turns)
    (copy,) = made(record, "gender")
    assert [role for role, _ in copy.turns] == ["customer", "agent", "customer"]
    name = copy.turns[0][1].removeprefix("Hi, ").partition(" ")[0]
    assert copy.turns[1][1] == f"Sorry, {name}. Did she sign?" and name != "Keisha"
    assert copy.turns[2] == ("customer", "No")
    assert copy.text == "\n".join(f"{role}: {said}" for role, said in copy.turns)


def test_a_role_that_tells_a_group_stays() -> None:
    record = Record("r", "husband: fine", None, {}, {}, (("husband", "fine"),))
    assert made(record, "gender") == ()


def test_author_groups_serve_where_no_list_knows_the_name() -> None:
    known = Record("r", "Adaeze wrote.", None, {"gender": "female", "race": "black"}, {"PERSON": "Adaeze Obi"})
    assert made(known, "gender")[0].text != known.text
    assert made(Record("r", "Adaeze wrote.", None, {}, {"PERSON": "Adaeze Obi"}), "gender") == ()


def test_all_people_of_a_text_get_names_of_their_own() -> None:
    (copy,) = made("Keisha, Tamika, Latoya and Latrice share one account.", "gender")
    names = copy.text.removesuffix(" share one account.").replace(" and ", ", ").split(", ")
    assert len(set(names)) == 4


def test_chinese_names_keep_surname_length_and_cohort() -> None:
    record = Record("r", "你好，我是欧阳婷婷。", None, {}, {"PERSON": "欧阳婷婷"})
    (copy,) = made(record, "gender", locale="zh")
    assert copy.text.startswith("你好，我是欧阳") and len(copy.text) == len(record.text)


def test_names_of_a_persona_file_of_ones_own_are_used(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text(
        'locale = "en"\n[[names]]\nattributes = { gender = "female" }\nnames = ["Aroha"]\n'
        '[[names]]\nattributes = { gender = "male" }\nnames = ["Wiremu"]\n',
        encoding="utf-8",
    )
    own = people_for(Config(run=RunConfig(personas=path)))
    (copy,) = counterfactuals(
        Record("r", "Kia ora, Aroha here."), locale="en", axes=["all"], copies=3, seed=0, people=own
    )
    assert copy.text == "Kia ora, Wiremu here."


def test_there_are_no_personas_to_load_for_chinese() -> None:
    assert people_for(Config(run=RunConfig(locale="zh"))) == ()
    assert len(people_for(Config())) > 80


@pytest.mark.parametrize(
    ("axes", "locale", "named"),
    [(["size"], "en", "age, gender, race, region"), (["race"], "zh", "age, gender, region"), (["all"], "fr", "en, zh")],
)
def test_what_is_unknown_is_refused_with_what_is_known(axes: list[str], locale: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        check_axes(axes, locale)
    with pytest.raises(ConfigError, match=named):
        counterfactuals(Record("r", "x"), locale=locale, axes=axes, copies=1, seed=0)


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_axis_says_what_it_changes(locale: str) -> None:
    lines = describe(["all"], locale)
    assert [line.split(":")[0] for line in lines] == list(AXES[locale])
    assert describe(["gender", "gender"], locale) == (lines[1],)
