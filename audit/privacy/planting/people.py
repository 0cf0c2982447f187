"""Whose names canaries carry: the personas of the locale, or for Chinese names from Faker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from audit.config import Config, RunConfig
from audit.errors import ConfigError
from audit.probes.personas import SHIPPED, load_personas
from audit.values import Persona

_SURNAMES: Final = 100


def people_of(locale: str, config: Config | None = None) -> tuple[Persona, ...]:
    """Return the named people of ``locale`` with the groups that they stand for.

    They come from the persona file that ``config`` names, else from the shipped one. Chinese has none
    shipped: 200 names are made there from the surnames and given names of Faker, with gender alone.

    Raises
    ------
    ConfigError
        If the locale has no names, or the persona file is wrong.
    """
    run = (config or Config()).run
    if run.personas is None and locale == "zh" and not (SHIPPED / "zh.toml").is_file():
        return _chinese()
    if run.personas is None and not (SHIPPED / f"{locale}.toml").is_file():
        raise ConfigError(f"locale {locale!r}: no names are shipped for it; use en or zh, or set run.personas")
    personas = load_personas(Config(run=RunConfig(locale=locale, personas=run.personas)))
    named = tuple(persona for persona in personas if persona.cue_channel == "name")
    if not named:
        raise ConfigError(f"{run.personas}: names: there is nobody with a name in it; add [[names]]")
    return named


def _chinese() -> tuple[Persona, ...]:
    from faker import Faker

    # Always the same people: whose coin falls how is what must not be known, not who they are.
    fake = Faker("zh_CN")
    fake.seed_instance(0)
    surnames = [fake.last_name() for _ in range(_SURNAMES)]
    # name_male() draws from all given names; these two keep to those of one gender.
    given = {"male": fake.first_name_male, "female": fake.first_name_female}
    people: dict[str, Persona] = {}
    for gender, first_name in given.items():
        # The same surnames for both, so that a surname says nothing of the gender.
        for surname in surnames:
            name = surname + first_name()
            while name in people:
                name = surname + first_name()
            people[name] = Persona(name, "zh", "name", {"gender": gender}, source="Faker zh_CN")
    return tuple(people.values())


def balanced(people: Sequence[Persona], count: int, chance: random.Random) -> list[Persona]:
    """Draw ``count`` people in random order: cells of the same groups evenly, and in a cell the names evenly.

    No cell, nor a name within its cell, is drawn twice more often than another; which of them are drawn once
    more falls by chance.

    >>> pair = (Persona("Ann", "en", "name", {"gender": "female"}), Persona("Bob", "en", "name", {"gender": "male"}))
    >>> sorted(person.name for person in balanced(pair, 6, random.Random(1)))
    ['Ann', 'Ann', 'Ann', 'Bob', 'Bob', 'Bob']
    """
    cells: dict[tuple[tuple[str, str], ...], list[Persona]] = {}
    for person in people:
        cells.setdefault(tuple(sorted(person.attributes.items())), []).append(person)
    drawn: list[Persona] = []
    for share, cell in zip(_shares(count, len(cells), chance), cells.values(), strict=True):
        for times, person in zip(_shares(share, len(cell), chance), cell, strict=True):
            drawn += [person] * times
    chance.shuffle(drawn)
    return drawn


def _shares(count: int, parts: int, chance: random.Random) -> list[int]:
    shares = [count // parts] * parts
    for part in chance.sample(range(parts), count % parts):
        shares[part] += 1
    return shares
