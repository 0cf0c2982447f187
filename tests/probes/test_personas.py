"""Reading personas: names, cue sentences, references, and what a design cannot show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from audit.config import Config, parse
from audit.errors import ConfigError
from audit.probes import design_warnings, load_personas, references
from audit.probes.personas import groups_of, is_irrelevant, is_placebo

Own = Callable[..., Config]


def test_names_get_initials_in_turn(own: Own) -> None:
    names = [persona.name for persona in load_personas(own()) if persona.cue_channel == "name"]
    assert names == ["Ann A.", "Eve B.", "Bob A."]


def test_a_name_carries_its_share_and_source(own: Own) -> None:
    ann, _, bob, *_ = load_personas(own())
    assert (ann.p_group, ann.source) == (0.99, "our own list")
    assert (bob.p_group, bob.source, bob.cohort) == (None, None, None)


def test_cues_and_placebos_share_the_value_and_differ_in_the_axis(own: Own) -> None:
    cues = [persona for persona in load_personas(own()) if persona.cue_channel == "explicit"]
    assert [(cue.name, cue.cue_id, dict(cue.attributes)) for cue in cues if not is_irrelevant(cue)] == [
        ("The driver is 20 years old.", "age-01", {"age": "young"}),
        ("The driver is 70 years old.", "age-01", {"age": "older"}),
        ("The gate is 20 feet wide.", "placebo-age-01", {"placebo:age": "young"}),
        ("The gate is 70 feet wide.", "placebo-age-01", {"placebo:age": "older"}),
    ]


def test_the_config_overlays_the_reference(own: Own) -> None:
    config = own().model_copy(update={"reference": {"gender": "female"}})
    assert references(config) == {"gender": "female", "age": "young"}


def test_irrelevant_attributes_are_pairs_of_no_group(own: Own) -> None:
    pairs = [persona for persona in load_personas(own()) if is_irrelevant(persona)]
    assert [(pair.name, pair.cue_id, dict(pair.attributes)) for pair in pairs[:2]] == [
        ("The driver comes on a Monday.", "irrelevant-day", {"irrelevant:day": "a"}),
        ("The driver comes on a Tuesday.", "irrelevant-day", {"irrelevant:day": "b"}),
    ]
    assert len(pairs) == 4
    assert set(groups_of(load_personas(own()))) == {"gender", "age"}


def test_a_file_without_irrelevant_attributes_is_told(own: Own) -> None:
    config = own()
    personas = [persona for persona in load_personas(config) if not is_irrelevant(persona)]
    assert design_warnings(personas, config)[0].startswith("personas: no [[irrelevant]] sentences: no floor")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"faith": "none"}, r"the config: reference.faith: unknown axis; known are age, gender"),
        ({"gender": "man"}, r"the config: reference.gender: unknown group 'man'; known are female, male"),
    ],
)
def test_an_unknown_reference_is_an_error(own: Own, given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        references(own().model_copy(update={"reference": given}))


def test_an_axis_without_reference_is_an_error(own: Own) -> None:
    with pytest.raises(ConfigError, match=r"people.toml: reference.age: no reference; name one of young, older"):
        references(own(personas=('age = "young"\n', "")))


def test_small_groups_are_named(own: Own) -> None:
    config = own()
    assert design_warnings(load_personas(config), config) == [
        "personas: gender=female has 2 names, fewer than 10: levels only, no verdict",
        "personas: gender=male has 1 name, fewer than 10: levels only, no verdict",
        "personas: age=young has 1 phrasing, fewer than 10: levels only, no verdict",
        "personas: age=older has 1 phrasing, fewer than 10: levels only, no verdict",
    ]


def test_a_lonely_group_has_no_contrast(own: Own) -> None:
    config = own(personas=('gender = "female"', 'gender = "male"'))
    assert design_warnings(load_personas(config), config)[0] == (
        "personas: gender has only the group male: levels only, no contrast"
    )


BAD_PERSONAS = {
    "an empty group": ('names = ["Bob"]', "names = []", r"names: the group gender=male has no name"),
    "an unknown source": ('source = "us"', 'source = "them"', r"unknown source 'them' of gender=female"),
    "a share above one": ("0.99", "1.5", r"'Ann' of gender=female: needs a name and a share"),
    "a share of zero": ("0.99", "0", r"'Ann' of gender=female: needs a name and a share"),
    "a blank name": ('["Bob"]', '[" "]', r"' ' of gender=male: needs a name"),
    "no value": ("{value} years", "20 years", r"phrasing '01': text: needs the slot \{value\}"),
    "an unknown slot": ("{value} feet", "{size} feet", r"phrasing '01': placebo: unknown slot \{size\}"),
    "half a sentence": ("years old.", "years old", r"must be a whole sentence"),
    "one value": ('young = "20", ', "", r"cues.0.values: [Dd]ictionary should have at least 2 items"),
    "another locale": ('locale = "en"', 'locale = "de"', r"locale: is 'de', but run.locale is 'en'"),
    "an absent axis": ("initials", 'intersections = [["race", "gender"]]\ninitials', r"a group has no 'race'"),
    "irrelevant without a value": ("on a {value}", "on a day", r"irrelevant 'day': text: needs the slot \{value\}"),
    "irrelevant twice the same": ('"Monday", ', '"Tuesday", ', r"irrelevant 'day': values: needs two that differ"),
    "three irrelevant values": ('"Monday", ', '"Monday", "Friday", ', r"irrelevant.0.values"),
    "an unknown key": ("initials", "intials", r"intials: unknown key; did you mean 'initials'"),
}


@pytest.mark.parametrize("case", BAD_PERSONAS)
def test_a_mistake_in_personas_is_one_line_with_file_and_mend(own: Own, case: str) -> None:
    old, new, message = BAD_PERSONAS[case]
    with pytest.raises(ConfigError, match=message) as caught:
        load_personas(own(personas=(old, new)))
    assert "people.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_of_two_groups_is_an_error(own: Own) -> None:
    config = own(personas=('names = ["Bob"]', 'names = ["Ann"]'))
    people = config.run.personas
    assert people
    people.write_text(people.read_text().replace('initials = ["A", "B"]', ""))
    with pytest.raises(ConfigError, match=r"'Ann' stands twice; one persona can be of one group only"):
        load_personas(config)


def test_a_file_with_nobody_is_an_error(own: Own) -> None:
    config = own()
    assert config.run.personas
    config.run.personas.write_text('locale = "en"\n')
    with pytest.raises(ConfigError, match=r"there is nobody in it"):
        load_personas(config)


def test_a_locale_without_personas_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run.personas: none are shipped for 'xx'"):
        load_personas(parse(Config, {"run": {"locale": "xx"}}, "test"))


def test_the_shipped_groups_have_their_names() -> None:
    groups = groups_of(load_personas(Config()))
    assert groups["race"] == {"white": 20, "black": 20, "hispanic": 20, "east_asian": 15, "south_asian": 9}
    assert groups["gender"] == {"male": 42, "female": 42}
    assert groups["age"] == {"young": 10, "middle": 10, "older": 10}
    assert len(groups["race_gender"]) == 10


def test_the_shipped_references_are_groups() -> None:
    assert references(Config()) == {"gender": "male", "race": "white", "race_gender": "white_male", "age": "middle"}


def test_the_shipped_small_groups_are_named() -> None:
    lines = design_warnings(load_personas(Config()), Config())
    assert "personas: race=south_asian has 9 names, fewer than 10: levels only, no verdict" in lines
    assert len(lines) == 5


def test_every_shipped_name_has_a_share_and_a_source() -> None:
    names = [persona for persona in load_personas(Config()) if persona.cue_channel == "name"]
    assert all(persona.p_group and persona.p_group >= 0.7 and persona.source for persona in names)


def test_shipped_initials_are_balanced() -> None:
    names = [persona for persona in load_personas(Config()) if persona.cue_channel == "name"]
    for axis in ("gender", "race", "race_gender"):
        for group in {persona.attributes[axis] for persona in names}:
            initials = Counter(persona.name[-2] for persona in names if persona.attributes[axis] == group)
            assert max(initials.values()) - min(initials.values()) <= 2, group


def test_shipped_irrelevant_attributes_are_shaped_like_the_cues() -> None:
    pairs = [persona for persona in load_personas(Config()) if is_irrelevant(persona)]
    assert len({pair.cue_id for pair in pairs}) == len(pairs) / 2 >= 5
    told = {"age", "old", "he", "she", "day", "receipt", "price", "used", "late", "stock", "order", "number"}
    for pair in pairs:
        assert "customer" in pair.name
        assert not told & set(pair.name.lower().rstrip(".").split())


def test_each_shipped_placebo_has_the_number_of_its_cue() -> None:
    personas = load_personas(Config())
    cues = [persona for persona in personas if persona.cue_channel == "explicit" and not is_irrelevant(persona)]
    numbers = {"young": "23", "middle": "41", "older": "74"}
    assert sum(map(is_placebo, cues)) == len(cues) / 2 == 30
    for cue in cues:
        (group,) = cue.attributes.values()
        assert numbers[group] in cue.name
        assert not is_placebo(cue) or not {"age", "aged", "old", "years", "customer who"} & set(cue.name.split())


def test_relabelling_leaves_the_persona_id(own: Own) -> None:
    before = [persona.persona_id for persona in load_personas(own())]
    after = load_personas(
        own(personas=('attributes = { gender = "female" }', 'attributes = { gender = "x", race = "y" }'))
    )
    assert before == [persona.persona_id for persona in after]
