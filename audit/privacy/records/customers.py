"""Made-up customers: each has a group on every axis and values of its own, none of them a person's."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Final

from audit.errors import ConfigError
from audit.privacy.records import americans, chinese
from audit.privacy.records.decks import rounds, unused
from audit.values import content_hash

if TYPE_CHECKING:
    from faker import Faker

LOCALES: Final = ("en", "zh")
NO_FAKER: Final = "Faker is not installed, which makes up the customers; pip install 'evenhand[privacy]'"
_NAMES_TRIED: Final = 50


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer: an id, the group on each axis, and one value of each type of identifier."""

    customer: str
    groups: Mapping[str, str]
    identifiers: Mapping[str, str]


def customers(locale: str, seed: int) -> Iterator[Customer]:
    """Make customers without end; the same seed gives the same ones (with the same Faker).

    The cells of the axes are gone through evenly. No two customers share a value; full names
    repeat only where a cell has used up its own.

    Raises
    ------
    ConfigError
        If the locale is not known, or Faker is not installed.
    """
    if locale not in LOCALES:
        raise ConfigError(f"locale: customers cannot be made for {locale!r}; known are {', '.join(LOCALES)}")
    return _customers(locale, seed, _faker(locale, seed))


def _customers(locale: str, seed: int, fake: Faker) -> Iterator[Customer]:
    country: ModuleType = {"en": americans, "zh": chinese}[locale]
    chance = random.Random(f"customers {locale} {seed}")
    used: defaultdict[str, set[str]] = defaultdict(set)
    for number, groups in enumerate(rounds(country.cells(), chance)):
        name = unused(partial(country.name, groups, fake, chance), used["PERSON"], _NAMES_TRIED)
        draws: dict[str, Callable[[], str]] = country.draws(name, groups, chance)
        values = {kind: unused(draw, used[kind]) for kind, draw in draws.items()}
        yield Customer(f"C-{content_hash([locale, seed, number], 10)}", groups, {"PERSON": name, **values})


def _faker(locale: str, seed: int) -> Faker:
    try:
        from faker import Faker
    except ImportError as error:
        raise ConfigError(NO_FAKER) from error
    fake = Faker({"en": "en_US", "zh": "zh_CN"}[locale])
    fake.seed_instance(seed)
    return fake
