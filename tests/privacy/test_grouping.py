from __future__ import annotations

import csv
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.privacy.grouping import MOST, check_groups, folded, groups_for_comparison, groups_of
from audit.privacy.records import Record
from audit.privacy.run import start


def of(group: str, n: int, start: int = 0, axis: str = "region") -> list[Record]:
    return [
        Record(f"{group}-{i}", "text", customer=f"{group} {i}", groups={axis: group}) for i in range(start, start + n)
    ]


@pytest.mark.parametrize(
    "name",
    [
        "soledad@fen.example",
        "soledad\uff20fen.example",
        "503-55",
        "zip 97330",
        "\uff11\uff12\uff13\uff14\uff15",
        "a" * 41,
    ],
)
def test_an_axis_with_a_personal_label_is_refused_and_the_label_is_not_told(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_groups({"gender": {"female", "male"}, "contact": {"west", name}})
    said = str(caught.value)
    assert said.startswith("privacy.columns.groups.contact: ")
    assert "name a column with few values" in said and name not in said and "west" not in said


def test_an_axis_with_many_groups_is_refused_and_none_is_told() -> None:
    names = {f"Person {chr(65 + i)}" for i in range(MOST)}
    check_groups({"who": names})
    with pytest.raises(ConfigError, match=r"^privacy\.columns\.groups\.who: has 21 groups") as caught:
        check_groups({"who": names | {"one more"}})
    assert "Person" not in str(caught.value) and "one more" not in str(caught.value)


@pytest.mark.parametrize("name", ["25-34", "1980s", "非裔", "Black or African American", "Île-de-France"])
def test_an_ordinary_label_is_taken(name: str) -> None:
    check_groups({"axis": {name, "other"}})


def test_groups_of_few_authors_are_counted_together() -> None:
    members = [*of("west", 12), *of("east", 12), *of("Guam", 5), *of("Wake", 3)]
    inside, outside, notes = groups_for_comparison(members, of("Guam", 4, start=3))
    assert groups_of(record.groups for record in (*inside, *outside)) == {"region": {"west", "east", "other"}}
    assert [record.groups["region"] for record in inside[-8:]] == ["other"] * 8
    # Two of the four held-out authors of Guam are among its five members.
    assert notes == ["region: 10 authors of 2 groups with fewer than 10 authors are counted as 'other'"]


def test_authors_and_not_records_are_counted() -> None:
    many = [Record(str(i), f"text {i}", customer="one", groups={"region": "Guam"}) for i in range(30)]
    inside, _, _ = groups_for_comparison([*of("west", 12), *of("east", 12), *many], [])
    assert {record.groups["region"] for record in inside[-30:]} == {"other"}


def test_records_without_a_customer_count_one_each() -> None:
    some = [Record(str(i), f"text {i}", groups={"region": "Guam"}) for i in range(10)]
    inside, _, notes = groups_for_comparison([*of("west", 12), *some], [])
    assert {record.groups["region"] for record in inside} == {"west", "Guam"} and notes == []


def test_an_axis_of_small_groups_alone_is_left_out_and_no_name_is_told() -> None:
    inside, _, notes = groups_for_comparison([*of("Guam", 5), *of("Wake", 3)], [])
    assert all(record.groups == {} for record in inside)
    assert notes[-1] == "region: no two groups are left there, so authors are not compared by it"
    assert "Guam" not in " ".join(notes)


def test_what_is_large_enough_is_left_as_it_is() -> None:
    members, held_out = of("west", 12), of("east", 12)
    assert groups_for_comparison(members, held_out) == (tuple(members), tuple(held_out), [])


def test_records_read_later_get_the_same_groups() -> None:
    later = [Record("1", "x", groups={"region": "Guam", "contact": "a@b.example"}), *of("west", 1)]
    found = [dict(record.groups) for record in folded(later, {"region": {"west", "other"}})]
    assert found == [{"region": "other"}, {"region": "west"}]


def test_addresses_named_as_groups_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with (tmp_path / "members.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "email_address"])
        rows.writerows([[i, f"The parcel number {i} came late.", f"s{i}@fen.example"] for i in range(12)])
    columns = {"text": ["text"], "id": "id", "groups": {"contact": "email_address"}}
    config = Config().changed("privacy", members=tmp_path / "members.csv", columns=columns)
    with pytest.raises(ConfigError, match=r"privacy\.columns\.groups\.contact") as caught:
        start(config, tmp_path / "run")
    assert "fen" not in str(caught.value)
    assert not (tmp_path / "run").exists()
