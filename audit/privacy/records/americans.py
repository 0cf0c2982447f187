"""Made-up customers in the United States: the first name says the gender and the race, and nothing else does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.config import Config, read_toml
from audit.privacy.records.decks import DOMAINS, any_of, filled
from audit.probes.personas import load_personas

if TYPE_CHECKING:
    from faker import Faker

Groups = Mapping[str, str]

# How surnames end that tell a group: too many rather than too few.
_TELLING: Final = re.compile(r"(?:[aoi]|[aeiou]z|[aeo]s|eon)$")


def cells() -> tuple[Groups, ...]:
    """Every combination of gender and race that has first names."""
    return tuple({"gender": gender, "race": race} for gender, race in _first_names())


def name(groups: Groups, fake: Faker, chance: random.Random) -> str:
    """A first name of the groups, and a surname that could be anybody's."""
    telling = _parts()["telling_surnames"]
    surname = fake.last_name()
    while surname in telling or _TELLING.search(surname):
        surname = fake.last_name()
    return f"{chance.choice(_first_names()[groups['gender'], groups['race']])} {surname}"


def draws(full_name: str, groups: Groups, chance: random.Random) -> dict[str, Callable[[], str]]:
    """What draws a value of each type of identifier."""
    city, state, post, area = chance.choice(_parts()["places"])
    return {
        "EMAIL_ADDRESS": partial(_email, full_name, chance),
        "PHONE_NUMBER": partial(_phone, area, chance),
        "STREET_ADDRESS": partial(_address, f"{city}, {state} {post}##", chance),
        **{kind: partial(any_of, patterns, chance) for kind, patterns in _parts()["patterns"].items()},
    }


@cache
def _parts() -> dict[str, Any]:
    return read_toml(Path(__file__).parent / "customers" / "en.toml")


@cache
def _first_names() -> dict[tuple[str, str], tuple[str, ...]]:
    """The first names of the shipped personas, whose initials are left out."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for persona in load_personas(Config()):
        if persona.cue_channel == "name":
            key = persona.attributes["gender"], persona.attributes["race"]
            found[key] = (*found.get(key, ()), persona.name.rsplit(" ", 1)[0])
    return found


def _email(full_name: str, chance: random.Random) -> str:
    first, last = full_name.lower().split(" ", 1)
    forms = (f"{first}.{last}##", f"{first[0]}{last}###", f"{last}_{first}##", f"{first}%###", f"{last}.{first[0]}###")
    return f"{any_of(forms, chance)}@{chance.choice(DOMAINS)}"


def _phone(area: str, chance: random.Random) -> str:
    """A number of the area; its exchange is none of the N11 codes, nor 555 (North American Numbering Plan)."""
    middle = filled("%##", chance)
    while middle[0] == "1" or middle[1:] == "11" or middle == "555":
        middle = filled("%##", chance)
    form: str = chance.choice(_parts()["phones"])
    return form.format(area=area, middle=middle, last=filled("####", chance))


def _address(town: str, chance: random.Random) -> str:
    street = f"{chance.choice(_parts()['streets'])} {chance.choice(_parts()['street_kinds'])}"
    house = any_of(("%##", "%###", "%####"), chance)
    return f"{house} {street}" + any_of(("", " Apt %", " Unit %#", f", {town}"), chance)
