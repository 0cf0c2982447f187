"""Made-up customers in China: the given name says the gender, the address the province."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.config import read_toml
from audit.privacy.records.decks import DOMAINS, any_of, filled

if TYPE_CHECKING:
    from faker import Faker

Groups = Mapping[str, str]

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def cells() -> tuple[Groups, ...]:
    """Every combination of gender and province."""
    return tuple(
        {"gender": gender, "region": region} for gender in ("female", "male") for region in _parts()["provinces"]
    )


def name(groups: Groups, fake: Faker, chance: random.Random) -> str:
    """A surname, and a given name that one gender has."""
    given: Callable[[], str] = fake.first_name_female if groups["gender"] == "female" else fake.first_name_male
    second = given()
    while second in _parts()["unisex"]:
        second = given()
    return fake.last_name() + second


def draws(full_name: str, groups: Groups, chance: random.Random) -> dict[str, Callable[[], str]]:
    """What draws a value of each type of identifier."""
    province = _parts()["provinces"][groups["region"]]
    city, letter, district, code = chance.choice(province["places"])
    return {
        "EMAIL_ADDRESS": partial(_email, chance),
        "PHONE_NUMBER": partial(_phone, chance),
        "STREET_ADDRESS": partial(_address, groups["region"] + city + district, chance),
        "CN_ID": partial(_identity, code, groups["gender"], chance),
        "CN_PLATE": partial(_plate, province["sign"] + letter, chance),
        **{kind: partial(any_of, patterns, chance) for kind, patterns in _parts()["patterns"].items()},
    }


def check_character(head: str) -> str:
    """The last character of a resident identity number, from the 17 digits before it (GB 11643, MOD 11-2).

    >>> check_character("11010519491231002")
    'X'
    """
    total = sum(int(digit) * weight for digit, weight in zip(head, _WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


@cache
def _parts() -> dict[str, Any]:
    return read_toml(Path(__file__).parent / "customers" / "zh.toml")


def _email(chance: random.Random) -> str:
    syllables = "".join(chance.sample(_parts()["syllables"], chance.choice((2, 3))))
    return f"{syllables}{any_of(('##', '###', '%###'), chance)}@{chance.choice(DOMAINS)}"


def _phone(chance: random.Random) -> str:
    return f"{chance.choice(_parts()['mobile_networks'])}{any_of(_parts()['mobiles'], chance)}"


def _address(district: str, chance: random.Random) -> str:
    road = f"{chance.choice(_parts()['roads'])}{chance.choice(_parts()['sides'])}路"
    house = f"{any_of(('%#号', '%##号'), chance)}{chance.choice(_parts()['estates'])}"
    return district + road + house + filled("%栋%单元%0%", chance)


def _identity(code: str, gender: str, chance: random.Random) -> str:
    """District, day of birth, a number that is odd for men, check character."""
    born = f"{chance.randint(1955, 2004)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    head = f"{code}{born}{chance.randrange(100):02}{2 * chance.randrange(5) + (gender == 'male')}"
    return head + check_character(head)


def _plate(place: str, chance: random.Random) -> str:
    """Five characters, or six of a new-energy car; neither I nor O is among the letters (GA 36)."""
    return place + chance.choice(("", "·")) + any_of(_parts()["plates"], chance)
