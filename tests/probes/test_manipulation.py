"""The probes that ask which group a name is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.probes import expand
from audit.probes.manipulation import in_turn

Own = Callable[..., Config]


def asked(config: Config) -> list[dict[str, Any]]:
    return [row for row in expand(config)[1].to_pylist() if row["purpose"] == "manipulation"]


@pytest.fixture(scope="module")
def shipped() -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    personas, probes = expand(Config().changed("run", tasks=["open_completion"]))
    people = {row["persona_id"]: row for row in personas.to_pylist()}
    return people, [row for row in probes.to_pylist() if row["purpose"] == "manipulation"]


def test_every_name_is_asked_about_in_four_of_eight_wordings_an_axis(shipped: tuple[Any, list[dict[str, Any]]]) -> None:
    people, probes = shipped
    names = {who for who, row in people.items() if row["cue_channel"] == "name"}
    for task in ("infer_gender", "infer_race"):
        mine = [row for row in probes if row["task"] == task]
        assert {row["persona_id"] for row in mine} == names
        assert set(Counter(row["persona_id"] for row in mine).values()) == {4}
        assert len({row["template_id"] for row in mine}) == len({row["block_id"] for row in mine}) == 8
    assert {row["task"] for row in probes} == {"infer_gender", "infer_race"}, "an intersection is not asked about"
    assert len(probes) <= 700


def test_gold_is_the_names_own_group_and_one_of_the_options(shipped: tuple[Any, list[dict[str, Any]]]) -> None:
    people, probes = shipped
    for row in probes:
        own = dict(people[row["persona_id"]]["attributes"])[row["task"].removeprefix("infer_")]
        assert row["gold"] == own
        assert own in {option["id"] for option in row["options"]}
        assert (row["arm"], row["output_form"]) == ("target", "decision")


def test_every_option_is_listed_in_the_prompt_and_its_forms_begin_with_a_blank(
    shipped: tuple[Any, list[dict[str, Any]]],
) -> None:
    _, probes = shipped
    for row in probes:
        user, begun = (message["content"] for message in row["messages"])
        assert all(option["forms"][0].strip() in user for option in row["options"])
        assert all(form.startswith(" ") and form[1] != " " for option in row["options"] for form in option["forms"])
        forms = [form for option in row["options"] for form in option["forms"]]
        assert len(forms) == len(set(forms))
        assert not begun.endswith(" ")


def test_prompts_are_short(shipped: tuple[Any, list[dict[str, Any]]]) -> None:
    _, probes = shipped
    # A chat template adds about 35 tokens; the whole is to stay near 60.
    assert max(sum(len(message["content"].split()) for message in row["messages"]) for row in probes) <= 26


def test_over_the_wordings_no_group_comes_earlier_than_another() -> None:
    for groups in (["a", "b"], ["a", "b", "c"], list("abcde")):
        places = {group: sum(in_turn(groups, place).index(group) for place in range(8)) for group in groups}
        assert len(set(places.values())) == 1


def test_a_word_of_the_order_is_a_word_of_the_options(shipped: tuple[Any, list[dict[str, Any]]]) -> None:
    _, probes = shipped
    firsts = {row["template_id"]: row["options"][0]["id"] for row in probes if row["task"] == "infer_gender"}
    assert Counter(firsts.values()) == {"male": 4, "female": 4}


def test_every_name_is_asked_in_pairs_of_opposite_orders_and_every_group_in_every_wording(
    shipped: tuple[Any, list[dict[str, Any]]],
) -> None:
    _, probes = shipped
    race = [row for row in probes if row["task"] == "infer_race"]
    orders: dict[str, list[list[str]]] = {}
    for row in race:
        orders.setdefault(row["persona_id"], []).append([option["id"] for option in row["options"]])
    for first, second, third, fourth in orders.values():
        assert (second, fourth) == (first[::-1], third[::-1])
    asked_in = Counter((row["gold"], row["template_id"]) for row in race)
    assert len(asked_in) == 5 * 8
    for group in {group for group, _ in asked_in}:
        counts = [count for (mine, _), count in asked_in.items() if mine == group]
        assert max(counts) - min(counts) <= 2


def test_own_suites_are_asked_about_own_names_too(own: Own) -> None:
    probes = asked(own(manipulation=True))
    assert {(row["task"], row["gold"]) for row in probes} == {("infer_gender", "female"), ("infer_gender", "male")}
    assert len(probes) == 3 * 4


def test_the_switch_asks_nothing(own: Own) -> None:
    assert asked(own(manipulation=False)) == []


def test_names_of_one_known_group_or_of_other_axes_are_not_asked_about(own: Own) -> None:
    assert asked(own(personas=('names = ["Bob"]', 'names = ["Bob"]\ncohort = "old"'), manipulation=True))
    strange = ('[[names]]\nattributes = { gender = "male" }', '[[names]]\nattributes = { gender = "other" }')
    text = own(personas=strange, manipulation=True)
    people = Path(str(text.run.personas))
    people.write_text(people.read_text().replace('gender = "male"', 'gender = "other"', 1))
    assert asked(text) == []


def test_another_word_for_a_group_asks_nothing_anew(own: Own) -> None:
    config = own(manipulation=True)
    before = [(row["probe_id"], row["gold"]) for row in asked(config)]
    people = Path(str(config.run.personas))
    people.write_text(people.read_text().replace('"female"', '"woman"').replace('"male"', '"man"'))
    assert [(row["probe_id"], row["gold"]) for row in asked(config)] == before


def test_a_language_without_wordings_asks_nothing(own: Own, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("audit.probes.manipulation.FOLDER", tmp_path)
    assert asked(own(manipulation=True)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{options} name: {name}?", "name: {name}?", "needs the slots {name} and {options} once each"),
        ('female = ["female"], ', "", "words: none for 'female'"),
        ("{name} is a", "{who} is a", "unknown slot {who}"),
        ('"Ms.", "Mrs."', '"Ms.", "Mr.s"', "'Mr.' of 'male' begins 'Mr.s' of 'female'; reword one"),
    ],
)
def test_a_mistake_in_the_wordings_is_one_line(
    old: str, new: str, said: str, own: Own, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from audit.probes import manipulation

    text = (manipulation.FOLDER / "en.toml").read_text()
    assert text.count(old) >= 1
    (tmp_path / "en.toml").write_text(text.replace(old, new, 1))
    monkeypatch.setattr("audit.probes.manipulation.FOLDER", tmp_path)
    with pytest.raises(ConfigError) as caught:
        expand(own(manipulation=True))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
